// Command freshet is the Freshet streaming server and its tools.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set by the build.
var version = "dev"

type cli struct {
	Serve   serveCmd   `cmd:"" default:"withargs" help:"Run the server (the default)."`
	Token   tokenCmd   `cmd:"" help:"Mint an access token."`
	Bench   benchCmd   `cmd:"" help:"Measure a WHIP, WHEP and LL-HLS server."`
	Version versionCmd `cmd:"" help:"Print the version."`

	VersionFlag kong.VersionFlag `name:"version" help:"Print the version."`
}

type versionCmd struct{}

// streams is where a command reads its environment and writes its output.
type streams struct {
	environ        []string
	stdout, stderr io.Writer
}

func (versionCmd) Run(s *streams) error {
	_, err := fmt.Fprintln(s.stdout, "freshet", version)
	return err
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := &streams{environ: os.Environ(), stdout: os.Stdout, stderr: os.Stderr}
	if err := run(ctx, os.Args[1:], s); err != nil {
		fmt.Fprintln(os.Stderr, "freshet:", err)
		os.Exit(1) //nolint:gocritic // stop has nothing left to do
	}
}

// run parses the command line and runs the command. Its errors are one clear
// line each.
func run(ctx context.Context, args []string, s *streams) error {
	exited := false
	parser, err := kong.New(&cli{},
		kong.Name("freshet"),
		kong.Description("A live streaming server: publish once by WHIP, watch sub-second by WHEP."),
		kong.Vars{"version": "freshet " + version},
		kong.Writers(s.stdout, s.stderr),
		kong.Exit(func(int) { exited = true }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(s),
	)
	if err != nil {
		return err
	}
	command, err := parser.Parse(args)
	if exited {
		return nil
	}
	if err != nil {
		return err
	}
	return command.Run()
}
