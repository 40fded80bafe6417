package frames

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/media"
)

// The files in testdata are eight 320x180 pictures at 15 frames/s with a
// keyframe at the first and the fifth, from x264, x265, libvpx and libaom.
const (
	sampleFrames  = 8
	sampleGOP     = 4
	sampleTicks   = 6000
	samplePayload = 300
)

// sample is one packet of a recorded stream.
type sample struct {
	timestamp uint32
	payload   []byte
}

// packets returns a recorded stream as RTP payloads of at most size bytes.
func packets(t testing.TB, codec string, size int) []sample {
	t.Helper()
	pictures := picturesOf(t, codec)
	var p rtp.Payloader
	switch codec {
	case media.H264:
		p = &codecs.H264Payloader{}
	case media.H265:
		p = &codecs.H265Payloader{}
	case media.VP8:
		p = &codecs.VP8Payloader{EnablePictureID: true}
	case media.VP9:
		p = &codecs.VP9Payloader{InitialPictureIDFn: func() uint16 { return 0x7ffd }}
	case "VP9 flexible":
		p = &codecs.VP9Payloader{FlexibleMode: true, InitialPictureIDFn: func() uint16 { return 0x7ffd }}
	case media.AV1:
		p = &codecs.AV1Payloader{}
	}
	require.Equal(t, sampleFrames, len(pictures))
	var out []sample
	for i, picture := range pictures {
		for _, payload := range p.Payload(uint16(size), picture) {
			out = append(out, sample{timestamp: uint32(i) * sampleTicks, payload: payload})
		}
	}
	return out
}

// picturesOf returns a recorded stream's pictures as its file has them.
func picturesOf(t testing.TB, codec string) [][]byte {
	t.Helper()
	switch codec {
	case media.H264:
		return annexB(t, "testdata/camera.h264", func(b byte) bool { return b&0x1f == h264AUD })
	case media.H265:
		return annexB(t, "testdata/camera.h265", func(b byte) bool {
			return h265Type(b) == h265VPS || h265Type(b) < h265FirstIRAP
		})
	case media.VP8:
		return ivf(t, "testdata/camera.vp8.ivf")
	case media.AV1:
		return ivf(t, "testdata/camera.av1.ivf")
	default:
		return ivf(t, "testdata/camera.vp9.ivf")
	}
}

// annexB splits a byte stream (ITU-T H.264 annex B) into pictures; first tells
// by its header which NAL unit begins one.
func annexB(t testing.TB, file string, first func(byte) bool) (pictures [][]byte) {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	start := []byte{0, 0, 1}
	for _, nal := range bytes.Split(b, start) {
		if len(nal) == 0 || nal[0] == 0 {
			continue
		}
		if first(nal[0]) {
			pictures = append(pictures, nil)
		}
		last := len(pictures) - 1
		pictures[last] = append(append(pictures[last], start...), nal...)
	}
	return pictures
}

func ivf(t testing.TB, file string) (pictures [][]byte) {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	for b = b[32:]; len(b) >= 12; {
		n := 12 + int(binary.LittleEndian.Uint32(b))
		pictures = append(pictures, b[12:n])
		b = b[n:]
	}
	return pictures
}

var recorded = []string{media.H264, media.H265, media.VP8, media.VP9, "VP9 flexible", media.AV1}

func codecOf(name string) media.Codec {
	if name == "VP9 flexible" {
		name = media.VP9
	}
	return media.Codec{Name: name}
}

// A recorded stream of each encoder: eight Frames, two keyframes, their size.
func TestInspectRecordedStreams(t *testing.T) {
	for _, name := range recorded {
		for _, size := range []int{samplePayload, 1200} {
			t.Run(name, func(t *testing.T) {
				in := NewInspector(codecOf(name))
				var starts, keys []uint32
				width, height := 0, 0
				for _, s := range packets(t, name, size) {
					info := in.Inspect(s.timestamp, s.payload)
					if info.FrameStart {
						starts = append(starts, s.timestamp)
					}
					if info.Keyframe {
						keys = append(keys, s.timestamp)
					}
					if info.Width != 0 {
						width, height = info.Width, info.Height
					}
				}
				want := make([]uint32, sampleFrames)
				for i := range want {
					want[i] = uint32(i) * sampleTicks
				}
				require.Equal(t, want, starts)
				require.Equal(t, []uint32{0, sampleGOP * sampleTicks}, keys)
				require.Equal(t, [2]int{320, 180}, [2]int{width, height})
			})
		}
	}
}

// R10: the keyframe begins with the packet that has the parameter sets, not
// with the IDR, and not with what comes before them.
func TestInspectKeyframeBeginsAtParameterSets(t *testing.T) {
	in := NewInspector(media.Codec{Name: media.H264})
	sps := spsOf(t)
	for _, step := range []struct {
		name       string
		timestamp  uint32
		payload    []byte
		start, key bool
	}{
		{"access unit delimiter", 0, []byte{9, 0xf0}, true, false},
		{"SPS", 0, sps, false, true},
		{"PPS", 0, []byte{8, 1, 2}, false, false},
		{"IDR", 0, []byte{5, 0x88, 1}, false, false},
		{"second slice", 0, []byte{5, 0x08, 1}, false, false},
		{"delta", 1, []byte{1, 0x88}, true, false},
		{"IDR without parameter sets", 2, []byte{5, 0x88, 1}, true, true},
		{"IDR fragment that begins", 3, []byte{28, 0x85, 0x88}, true, true},
		{"IDR fragment that goes on", 3, []byte{28, 0x05, 0x88}, false, false},
		{"second slice after a loss", 4, []byte{1, 0x08}, false, false},
		{"its first slice, repaired", 4, []byte{1, 0x88}, true, false},
		{"late parameter sets", 1, sps, false, true},
		{"the same again", 1, sps, false, false},
		{"nothing", 9, nil, false, false},
		{"delta, still the Frame of 4", 4, []byte{1, 0x88}, false, false},
		{"an encoder's new beginning", 4_000_000_000, []byte{1, 0x88}, true, false},
	} {
		info := in.Inspect(step.timestamp, step.payload)
		require.Equal(t, [2]bool{step.start, step.key}, [2]bool{info.FrameStart, info.Keyframe}, step.name)
	}
}

func spsOf(t testing.TB) []byte {
	t.Helper()
	for _, nal := range bytes.Split(annexB(t, "testdata/camera.h264", func(b byte) bool { return b&0x1f == h264AUD })[0], []byte{0, 0, 1}) {
		if len(nal) > 0 && nal[0]&0x1f == h264SPS {
			return bytes.TrimRight(nal, "\x00")
		}
	}
	t.Fatal("no SPS")
	return nil
}

// R9 and malformed payloads of all codecs give the zero Info.
func TestInspectRefusesMalformedPayloads(t *testing.T) {
	tests := map[string][][]byte{
		media.H264: {
			{0x80 | 5, 0x88}, {0}, {25, 1, 2}, {26, 1, 2}, {27, 1, 2}, {29, 0x85, 1, 2}, {30}, {31},
			{24, 0}, {24, 0, 0}, {24, 0, 9, 5}, {24, 0, 1, 0x85}, {28}, {28, 0x85}, {28, 0xc5, 1},
		},
		media.H265: {
			{38}, {0x80 | 38, 1, 0x80}, {50 << 1, 1, 0}, {48 << 1, 1, 0}, {48 << 1, 1, 0, 1, 38},
			{49 << 1, 1}, {49 << 1, 1, 0xd3, 0},
		},
		media.VP8: {
			{0x10}, {0x90}, {0x90, 0x80}, {0x90, 0x80, 0x80}, {0x90, 0x40}, {0x90, 0x20},
			{0x10, 0x00, 0, 0, 0x9d, 0x01}, {0x10, 0, 0, 0, 0x9d, 0x01, 0x2b, 0, 0, 0, 0},
		},
		media.VP9: {
			{0x08}, {0x88}, {0x88, 0x80}, {0x28}, {0x28, 0}, {0x58, 1, 1, 1}, {0x0a}, {0x0a, 0x18}, {0x0a, 0x08, 2, 0},
			{0x0a, 0x08}, {0x08, 0x00},
		},
		media.AV1: {{0x10}, {0x80}, {0x88, 0x30}, {0x00, 5, 1}, {0x20, 5, 1}, {0x20, 0x80}},
		"G722":    {{1, 2, 3}},
	}
	for name, payloads := range tests {
		for _, payload := range payloads {
			require.Zero(t, NewInspector(media.Codec{Name: name}).Inspect(0, payload), "%s % x", name, payload)
		}
	}
}

func TestInspectOpus(t *testing.T) {
	in := NewInspector(media.Codec{Name: media.Opus})
	require.Equal(t, Info{FrameStart: true, Keyframe: true}, in.Inspect(0, []byte{1}))
	require.Zero(t, in.Inspect(1, nil))
}

// The positions that the Munger's numbers are written to are where pion's
// depacketizers read them.
func TestInspectVP8Descriptor(t *testing.T) {
	for _, payload := range [][]byte{
		{0x90, 0x80, 0x11, 0x01}, {0x90, 0x80, 0x91, 0x22, 0x01}, {0x90, 0xc0, 0x91, 0x22, 0x33, 0x01},
		{0x80, 0xe0, 0x91, 0x22, 0x33, 0x60, 0x01}, {0x80, 0x40, 0x55, 0x01}, {0x80, 0x10, 0x15, 0x01}, {0x10, 0x01},
	} {
		var want codecs.VP8Packet
		_, err := want.Unmarshal(payload)
		require.NoError(t, err)
		d := NewInspector(media.Codec{Name: media.VP8}).Inspect(0, payload).Descriptor
		require.Equal(t, want.PictureID, d.PictureID, "% x", payload)
		require.Equal(t, want.TL0PICIDX, d.TL0PicIdx)
		require.Equal(t, want.TID, d.TemporalID)
		require.Equal(t, want.I == 1, d.PictureIDPos != 0)
		require.Equal(t, want.L == 1, d.TL0PicIdxPos != 0)
		if d.TL0PicIdxPos != 0 {
			require.Equal(t, want.TL0PICIDX, payload[d.TL0PicIdxPos])
		}
		if d.PictureIDLen == 2 {
			require.Equal(t, want.PictureID|0x8000, binary.BigEndian.Uint16(payload[d.PictureIDPos:]))
		}
	}
}

func TestInspectVP9Descriptor(t *testing.T) {
	tests := []struct {
		name    string
		payload []byte
		want    media.Descriptor
		start   bool
	}{
		{
			"not flexible", []byte{0xe8, 0x91, 0x22, 0x40, 0x07, 1},
			media.Descriptor{PictureID: 0x1122, PictureIDPos: 1, PictureIDLen: 2, TL0PicIdx: 7, TL0PicIdxPos: 4, TemporalID: 2}, true,
		},
		{
			"7 bits, upper spatial layer", []byte{0xe8, 0x11, 0x02, 0x07, 1},
			media.Descriptor{PictureID: 0x11, PictureIDPos: 1, PictureIDLen: 1, TL0PicIdx: 7, TL0PicIdxPos: 3}, false,
		},
		{
			"flexible with references", []byte{0xf8, 0x11, 0x20, 0x03, 0x02, 1},
			media.Descriptor{PictureID: 0x11, PictureIDPos: 1, PictureIDLen: 1, TemporalID: 1}, true,
		},
		{"no start", []byte{0xc0, 0x11, 1}, media.Descriptor{PictureID: 0x11, PictureIDPos: 1, PictureIDLen: 1}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			info := NewInspector(media.Codec{Name: media.VP9}).Inspect(0, tt.payload)
			require.Equal(t, Info{FrameStart: tt.start, Descriptor: tt.want}, info)
		})
	}
}

// The size of a stream with spatial layers is that of the highest.
func TestInspectVP9ScalabilityStructure(t *testing.T) {
	payload := []byte{
		0xca, 0x11, // I P B V
		0x38, 1, 64, 0, 180, 2, 128, 1, 104, // two layers with sizes, a group
		2, 0x04, 1, 0x08, 1, 2, // of two pictures
		1,
	}
	info := NewInspector(media.Codec{Name: media.VP9}).Inspect(0, payload)
	require.Equal(t, [2]int{640, 360}, [2]int{info.Width, info.Height})
	require.True(t, info.FrameStart)
	require.False(t, info.Keyframe)
	for n := 3; n < len(payload); n++ {
		require.Zero(t, NewInspector(media.Codec{Name: media.VP9}).Inspect(0, payload[:n]), "cut at %d", n)
	}
}

func TestInspectRepeatedParameterSetsDoNotAllocate(t *testing.T) {
	for _, name := range recorded {
		in := NewInspector(codecOf(name))
		all := packets(t, name, 1200)
		for _, s := range all {
			in.Inspect(s.timestamp, s.payload)
		}
		allocs := testing.AllocsPerRun(10, func() {
			for _, s := range all[1:] {
				in.Inspect(s.timestamp, s.payload)
			}
		})
		if codecOf(name).Name != media.VP9 { // its header is parsed at each keyframe
			require.Zero(t, allocs, name)
		}
	}
}

// fuzzInspector feeds one payload cut in two, so that the state between
// packets is tried too.
func fuzzInspector(f *testing.F, names ...string) {
	f.Helper()
	for _, name := range names {
		for _, s := range packets(f, name, samplePayload) {
			f.Add(s.payload, uint16(0))
			f.Add(s.payload, uint16(len(s.payload)/2))
		}
	}
	codec := codecOf(names[0])
	f.Fuzz(func(t *testing.T, payload []byte, cut uint16) {
		in := NewInspector(codec)
		n := min(int(cut), len(payload))
		keys := 0
		for _, part := range [][]byte{payload[:n], payload[n:], payload} {
			info := in.Inspect(7, part)
			d := info.Descriptor
			if info.Keyframe {
				keys++
			}
			require.LessOrEqual(t, int(d.PictureIDPos)+int(d.PictureIDLen), len(part))
			require.LessOrEqual(t, int(d.TL0PicIdxPos), max(0, len(part)-1))
			require.True(t, info.Width >= 0 && info.Width <= maxSide && info.Height >= 0 && info.Height <= maxSide)
		}
		require.LessOrEqual(t, keys, 1, "once per timestamp")
	})
}

func FuzzH264(f *testing.F) { fuzzInspector(f, media.H264) }
func FuzzH265(f *testing.F) { fuzzInspector(f, media.H265) }
func FuzzVP8(f *testing.F)  { fuzzInspector(f, media.VP8) }
func FuzzVP9(f *testing.F)  { fuzzInspector(f, media.VP9, "VP9 flexible") }
func FuzzAV1(f *testing.F)  { fuzzInspector(f, media.AV1) }

func BenchmarkInspectH264(b *testing.B) {
	in := NewInspector(media.Codec{Name: media.H264})
	all := packets(b, media.H264, 1200)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s := all[i%len(all)]
		in.Inspect(s.timestamp, s.payload)
	}
}

// Pictures of B slices, as x264 makes them by default, are told from others,
// whole or fragmented.
func TestInspectBFrames(t *testing.T) {
	pictures := annexB(t, "testdata/bframes.h264", func(b byte) bool { return b&0x1f == h264AUD })
	for _, size := range []uint16{40, 1200} {
		in, p := NewInspector(media.Codec{Name: media.H264}), &codecs.H264Payloader{}
		var kinds string
		for i, picture := range pictures {
			kind := "P"
			for _, payload := range p.Payload(size, picture) {
				switch info := in.Inspect(uint32(i)*sampleTicks, payload); {
				case info.BFrame:
					kind = "B"
				case info.Keyframe:
					kind = "I"
				}
			}
			kinds += kind
		}
		require.Equal(t, "IPBBPBBP", kinds, "in decoding order, at %d bytes", size)
	}
	aggregate := []byte{h264STAPA, 0, 2, h264AUD, 0xf0, 0, 2, h264Slice, 0b1_010_0000}
	require.True(t, NewInspector(media.Codec{Name: media.H264}).Inspect(1, aggregate).BFrame)
	for _, slice := range []byte{0b1_010_0000, 0b1_00111_00} {
		require.True(t, bSlice([]byte{slice}), "%08b", slice)
	}
	for _, slice := range []byte{0b1_1_000000, 0b1_011_0000, 0b1_00101_00, 0b1_00110_00, 0b1_0001000} {
		require.False(t, bSlice([]byte{slice}), "%08b", slice)
	}
}
