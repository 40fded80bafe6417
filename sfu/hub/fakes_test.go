package hub

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/media"
)

var (
	h264 = media.Codec{Name: media.H264, ClockRate: 90000}
	opus = media.Codec{Name: media.Opus, ClockRate: 48000, Channels: 2}
)

// source is a publisher that remembers what it was told.
type source struct {
	keyframes atomic.Int32
	mu        sync.Mutex
	ends      []error
}

func (s *source) RequestKeyframe(*media.Layer) { s.keyframes.Add(1) }

func (s *source) End(reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends = append(s.ends, reason)
}

func (s *source) ended() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ends
}

// sink is a consumer that remembers what it was given.
type sink struct {
	mu        sync.Mutex
	packets   []*media.Packet
	snapshots []*media.Snapshot
	strangers int // packets of Layers that no Snapshot had announced
}

func (s *sink) WritePacket(l *media.Layer, p *media.Packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.packets = append(s.packets, p)
	if len(s.snapshots) == 0 || !announces(s.snapshots[len(s.snapshots)-1], l) {
		s.strangers++
	}
}

func announces(snap *media.Snapshot, l *media.Layer) bool {
	for _, v := range snap.Video {
		if v == l {
			return true
		}
	}
	return snap.Audio == l
}

func (s *sink) Update(snap *media.Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.snapshots = append(s.snapshots, snap)
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.packets)
}

func (s *sink) states() (states []media.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, snap := range s.snapshots {
		if len(states) == 0 || states[len(states)-1] != snap.State {
			states = append(states, snap.State)
		}
	}
	return states
}

var (
	_ media.Source = (*source)(nil)
	_ media.Sink   = (*sink)(nil)
)

func newHub(cfg Config) *Hub { return New(cfg, slog.New(slog.DiscardHandler)) }

// run starts the hub in a synctest bubble and stops it with the test.
func run(t *testing.T, h *Hub) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- h.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
}

func publish(t *testing.T, h *Hub, owner string) (*Publication, *source) {
	t.Helper()
	src := &source{}
	p, err := h.Publish("s", owner, src)
	require.NoError(t, err)
	return p, src
}

func layer(t *testing.T, p *Publication, codec media.Codec, rid string, rank int) *Layer {
	t.Helper()
	l, err := p.AddLayer(codec, rid, rank)
	require.NoError(t, err)
	return l
}

func packet(seq uint64) *media.Packet {
	return &media.Packet{Seq: seq, Arrival: time.Now(), FrameStart: true, Payload: make([]byte, 125)}
}

func packetSeqs(packets []*media.Packet) (seqs []uint64) {
	for _, p := range packets {
		seqs = append(seqs, p.Seq)
	}
	return seqs
}
