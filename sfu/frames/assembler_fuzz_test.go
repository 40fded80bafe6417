package frames

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/media"
)

// fuzzUnpack takes any payloads apart, as the Packets of one Frame.
func fuzzUnpack(f *testing.F, names ...string) {
	f.Helper()
	for _, name := range names {
		var frame []byte
		for _, p := range recording(f, name, samplePayload, 1) {
			frame = append(binary.BigEndian.AppendUint16(frame, uint16(len(p.Payload))), p.Payload...)
			if p.Marker {
				f.Add(frame)
				frame = nil
			}
		}
	}
	layer := layerOf(names[0])
	f.Fuzz(func(t *testing.T, b []byte) {
		a := NewAssembler(layer, AssemblerConfig{})
		total, pushed := 0, uint64(0)
		for len(b) >= 2 {
			n := min(int(binary.BigEndian.Uint16(b)), len(b)-2)
			p := &media.Packet{Seq: pushed, Timestamp: 7, Arrival: began, Payload: b[2 : 2+n]}
			pushed++
			total += n
			require.Empty(t, a.Push(began, p))
			b = b[2+n:]
		}
		got := a.Push(began, &media.Packet{Seq: pushed, Timestamp: 8, Arrival: began, Payload: []byte{0}})
		require.LessOrEqual(t, len(got), 1)
		for _, frame := range got {
			require.NotEmpty(t, frame.Units)
			size := 0
			for _, unit := range frame.Units {
				require.NotEmpty(t, unit)
				size += len(unit)
			}
			require.LessOrEqual(t, size, total+vp9MaxIndex)
		}
	})
}

func FuzzUnpackH264(f *testing.F) { fuzzUnpack(f, media.H264) }
func FuzzUnpackH265(f *testing.F) { fuzzUnpack(f, media.H265) }
func FuzzUnpackVP8(f *testing.F)  { fuzzUnpack(f, media.VP8) }
func FuzzUnpackVP9(f *testing.F)  { fuzzUnpack(f, media.VP9, "VP9 flexible") }
func FuzzUnpackAV1(f *testing.F)  { fuzzUnpack(f, media.AV1) }

// FuzzAssembler moves a recorded stream's Packets about: four bytes each tell
// which Packet comes, how it is changed, and what time passes.
func FuzzAssembler(f *testing.F) {
	f.Add(byte(0), []byte{0, 0, 0, 0, 1, 0, 0, 0, 2, 1, 0, 200})
	f.Add(byte(5), []byte{0, 0, 0, 0, 3, 2, 9, 9, 2, 4, 0, 200})
	streams := map[string][]*media.Packet{}
	for _, name := range recorded {
		streams[name] = recording(f, name, samplePayload, 1)
	}
	f.Fuzz(func(t *testing.T, codec byte, script []byte) {
		name := recorded[int(codec)%len(recorded)]
		all := streams[name]
		a := NewAssembler(layerOf(name), AssemblerConfig{})
		now := began
		frames := uint64(0)
		check := func(got []*media.Frame) {
			for _, frame := range got {
				require.NotEmpty(t, frame.Units)
				require.False(t, frame.Wall.IsZero() || frame.Arrival.IsZero())
			}
			frames += uint64(len(got))
			waiting, bytes := 0, 0
			for _, p := range a.slots {
				if p != nil {
					waiting++
					bytes += len(p.Payload)
				}
			}
			require.Equal(t, waiting, a.waiting)
			require.Equal(t, bytes, a.bytes)
			require.Nil(t, *a.slot(a.next), "what can be taken is taken")
		}
		for ; len(script) >= 4; script = script[4:] {
			p := *all[int(script[0])%len(all)]
			p.Arrival = now
			switch script[1] & 7 {
			case 1:
				p.Seq += uint64(script[2]) << (script[3] & 31)
			case 2:
				p.Seq -= uint64(script[2]) << (script[3] & 31)
			case 3:
				p.Timestamp += uint32(script[2]) << (script[3] & 31)
			case 4:
				p.Marker = !p.Marker
			case 5:
				p.Payload = p.Payload[:int(script[2])%(len(p.Payload)+1)]
			}
			check(a.Push(now, &p))
			now = now.Add(time.Duration(script[3]) * time.Millisecond)
			check(a.Tick(now))
		}
		require.Equal(t, frames, a.Stats().Frames)
	})
}
