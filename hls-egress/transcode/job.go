package transcode

import (
	"fmt"
	"strconv"
	"time"

	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/sfu/media"
)

// Job says what to make of what.
type Job struct {
	// Stream and Name are the Stream and the rendition to make, for logs.
	Stream, Name string
	Kind         media.Kind
	// From is what Process.Write gets.
	From media.Codec
	// To is media.H264 for video, segment.AAC for audio.
	To string
	// Width and Height are those of the picture to make, in pixels, both even.
	// A source of another shape gets bars. Both 0: what the source begins with.
	Width, Height int
	// Bitrate is in bit/s, of video on average with peaks a fifth above it.
	Bitrate int
	// Channels of audio, 2 when 0.
	Channels int
}

// Result is one sample of a Process's output.
type Result struct {
	Sample segment.Sample
	// Discontinuity is set on the first after a restart: media is missing in
	// between, and the encoder's parameter sets may have changed.
	Discontinuity bool
}

const (
	maxPixels       = 8192
	defaultAudio    = 128_000
	defaultChannels = 2
	// videoScale and audioScale are the units of ffmpeg's input, in ns: whole
	// milliseconds, because its output can tell no finer ones apart and each
	// picture is found again by its time, and three samples at 48 kHz, of which
	// all Opus packets consist.
	videoScale = uint64(time.Millisecond)
	audioScale = 62_500
)

// check returns an error wrapping ErrUnavailable for what no ffmpeg can do
// here.
func (j Job) check() error {
	bad := func(format string, a ...any) error {
		return fmt.Errorf("%w: %s", ErrUnavailable, fmt.Sprintf(format, a...))
	}
	to := media.H264
	if j.Kind == media.Audio {
		to = segment.AAC
	}
	switch {
	case j.Kind != media.Audio && j.Kind != media.Video:
		return bad("kind %v", j.Kind)
	case matroskaCodec(j.From.Name) == "", j.From.Kind() != j.Kind:
		return bad("%v from %q", j.Kind, j.From.Name)
	case j.To != to:
		return bad("%v to %q", j.Kind, j.To)
	case j.Bitrate < 0, j.Channels < 0, j.Channels > 2:
		return bad("%d channels of %d bit/s", j.Channels, j.Bitrate)
	case (j.Width == 0) != (j.Height == 0), j.Width < 0, j.Height < 0,
		j.Width > maxPixels, j.Height > maxPixels, j.Width%2 != 0, j.Height%2 != 0:
		return bad("%dx%d", j.Width, j.Height)
	}
	return nil
}

func (j Job) channels() int {
	if j.Channels == 0 {
		return defaultChannels
	}
	return j.Channels
}

func (j Job) scale() uint64 {
	if j.Kind == media.Audio {
		return audioScale
	}
	return videoScale
}

func (j Job) header() []byte {
	return matroskaHeader(j.From, j.scale(), j.Width, j.Height, defaultChannels)
}

// args is ffmpeg's command line. Everything that could hold a picture back is
// off: probing beyond the first, frame threads in the decoder, look-ahead.
func (j Job) args(threads int) []string {
	n := strconv.Itoa
	a := []string{
		"-hide_banner", "-nostdin", "-nostats", "-loglevel", "error",
		"-probesize", "32", "-analyzeduration", "1", "-fpsprobesize", "0",
		"-threads", "1", "-flags", "low_delay",
		"-f", "matroska", "-i", "pipe:0", "-copyts", "-filter_threads", "1",
	}
	if j.Kind == media.Audio {
		a = append(a, "-map", "0:a:0",
			// Lost packets become silence of the same length at once, so that
			// what follows stays in sync; a drifting clock is stretched.
			"-af", "aresample=async=1000:min_hard_comp=0.01",
			"-c:a", "aac", "-ac", n(j.channels()), "-ar", n(segment.AudioTimescale), "-b:a", n(j.bitrate()))
	} else {
		rate := j.bitrate()
		a = append(a, "-map", "0:v:0", "-level", n(j.level()))
		if j.Width > 0 {
			size := n(j.Width) + ":" + n(j.Height)
			a = append(a, "-vf", "scale="+size+":force_original_aspect_ratio=decrease:force_divisible_by=2,pad="+size+":-1:-1,setsar=1")
		}
		a = append(a, "-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-profile:v", "main", "-pix_fmt", "yuv420p",
			"-threads", n(threads), "-fps_mode", "passthrough", "-enc_time_base:v", "-1",
			// Keyframes are where the source has them and nowhere else.
			"-force_key_frames", "source", "-forced-idr", "1", "-x264-params", "scenecut=0:keyint=infinite",
			"-b:v", n(rate), "-maxrate", n(rate*6/5), "-bufsize", n(rate))
	}
	return append(a, "-flush_packets", "1", "-flvflags", "no_duration_filesize+no_metadata", "-f", "flv", "pipe:1")
}

// level is the H264 level of the output times ten, for up to 60 pictures a
// second (ITU-T H.264 table A-1: macroblocks in a second). It is set, not left
// to the encoder, because playlists tell it before there is a picture.
func (j Job) level() int {
	const perSecond = 60
	rate := (j.Width + 15) / 16 * ((j.Height + 15) / 16) * perSecond
	for _, l := range []struct{ level, macroblocks int }{
		{21, 19_800}, {30, 40_500}, {31, 108_000}, {32, 216_000}, {40, 245_760}, {42, 522_240}, {51, 983_040},
	} {
		if rate > 0 && rate <= l.macroblocks {
			return l.level
		}
	}
	return 52
}

// Codecs is what RFC 6381 calls the output: Main profile, or AAC-LC.
func (j Job) Codecs() string {
	if j.Kind == media.Audio {
		return "mp4a.40.2"
	}
	return fmt.Sprintf("avc1.4D40%02X", j.level())
}

func (j Job) bitrate() int {
	switch {
	case j.Bitrate > 0:
		return j.Bitrate
	case j.Kind == media.Audio:
		return defaultAudio
	default:
		return rungBitrate(j.Width, j.Height)
	}
}
