package frames

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/freshet-live/freshet/sfu/media"
)

// firstSeq and firstTicks are near a wrap of what they are cut to.
const (
	firstSeq   = 1<<17 - 20
	firstTicks = 1<<32 - 2*sampleTicks
)

func layerOf(name string) *media.Layer {
	codec := codecOf(name)
	codec.ClockRate = 90_000
	l := &media.Layer{Kind: codec.Kind(), Codec: codec}
	l.SetClock(media.Clock{Timestamp: uint32(firstTicks % (1 << 32)), Wall: began, Rate: 90_000})
	return l
}

// recording returns a recorded stream, over and over, as a Layer's Packets,
// 66.7 ms from picture to picture.
func recording(t testing.TB, name string, size, times int) []*media.Packet {
	t.Helper()
	var out []*media.Packet
	for n := range times {
		all := packets(t, name, size)
		in := NewInspector(codecOf(name))
		for i, s := range all {
			ticks := uint32(n*sampleFrames*sampleTicks) + s.timestamp
			info := in.Inspect(ticks, s.payload)
			out = append(out, &media.Packet{
				Seq: firstSeq + uint64(len(out)), Timestamp: uint32(firstTicks%(1<<32)) + ticks,
				Arrival: began.Add(time.Duration(ticks) * time.Second / 90_000),
				Marker:  i+1 == len(all) || all[i+1].timestamp != s.timestamp,
				Payload: s.payload, FrameStart: info.FrameStart, Keyframe: info.Keyframe, Descriptor: info.Descriptor,
			})
		}
	}
	return out
}

// wanted returns the units of a recorded stream's pictures.
func wanted(t testing.TB, name string) (out [][][]byte) {
	t.Helper()
	for _, picture := range picturesOf(t, name) {
		var units [][]byte
		switch codecOf(name).Name {
		case media.H264, media.H265:
			nals := bytes.Split(picture, []byte{0, 0, 1})
			for i, nal := range nals {
				if i+1 < len(nals) { // a zero before a start code is its own
					nal = bytes.TrimSuffix(nal, []byte{0})
				}
				if len(nal) > 0 {
					units = append(units, nal)
				}
			}
			units = withoutDelimiter(name, units)
		case media.AV1:
			units = obus(t, picture)
		default:
			units = [][]byte{picture}
		}
		out = append(out, units)
	}
	return out
}

// withoutDelimiter drops what pion's payloader leaves out.
func withoutDelimiter(name string, units [][]byte) (out [][]byte) {
	for _, nal := range units {
		if codecOf(name).Name == media.H264 && nal[0]&0x1f == h264AUD {
			continue
		}
		out = append(out, nal)
	}
	return out
}

// obus splits a temporal unit as libaom writes it, where each OBU has a size.
func obus(t testing.TB, b []byte) (out [][]byte) {
	t.Helper()
	for len(b) > 0 {
		require.Equal(t, byte(av1HasSize), b[0]&(av1HasSize|av1Extension))
		body, rest, ok := cutOBU(b[1:], false)
		require.True(t, ok)
		if b[0]>>3&0x0f != av1TemporalDelimiter {
			out = append(out, append([]byte{b[0] &^ av1HasSize}, body...))
		}
		b = rest
	}
	return out
}

// requireUnits compares without printing pictures.
func requireUnits(t require.TestingT, want, got [][]byte) {
	require.Len(t, got, len(want))
	for i := range want {
		require.Equal(t, len(want[i]), len(got[i]), "unit %d", i)
		require.True(t, bytes.Equal(want[i], got[i]), "unit %d", i)
	}
}

// A recorded stream of each encoder, cut into RTP payloads, comes out as it
// was.
func TestAssembleRecordedStreams(t *testing.T) {
	for _, name := range recorded {
		for _, size := range []int{100, samplePayload, 1200} {
			t.Run(name, func(t *testing.T) {
				layer, want := layerOf(name), wanted(t, name)
				a := NewAssembler(layer, AssemblerConfig{})
				n := 0
				for _, p := range recording(t, name, size, 2) {
					got := a.Push(p.Arrival, p)
					if !p.Marker {
						require.Empty(t, got)
						continue
					}
					require.Len(t, got, 1, "at its marker")
					requireUnits(t, want[n%sampleFrames], got[0].Units)
					got[0].Units = nil
					require.Equal(t, &media.Frame{
						Layer: layer, Ticks: firstTicks + int64(n*sampleTicks), Arrival: p.Arrival,
						Wall:     began.Add(time.Duration(n*sampleTicks) * time.Second / 90_000),
						Keyframe: n%sampleGOP == 0,
					}, got[0])
					n++
				}
				require.Equal(t, AssemblerStats{Frames: 2 * sampleFrames}, a.Stats())
			})
		}
	}
}

// Whatever order, duplicates and losses: what comes out is whole, in order,
// and all that could come out; Lost tells what could not.
func TestAssembleAnyOrder(t *testing.T) {
	for _, name := range recorded {
		all, want := recording(t, name, 100, 3), wanted(t, name)
		layer := layerOf(name)
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
			lossy := rapid.IntRange(0, 10).Draw(t, "percent lost")
			arrivals, hurt := maul(all, r, lossy)
			a := NewAssembler(layer, AssemblerConfig{})
			var got []*media.Frame
			for now := time.Duration(0); now < 8*time.Second; now += time.Millisecond {
				for _, one := range arrivals[now] {
					p := *one
					p.Arrival = began.Add(now)
					got = append(got, a.Push(p.Arrival, &p)...)
				}
				got = append(got, a.Tick(began.Add(now))...)
			}
			before := 0
			for n := range 3 * sampleFrames {
				if hurt[n] {
					continue
				}
				require.NotEmpty(t, got, "Frame %d is missing", n)
				f := got[0]
				got = got[1:]
				require.Equal(t, int64(firstTicks+n*sampleTicks), f.Ticks)
				requireUnits(t, want[n%sampleFrames], f.Units)
				require.Equal(t, n%sampleGOP == 0, f.Keyframe)
				require.Equal(t, before != n, f.Lost, "Frame %d", n)
				before = n + 1
			}
			require.Empty(t, got)
		}))
	}
}

// maul decides when which Packet comes, in milliseconds, and tells which
// Frames cannot come out. The first Frame, by which an Assembler learns that
// keyframes bring parameter sets, and the last, behind which nothing shows a
// gap, are spared.
func maul(all []*media.Packet, r *rand.Rand, lossy int) (arrivals map[time.Duration][]*media.Packet, hurt map[int]bool) {
	arrivals, hurt = map[time.Duration][]*media.Packet{}, map[int]bool{}
	add := func(at time.Duration, p *media.Packet) {
		at = at.Truncate(time.Millisecond)
		arrivals[at] = append(arrivals[at], p)
	}
	last := all[len(all)-1].Timestamp
	for _, p := range all {
		at := p.Arrival.Sub(began)
		if spared := p.Timestamp == all[0].Timestamp || p.Timestamp == last; !spared {
			if r.IntN(100) < lossy {
				hurt[int(p.Timestamp-all[0].Timestamp)/sampleTicks] = true
				if r.IntN(2) == 0 {
					continue
				}
				at += defaultWait + time.Second // too late
			} else if r.IntN(4) == 0 {
				at += time.Duration(r.IntN(100)) * time.Millisecond
			}
		}
		add(at, p)
		for r.IntN(10) == 0 {
			add(at+time.Duration(r.IntN(1000))*time.Millisecond, p)
		}
	}
	return arrivals, hurt
}

func TestAssembleOpus(t *testing.T) {
	layer := &media.Layer{Kind: media.Audio, Codec: media.Codec{Name: media.Opus, ClockRate: 48_000}}
	a := NewAssembler(layer, AssemblerConfig{})
	push := func(seq uint64, payload ...byte) []*media.Frame {
		at := began.Add(time.Duration(seq) * 20 * time.Millisecond)
		return a.Push(at, &media.Packet{Seq: seq, Timestamp: uint32(seq) * 960, Arrival: at, Payload: payload})
	}
	first := push(10, 1)
	require.Equal(t, &media.Frame{
		Layer: layer, Ticks: 9600, Arrival: began.Add(200 * time.Millisecond), Wall: began.Add(200 * time.Millisecond),
		Keyframe: true, Units: [][]byte{{1}},
	}, first[0], "the arrival, before there is a clock")
	require.Empty(t, push(11), "only padding")
	require.Empty(t, push(13, 3))
	require.Empty(t, push(12+2, 4))
	got := a.Tick(began.Add(13*20*time.Millisecond + defaultWait))
	require.Len(t, got, 2)
	require.True(t, got[0].Lost)
	require.False(t, got[1].Lost)
	require.Equal(t, AssemblerStats{Frames: 3, Missing: 1}, a.Stats())
}

func TestAssembleNothingOfAnUnknownCodec(t *testing.T) {
	a := NewAssembler(&media.Layer{Codec: media.Codec{Name: "G722", ClockRate: 8000}}, AssemblerConfig{})
	require.Empty(t, a.Push(began, &media.Packet{Seq: 1, Arrival: began, Marker: true, Payload: []byte{1}}))
}
