package forward

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/freshet-live/freshet/sfu/media"
)

// publisher is a model of one publisher's Layers on the way through a network
// that loses and delays.
type publisher struct {
	layers []*encoding
	now    time.Time
	late   []delayed
}

type delayed struct {
	e *encoding
	p *media.Packet
}

func newPublisher(t *rapid.T, now time.Time) *publisher {
	p := &publisher{now: now}
	for i := range rapid.IntRange(1, 3).Draw(t, "layers") {
		// Near the wraps of 16 bits and 32 bits.
		e := newEncoding(uint64(rapid.IntRange(65_500, 65_600).Draw(t, "seq")),
			rapid.Uint32Range(4_294_900_000, 4_294_967_295).Draw(t, "timestamp"))
		e.Rank = i
		if rapid.Bool().Draw(t, "clock") {
			e.clock(e.ts, now.Add(time.Duration(rapid.IntRange(-2000, 2000).Draw(t, "skew"))*time.Millisecond))
		}
		p.layers = append(p.layers, e)
	}
	return p
}

func (p *publisher) plain() []*media.Layer {
	var layers []*media.Layer
	for _, e := range p.layers {
		layers = append(layers, e.Layer)
	}
	return layers
}

// viewer checks everything that goes out to one viewer.
type viewer struct {
	Selector
	Munger
	seqs    map[uint64]sent
	turn    *media.Layer
	base    uint64 // outgoing minus the Source's sequence number, this turn
	highest uint64
	newest  sent
}

type sent struct {
	layer *media.Layer
	p     *media.Packet
	out   Out
	turn  int
}

func (v *viewer) take(t *rapid.T, l *media.Layer, p *media.Packet) {
	take, switched := v.Accept(l, p)
	if !take {
		return
	}
	if switched {
		require.True(t, p.Keyframe, "R19: a switch begins with a keyframe")
		v.Switch(l, p)
	}
	out, ok := v.Munge(l, p)
	if !ok {
		require.Less(t, p.Seq, v.segments[(v.turns-1)%keptSegments].first, "only what precedes the turn is refused")
		return
	}
	require.NotContains(t, v.seqs, out.Seq, "R13: no number twice")
	v.check(t, l, p, out, switched)
	s := sent{layer: l, p: p, out: out, turn: v.turns}
	if len(v.seqs) == 0 || out.Seq > v.highest {
		v.highest, v.newest = out.Seq, s
	}
	v.seqs[out.Seq] = s
}

func (v *viewer) check(t *rapid.T, l *media.Layer, p *media.Packet, out Out, switched bool) {
	if switched {
		if len(v.seqs) > 0 {
			require.Equal(t, v.highest+1, out.Seq, "R13: one after the highest")
			require.Positive(t, int32(out.Timestamp-v.newest.out.Timestamp), "R13: a later Frame")
			pictures := (out.PictureID - v.newest.out.PictureID) & 0x7fff
			require.Equal(t, uint16(1), pictures, "the next picture")
			require.Equal(t, v.newest.out.TL0PicIdx+1, out.TL0PicIdx)
		}
		v.turn, v.base = l, out.Seq-p.Seq
		return
	}
	require.Same(t, v.turn, l)
	require.Equal(t, v.base, out.Seq-p.Seq, "the Source's gaps stay, nothing else is missing")
	if out.Seq > v.highest {
		require.GreaterOrEqual(t, int32(out.Timestamp-v.newest.out.Timestamp), int32(0), "R13: never back")
	}
	same := p.Timestamp == v.newest.p.Timestamp
	require.Equal(t, same, out.PictureID == v.newest.out.PictureID, "one number per picture")
}

// R13, R19, R6: whatever the publishers, the network and the viewer's choices
// do, what goes out is one continuous stream, and NACKs find it again.
func TestViewerStaysContinuous(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pub := newPublisher(t, began)
		v := &viewer{Munger: NewMunger(rapid.Uint16().Draw(t, "first")), seqs: map[uint64]sent{}}
		v.SetLayers(pub.plain(), nil)
		t.Repeat(map[string]func(*rapid.T){
			"frame": func(t *rapid.T) { pub.frame(t, v) },
			"more frames": func(t *rapid.T) {
				for range 5 {
					pub.frame(t, v)
				}
			},
			"repair": func(t *rapid.T) {
				if len(pub.late) == 0 {
					t.Skip("nothing lost")
				}
				i := rapid.IntRange(0, len(pub.late)-1).Draw(t, "which")
				d := pub.late[i]
				pub.late = append(pub.late[:i:i], pub.late[i+1:]...)
				d.e.cache.Put(d.p)
				v.take(t, d.e.Layer, d.p)
			},
			"limit": func(t *rapid.T) { v.SetLimit(Limit{Ranks: rapid.IntRange(0, 3).Draw(t, "ranks")}) },
			"active": func(t *rapid.T) {
				n := len(pub.layers)
				v.SetLayers(pub.plain(), rapid.SliceOfN(rapid.Bool(), n, n).Draw(t, "active"))
			},
			"publish anew": func(t *rapid.T) {
				pause := time.Duration(rapid.IntRange(0, 30_000).Draw(t, "pause")) * time.Millisecond
				pub = newPublisher(t, pub.now.Add(pause))
				v.SetLayers(pub.plain(), nil)
			},
			"": func(t *rapid.T) { v.answers(t) },
		})
	})
}

// frame sends one Frame of a Layer in a few packets; some are lost, for now.
func (p *publisher) frame(t *rapid.T, v *viewer) {
	e := rapid.SampledFrom(p.layers).Draw(t, "layer")
	key := rapid.IntRange(0, 3).Draw(t, "key") == 0
	p.now = p.now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "gap")) * time.Millisecond)
	picture := uint16(e.ts / frameTicks)
	for i := range rapid.IntRange(1, 3).Draw(t, "packets") {
		pkt := &media.Packet{
			Seq: e.seq, Timestamp: e.ts, Arrival: p.now, FrameStart: i == 0, Keyframe: key && i == 0,
			Descriptor: media.Descriptor{
				PictureID: picture & 0x7fff, PictureIDPos: 2, PictureIDLen: 2, TL0PicIdx: uint8(picture), TL0PicIdxPos: 4,
			},
		}
		e.seq++
		if rapid.IntRange(0, 4).Draw(t, "lost") == 0 {
			p.late = append(p.late, delayed{e: e, p: pkt})
			continue
		}
		e.cache.Put(pkt)
		v.take(t, e.Layer, pkt)
	}
	e.ts += frameTicks
}

// answers asks for everything that went out in the last turns.
func (v *viewer) answers(t *rapid.T) {
	for seq, s := range v.seqs {
		if v.turns-s.turn >= keptSegments || v.highest-seq >= 1<<15 {
			continue
		}
		l, p, out := v.Source(uint16(seq))
		require.Same(t, s.p, p, "R6: the very packet that was sent")
		require.Same(t, s.layer, l)
		require.Equal(t, s.out, out)
	}
}
