package fanout

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/internal/linktest"
	"github.com/freshet-live/freshet/sfu/forward"
	"github.com/freshet-live/freshet/sfu/frames"
	"github.com/freshet-live/freshet/sfu/media"
)

// threeLayers is libvpx's pattern of three temporal layers, and which of its
// pictures are a layer sync.
var threeLayers = []struct {
	id   byte
	sync bool
}{{0, false}, {2, true}, {1, true}, {2, true}, {0, false}, {2, false}, {1, false}, {2, false}}

// temporalStream sends VP8 in three temporal layers, 30 frames/s: 400, 250 and
// 450 kbit/s.
type temporalStream struct {
	pub       *testPublisher
	layer     *testLayer
	inspector *frames.Inspector
	picture   uint16
	tl0       byte
	skip      *uint64 // the number of a packet that is not sent
	skipped   *media.Packet
}

func (r *rig) streamTemporal(t testing.TB) *temporalStream {
	t.Helper()
	p := r.publishSilent(t, "s", testVP8, "")
	s := &temporalStream{pub: p, layer: p.layers[1], inspector: frames.NewInspector(testVP8), picture: 1<<15 - 20}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(time.Second / 30)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-tick.C:
				s.send(now)
				p.realistic(p.layers[0], now)
			}
		}
	})
	p.stop = sync.OnceFunc(func() { cancel(); running.Wait(); p.pub.End() })
	t.Cleanup(p.stop)
	return s
}

// send sends one picture in a few packets.
func (s *temporalStream) send(now time.Time) {
	l := s.layer
	l.SetClock(media.Clock{Timestamp: l.ts, Wall: now, Rate: 90000, Reported: true})
	key := s.pub.source.take(l.Layer.Layer) || l.frames == 0
	if key {
		l.frames = 0
	}
	at := threeLayers[l.frames%len(threeLayers)]
	left := map[byte]int{0: 6600, 1: 4200, 2: 3700}[at.id]
	if key {
		left *= 3
	}
	if at.id == 0 {
		s.tl0++
	}
	for first := true; left > 0; first = false {
		b := make([]byte, max(20, min(left, 1100)))
		b[0], b[1] = 0x80, 0xe0 // X; I, L, T
		binary.BigEndian.PutUint16(b[2:], 0x8000|s.picture)
		b[4], b[5] = s.tl0, at.id<<6
		if at.sync {
			b[5] |= 0x20
		}
		if first {
			b[0] |= 0x10 // S
			copy(b[6:], []byte{1, 0, 0, 0x9d, 0x01, 0x2a, 64, 1, 180, 0})
			if key {
				b[6] = 0
			}
		}
		left -= 1100
		info := s.inspector.Inspect(l.ts, b)
		p := &media.Packet{
			Seq: l.seq, Timestamp: l.ts, Arrival: now, Marker: left <= 0, FrameStart: info.FrameStart,
			Keyframe: info.Keyframe, Descriptor: info.Descriptor, Payload: b,
		}
		if l.seq++; s.skip != nil && p.Seq == *s.skip {
			s.skipped = p
			continue
		}
		l.Write(p)
	}
	s.picture = (s.picture + 1) & 0x7fff
	l.ts += 3000
	l.frames++
}

// arrived is a picture that came whole.
type arrived struct {
	at      time.Duration
	picture uint16
	tl0, id byte
	key     bool
}

// gather reads a peer's video for a time and puts the pictures together.
func gather(t *testing.T, p *peer, total time.Duration) (pictures []arrived) {
	t.Helper()
	x := &player{began: time.Now(), got: map[uint16]*rtp.Packet{}}
	end := time.After(total)
	for {
		select {
		case <-end:
			slices.SortFunc(pictures, func(a, b arrived) int { return int(int16(a.picture<<1 - b.picture<<1)) })
			return pictures
		case pkt := <-p.video:
			if len(pkt.Payload) == 0 || x.got[pkt.SequenceNumber] != nil { // probes repeat
				continue
			}
			x.got[pkt.SequenceNumber] = pkt
			if one, ok := x.picture(t, pkt.SequenceNumber); ok {
				pictures = append(pictures, one)
			}
		}
	}
}

// picture returns the picture of a packet, if it is whole now.
func (x *player) picture(t *testing.T, seq uint16) (arrived, bool) {
	ts := x.got[seq].Timestamp
	from := seq
	for p := x.got[from-1]; p != nil && p.Timestamp == ts; p = x.got[from-1] {
		from--
	}
	var vp8 codecs.VP8Packet
	_, err := vp8.Unmarshal(x.got[from].Payload)
	require.NoError(t, err)
	if vp8.S == 0 {
		return arrived{}, false
	}
	one := arrived{at: time.Since(x.began), picture: vp8.PictureID, tl0: vp8.TL0PICIDX, id: vp8.TID, key: vp8.Payload[0]&1 == 0}
	for p := x.got[from]; p != nil && p.Timestamp == ts; p = x.got[from] {
		if p.Marker {
			return one, true
		}
		from++
	}
	return arrived{}, false
}

// A path that carries part of the only Layer gets its lower temporal layers: a
// picture that moves, more slowly, without a gap in its numbers.
func TestTemporalLayers(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("plays in real time, for seconds")
	}
	t.Parallel()
	const narrow, settled, wide, total = 2 * time.Second, 5 * time.Second, 11 * time.Second, 20 * time.Second
	r := newRigWith(t, Config{Workers: 1}, nil, 500*time.Millisecond)
	r.streamTemporal(t)
	link := linktest.New(t, r.addr())
	p := r.view(t, "s", peerOptions{via: link})
	require.Eventually(t, func() bool { return p.viewer.Stats().Packets > 0 }, patience, time.Millisecond)
	for at, c := range map[time.Duration]linktest.Conditions{narrow: {Rate: 850_000, Queue: 300 * time.Millisecond}, wide: {}} {
		timer := time.AfterFunc(at, func() { link.Set(c) })
		t.Cleanup(func() { timer.Stop() })
	}
	drainAudio(p)
	if testing.Verbose() {
		stop := logStats(t, p)
		defer stop()
	}
	pictures := gather(t, p, total)
	fps := map[string]float64{}
	frozen, last, top, gaps := time.Duration(0), settled, total, 0
	for i, one := range pictures {
		switch {
		case one.at > settled && one.at < wide:
			fps["narrow"] += 1 / (wide - settled).Seconds()
			frozen += max(0, one.at-last-300*time.Millisecond)
			last = max(last, one.at)
			if one.id == 2 {
				fps["top while narrow"] += 1 / (wide - settled).Seconds()
			}
		case one.at > wide && one.id == 2:
			top = min(top, one.at-wide)
		}
		if i > 0 {
			before := pictures[i-1]
			if (before.picture+1)&0x7fff != one.picture {
				gaps++ // lost on the way
				continue
			}
			base := byte(0)
			if one.id == 0 {
				base = 1
			}
			require.Equal(t, before.tl0+base, one.tl0)
		}
	}
	t.Logf("%v, frozen %v, top temporal layer back after %v, %d gaps of %d", fps, frozen, top, gaps, len(pictures))
	require.Greater(t, fps["narrow"], 6.5, "the base alone is 7.5")
	require.Less(t, fps["top while narrow"], 3.)
	require.Less(t, frozen, time.Second)
	require.Less(t, top, 8*time.Second)
	require.Less(t, gaps, 6)
}

// A Packet of a picture that is left out, and that turns up after its number
// was given away, goes out empty: nobody misses it.
func TestLatePacketOfAThinnedPictureIsEmpty(t *testing.T) {
	r := newRig(t, Config{Workers: 1})
	pub := r.publishSilent(t, "s", testVP8, "")
	s := &temporalStream{pub: pub, layer: pub.layers[1], inspector: frames.NewInspector(testVP8)}
	p := r.view(t, "s", peerOptions{})
	require.Eventually(t, func() bool { return p.viewer.Stats().Connected }, patience, time.Millisecond)
	s.send(time.Now()) // a keyframe of 18 packets
	key := next(t, p.video)
	for !next(t, p.video).Marker {
	}
	thinned := make(chan struct{})
	p.viewer.worker.inbox.post(func(time.Time) {
		p.viewer.adapt.estimator = nil // no more allocations
		p.viewer.video.temporal = 1
		p.viewer.video.thin()
		close(thinned)
	})
	<-thinned
	s.send(time.Now())                              // TID 2
	withheld := s.withhold(time.Now(), s.layer.seq) // TID 1
	s.send(time.Now())                              // TID 2
	s.send(time.Now())                              // TID 0
	var got []*rtp.Packet
	for len(got) == 0 || !got[len(got)-1].Marker {
		got = append(got, next(t, p.video))
	}
	require.Equal(t, key.SequenceNumber+18+1, got[0].SequenceNumber, "one number is kept for what is missing")
	require.Equal(t, key.Timestamp+4*3000, got[0].Timestamp)
	s.layer.Write(withheld)
	late := next(t, p.video)
	require.Equal(t, key.SequenceNumber+18, late.SequenceNumber)
	require.Empty(t, late.Payload)
	require.False(t, late.Marker)
}

// withhold sends a picture but for one packet.
func (s *temporalStream) withhold(now time.Time, seq uint64) *media.Packet {
	s.skip = &seq
	s.send(now)
	s.skip = nil
	return s.skipped
}

// While a viewer waits for the keyframe of a lower Layer, it gets the base of
// the higher one, and then what the allocation allows of the lower one.
func TestThinWhileLeavingALayer(t *testing.T) {
	layers := []*media.Layer{
		{Kind: media.Video, Codec: testVP8, Rank: 0}, {Kind: media.Video, Codec: testVP8, Rank: 1},
	}
	x := newTrack(media.Video, &TrackParams{Codecs: []CodecParams{{Codec: testVP8, PayloadType: 96}}}, 1)
	x.selector.SetLayers(layers, nil)
	seq := [2]uint64{100, 200}
	goesOut := func(rank int, id uint8, key bool) bool {
		p := &media.Packet{
			Seq: seq[rank], Timestamp: uint32(seq[rank] * 3000), FrameStart: true, Keyframe: key, Payload: []byte{1},
			Descriptor: media.Descriptor{TemporalID: id},
		}
		seq[rank]++
		if !x.admit(layers[rank], p) {
			return false
		}
		_, ok := x.munger.Munge(layers[rank], p)
		return ok
	}
	require.True(t, goesOut(1, 0, true))
	require.True(t, goesOut(1, 2, false))
	x.selector.Allocate(forward.Allocation{Index: 0, Temporal: 2})
	x.temporal = 2
	x.thin()
	require.False(t, goesOut(1, 1, false))
	require.True(t, goesOut(1, 0, false))
	require.True(t, goesOut(0, 0, true), "the lower Layer's keyframe")
	require.True(t, goesOut(0, 1, false))
	require.False(t, goesOut(0, 2, false))
	x.selector.SetLimit(forward.Limit{Temporal: 1})
	x.thin()
	require.False(t, goesOut(0, 1, false), "the viewer's choice")
	x.selector.SetLimit(forward.Limit{Temporal: 3})
	x.thin()
	require.Equal(t, 2, x.layersOfTarget(), "within what the path carries")
}
