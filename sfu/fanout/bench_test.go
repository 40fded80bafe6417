package fanout

import (
	"context"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/pion/srtp/v3"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/fanout/wire"
	"github.com/freshet-live/freshet/sfu/hub"
)

// bench is one worker with viewers that connected without a handshake, and
// whose packets all go to one socket that nobody reads. The engine does not
// run; the test does the worker's steps.
type bench struct {
	engine  *Engine
	worker  *worker
	viewers []*Viewer
	pub     *testPublisher
}

func newBench(t testing.TB, viewers int, profile srtp.ProtectionProfile) *bench {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	h := hub.New(hub.Config{}, log)
	e, err := New(Config{Wire: wire.Config{Listen: "127.0.0.1:0"}, Workers: 1}, h, log, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = e.wire.Run(ctx, e) })
	t.Cleanup(func() { cancel(); running.Wait() })
	sink, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = sink.Close() })

	b := &bench{engine: e, worker: e.workers[0]}
	t.Cleanup(func() {
		for _, v := range b.viewers {
			v.Close(nil)
		}
		b.step()
		e.tasks.Wait()
	})
	r := &rig{hub: h, engine: e}
	b.pub = r.publishSilent(t, "s", testH264, "")
	format := CodecParams{Codec: testH264, PayloadType: 96, RTXPayloadType: 97, NACK: true, PLI: true, TransportCC: true}
	to := wire.Route{Addr: sink.LocalAddr().(*net.UDPAddr).AddrPort()}
	for range viewers {
		v, err := e.Add("s", Params{
			RemoteUfrag: "abcd", RemotePwd: "0123456789012345678901",
			Fingerprints: []Fingerprint{{Algorithm: "sha-256", Value: "00"}},
			Video:        &TrackParams{MID: "1", Codecs: []CodecParams{format}, TransportCCID: 3},
		})
		require.NoError(t, err)
		c, _ := testCrypter(t, profile)
		v.route.Store(&to)
		v.worker.inbox.post(func(now time.Time) { v.connect(now, c) })
		b.viewers = append(b.viewers, v)
	}
	b.step()
	return b
}

func (b *bench) step() { b.worker.step(b.worker.inbox.take(b.worker.spare)) }

// fill lets the pacers forget that no time passes between two bursts.
func (b *bench) fill() {
	for _, v := range b.viewers {
		v.pacer.filled = time.Time{}
	}
}

// burst sends one frame of ten packets to every viewer.
func (b *bench) burst() {
	l := b.pub.layers[1]
	l.size = 1100
	for range 3 {
		b.pub.frame(l, time.Now())
	}
	b.fill()
	b.step()
	for b.worker.more {
		b.worker.pump(time.Now())
	}
}

func benchmarkFanOut(b *testing.B, profile srtp.ProtectionProfile) {
	const viewers = 200
	x := newBench(b, viewers, profile)
	x.burst()
	b.ReportAllocs()
	// Packets are made outside of the measured loop: that is the publisher's
	// cost. The same ones go out again and again, under new numbers each.
	l := x.pub.layers[1]
	group := x.viewers[0].group
	var burst []queued
	for i := range 10 {
		p := *l.History.Packet(l.seq - 1)
		p.Marker = i == 9
		p.Payload = make([]byte, 930)
		burst = append(burst, queued{group: group, layer: l.Layer.Layer, packet: &p})
	}
	packets := 0
	for b.Loop() {
		x.fill()
		for i := range burst {
			burst[i].packet.Seq = l.seq
			l.seq++
			x.worker.inbox.write(burst[i])
		}
		x.step()
		packets += len(burst) * viewers
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(packets)*1e6, "s/M")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(packets), "ns/packet")
}

// The cost of a packet for one viewer: s/M is seconds per million packets.
func BenchmarkFanOut(b *testing.B) {
	b.Run("gcm128", func(b *testing.B) { benchmarkFanOut(b, srtp.ProtectionProfileAeadAes128Gcm) })
	b.Run("sha1", func(b *testing.B) { benchmarkFanOut(b, srtp.ProtectionProfileAes128CmHmacSha1_80) })
}

// The heap that one connected viewer holds, without what DTLS keeps.
func BenchmarkViewerMemory(b *testing.B) {
	const viewers = 500
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		x := newBench(b, viewers, srtp.ProtectionProfileAeadAes128Gcm)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/viewers, "B/viewer")
		runtime.KeepAlive(x)
	}
}

func TestForwardDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	x := newBench(t, 10, srtp.ProtectionProfileAeadAes128Gcm)
	x.burst()
	x.burst()
	l := x.pub.layers[1]
	p := *l.History.Packet(l.seq - 1)
	q := queued{group: x.viewers[0].group, layer: l.Layer.Layer, packet: &p}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		x.fill()
		p.Seq = l.seq
		l.seq++
		x.worker.inbox.write(q)
		x.step()
	}))
}
