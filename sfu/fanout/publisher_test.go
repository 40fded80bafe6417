package fanout

import (
	"context"
	"encoding/binary"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/hub"
	"github.com/freshet-live/freshet/sfu/media"
)

var (
	testH264 = media.Codec{
		Name: media.H264, ClockRate: 90000,
		Fmtp: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
	}
	testVP8  = media.Codec{Name: media.VP8, ClockRate: 90000}
	testOpus = media.Codec{Name: media.Opus, ClockRate: 48000, Channels: 2, Fmtp: "minptime=10;useinbandfec=1"}
)

const testKeyframeInterval = 100 * time.Millisecond

// rig is an engine with its hub, both running.
type rig struct {
	hub    *hub.Hub
	engine *Engine
	stop   func() // ends both and waits
}

func newRig(t testing.TB, cfg Config) *rig {
	t.Helper()
	return newRigOn(t, cfg, nil)
}

func newRigOn(t testing.TB, cfg Config, reg prometheus.Registerer) *rig {
	t.Helper()
	return newRigWith(t, cfg, reg, testKeyframeInterval)
}

func newRigWith(t testing.TB, cfg Config, reg prometheus.Registerer, interval time.Duration) *rig {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	if cfg.Wire.Listen == "" {
		cfg.Wire.Listen = "127.0.0.1:0"
	}
	h := hub.New(hub.Config{KeyframeInterval: interval}, log)
	e, err := New(cfg, h, log, reg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = h.Run(ctx) })
	running.Go(func() {
		if err := e.Run(ctx); err != nil {
			t.Errorf("the engine ended: %v", err)
		}
	})
	r := &rig{hub: h, engine: e}
	r.stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(r.stop)
	return r
}

func (r *rig) addr() netip.AddrPort { return r.engine.Wire().LocalAddr() }

// testSource is the publisher's side that takes keyframe requests.
type testSource struct {
	mu     sync.Mutex
	wanted map[*media.Layer]bool
	asked  atomic.Int64
	deaf   atomic.Bool // keyframe requests are counted and ignored
}

func (s *testSource) RequestKeyframe(l *media.Layer) {
	s.asked.Add(1)
	if s.deaf.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted[l] = true
}

func (s *testSource) End(error) {}

func (s *testSource) take(l *media.Layer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := s.wanted[l]
	delete(s.wanted, l)
	return wanted
}

// testPublisher feeds a Stream with made-up frames.
type testPublisher struct {
	source *testSource
	pub    *hub.Publication
	layers []*testLayer
	gop    int // frames from one keyframe to the next; 0: only on request
	stop   func()
}

type testLayer struct {
	*hub.Layer
	seq    uint64
	ts     uint32
	frames int
	size   int // bytes per packet
}

// publish starts a publisher that sends a frame of three packets on every
// Layer each 10 ms; RIDs name the video Layers from the lowest.
func (r *rig) publish(t testing.TB, stream string, video media.Codec, rids ...string) *testPublisher {
	t.Helper()
	return r.run(t, r.publishSilent(t, stream, video, rids...))
}

// run lets a publisher send.
func (r *rig) run(t testing.TB, p *testPublisher) *testPublisher {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-tick.C:
				for _, l := range p.layers {
					p.frame(l, now)
				}
			}
		}
	})
	p.stop = sync.OnceFunc(func() { cancel(); running.Wait(); p.pub.End() })
	t.Cleanup(p.stop)
	return p
}

// publishSilent sets a publisher up that sends nothing by itself.
func (r *rig) publishSilent(t testing.TB, stream string, video media.Codec, rids ...string) *testPublisher {
	t.Helper()
	src := &testSource{wanted: map[*media.Layer]bool{}}
	pub, err := r.hub.Publish(stream, "owner", src)
	require.NoError(t, err)
	require.NoError(t, pub.Start())
	p := &testPublisher{source: src, pub: pub, stop: pub.End}
	audio, err := pub.AddLayer(testOpus, "", 0)
	require.NoError(t, err)
	p.layers = append(p.layers, &testLayer{Layer: audio, seq: 100, ts: 1000, size: 80})
	for i, rid := range rids {
		l, err := pub.AddLayer(video, rid, i)
		require.NoError(t, err)
		p.layers = append(p.layers, &testLayer{Layer: l, seq: uint64(1000 * i), ts: uint32(90000 * i), size: 300 * (i + 1)})
	}
	return p
}

// The made-up payload: what the test needs to know of a packet.
const (
	markKeyframe = 1 << iota
	markFrameStart
)

// frame sends one frame on a Layer; the first one, and each one after a
// request, is a keyframe.
func (p *testPublisher) frame(l *testLayer, now time.Time) {
	l.SetClock(media.Clock{Timestamp: l.ts, Wall: now, Rate: l.Codec.ClockRate, Reported: true})
	count, ticks := 3, uint32(900)
	if l.Kind == media.Audio {
		count, ticks = 1, 480
	}
	key := l.Kind == media.Audio || p.source.take(l.Layer.Layer) || l.frames == 0 || p.gop > 0 && l.frames%p.gop == 0
	for i := range count {
		pkt := &media.Packet{
			Seq: l.seq, Timestamp: l.ts, Arrival: now, Marker: i == count-1,
			FrameStart: i == 0, Keyframe: key && i == 0, Payload: make([]byte, l.size),
		}
		if pkt.Marker && count > 1 {
			pkt.Payload = pkt.Payload[:l.size/2]
		}
		pkt.Payload[0] = byte(l.Rank)
		if pkt.Keyframe {
			pkt.Payload[1] |= markKeyframe
		}
		if pkt.FrameStart {
			pkt.Payload[1] |= markFrameStart
		}
		pkt.Payload[2] = byte(l.Epoch)
		binary.BigEndian.PutUint64(pkt.Payload[4:], l.seq)
		l.seq++
		l.Write(pkt)
	}
	l.ts += ticks
	l.frames++
}
