package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v3"
	"github.com/stretchr/testify/require"
)

func dial(t testing.TB, w *Wire) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", w.TCPAddr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func frame(data string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(data))), data...)
}

func writeFrame(t testing.TB, c net.Conn, data string) {
	t.Helper()
	_, err := c.Write(frame(data))
	require.NoError(t, err)
}

func readFrameOf(t testing.TB, c net.Conn) string {
	t.Helper()
	buf := make([]byte, 65536)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(5*time.Second)))
	n, err := readFrame(c, buf)
	require.NoError(t, err)
	return string(buf[frameHeader : frameHeader+n])
}

// binding is a STUN Binding request with a USERNAME.
func binding(username string) string {
	return string(stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.NewUsername(username)).Raw)
}

func requireClosed(t testing.TB, c net.Conn) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(5*time.Second)))
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err)
	require.False(t, isTimeout(err), "still open")
}

func isTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// claimSTUN claims whole connections of one username and all that follows.
type claimSTUN struct {
	*recorder
	username string
}

func (c claimSTUN) HandleDatagram(from Route, data []byte) bool {
	if len(data) > stunHeader && data[0] < 4 && !bytes.Contains(data, []byte(c.username)) {
		return false
	}
	return c.recorder.HandleDatagram(from, data)
}

func TestTCPViewerBothWays(t *testing.T) {
	h := newRecorder("")
	w := start(t, Config{Sockets: 1, TCPListen: "127.0.0.1:0"}, claimSTUN{h, "viewer"})
	h.answer(w)
	c := dial(t, w)
	first := binding("viewer:x")
	writeFrame(t, c, first)
	require.Equal(t, first, readFrameOf(t, c), "the answer")
	route := take(t, h.got).from
	require.NotNil(t, route.TCP)
	require.Equal(t, c.LocalAddr().String(), route.Addr.String())
	require.EqualValues(t, 1, w.Stats().TCPOpen)

	// Frames that come in pieces, and null frames (RFC 4571 section 2).
	bytesOut := append(frame(""), append(frame("one"), frame("two")...)...)
	for _, b := range bytesOut {
		_, err := c.Write([]byte{b})
		require.NoError(t, err)
	}
	require.Equal(t, "one", readFrameOf(t, c))
	require.Equal(t, "two", readFrameOf(t, c))
	require.Equal(t, received{route, "one"}, take(t, h.got), "the route stays the same")

	b := w.NewBatch(0)
	for i := range 5 {
		commit(b, route, i, 1000)
	}
	sent, dropped := b.Flush()
	require.Equal(t, []int{5, 0}, []int{sent, dropped})
	for i := range 5 {
		want := make([]byte, 1000)
		fill(want, i)
		require.Equal(t, string(want), readFrameOf(t, c))
	}

	require.NoError(t, c.Close())
	require.Equal(t, route, take(t, h.closed))
	require.ErrorIs(t, w.Send(route, []byte("x")), net.ErrClosed)
	require.Zero(t, w.Stats().TCPOpen)
}

func TestTCPViewerIsClosedByUs(t *testing.T) {
	h := newRecorder("")
	w := start(t, Config{Sockets: 1, TCPListen: "127.0.0.1:0"}, h)
	c := dial(t, w)
	writeFrame(t, c, binding("viewer:x"))
	route := take(t, h.got).from
	require.NoError(t, route.TCP.Close())
	_ = route.TCP.Close()
	requireClosed(t, c)
	require.Equal(t, route, take(t, h.closed))
}

func TestTCPPublisherSeesItsFirstFrame(t *testing.T) {
	h := newRecorder("")
	w := start(t, Config{Sockets: 1, TCPListen: "127.0.0.1:0"}, claimSTUN{h, "viewer"})
	c := dial(t, w)
	first := binding("publisher:x")
	writeFrame(t, c, first)
	writeFrame(t, c, "second")
	server, err := w.PublisherTCP().Accept()
	require.NoError(t, err)
	require.Equal(t, first, readFrameOf(t, server))
	require.Equal(t, "second", readFrameOf(t, server))
	writeFrame(t, server, "answer")
	require.Equal(t, "answer", readFrameOf(t, c))
	require.EqualValues(t, 1, w.Stats().TCPOpen)
	require.NoError(t, server.Close())
	_ = server.Close()
	require.Zero(t, w.Stats().TCPOpen)
	requireClosed(t, c)

	require.NoError(t, w.PublisherTCP().Close())
	c = dial(t, w)
	writeFrame(t, c, first)
	requireClosed(t, c)
}

func TestTCPGarbageIsClosed(t *testing.T) {
	h := newRecorder("")
	w := start(t, Config{Sockets: 1, TCPListen: "127.0.0.1:0"}, h)
	for name, garbage := range map[string]string{
		"http":        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"tls":         "\x16\x03\x01\x00\x05hello",
		"short STUN":  string(frame("\x00\x01\x00\x00")),
		"not STUN":    string(frame(strings.Repeat("\x80", 40))),
		"null frame":  string(frame("")),
		"long frame":  string(frame(strings.Repeat("x", maxReceive+1))),
		"wrong magic": string(frame("\x00\x01\x00\x00" + strings.Repeat("\x00", 16))),
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, w)
			_, err := c.Write([]byte(garbage))
			require.NoError(t, err)
			requireClosed(t, c)
		})
	}
	require.Empty(t, h.got)

	c := dial(t, w)
	writeFrame(t, c, binding("viewer:x"))
	take(t, h.got)
	_, err := c.Write([]byte{0xFF, 0xFF})
	require.NoError(t, err)
	requireClosed(t, c)
	take(t, h.closed)
}

// A session that is over claims nothing more; its connection is closed.
func TestTCPUnclaimedIsClosed(t *testing.T) {
	h := newRecorder("\x00\x01") // STUN only
	w := start(t, Config{Sockets: 1, TCPListen: "127.0.0.1:0"}, h)
	c := dial(t, w)
	writeFrame(t, c, binding("viewer:x"))
	take(t, h.got)
	for range maxUnclaimed {
		writeFrame(t, c, "x")
	}
	requireClosed(t, c)
	take(t, h.closed)
}

// A viewer that reads nothing fills its own queue; sending never blocks and
// the others get everything.
func TestTCPSlowReaderBlocksNobody(t *testing.T) {
	h := newRecorder("")
	w := start(t, Config{Sockets: 1, TCPListen: "127.0.0.1:0"}, h)
	slow := dial(t, w)
	writeFrame(t, slow, binding("viewer:x"))
	route := take(t, h.got).from
	live := peer(t)

	b := w.NewBatch(0)
	dropped := 0
	for i := 0; dropped == 0; i++ {
		for range 50 {
			commit(b, route, i, 1200)
		}
		commit(b, Route{Addr: addrOf(live)}, i, 1200)
		_, d := b.Flush()
		dropped += d
		requireDatagram(t, live, t, i, 1200)
		require.Less(t, i, 100_000, "the queue is not bounded")
	}
	require.ErrorIs(t, sendUntilError(w, route), ErrQueueFull)
	route.TCP.mu.Lock()
	require.LessOrEqual(t, len(route.TCP.pending), tcpQueueBytes)
	route.TCP.mu.Unlock()

	// What comes at all comes whole.
	for range 100 {
		require.Len(t, readFrameOf(t, slow), 1200)
	}
}

// sendUntilError fills what the draining goroutine may just have emptied.
func sendUntilError(w *Wire, to Route) error {
	for {
		if err := w.Send(to, make([]byte, 1200)); err != nil {
			return err
		}
	}
}

func TestTCPLimits(t *testing.T) {
	for name, cfg := range map[string]Config{
		"in all":      {Sockets: 1, TCPListen: "127.0.0.1:0", MaxTCP: 2},
		"per address": {Sockets: 1, TCPListen: "127.0.0.1:0", MaxTCPPerAddr: 2},
	} {
		t.Run(name, func(t *testing.T) {
			h := newRecorder("")
			w := start(t, cfg, h)
			conns := []net.Conn{dial(t, w), dial(t, w)}
			for _, c := range conns {
				writeFrame(t, c, binding("viewer:x"))
				take(t, h.got)
			}
			requireClosed(t, dial(t, w))
			require.EqualValues(t, 1, w.Stats().TCPRefused)

			require.NoError(t, conns[0].Close())
			take(t, h.closed)
			c := dial(t, w)
			writeFrame(t, c, binding("viewer:x"))
			take(t, h.got)
		})
	}
}

// Whatever is open when the Wire ends is closed, in whatever state it is.
func TestTCPShutdown(t *testing.T) {
	w, err := Listen(Config{Listen: "127.0.0.1:0", TCPListen: "127.0.0.1:0"}, discard())
	require.NoError(t, err)
	h := newRecorder("")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx, claimSTUN{h, "viewer"}) }()

	silent, viewer, accepted, queued := dial(t, w), dial(t, w), dial(t, w), dial(t, w)
	writeFrame(t, viewer, binding("viewer:x"))
	take(t, h.got)
	writeFrame(t, accepted, binding("publisher:x"))
	_, err = w.PublisherTCP().Accept()
	require.NoError(t, err)
	writeFrame(t, queued, binding("publisher:x"))

	cancel()
	require.NoError(t, take(t, done))
	for _, c := range []net.Conn{silent, viewer, accepted, queued} {
		requireClosed(t, c)
	}
	take(t, h.closed)
	_, err = w.PublisherTCP().Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{}, 1)
	f.Add(frame("hello"), 3)
	f.Add(append(frame(""), frame(binding("a:b"))...), 7)
	f.Add([]byte{0xFF, 0xFF, 1}, 1)
	f.Fuzz(func(t *testing.T, data []byte, chunk int) {
		r := &chunked{bytes.NewReader(data), 1 + chunk&0xF}
		buf := make([]byte, frameHeader+maxReceive)
		var back []byte
		for {
			n, err := readFrame(r, buf)
			if err != nil {
				break
			}
			back = append(back, frame(string(buf[frameHeader:frameHeader+n]))...)
		}
		require.True(t, bytes.HasPrefix(data, back))
	})
}

// chunked gives a few bytes at a time, as TCP may.
type chunked struct {
	r io.Reader
	n int
}

func (c *chunked) Read(b []byte) (int, error) { return c.r.Read(b[:min(len(b), c.n)]) }
