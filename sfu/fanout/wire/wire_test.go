package wire

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func discard() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// recorder is a Handler that claims what begins with its prefix.
type recorder struct {
	prefix string
	got    chan received
	closed chan Route
	echo   *Wire // answers every claimed datagram where set
	mu     sync.Mutex
}

type received struct {
	from Route
	data string
}

func newRecorder(prefix string) *recorder {
	return &recorder{prefix: prefix, got: make(chan received, 1024), closed: make(chan Route, 16)}
}

func (r *recorder) HandleDatagram(from Route, data []byte) bool {
	if !strings.HasPrefix(string(data), r.prefix) {
		return false
	}
	r.mu.Lock()
	echo := r.echo
	r.mu.Unlock()
	if echo != nil {
		_ = echo.Send(from, data)
	}
	r.got <- received{from, string(data)}
	return true
}

func (r *recorder) HandleClosed(from Route) { r.closed <- from }

func (r *recorder) answer(w *Wire) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.echo = w
}

// start listens on loopback and runs the Wire until the test ends.
func start(t testing.TB, cfg Config, h Handler) *Wire {
	t.Helper()
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	w, err := Listen(cfg, discard())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx, h) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return w
}

// peer opens a UDP socket on loopback.
func peer(t testing.TB) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	require.NoError(t, c.SetReadBuffer(4<<20))
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func addrOf(c *net.UDPConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

func take[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(5 * time.Second):
		require.FailNow(t, "nothing came")
		panic("unreachable")
	}
}

func readOne(t testing.TB, c net.PacketConn) string {
	t.Helper()
	buf := make([]byte, 65536)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(5*time.Second)))
	n, _, err := c.ReadFrom(buf)
	require.NoError(t, err)
	return string(buf[:n])
}

func TestDatagramsGoToTheirSide(t *testing.T) {
	h := newRecorder("viewer")
	w := start(t, Config{Sockets: 2}, h)
	h.answer(w)
	for range 8 { // enough source ports to reach both sockets
		c := peer(t)
		_, err := c.WriteToUDPAddrPort([]byte("viewer here"), w.LocalAddr())
		require.NoError(t, err)
		got := take(t, h.got)
		require.Equal(t, received{Route{Addr: addrOf(c)}, "viewer here"}, got)
		require.Equal(t, "viewer here", readOne(t, c), "the answer")

		_, err = c.WriteToUDPAddrPort([]byte("publisher here"), w.LocalAddr())
		require.NoError(t, err)
		buf := make([]byte, 1500)
		n, from, err := w.PublisherUDP().ReadFrom(buf)
		require.NoError(t, err)
		require.Equal(t, "publisher here", string(buf[:n]))
		require.Equal(t, addrOf(c).String(), from.String())

		_, err = w.PublisherUDP().WriteTo([]byte("hello"), from)
		require.NoError(t, err)
		require.Equal(t, "hello", readOne(t, c))
	}
}

func TestDualStackRoutesAreUnmapped(t *testing.T) {
	h := newRecorder("")
	w := start(t, Config{Listen: ":0", Sockets: 1}, h)
	h.answer(w)
	for _, ip := range []string{"127.0.0.1", "::1"} {
		to := netip.AddrPortFrom(netip.MustParseAddr(ip), w.LocalAddr().Port())
		c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
		if err != nil && ip == "::1" {
			t.Skip("no IPv6 here")
		}
		require.NoError(t, err)
		defer c.Close()
		_, err = c.Write([]byte("x"))
		require.NoError(t, err)
		got := take(t, h.got)
		require.False(t, got.from.Addr.Addr().Is4In6())
		require.Equal(t, addrOf(c).String(), got.from.Addr.String())
		require.Equal(t, "x", readOne(t, c))

		b := w.NewBatch(0)
		b.Commit(got.from, copy(b.Reserve(3), "abc"))
		sent, dropped := b.Flush()
		require.Equal(t, []int{1, 0}, []int{sent, dropped})
		require.Equal(t, "abc", readOne(t, c))
	}
}

func TestOversizedIsDropped(t *testing.T) {
	h := newRecorder("")
	w := start(t, Config{Sockets: 1}, h)
	c := peer(t)
	for _, data := range []string{strings.Repeat("x", maxReceive+1), "", "after"} {
		_, err := c.WriteToUDPAddrPort([]byte(data), w.LocalAddr())
		require.NoError(t, err)
	}
	require.Equal(t, "after", take(t, h.got).data)
	require.EqualValues(t, 1, w.Stats().Oversized)
}

func TestPublisherQueueIsBounded(t *testing.T) {
	w, err := Listen(Config{Listen: "127.0.0.1:0", Sockets: 1}, discard())
	require.NoError(t, err)
	defer w.Close()
	from := netip.MustParseAddrPort("127.0.0.1:9")
	for range publisherQueue + 10 {
		w.pubUDP.offer(from, []byte("x"))
	}
	require.EqualValues(t, 10, w.Stats().PublisherDropped)
}

func TestPublisherViewDeadlinesAndClose(t *testing.T) {
	w := start(t, Config{Sockets: 1}, newRecorder("none"))
	view := w.PublisherUDP()
	read := func() error {
		_, _, err := view.ReadFrom(make([]byte, 10))
		return err
	}
	require.NoError(t, view.SetReadDeadline(time.Now().Add(-time.Second)))
	require.ErrorIs(t, read(), os.ErrDeadlineExceeded)
	require.NoError(t, view.SetDeadline(time.Now().Add(time.Millisecond)))
	require.ErrorIs(t, read(), os.ErrDeadlineExceeded)

	require.NoError(t, view.SetReadDeadline(time.Time{}))
	failed := make(chan error, 1)
	go func() { failed <- read() }()
	require.NoError(t, view.Close())
	require.NoError(t, view.Close())
	err := take(t, failed)
	require.ErrorIs(t, err, net.ErrClosed)
	require.ErrorIs(t, err, io.EOF, "what pion takes for an orderly end")
	_, err = view.WriteTo([]byte("x"), view.LocalAddr())
	require.ErrorIs(t, err, net.ErrClosed)

	c := peer(t)
	require.NoError(t, w.Send(Route{Addr: addrOf(c)}, []byte("still open")))
	require.Equal(t, "still open", readOne(t, c))
}

func TestListenErrorsNameTheSetting(t *testing.T) {
	w := start(t, Config{Sockets: 2, TCPListen: "127.0.0.1:0"}, newRecorder(""))
	for name, c := range map[string]struct {
		cfg  Config
		want string
	}{
		"no UDP":         {Config{Listen: "off"}, "media.listen is empty"},
		"UDP in use":     {Config{Listen: w.LocalAddr().String()}, "another program has this port"},
		"TCP in use":     {Config{Listen: "127.0.0.1:0", TCPListen: w.TCPAddr().String()}, "media.tcp-listen"},
		"foreign":        {Config{Listen: "192.0.2.1:0"}, "set media.public-ip"},
		"no port at all": {Config{Listen: "127.0.0.1"}, "missing port"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Listen(c.cfg, discard())
			require.ErrorIs(t, err, ErrListen)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestSendErrors(t *testing.T) {
	w, err := Listen(Config{Listen: "127.0.0.1:0", Sockets: 1}, discard())
	require.NoError(t, err)
	to := Route{Addr: w.LocalAddr()}
	require.ErrorIs(t, w.Send(to, make([]byte, maxDatagram+1)), ErrTooLarge)
	require.ErrorIs(t, w.Send(Route{Addr: netip.MustParseAddrPort("[::1]:9")}, nil), ErrFamily)
	require.ErrorIs(t, w.Send(Route{}, nil), ErrFamily)
	require.NoError(t, w.Close())
	require.ErrorIs(t, w.Send(to, []byte("x")), net.ErrClosed)
	b := w.NewBatch(0)
	b.Commit(to, copy(b.Reserve(1), "x"))
	sent, dropped := b.Flush()
	require.Equal(t, []int{0, 1}, []int{sent, dropped})
}

func TestRunEndsOnClose(t *testing.T) {
	w, err := Listen(Config{Listen: "127.0.0.1:0", Sockets: 2, TCPListen: "127.0.0.1:0"}, discard())
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- w.Run(context.Background(), newRecorder("")) }()
	require.NoError(t, w.Close())
	require.NoError(t, take(t, done))
	require.NoError(t, w.Run(context.Background(), newRecorder("")), "nothing left to read")
}
