package forward

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/media"
)

var began = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const frameTicks = 3000 // 30 frames/s at 90 kHz

// encoding is a Layer with the packets it sends.
type encoding struct {
	*media.Layer
	cache *Cache
	seq   uint64
	ts    uint32
}

func newEncoding(seq uint64, ts uint32) *encoding {
	cache := NewCache(1024)
	l := &media.Layer{
		Kind: media.Video, Codec: media.Codec{Name: media.VP8, ClockRate: 90000}, History: cache,
	}
	return &encoding{Layer: l, cache: cache, seq: seq, ts: ts}
}

// packet returns the next packet, a Frame of its own.
func (e *encoding) packet(arrival time.Time) *media.Packet {
	p := &media.Packet{Seq: e.seq, Timestamp: e.ts, Arrival: arrival, FrameStart: true, Keyframe: true, Marker: true}
	e.seq++
	e.ts += frameTicks
	e.cache.Put(p)
	return p
}

func (e *encoding) clock(ts uint32, wall time.Time) {
	e.SetClock(media.Clock{Timestamp: ts, Wall: wall, Rate: 90000, Reported: true})
}

func munge(t *testing.T, m *Munger, l *media.Layer, p *media.Packet) Out {
	t.Helper()
	out, ok := m.Munge(l, p)
	require.True(t, ok)
	return out
}

func TestMungerBeforeTheFirstPacket(t *testing.T) {
	m := NewMunger(7)
	require.False(t, m.Started())
	require.Zero(t, m.TimestampOffset())
	require.Equal(t, uint64(7), m.NextSeq())
	_, ok := m.Munge(&media.Layer{}, key)
	require.False(t, ok)
	_, p, _ := m.Source(6)
	require.Nil(t, p)
}

// R13: the first Layer keeps its timestamps; numbers start where told and
// count on over the wrap of 16 bits.
func TestMungerFirstLayer(t *testing.T) {
	for _, first := range []uint16{0, 1, 0x7fff, 0xfffe} {
		m := NewMunger(first)
		e := newEncoding(70000, 4_294_966_000)
		p := e.packet(began)
		m.Switch(e.Layer, p)
		require.True(t, m.Started())
		require.Equal(t, Out{Seq: uint64(first), Timestamp: 4_294_966_000}, munge(t, &m, e.Layer, p))
		p = e.packet(began)
		require.Equal(t, Out{Seq: uint64(first) + 1, Timestamp: 1704}, munge(t, &m, e.Layer, p))
		require.Equal(t, uint32(1704), m.LastTimestamp())
		_, got, out := m.Source(first + 1)
		require.Same(t, p, got)
		require.Equal(t, uint64(first)+1, out.Seq)
		_, got, _ = m.Source(first + 2)
		require.Nil(t, got, "not sent yet")
		_, got, _ = m.Source(first - 1)
		require.Nil(t, got, "never sent")
	}
}

// R19: a switch continues the numbers and steps by the time between captures.
func TestMungerSwitchByClocks(t *testing.T) {
	low, high := newEncoding(100, 1000), newEncoding(60000, 4_294_960_000)
	low.clock(1000, began)
	high.clock(4_294_960_000, began.Add(40*time.Millisecond)) // 40 ms after low's first Frame
	m := NewMunger(10)
	p := low.packet(began.Add(20 * time.Millisecond))
	m.Switch(low.Layer, p)
	munge(t, &m, low.Layer, p)

	k := high.packet(began.Add(300 * time.Millisecond)) // delayed in the network
	m.Switch(high.Layer, k)
	require.Equal(t, Out{Seq: 11, Timestamp: 1000 + 40*90}, munge(t, &m, high.Layer, k))
	require.Equal(t, k.Timestamp+m.TimestampOffset(), uint32(1000+40*90))

	offset := m.TimestampOffset()
	high.clock(0, began) // a later refinement moves nothing
	next := munge(t, &m, high.Layer, high.packet(began.Add(333*time.Millisecond)))
	require.Equal(t, Out{Seq: 12, Timestamp: 1000 + 40*90 + frameTicks}, next)
	require.Equal(t, offset, m.TimestampOffset())
}

func TestMungerSwitchDistrustsWildClocks(t *testing.T) {
	for name, wall := range map[string]time.Time{
		"years ahead": began.AddDate(5, 0, 0), "years back": began.AddDate(-5, 0, 0),
	} {
		t.Run(name, func(t *testing.T) {
			low, high := newEncoding(0, 0), newEncoding(0, 77)
			low.clock(0, began)
			high.clock(77, wall)
			m := NewMunger(0)
			p := low.packet(began)
			m.Switch(low.Layer, p)
			k := high.packet(began.Add(100 * time.Millisecond))
			m.Switch(high.Layer, k)
			require.Equal(t, uint32(9000), munge(t, &m, high.Layer, k).Timestamp)
		})
	}
}

func TestMungerSwitchAlwaysMovesOn(t *testing.T) {
	tests := []struct {
		name  string
		pause time.Duration
		want  uint32
	}{
		{"at once", 0, 1},
		{"from the cache, older than what was sent", -3 * time.Second, 1},
		{"a reconnect", 20 * time.Second, 20 * 90000},
		{"a night", 14 * time.Hour, 3600 * 90000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := newEncoding(5, 500), newEncoding(9, 123456)
			m := NewMunger(0)
			p := a.packet(began)
			m.Switch(a.Layer, p)
			k := b.packet(began.Add(tt.pause))
			m.Switch(b.Layer, k)
			require.Equal(t, Out{Seq: 1, Timestamp: 500 + tt.want}, munge(t, &m, b.Layer, k))
		})
	}
}

// R6: repaired packets find their own place, also in NACKs of the viewer.
func TestMungerLatePackets(t *testing.T) {
	a, b := newEncoding(100, 0), newEncoding(500, 0)
	before := a.packet(began)
	first, lost, third := a.packet(began), a.packet(began), a.packet(began)
	m := NewMunger(0)
	m.Switch(a.Layer, first)
	require.Equal(t, uint64(0), munge(t, &m, a.Layer, first).Seq)
	require.Equal(t, uint64(2), munge(t, &m, a.Layer, third).Seq)
	require.Equal(t, uint64(1), munge(t, &m, a.Layer, lost).Seq)
	_, ok := m.Munge(a.Layer, before)
	require.False(t, ok, "from before the switch")
	_, ok = m.Munge(b.Layer, lost)
	require.False(t, ok, "not this Layer's turn")

	k := b.packet(began)
	m.Switch(b.Layer, k)
	require.Equal(t, uint64(3), munge(t, &m, b.Layer, k).Seq)
	_, ok = m.Munge(a.Layer, lost)
	require.False(t, ok, "its turn is over")
	l, p, out := m.Source(1)
	require.Same(t, a.Layer, l)
	require.Same(t, lost, p)
	require.Equal(t, uint64(1), out.Seq)
}

func TestMungerSourceReachesBackSomeTurns(t *testing.T) {
	m := NewMunger(0)
	var firsts []*media.Packet
	for range keptSegments + 1 {
		e := newEncoding(uint64(len(firsts))*1000, 0)
		p := e.packet(began)
		m.Switch(e.Layer, p)
		firsts = append(firsts, p)
	}
	_, p, _ := m.Source(0)
	require.Nil(t, p, "too long ago")
	for seq := 1; seq <= keptSegments; seq++ {
		_, p, _ = m.Source(uint16(seq))
		require.Same(t, firsts[seq], p)
	}
	e := newEncoding(0, 0)
	e.History = nil
	p = e.packet(began)
	m.Switch(e.Layer, p)
	_, p, _ = m.Source(keptSegments + 1)
	require.Nil(t, p, "a Layer without a History")
}

// A timestamp jump of the Source passes as it is; B-frames do not confuse the
// step to the next Layer.
func TestMungerTimestampsWithinALayer(t *testing.T) {
	e, next := newEncoding(0, 900_000), newEncoding(0, 0)
	m := NewMunger(0)
	p := e.packet(began)
	m.Switch(e.Layer, p)
	later := e.packet(began.Add(33 * time.Millisecond))
	munge(t, &m, e.Layer, later)
	b := &media.Packet{Seq: 2, Timestamp: 901_500, Arrival: began.Add(34 * time.Millisecond)}
	require.Equal(t, uint32(901_500), munge(t, &m, e.Layer, b).Timestamp)
	require.Equal(t, later.Timestamp, m.LastTimestamp())

	jump := &media.Packet{Seq: 3, Timestamp: 5, Arrival: began.Add(time.Second), Keyframe: true}
	require.Equal(t, uint32(5), munge(t, &m, e.Layer, jump).Timestamp)
	k := next.packet(began.Add(2 * time.Second))
	m.Switch(next.Layer, k)
	require.Equal(t, uint32(5+90000), munge(t, &m, next.Layer, k).Timestamp)
}

// R13: picture numbers go on over a switch, in the width that the Source has.
func TestMungerPictureNumbers(t *testing.T) {
	wide := func(id uint16, tl0 uint8) media.Descriptor {
		return media.Descriptor{PictureID: id, PictureIDPos: 2, PictureIDLen: 2, TL0PicIdx: tl0, TL0PicIdxPos: 4}
	}
	narrow := func(id uint16) media.Descriptor {
		return media.Descriptor{PictureID: id, PictureIDPos: 2, PictureIDLen: 1}
	}
	steps := []struct {
		layer   int
		desc    media.Descriptor
		picture uint16
		tl0     uint8
	}{
		{0, wide(0x7ffe, 254), 0x7ffe, 254},
		{0, wide(0x7fff, 255), 0x7fff, 255},
		{0, wide(0x7fff, 255), 0x7fff, 255}, // the same picture
		{1, wide(5000, 9), 0, 0},            // goes on, wrapped
		{1, wide(5001, 10), 1, 1},
		{2, media.Descriptor{}, 0, 0}, // H264: nothing to write
		{3, wide(77, 3), 2, 2},
		{4, narrow(120), 3, 0},
		{4, narrow(127), 10, 0},
		{4, narrow(0), 11, 0},
		{0, wide(200, 0), 12, 3},
		{0, wide(330, 0), 142, 3},
		{4, narrow(5), 143 & 0x7f, 0},
	}
	m := NewMunger(0)
	layers := []*media.Layer{{}, {}, {}, {}, {}}
	current := -1
	for i, step := range steps {
		p := &media.Packet{Seq: uint64(i), Timestamp: uint32(i), Arrival: began, Descriptor: step.desc}
		if step.layer != current {
			current = step.layer
			m.Switch(layers[current], p)
		}
		out := munge(t, &m, layers[current], p)
		require.Equal(t, Out{Seq: uint64(i), Timestamp: out.Timestamp, Picture: Picture{PictureID: step.picture, TL0PicIdx: step.tl0}}, out, "step %d", i)
	}
}

func BenchmarkAcceptMunge(b *testing.B) {
	e := newEncoding(0, 0)
	var s Selector
	s.SetLayers([]*media.Layer{e.Layer}, nil)
	m := NewMunger(0)
	packets := make([]*media.Packet, 512)
	for i := range packets {
		packets[i] = e.packet(began)
		packets[i].Keyframe = i == 0
		packets[i].Descriptor = media.Descriptor{PictureIDPos: 2, PictureIDLen: 2, TL0PicIdxPos: 4}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p := packets[i%len(packets)]
		take, switched := s.Accept(e.Layer, p)
		if switched {
			m.Switch(e.Layer, p)
		}
		if take {
			m.Munge(e.Layer, p)
		}
	}
}

func TestAcceptMungeDoNotAllocate(t *testing.T) {
	e := newEncoding(0, 0)
	var s Selector
	s.SetLayers([]*media.Layer{e.Layer}, nil)
	m := NewMunger(0)
	p := e.packet(began)
	s.Accept(e.Layer, p)
	m.Switch(e.Layer, p)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		s.Accept(e.Layer, p)
		m.Munge(e.Layer, p)
		m.Source(0)
	}))
}
