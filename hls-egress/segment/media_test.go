package segment_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/sfu/media"
)

// recorded reads the recorded pictures of a codec as the units of Frames, and
// tells which are keyframes.
func recorded(t testing.TB, codec string) (frames [][][]byte, keys []bool) {
	t.Helper()
	name := map[string]string{
		media.H264: "camera.h264", media.H265: "camera.h265", media.AV1: "camera.av1.ivf", media.VP9: "camera.vp9.ivf",
	}[codec]
	data, err := os.ReadFile(filepath.Join("..", "..", "sfu", "frames", "testdata", name))
	require.NoError(t, err)
	switch codec {
	case media.H264, media.H265:
		frames = accessUnits(data, codec)
		for _, units := range frames {
			t := units[0][0] & 0x1f
			keys = append(keys, codec == media.H264 && (t == 7 || t == 9) || codec == media.H265 && units[0][0]>>1 >= 32)
		}
		keys[0] = true
		for i := 1; i < len(keys); i++ {
			keys[i] = false
		}
	default:
		for data = data[32:]; len(data) > 12; {
			n := binary.LittleEndian.Uint32(data)
			frame := data[12 : 12+n]
			data = data[12+n:]
			units := [][]byte{frame}
			if codec == media.AV1 {
				units = obus(frame)
			}
			keys = append(keys, len(frames) == 0)
			frames = append(frames, units)
		}
	}
	return frames, keys
}

// accessUnits splits an Annex B stream into pictures.
func accessUnits(data []byte, codec string) [][][]byte {
	var out [][][]byte
	var units [][]byte
	sliced := false
	for _, nal := range bytes.Split(bytes.ReplaceAll(data, []byte{0, 0, 0, 1}, []byte{0, 0, 1}), []byte{0, 0, 1}) {
		if len(nal) == 0 {
			continue
		}
		slice, first := nal[0]&0x1f == 1 || nal[0]&0x1f == 5, nal[1]&0x80 != 0
		if codec == media.H265 {
			slice, first = nal[0]>>1 < 32, nal[2]&0x80 != 0
		}
		if sliced && (!slice || first) {
			out, units, sliced = append(out, units), nil, false
		}
		units, sliced = append(units, nal), sliced || slice
	}
	return append(out, units)
}

// obus splits a temporal unit into OBUs without their size fields.
func obus(b []byte) [][]byte {
	var out [][]byte
	for len(b) > 0 {
		size, n := binary.Uvarint(b[1:])
		obu := append([]byte{b[0] &^ 2}, b[1+n:1+n+int(size)]...)
		out = append(out, obu)
		b = b[1+n+int(size):]
	}
	return out
}

// film packages recorded pictures in a loop, with sound, and returns each
// rendition as one file.
func film(t *testing.T, codec, audio string) (files map[string][]byte, w *world) {
	frames, keys := recorded(t, codec)
	w = newWorld(t, segment.Config{}, audio)
	w.keep = true
	w.check.Lenient = true // 15 frames per second and a loop
	spec := segment.Spec{Name: "video", Kind: media.Video, Codec: media.Codec{Name: codec, ClockRate: 90000}}
	require.NoError(t, w.ladder.Add(w.now, spec))
	quiet, ticks := []byte{0xfc, 0xff, 0xfe}, int64(960)
	if audio == segment.AAC {
		quiet, ticks = []byte{0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c}, 1024
	}
	for sound, i := 0, 0; i < 15*12; i++ {
		at := time.Duration(i) * time.Second / 15
		w.now = noon.Add(at)
		for ; ; sound++ {
			heard := time.Duration(int64(sound) * ticks * int64(time.Second) / 48000)
			if heard > at {
				break
			}
			w.take(w.ladder.Write(w.now, "audio", segment.Sample{
				Time: 10*48000 + int64(sound)*ticks, Wall: noon.Add(heard), Key: true, Units: [][]byte{quiet},
			}))
		}
		w.take(w.ladder.Write(w.now, "video", segment.Sample{
			Time: 10*90000 + int64(i)*6000, Wall: w.now, Key: keys[i%len(keys)], Units: frames[i%len(frames)],
		}))
		w.take(w.ladder.Tick(w.now))
	}
	w.take(w.ladder.End(w.now))
	files = map[string][]byte{}
	for _, p := range w.parts {
		if files[p.Rendition] == nil {
			files[p.Rendition] = append([]byte(nil), p.Init.Data...)
		}
		files[p.Rendition] = append(files[p.Rendition], p.Data...)
	}
	return files, w
}

// Other people's decoders take what comes out, without a complaint (Y3, Y4).
func TestDecoders(t *testing.T) {
	for _, c := range []struct{ codec, audio, codecs string }{
		{media.H264, "opus", "avc1."},
		{media.H265, segment.AAC, "hvc1."},
		{media.AV1, "opus", "av01.0."},
		{media.VP9, "opus", "vp09.00."},
	} {
		t.Run(c.codec, func(t *testing.T) {
			files, w := film(t, c.codec, c.audio)
			w.good()
			require.True(t, strings.HasPrefix(w.check.Rendition("video").Codecs, c.codecs), w.check.Rendition("video").Codecs)
			require.Equal(t, 320, w.check.Rendition("video").Width)
			require.Equal(t, 180, w.check.Rendition("video").Height)
			for name, data := range files {
				path := filepath.Join(t.TempDir(), name+".mp4")
				require.NoError(t, os.WriteFile(path, data, 0o600))
				out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "warning", "-xerror", "-err_detect", "explode",
					"-i", path, "-f", "null", "-").CombinedOutput()
				require.NoError(t, err, "%s: %s", name, out)
				require.Empty(t, string(out), name)
			}
			probe(t, files["video"], c.codec)
		})
	}
}

// probe counts what ffprobe sees.
func probe(t *testing.T, data []byte, codec string) {
	cmd := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-count_frames", "-show_streams", "-of", "json", "-")
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	require.NoError(t, err)
	var got struct {
		Streams []struct {
			Codec  string `json:"codec_name"`
			Frames string `json:"nb_read_frames"`
			Start  string `json:"start_time"`
		} `json:"streams"`
	}
	require.NoError(t, json.Unmarshal(out, &got))
	require.Len(t, got.Streams, 1)
	want := map[string]string{media.H264: "h264", media.H265: "hevc", media.AV1: "av1", media.VP9: "vp9"}[codec]
	require.Equal(t, want, got.Streams[0].Codec)
	require.Greater(t, got.Streams[0].Frames, "130")
	require.Len(t, got.Streams[0].Frames, 3)
}
