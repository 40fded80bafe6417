// Command relay is a linktest.Link for tests that are not written in Go. It
// takes the server's address, prints its own, and reads Conditions as lines of
// JSON from its standard input until that ends.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"github.com/freshet-live/freshet/internal/linktest"
)

var errUsage = errors.New("usage: relay HOST:PORT")

// conditions are linktest.Conditions as tests write them; times in ms.
type conditions struct {
	Rate   uint64  `json:"rate"`
	Queue  float64 `json:"queue"`
	Delay  float64 `json:"delay"`
	Jitter float64 `json:"jitter"`
	Loss   float64 `json:"loss"`
	Down   bool    `json:"down"`
}

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out io.Writer) error {
	if len(args) != 1 {
		return errUsage
	}
	server, err := netip.ParseAddrPort(args[0])
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	link, err := linktest.Start(server)
	if err != nil {
		return err
	}
	defer link.Close()
	fmt.Fprintln(out, link.Addr())
	for lines := json.NewDecoder(in); ; {
		var c conditions
		switch err := lines.Decode(&c); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("conditions: %w", err)
		}
		link.Set(linktest.Conditions{
			Rate: c.Rate, Queue: ms(c.Queue), Delay: ms(c.Delay), Jitter: ms(c.Jitter), Loss: c.Loss, Down: c.Down,
		})
	}
}

func ms(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }
