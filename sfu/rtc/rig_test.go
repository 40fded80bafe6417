package rtc

import (
	"context"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-live/freshet/sfu/hub"
	"github.com/freshet-live/freshet/sfu/media"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for an event on a busy machine.
const patience = 20 * time.Second

func testLog(t testing.TB) *slog.Logger {
	level := slog.LevelError
	if os.Getenv("FRESHET_TEST_DEBUG") != "" {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: level}))
}

// rig is a Server and its hub on loopback.
type rig struct {
	*Server
	hub    *hub.Hub
	cancel context.CancelFunc
}

func newRig(t *testing.T, cfg Config) *rig {
	t.Helper()
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	tcp, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	return newRigOn(t, cfg, udp, tcp)
}

func newRigOn(t *testing.T, cfg Config, udp net.PacketConn, tcp net.Listener) *rig {
	t.Helper()
	log := testLog(t)
	h := hub.New(hub.Config{KeyframeInterval: time.Millisecond}, log)
	s, err := NewServer(cfg, udp, tcp, h, log, prometheus.NewRegistry())
	require.NoError(t, err)
	select {
	case <-s.Ready():
		require.FailNow(t, "ready before it runs")
	default:
	}

	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = h.Run(ctx) })
	running.Go(func() { _ = s.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	<-s.Ready()
	return &rig{Server: s, hub: h, cancel: cancel}
}

// sink is a media.Sink that keeps what it gets.
type sink struct {
	packets   chan got
	snapshots chan *media.Snapshot
}

type got struct {
	layer  *media.Layer
	packet *media.Packet
}

func (r *rig) watch(t *testing.T, stream string) *sink {
	t.Helper()
	s := &sink{packets: make(chan got, 1<<16), snapshots: make(chan *media.Snapshot, 1<<12)}
	sub, err := r.hub.Subscribe(stream, s, true)
	require.NoError(t, err)
	t.Cleanup(sub.Close)
	return s
}

func (s *sink) WritePacket(l *media.Layer, p *media.Packet) { s.packets <- got{l, p} }
func (s *sink) Update(snap *media.Snapshot)                 { s.snapshots <- snap }

// until waits for the first packet that is accepted.
func (s *sink) until(t *testing.T, what string, accept func(got) bool) got {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case g := <-s.packets:
			if accept(g) {
				return g
			}
		case <-timeout:
			require.FailNow(t, "timeout", "waiting for %s", what)
		}
	}
}

func (s *sink) untilState(t *testing.T, what string, accept func(*media.Snapshot) bool) *media.Snapshot {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case snap := <-s.snapshots:
			if accept(snap) {
				return snap
			}
		case <-timeout:
			require.FailNow(t, "timeout", "waiting for %s", what)
		}
	}
}

// noMux stands for a port that nobody listens on.
type noMux struct{}

func (noMux) GetConn(string, net.Addr) (net.PacketConn, error) { return nil, net.ErrClosed }
func (noMux) RemoveConnByUfrag(string)                         {}
func (noMux) GetListenAddresses() []net.Addr                   { return nil }
func (noMux) Close() error                                     { return nil }
