package transcode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/sfu/media"
)

// ErrUnavailable is wrapped by what says why a Job cannot be done here.
var ErrUnavailable = errors.New("transcode: unavailable")

// lookTimeout bounds how long ffmpeg may take to list its codecs. It takes 50 ms;
// but a machine that is very busy must not be taken for one without ffmpeg.
const lookTimeout = 30 * time.Second

// tools is what an ffmpeg can do.
type tools struct {
	version  string
	decoders map[string][]string // by ffmpeg's name of the codec
	encoders map[string][]string
}

// look asks the program for its codecs.
func look(ctx context.Context, path string) (tools, error) {
	runtime.LockOSThread() // see tame
	defer runtime.UnlockOSThread()
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var stdout, stderr limited
	cmd := exec.CommandContext(ctx, path, "-nostdin", "-codecs")
	cmd.Stdout, cmd.Stderr, cmd.Env = &stdout, &stderr, environ()
	tame(cmd)
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return tools{}, fmt.Errorf("%w: %s: %w", ErrUnavailable, path, err)
	}
	t := parseCodecs(stdout.Bytes())
	t.version = parseVersion(stderr.Bytes())
	return t, nil
}

// limited keeps the first 256 KiB of what a program says.
type limited struct{ bytes.Buffer }

func (l *limited) Write(b []byte) (int, error) {
	if room := 256<<10 - l.Len(); room > 0 {
		l.Buffer.Write(b[:min(len(b), room)])
	}
	return len(b), nil
}

// parseVersion reads "ffmpeg version 5.1.9-0+deb12u1 Copyright ...".
func parseVersion(banner []byte) string {
	_, rest, _ := strings.Cut(string(banner), "version ")
	version, _, _ := strings.Cut(rest, " ")
	if len(version) > 64 || strings.ContainsAny(version, "\r\n") {
		return "unknown"
	}
	return version
}

// parseCodecs reads the lines of "ffmpeg -codecs":
//
//	DEV.LS h264   H.264 / AVC (decoders: h264 h264_qsv ) (encoders: libx264 )
//
// where a codec without a list has one coder of its own name.
func parseCodecs(text []byte) tools {
	t := tools{decoders: map[string][]string{}, encoders: map[string][]string{}}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || len(fields[0]) != 6 {
			continue
		}
		flags, name := fields[0], fields[1]
		if flags[0] == 'D' {
			t.decoders[name] = list(line, "(decoders:", name)
		}
		if flags[1] == 'E' {
			t.encoders[name] = list(line, "(encoders:", name)
		}
	}
	return t
}

func list(line, title, otherwise string) []string {
	_, rest, ok := strings.Cut(line, title)
	if !ok {
		return []string{otherwise}
	}
	names, _, _ := strings.Cut(rest, ")")
	return strings.Fields(names)
}

// can returns nil, or ErrUnavailable with what is missing.
func (t tools) can(job Job) error {
	need := func(have []string, what string, oneOf ...string) error {
		if slices.ContainsFunc(oneOf, func(n string) bool { return slices.Contains(have, n) }) {
			return nil
		}
		return fmt.Errorf("%w: ffmpeg has no %s", ErrUnavailable, what)
	}
	if job.To == segment.AAC {
		return errors.Join(need(t.encoders["aac"], "AAC encoder", "aac"), need(t.decoders["opus"], "Opus decoder", "opus", "libopus"))
	}
	if err := need(t.encoders["h264"], "libx264", "libx264"); err != nil {
		return err
	}
	switch job.From.Name {
	case media.H264:
		return need(t.decoders["h264"], "H264 decoder", "h264")
	case media.H265:
		return need(t.decoders["hevc"], "H265 decoder", "hevc")
	case media.VP8:
		return need(t.decoders["vp8"], "VP8 decoder", "vp8", "libvpx")
	case media.VP9:
		return need(t.decoders["vp9"], "VP9 decoder", "vp9", "libvpx-vp9")
	case media.AV1: // the one named av1 needs hardware
		return need(t.decoders["av1"], "AV1 decoder", "libdav1d", "libaom-av1", "libgav1")
	default:
		return fmt.Errorf("%w: %q", ErrUnavailable, job.From.Name)
	}
}
