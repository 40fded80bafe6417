package rtc

import (
	"context"
	"sync"
	"testing"

	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/fanout/wire"
)

// nobody is the viewers' side of a port without viewers.
type nobody struct{}

func (nobody) HandleDatagram(wire.Route, []byte) bool { return false }
func (nobody) HandleClosed(wire.Route)                {}

// The sockets that publishers and viewers share carry publishers, on UDP and
// TCP, bound to one address or to all.
func TestOverWire(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::]:0"} {
		for _, tcp := range []bool{false, true} {
			name := listen
			if tcp {
				name += " TCP"
			}
			t.Run(name, func(t *testing.T) {
				w, err := wire.Listen(wire.Config{Listen: listen, TCPListen: listen}, testLog(t))
				require.NoError(t, err)
				ctx, cancel := context.WithCancel(context.Background())
				var running sync.WaitGroup
				running.Go(func() { _ = w.Run(ctx, nobody{}) })
				t.Cleanup(func() {
					cancel()
					running.Wait()
				})
				r := newRigOn(t, Config{}, w.PublisherUDP(), w.PublisherTCP())
				s := r.watch(t, "live")
				c := newClient(t, clientOptions{audio: webrtc.MimeTypeOpus, tcp: tcp})
				session := r.publish(t, "live", "me", c)
				c.send("audio", 48000, opusFrames)
				s.until(t, "media", func(got) bool { return true })
				t.Log(session.Stats().RemoteAddr)
			})
		}
	}
}
