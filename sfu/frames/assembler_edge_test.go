package frames

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/media"
)

// feed pushes Packets 10 ms apart, one a letter of what they are, and returns
// the Frames as one line each.
type feed struct {
	t   *testing.T
	a   *Assembler
	now time.Time
	seq uint64
}

func newFeed(t *testing.T, name string) *feed {
	return &feed{t: t, a: NewAssembler(&media.Layer{Codec: media.Codec{Name: name}}, AssemblerConfig{}), now: began, seq: 100}
}

func (f *feed) push(ts uint32, marker bool, payload ...byte) []*media.Frame {
	f.now = f.now.Add(10 * time.Millisecond)
	p := &media.Packet{Seq: f.seq, Timestamp: ts, Arrival: f.now, Marker: marker, Payload: payload}
	f.seq++
	return append([]*media.Frame(nil), f.a.Push(f.now, p)...)
}

var (
	h264Key   = []byte{h264IDR | 0x60, 0x88, 1}
	h264Delta = []byte{h264Slice | 0x40, 0x88, 2}
	h264More  = []byte{h264Slice | 0x40, 0x08, 3} // not the first slice
	h264Set   = []byte{h264SPS | 0x60, 1}
)

// A missing Packet is waited for, no longer than Wait from when it showed, and
// what comes after that changes nothing.
func TestAssembleWaits(t *testing.T) {
	for name, c := range map[string]struct {
		after time.Duration // of the repair
		want  []bool        // Lost, for each Frame that comes out
	}{
		"repaired": {defaultWait - 1, []bool{false, false, false}},
		"given up": {defaultWait, []bool{false, true}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFeed(t, media.H264)
			var got []bool
			collect := func(frames []*media.Frame) {
				for _, f := range frames {
					got = append(got, f.Lost)
				}
			}
			collect(f.push(1, true, h264Key...))
			missing := &media.Packet{Seq: f.seq, Timestamp: 2, Marker: true, Payload: h264Delta}
			f.seq++
			collect(f.push(3, true, h264Delta...))
			require.Len(t, got, 1)
			showed := f.now
			collect(f.a.Tick(showed.Add(c.after)))
			missing.Arrival = showed.Add(c.after)
			collect(f.a.Push(missing.Arrival, missing))
			require.Equal(t, c.want, got)
			require.Equal(t, uint64(3-len(c.want)), f.a.Stats().Missing)
		})
	}
}

// Each gap has its own time: one that shows later is waited for longer.
func TestAssembleWaitsForEachGap(t *testing.T) {
	f := newFeed(t, media.H264)
	f.push(1, true, h264Key...)
	f.seq++ // 2
	f.push(3, true, h264Delta...)
	first := f.now
	f.now = f.now.Add(100 * time.Millisecond)
	f.seq++ // 4
	f.push(5, true, h264Delta...)
	second := f.now
	require.Empty(t, f.a.Tick(first.Add(defaultWait-1)))
	require.Len(t, f.a.Tick(first.Add(defaultWait)), 1)
	require.Empty(t, f.a.Tick(second.Add(defaultWait-1)))
	require.Len(t, f.a.Tick(second.Add(defaultWait)), 1)
}

// What the History is missing has been waited for long ago.
func TestAssembleHistoryWithoutWaiting(t *testing.T) {
	f := newFeed(t, media.H264)
	later := f.now.Add(time.Minute)
	got := len(f.a.Push(later, &media.Packet{Seq: 1, Timestamp: 1, Arrival: f.now, Marker: true, Payload: h264Key}))
	got += len(f.a.Push(later, &media.Packet{Seq: 3, Timestamp: 3, Arrival: f.now, Marker: true, Payload: h264Delta}))
	require.Equal(t, 2, got)
}

// What waits is bounded in numbers and bytes, whatever the time.
func TestAssembleBounds(t *testing.T) {
	f := newFeed(t, media.H264)
	f.push(1, true, h264Key...)
	f.seq++
	for range maxWaiting - 1 {
		require.Empty(t, f.a.Push(f.now, &media.Packet{Seq: f.seq, Timestamp: uint32(f.seq), Arrival: f.now, Marker: true, Payload: h264Delta}))
		f.seq++
	}
	require.Len(t, f.push(9000, true, h264Delta...), maxWaiting, "by number")

	f = newFeed(t, media.H264)
	f.push(1, true, h264Key...)
	f.seq++
	big := append(bytes.Clone(h264Delta), make([]byte, maxWaitingBytes/2)...)
	require.Empty(t, f.push(3, true, big...))
	require.Len(t, f.push(4, true, big...), 2, "by bytes")
}

// One Frame is bounded too.
func TestAssembleBoundsOneFrame(t *testing.T) {
	f := newFeed(t, media.H264)
	f.push(1, true, h264Key...)
	big := append(bytes.Clone(h264Delta), make([]byte, maxFrameBytes/2)...)
	require.Empty(t, f.push(2, false, big...))
	require.Empty(t, f.push(2, false, big...))
	require.Empty(t, f.push(2, true, h264More...))
	got := f.push(3, true, h264Delta...)
	require.Len(t, got, 1)
	require.True(t, got[0].Lost)
	for range maxFramePackets {
		f.push(4, false, h264More...)
	}
	require.Empty(t, f.push(4, true, h264More...), "nor in Packets")
	require.Len(t, f.push(5, true, h264Delta...), 1)
	require.Equal(t, AssemblerStats{Frames: 3, Dropped: 2}, f.a.Stats())
}

// Encoders without markers, and those that set them anywhere.
func TestAssembleByTimestamps(t *testing.T) {
	t.Run("without markers", func(t *testing.T) {
		f := newFeed(t, media.H264)
		require.Empty(t, f.push(1, false, h264Key...))
		require.Empty(t, f.push(1, false, h264More...))
		got := f.push(2, false, h264Delta...)
		require.Len(t, got, 1)
		require.Equal(t, [][]byte{h264Key, h264More}, got[0].Units)
		require.Equal(t, int64(1), got[0].Ticks)
		require.Equal(t, f.now.Add(-10*time.Millisecond), got[0].Arrival)
	})
	t.Run("on each slice", func(t *testing.T) {
		f := newFeed(t, media.H264)
		require.Len(t, f.push(1, true, h264Key...), 1, "believed at first")
		require.Empty(t, f.push(1, true, h264More...))
		require.Empty(t, f.push(2, true, h264Delta...))
		require.Empty(t, f.push(2, true, h264More...))
		got := f.push(3, true, h264Delta...)
		require.Len(t, got, 1)
		require.Equal(t, [][]byte{h264Delta, h264More}, got[0].Units)
		require.True(t, got[0].Lost)
		require.False(t, f.push(4, true, h264Delta...)[0].Lost)
	})
	t.Run("on each fragment", func(t *testing.T) {
		f := newFeed(t, media.H264)
		var got []*media.Frame
		for ts := range uint32(4) {
			got = append(got, f.push(ts, true, 28, 0x81, 0x88)...)
			got = append(got, f.push(ts, true, 28, 0x41, 0x99)...)
		}
		require.Len(t, got, 2)
		require.Equal(t, [][]byte{{1, 0x88, 0x99}}, got[0].Units)
	})
	t.Run("after a gap", func(t *testing.T) {
		f := newFeed(t, media.H264)
		f.push(1, false, h264Key...)
		f.seq++
		require.Empty(t, f.push(2, false, h264Delta...))
		require.Empty(t, f.a.Tick(f.now.Add(defaultWait)), "the first may go on in what is missing")
		require.True(t, f.push(3, false, h264Delta...)[0].Lost)
	})
}

// R10: parameter sets belong to the picture that follows, whatever the marker
// or the timestamp of their own packets.
func TestAssembleParameterSets(t *testing.T) {
	for name, own := range map[string]struct {
		ts     uint32
		marker bool
	}{"same timestamp": {2, false}, "marker": {2, true}, "own timestamp": {1, false}, "own picture": {1, true}} {
		t.Run(name, func(t *testing.T) {
			f := newFeed(t, media.H264)
			require.Empty(t, f.push(own.ts, own.marker, h264Set...))
			got := f.push(2, true, h264Key...)
			require.Len(t, got, 1)
			require.Equal(t, &media.Frame{
				Layer: got[0].Layer, Ticks: 2, Arrival: f.now, Wall: f.now, Keyframe: true, Units: [][]byte{h264Set, h264Key},
			}, got[0])
		})
	}
	f := newFeed(t, media.H264)
	for ts := range uint32(maxCarried) {
		require.Empty(t, f.push(ts, true, h264Set...))
	}
	require.Len(t, f.push(1000, true, h264Key...)[0].Units, maxCarried+1)
	for ts := range uint32(maxCarried + 1) {
		require.Empty(t, f.push(2000+ts, true, h264Set...))
	}
	require.Len(t, f.push(4000, true, h264Delta...)[0].Units, 1, "so many, and no more")
}

// A keyframe without the parameter sets that its encoder always sends has lost
// them, but only where something is missing.
func TestAssembleKeyframeWithoutParameterSets(t *testing.T) {
	f := newFeed(t, media.H264)
	f.push(1, false, h264Set...)
	require.Len(t, f.push(1, true, h264Key...), 1)
	require.Len(t, f.push(2, true, h264Key...), 1)
	f.seq++
	f.push(3, true, h264Key...)
	require.Empty(t, f.a.Tick(f.now.Add(defaultWait)))
	require.Equal(t, AssemblerStats{Frames: 2, Dropped: 1, Missing: 1}, f.a.Stats())
}

// A Frame that has begun before the Assembler, or in what is missing, is of no
// use.
func TestAssembleBeginsWithAFrame(t *testing.T) {
	f := newFeed(t, media.H264)
	require.Empty(t, f.push(1, false, h264More...))
	require.Empty(t, f.push(1, true, h264More...))
	require.Len(t, f.push(2, true, h264Delta...), 1)
	f.seq++
	f.push(4, false, h264More...)
	require.Empty(t, f.a.Tick(f.now.Add(defaultWait)))
	require.Empty(t, f.push(4, true, h264Delta...), "still the same Frame")
	require.True(t, f.push(5, true, h264Delta...)[0].Lost)

	f.push(6, false, h264Delta...)
	f.seq++
	f.push(6, false, h264PPS, 1)
	f.push(6, true, h264More...)
	require.Empty(t, f.a.Tick(f.now.Add(defaultWait)), "what might begin a Frame, in the midst of one")
}

// Numbers that jump, either way, cost a few Packets.
func TestAssembleJumps(t *testing.T) {
	for name, jump := range map[string]func(uint64) uint64{
		"back, and in time":    func(seq uint64) uint64 { return seq - 20_000 },
		"ahead":                func(seq uint64) uint64 { return seq + 20_000 },
		"far ahead":            func(seq uint64) uint64 { return seq + 1<<40 },
		"back":                 func(seq uint64) uint64 { return seq - 20_000 },
		"back a little":        func(seq uint64) uint64 { return seq - 100 },
		"ahead and back again": nil,
	} {
		t.Run(name, func(t *testing.T) {
			f := newFeed(t, media.H264)
			f.seq = 1 << 20
			first := uint32(1)
			if name == "back, and in time" {
				first = 1000
			}
			f.push(first, true, h264Key...)
			if jump != nil {
				f.seq = jump(f.seq)
			} else {
				seq := f.seq
				f.seq += 20_000
				f.push(2, true, h264Delta...)
				f.seq = seq
			}
			got := 0
			for ts := range uint32(restartRun + 1) {
				got += len(f.push(10+ts, true, h264Delta...))
			}
			require.GreaterOrEqual(t, got, 2)
		})
	}
}

// Nor does the History of a Layer whose live Packets came first.
func TestAssembleLateHistory(t *testing.T) {
	f := newFeed(t, media.H264)
	old := f.now
	f.seq = 1 << 20
	f.push(9000, true, h264Key...)
	for seq := uint64(1<<20 - 3*maxWaiting); seq < 1<<20; seq++ {
		require.Empty(t, f.a.Push(f.now, &media.Packet{Seq: seq, Timestamp: 5, Arrival: old, Marker: true, Payload: h264Key}))
	}
	require.Len(t, f.push(9001, true, h264Delta...), 1)
}

// A burst of late repairs does not look like a new beginning.
func TestAssembleLateRepairs(t *testing.T) {
	f := newFeed(t, media.H264)
	f.push(1, true, h264Key...)
	gap := f.seq
	f.seq += 3 * restartRun
	f.push(1000, true, h264Delta...)
	require.Len(t, f.a.Tick(f.now.Add(defaultWait)), 1)
	newest := f.seq
	f.seq = gap
	for i := range uint32(3 * restartRun) {
		require.Empty(t, f.push(2+i, true, h264Delta...))
	}
	f.seq = newest
	require.Len(t, f.push(1001, true, h264Delta...), 1)
}

// Malformed payloads cost their Frame, and no other.
func TestAssembleMalformed(t *testing.T) {
	tests := map[string]struct {
		good []byte
		bad  [][]byte
	}{
		media.H264: {h264Delta, [][]byte{
			{0x81}, {0}, {25, 1, 2}, {26, 1}, {27, 1}, {29, 0x81, 1, 2}, {30}, {31}, {24, 0}, {24, 0, 0}, {24, 0, 9, 1}, {24, 0, 1, 0x81},
			{28}, {28, 0x81}, {28, 0xc1, 1}, {28, 0x01, 1}, {28, 0x41, 1}, {28, 0x81, 1},
		}},
		media.H265: {[]byte{2, 1, 0x80}, [][]byte{
			{2}, {2, 1}, {0x82, 1, 0x80}, {50 << 1, 1, 0}, {48 << 1, 1, 0}, {48 << 1, 1, 0, 1, 2}, {48 << 1, 1, 0, 2, 2, 1},
			{49 << 1, 1}, {49 << 1, 1, 0x81}, {49 << 1, 1, 0xc1, 0}, {49 << 1, 1, 0x01, 0}, {49 << 1, 1, 0x81, 0},
		}},
		media.VP8: {[]byte{0x10, 1}, [][]byte{{0x10}, {0x90}, {0x90, 0x80}, {0x90, 0x80, 0x80}, {0, 1}, {0x11, 1}}},
		media.VP9: {[]byte{0x48, 0x86}, [][]byte{{8}, {0x88}, {0x88, 0x80}, {0x58, 1, 1, 1}, {0x40, 1}, {0x0a, 0x18}}},
		media.AV1: {[]byte{0x10, 0x30, 0x20}, [][]byte{
			{0x10}, {0x90, 0x30}, {0x00, 5, 1}, {0x20, 5, 1}, {0x20, 0x80}, {0x50, 0x30}, {0x10, 0xb0}, {0x10, 0x34}, {0x10, 0x32},
			{0x10, 0x32, 2, 0}, {0x10, 0x32, 0, 0}, {0x10, 0x32, 0xff, 0xff, 0xff, 0x7f}, {0x60, 2, 0x30, 0x20},
		}},
	}
	for name, tt := range tests {
		for _, bad := range tt.bad {
			f := newFeed(t, name)
			require.Len(t, f.push(1, true, tt.good...), 1, name)
			require.Empty(t, f.push(2, true, bad...), "%s % x", name, bad)
			got := f.push(3, true, tt.good...)
			require.Len(t, got, 1, "%s after % x", name, bad)
			require.True(t, got[0].Lost, "%s after % x", name, bad)
			require.Equal(t, AssemblerStats{Frames: 2, Dropped: 1}, f.a.Stats(), "%s after % x", name, bad)
			require.False(t, f.push(4, true, tt.good...)[0].Lost)
		}
	}
	f := newFeed(t, media.H264)
	f.push(1, false, 28, 0x81, 0x88)
	require.Empty(t, f.push(1, true, h264More...), "a unit within another")
	f.push(2, false, 28, 0x81, 0x88)
	require.Empty(t, f.push(2, true, 28, 0x42, 1), "two units' fragments")
	f.push(3, false, 0x10, 0x30)
}

// Size fields go, as do OBUs that have no place in a Frame.
func TestAssembleAV1OBUs(t *testing.T) {
	f := newFeed(t, media.AV1)
	got := f.push(1, true, 0x00,
		2, 0x12, 0, // temporal delimiter
		4, 0x0a, 2, 7, 8, // sequence header
		4, 0x7a, 2, 0, 0, // padding
		5, 0x36, 0x28, 2, 0x10, 9, // a frame with an extension
	)
	require.Len(t, got, 1)
	require.Equal(t, [][]byte{{0x08, 7, 8}, {0x34, 0x28, 0x10, 9}}, got[0].Units)
	require.True(t, got[0].Keyframe)
	require.False(t, f.push(2, true, 0x20, 2, 0x08, 7, 0x30, 0x20)[0].Keyframe, "an inter frame behind a sequence header")
	require.False(t, f.push(3, true, 0x10, 0x30, 0x10)[0].Keyframe, "a key frame without one")
	require.Empty(t, f.push(4, false, 0x50, 0x32, 4, 0x20, 1))
	got = f.push(4, true, 0x90, 2, 3)
	require.Equal(t, [][]byte{{0x30, 0x20, 1, 2, 3}}, got[0].Units, "a size and fragments")
}

// The frames of several spatial layers become a superframe.
func TestAssembleVP9SpatialLayers(t *testing.T) {
	f := newFeed(t, media.VP9)
	low, high := picturesOf(t, media.VP9)[0][:300], []byte{0x86, 1, 2}
	require.Empty(t, f.push(1, false, append([]byte{0xa8, 1, 0x00, 0}, low[:200]...)...))
	require.Empty(t, f.push(1, false, append([]byte{0xa0, 1, 0x00, 0}, low[200:]...)...))
	got := f.push(1, true, append([]byte{0xa8, 1, 0x02, 0}, high...)...)
	require.Len(t, got, 1)
	require.True(t, got[0].Keyframe)
	want := append(append(bytes.Clone(low), high...), 0xc9, 300&0xff, 300>>8, 3, 0, 0xc9)
	requireUnits(t, [][]byte{want}, got[0].Units)
	f.push(2, false, 0xa8, 2, 0x00, 0, 0x82)
	for range vp9MaxFrames {
		f.push(2, false, 0xa8, 2, 0x02, 0, 0x86)
	}
	require.Empty(t, f.push(3, true, 0x90), "more layers than there are")
	require.True(t, vp9KeyFrame([]byte{0b10_11_0_0_0_0}), "profile 3")
	require.False(t, vp9KeyFrame([]byte{0b10_11_0_0_1_0}))
	require.False(t, vp9KeyFrame([]byte{0b10_00_1_0_0_0}), "shows an existing frame")
	require.False(t, vp9KeyFrame([]byte{0b01_00_0_0_0_0}))
}

// No allocation but the Frame, its list of units, and one buffer where units
// were fragmented.
func TestAssembleAllocations(t *testing.T) {
	for _, name := range recorded {
		all := recording(t, name, 1200, 1)
		a := NewAssembler(layerOf(name), AssemblerConfig{})
		shift := uint64(0)
		run := func() {
			for _, p := range all {
				p.Seq += shift
				p.Timestamp += sampleFrames * sampleTicks
				a.Push(p.Arrival, p)
			}
			shift = uint64(len(all))
		}
		run()
		require.LessOrEqual(t, testing.AllocsPerRun(5, run), float64(3*sampleFrames), name)
	}
}

func BenchmarkAssembleH264(b *testing.B) {
	all := recording(b, media.H264, 1200, 1)
	a := NewAssembler(layerOf(media.H264), AssemblerConfig{})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p := all[i%len(all)]
		p.Seq, p.Timestamp = uint64(firstSeq+i), p.Timestamp+sampleFrames*sampleTicks
		a.Push(p.Arrival, p)
	}
}
