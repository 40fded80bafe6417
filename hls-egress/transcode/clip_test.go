package transcode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts/codecs"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/sfu/media"
)

// epoch is when the first sample of a clip was captured.
var epoch = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// start is where clips begin on the media timeline, in seconds: beyond what 33
// bits hold at 90 kHz.
const start = 100_000

// tool runs the real ffmpeg and returns what it writes.
func tool(t testing.TB, stdin []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffmpeg", append([]string{"-hide_banner", "-nostdin", "-loglevel", "error"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(stdin), &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	return out
}

// picture is a synthetic clip with keyframes at odd times, at 30 frames/s.
func pictures(t testing.TB, codec string, width, height int, seconds float64) []segment.Sample {
	t.Helper()
	args := []string{
		"-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=%dx%d:rate=30:duration=%g", width, height, seconds),
		"-pix_fmt", "yuv420p", "-force_key_frames", "0,1.3,2.0,2.9,4.1", "-b:v", "1500k",
	}
	var samples []segment.Sample
	switch codec {
	case media.H264:
		ts := tool(t, nil, append(args, "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-x264-params", "scenecut=0:keyint=infinite", "-f", "mpegts", "-")...)
		samples = fromTS(t, ts)
	case media.H265:
		ts := tool(t, nil, append(args, "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:bframes=0:scenecut=0:keyint=9999", "-forced-idr", "1", "-f", "mpegts", "-")...)
		samples = fromTS(t, ts)
	case media.VP8, media.VP9:
		name := map[string]string{media.VP8: "libvpx", media.VP9: "libvpx-vp9"}[codec]
		samples = fromIVF(t, tool(t, nil, append(args, "-c:v", name, "-deadline", "realtime", "-cpu-used", "8", "-lag-in-frames", "0", "-auto-alt-ref", "0", "-g", "9999", "-f", "ivf", "-")...))
	case media.AV1:
		samples = fromIVF(t, tool(t, nil, append(args, "-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8", "-lag-in-frames", "0", "-g", "9999", "-f", "ivf", "-")...))
	}
	for i := range samples {
		samples[i].Key = isKey(codec, samples[i].Units)
	}
	return onTimeline(samples, segment.VideoTimescale)
}

// sounds is a clip of Opus packets of 20 ms made of an ffmpeg source.
func sounds(t testing.TB, lavfi string) []segment.Sample {
	t.Helper()
	ts := tool(t, nil, "-f", "lavfi", "-i", lavfi, "-c:a", "libopus", "-b:a", "96k", "-ac", "2", "-frame_duration", "20", "-f", "mpegts", "-")
	samples := fromTS(t, ts)
	for i := range samples {
		samples[i].Time, samples[i].Key = int64(i)*960, true
	}
	return onTimeline(samples, segment.AudioTimescale)
}

// onTimeline moves a clip to start.
func onTimeline(samples []segment.Sample, scale int64) []segment.Sample {
	first := samples[0].Time
	for i := range samples {
		rel := samples[i].Time - first
		samples[i].Time = start*scale + rel
		samples[i].Wall = epoch.Add(time.Duration(rel) * time.Second / time.Duration(scale))
	}
	return samples
}

func fromTS(t testing.TB, ts []byte) []segment.Sample {
	t.Helper()
	r := &mpegts.Reader{R: bytes.NewReader(ts)}
	require.NoError(t, r.Initialize())
	var samples []segment.Sample
	add := func(pts int64, units [][]byte) error {
		samples = append(samples, segment.Sample{Time: pts, Units: units})
		return nil
	}
	for _, track := range r.Tracks() {
		switch track.Codec.(type) {
		case *codecs.H264:
			r.OnDataH264(track, func(pts, _ int64, au [][]byte) error { return add(pts, au) })
		case *codecs.H265:
			r.OnDataH265(track, func(pts, _ int64, au [][]byte) error { return add(pts, au) })
		case *codecs.Opus:
			r.OnDataOpus(track, func(pts int64, packets [][]byte) error {
				for _, p := range packets {
					_ = add(pts, [][]byte{p})
				}
				return nil
			})
		}
	}
	for {
		if err := r.Read(); errors.Is(err, io.EOF) {
			return samples
		} else {
			require.NoError(t, err)
		}
	}
}

func fromIVF(t testing.TB, b []byte) []segment.Sample {
	t.Helper()
	den, num := binary.LittleEndian.Uint32(b[16:]), binary.LittleEndian.Uint32(b[20:])
	var samples []segment.Sample
	for b = b[32:]; len(b) > 12; {
		n, pts := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint64(b[4:])
		unit := b[12 : 12+n]
		b = b[12+n:]
		samples = append(samples, segment.Sample{
			Time: int64(pts) * segment.VideoTimescale * int64(num) / int64(den), Units: [][]byte{unit},
		})
	}
	if strings.HasPrefix(string(b), "DKIF") {
		t.Fatal("two files")
	}
	return samples
}

// isKey says whether decoding can begin with a picture of the clips above.
func isKey(codec string, units [][]byte) bool {
	for _, u := range units {
		switch codec {
		case media.H264:
			if u[0]&0x1F == 5 {
				return true
			}
		case media.H265:
			if kind := u[0] >> 1 & 0x3F; kind >= 16 && kind <= 21 {
				return true
			}
		case media.VP8:
			return u[0]&1 == 0
		case media.VP9: // profile 0
			return u[0]&0x0C == 0
		case media.AV1: // a temporal unit that brings a sequence header
			for len(u) > 2 {
				if u[0]>>3&0x0F == 1 {
					return true
				}
				n, size := binary.Uvarint(u[1:])
				u = u[1+size+int(n):]
			}
		}
	}
	return false
}
