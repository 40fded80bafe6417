package forward

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/freshet-live/freshet/sfu/media"
)

// temporalID is a picture's place in libvpx's patterns: its temporal layer,
// and whether it is a layer sync.
type temporalID struct {
	id   uint8
	sync bool
}

var patterns = map[string][]temporalID{
	"L1T2": {{0, false}, {1, true}, {0, false}, {1, false}, {0, false}, {1, false}},
	"L1T3": {{0, false}, {2, true}, {1, true}, {2, true}, {0, false}, {2, false}, {1, false}, {2, false}},
}

// picture is one Frame of an encoding with temporal layers.
type picture struct {
	temporalID
	key     bool
	packets []*media.Packet
	needs   []*picture
	lost    bool // one of its Packets never comes
}

// temporal makes pictures of one Layer.
type temporal struct {
	*encoding
	pattern []temporalID
	n       int
	id      uint16
	tl0     uint8
	last    [3]*picture // by temporal layer
}

func (e *temporal) next(packets int, key bool) *picture {
	if key {
		e.n = 0
	}
	pic := &picture{temporalID: e.pattern[e.n%len(e.pattern)], key: key}
	e.n++
	switch {
	case key:
		e.last = [3]*picture{}
	case pic.id == 0, pic.sync:
		pic.needs = []*picture{e.last[0]}
	default:
		for _, other := range e.last[:pic.id+1] {
			if other != nil {
				pic.needs = append(pic.needs, other)
			}
		}
	}
	e.last[pic.id] = pic
	if pic.id == 0 {
		e.tl0++
	}
	e.id = (e.id + 1) & 0x7fff
	for i := range packets {
		pic.packets = append(pic.packets, &media.Packet{
			Seq: e.seq, Timestamp: e.ts, Arrival: began, FrameStart: i == 0, Keyframe: key && i == 0, Marker: i == packets-1,
			Payload: []byte{1}, Descriptor: media.Descriptor{
				PictureID: e.id, PictureIDPos: 2, PictureIDLen: 2, TL0PicIdx: e.tl0, TL0PicIdxPos: 4,
				TemporalID: pic.id, Sync: pic.sync,
			},
		})
		e.seq++
	}
	e.ts += frameTicks
	return pic
}

// thinned checks what a viewer gets of a thinned Layer.
type thinned struct {
	Munger
	t    *rapid.T
	outs map[*media.Packet]Out
	used map[uint64]*media.Packet
}

func (v *thinned) take(l *media.Layer, cache *Cache, p *media.Packet) {
	cache.Put(p)
	out, ok := v.Munge(l, p)
	if !ok {
		return
	}
	if v.used[out.Seq] != nil {
		require.Failf(v.t, "R13: no number twice", "%+v", out)
	}
	v.outs[p], v.used[out.Seq] = out, p
}

// sent reports whether a picture went out.
func (v *thinned) sent(pic *picture) bool {
	for _, p := range pic.packets {
		if out, ok := v.outs[p]; ok && !out.Empty {
			return true
		}
	}
	return false
}

// Whatever comes late or not at all, and whatever the wishes: what goes out is
// continuous, each picture goes out whole or not at all, and with all that it
// depends on.
func TestThinningProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		delayed, lost := rapid.IntRange(0, 20).Draw(t, "percent delayed"), rapid.IntRange(0, 5).Draw(t, "percent lost")
		v := &thinned{
			Munger: NewMunger(uint16(r.Uint32())), t: t, outs: map[*media.Packet]Out{}, used: map[uint64]*media.Packet{},
		}
		before := Out{}
		for turn := range 5 {
			pattern := patterns["L1T2"]
			if r.IntN(2) == 0 {
				pattern = patterns["L1T3"]
			}
			e := &temporal{encoding: newEncoding(65_500+r.Uint64N(100), r.Uint32()), pattern: pattern, id: uint16(r.UintN(1 << 15)), tl0: uint8(r.Uint32())}
			first := v.highest + 1
			pictures, missing := v.play(r, e, delayed, lost)
			v.checkTurn(pictures, first, missing)
			key := v.outs[pictures[0].packets[0]]
			if turn > 0 {
				require.Equal(t, before.Seq+1, key.Seq)
				require.Equal(t, (before.PictureID+1)&0x7fff, key.PictureID)
				require.Equal(t, before.TL0PicIdx+1, key.TL0PicIdx)
				require.Positive(t, int32(key.Timestamp-before.Timestamp))
			}
			before = Out{Seq: v.highest, Timestamp: v.lastOut, Picture: Picture{PictureID: v.lastPicture, TL0PicIdx: v.lastTL0}}
		}
	})
}

// play sends one turn, and returns its pictures and how many Packets never
// came.
func (v *thinned) play(r *rand.Rand, e *temporal, delayed, lost int) (pictures []*picture, missing int) {
	type late struct {
		p  *media.Packet
		in int
	}
	var waiting []late
	for n := range 60 {
		if r.IntN(8) == 0 {
			v.Thin(r.IntN(4))
		}
		pic := e.next(1+r.IntN(3), n == 0 || r.IntN(25) == 0)
		pictures = append(pictures, pic)
		for _, p := range pic.packets {
			if n == 0 && p == pic.packets[0] {
				e.cache.Put(p)
				v.Switch(e.Layer, p)
			}
			switch {
			case p.Keyframe: // what begins a turn is there
				v.take(e.Layer, e.cache, p)
			case r.IntN(100) < lost:
				pic.lost = true
				missing++
			case r.IntN(100) < delayed:
				waiting = append(waiting, late{p, r.IntN(12)})
			default:
				v.take(e.Layer, e.cache, p)
			}
			waiting = slices.DeleteFunc(waiting, func(l late) bool {
				if r.IntN(12) > l.in {
					v.take(e.Layer, e.cache, l.p)
					return true
				}
				return false
			})
		}
		v.answers()
	}
	for _, l := range waiting {
		v.take(e.Layer, e.cache, l.p)
	}
	v.answers()
	return pictures, missing
}

// answers asks for what went out last.
func (v *thinned) answers() {
	for back := range uint64(min(40, len(v.used))) {
		p := v.used[v.highest-back]
		if p == nil {
			continue
		}
		_, got, out := v.Source(uint16(v.highest - back))
		if v.segment().outFirst > v.highest-back {
			continue // an earlier turn's, which may be forgotten
		}
		if p != got || v.outs[p] != out {
			require.Failf(v.t, "R6: the very packet that was sent", "%d: %+v, not %+v", v.highest-back, out, v.outs[p])
		}
	}
}

func (v *thinned) checkTurn(pictures []*picture, first uint64, missing int) {
	t := v.t
	holes := 0
	for seq := first; seq <= v.highest; seq++ {
		if v.used[seq] == nil {
			holes++
		}
	}
	require.LessOrEqual(t, holes, missing, "numbers are missing only where Packets are")
	var last *Out
	gap := false // pictures are missing to the viewer by no fault of ours
	for _, pic := range pictures {
		went := v.sent(pic)
		for _, p := range pic.packets {
			out, ok := v.outs[p]
			delivered := v.delivered(p)
			require.False(t, went && delivered && (!ok || out.Empty), "whole or not at all")
			gap = gap || ok && out.Empty
		}
		gap = gap || pic.lost
		if !went {
			require.False(t, pic.id == 0 && !pic.lost, "the base layer always goes out")
			continue
		}
		for _, other := range pic.needs {
			require.True(t, v.sent(other) || other.lost, "a picture goes out with what it depends on")
		}
		out := v.outs[pic.packets[0]]
		if len(pic.packets) > 0 && v.delivered(pic.packets[0]) {
			if last != nil && !gap {
				require.Equal(t, (last.PictureID+1)&0x7fff, out.PictureID, "the next picture")
				require.Contains(t, []uint8{0, 1}, out.TL0PicIdx-last.TL0PicIdx)
				require.Positive(t, int32(out.Timestamp-last.Timestamp))
			}
			last, gap = &out, false
		}
	}
}

// delivered reports whether a Packet came, as far as its Layer's cache tells.
func (v *thinned) delivered(p *media.Packet) bool {
	return v.segment().layer.History.Packet(p.Seq) == p
}

// One more temporal layer begins with its layer sync, fewer begin at once.
func TestThinningSettles(t *testing.T) {
	e := &temporal{encoding: newEncoding(1000, 0), pattern: patterns["L1T3"]}
	m := NewMunger(1)
	var got []int // temporal layers of what goes out
	play := func(pictures int) []int {
		got = nil
		for range pictures {
			for _, p := range e.next(2, e.n == 0).packets {
				e.cache.Put(p)
				if p.Keyframe {
					m.Switch(e.Layer, p)
				}
				if _, ok := m.Munge(e.Layer, p); ok && p.Marker {
					got = append(got, int(p.Descriptor.TemporalID))
				}
			}
		}
		return got
	}
	require.Equal(t, []int{0, 2, 1}, play(3))
	m.Thin(1)
	require.Equal(t, []int{0, 0}, play(8))
	m.Thin(2)
	require.Equal(t, []int{0, 0}, play(7-3+3), "TID 1 without Y")
	require.Equal(t, []int{1, 0, 1, 0}, play(8), "from its sync on")
	m.Thin(0)
	require.Equal(t, []int{1, 2, 0, 2, 1, 2, 0, 2}, play(8), "TID 2 from its own sync on")
	m.Thin(1)
	require.Equal(t, []int{0, 0}, play(8))
	m.Thin(0)
	e.n = 0 // a keyframe
	require.Equal(t, []int{0, 2, 1, 2}, play(4), "all at once")
}

// A Layer of another codec is never thinned.
func TestThinningOnlyVP8(t *testing.T) {
	e := &temporal{encoding: newEncoding(1000, 0), pattern: patterns["L1T2"]}
	e.Codec.Name = media.VP9
	m := NewMunger(1)
	m.Thin(1)
	for n := range 8 {
		p := e.next(1, n == 0).packets[0]
		if n == 0 {
			m.Switch(e.Layer, p)
		}
		require.Equal(t, uint64(n+1), munge(t, &m, e.Layer, p).Seq)
	}
}

// Numbers that lie too far back are neither sent nor answered.
func TestThinningForgets(t *testing.T) {
	e := &temporal{encoding: newEncoding(1000, 0), pattern: patterns["L1T2"]}
	m := NewMunger(1)
	m.Thin(1)
	var late *media.Packet
	for n := range 2*keptPieces + 40 {
		p := e.next(1, n == 0).packets[0]
		e.cache.Put(p)
		if n == 0 {
			m.Switch(e.Layer, p)
		}
		if n == 2 {
			late = p
			continue
		}
		m.Munge(e.Layer, p)
	}
	_, ok := m.Munge(e.Layer, late)
	require.False(t, ok)
	_, p, _ := m.Source(2)
	require.Nil(t, p)
	_, p, _ = m.Source(uint16(m.NextSeq() - 1))
	require.NotNil(t, p)
}

func TestThinningAllocatesOncePerTurn(t *testing.T) {
	e := &temporal{encoding: newEncoding(1000, 0), pattern: patterns["L1T3"]}
	m := NewMunger(1)
	m.Thin(2)
	var all []*media.Packet
	for n := range 64 {
		all = append(all, e.next(2, n == 0).packets...)
	}
	m.Switch(e.Layer, all[0])
	allocs := testing.AllocsPerRun(10, func() {
		for _, p := range all {
			m.Munge(e.Layer, p)
			p.Seq += uint64(len(all))
		}
		m.Switch(e.Layer, all[0])
	})
	require.Zero(t, allocs)
}

func BenchmarkMungeThinned(b *testing.B) {
	e := &temporal{encoding: newEncoding(1000, 0), pattern: patterns["L1T3"]}
	m := NewMunger(1)
	m.Thin(2)
	var all []*media.Packet
	for n := range 64 {
		all = append(all, e.next(2, n == 0).packets...)
	}
	m.Switch(e.Layer, all[0])
	now := time.Now()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p := all[i%len(all)]
		p.Arrival = now
		m.Munge(e.Layer, p)
		p.Seq += uint64(len(all))
	}
}
