package transcode

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/sfu/media"
)

// fake writes a program that has ffmpeg's codecs and otherwise does as told.
// FILE in it stands for a path of its own.
func fake(t testing.TB, body string) (path, file string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "ffmpeg")
	file = path + ".out"
	script := "#!/bin/sh\ncase \"$*\" in *-codecs*) exec ffmpeg -codecs;; esac\n" + strings.ReplaceAll(body, "FILE", file) + "\n"
	require.NoError(t, os.WriteFile(path, []byte(script), 0o700))
	return path, file
}

// quick does not wait long after failures.
func quick(path string) Config {
	return Config{Path: path, Hang: patience, Backoff: 10 * time.Millisecond, MaxBackoff: 50 * time.Millisecond, Retries: 3}
}

// stream writes made-up samples at 30/s from now on, until the test ends or
// stop is called. Each tenth is a keyframe.
func stream(t testing.TB, p *Process) (stop func()) {
	t.Helper()
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(time.Second / 30)
		defer ticker.Stop()
		for i := int64(0); ; i++ {
			p.Write(segment.Sample{Time: i * 3000, Wall: epoch, Key: i%10 == 0, Units: [][]byte{bytes.Repeat([]byte{9}, 20_000)}})
			select {
			case <-ticker.C:
			case <-quit:
				return
			}
		}
	}()
	stop = sync.OnceFunc(func() { close(quit); <-ended })
	t.Cleanup(stop)
	return stop
}

// value reads the metric with the one label value.
func value(t testing.TB, reg *prometheus.Registry, name, label string) float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "freshet_transcode_"+name && m.GetLabel()[0].GetValue() == label {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return 0
}

// given waits for a Process to be given up.
func given(t testing.TB, p *Process) error {
	t.Helper()
	select {
	case <-p.Done():
		return p.Err()
	case <-time.After(patience):
		t.Fatal("it goes on")
		return nil
	}
}

func TestFailures(t *testing.T) {
	for _, c := range []struct {
		name, script, reason string
		err                  error
	}{
		{"exits at once", "echo 'no such thing' >&2; exit 3", "exit", ErrFailed},
		{"crashes", "head -c 1000 >/dev/null; kill -SEGV $$", "exit", ErrFailed},
		{"takes and gives nothing", "cat >/dev/null; sleep 1000", "hang", ErrFailed},
		{"takes nothing", "exec sleep 1000", "hang", ErrFailed},
		{"floods", "exec yes", "garbage", ErrFailed},
		{"writes zeros", "exec cat /dev/zero", "garbage", ErrFailed},
		{"closes its output and stays", "exec >&-; exec sleep 1000", "exit", ErrFailed},
		{"makes pictures of its own", "exec ffmpeg -v error -f lavfi -i testsrc2 -c:v libx264 -f flv -", "garbage", ErrFailed},
		{"leaves children behind", "sleep 1000 & exit 0", "exit", ErrFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			path, _ := fake(t, c.script)
			cfg := quick(path)
			if c.reason == "hang" {
				cfg.Hang = 300 * time.Millisecond
			}
			s, reg := supervise(t, cfg)
			b := newBasket()
			p, err := s.Start(videoJob(media.H264, 0, 0), b.put)
			require.NoError(t, err)
			stream(t, p)
			require.ErrorIs(t, given(t, p), c.err)
			require.Empty(t, b.all())
			require.EqualValues(t, 3, value(t, reg, "failures_total", c.reason))
		})
	}
}

// TestSlow: who takes less than comes is given up after a while.
func TestSlow(t *testing.T) {
	path, _ := fake(t, "while head -c 1000 >/dev/null; do sleep 0.1; done")
	cfg := quick(path)
	cfg.Slow = 2 * time.Second
	s, reg := supervise(t, cfg)
	p, err := s.Start(videoJob(media.H264, 0, 0), newBasket().put)
	require.NoError(t, err)
	stream(t, p)
	require.ErrorIs(t, given(t, p), ErrSlow)
	require.Positive(t, value(t, reg, "dropped_total", "video"))
	require.EqualValues(t, 1, value(t, reg, "failures_total", "slow"))
	p.Write(segment.Sample{Time: 1 << 40, Key: true, Units: [][]byte{{1}}}) // and nothing happens
}

// TestRestart: after a crash the rendition goes on, marked, from a keyframe on.
func TestRestart(t *testing.T) {
	path, file := fake(t, `if [ -e FILE ]; then exec ffmpeg "$@"; fi
touch FILE; ffmpeg "$@" | head -c 30000`)
	s, reg := supervise(t, Config{Path: path, Backoff: 10 * time.Millisecond})
	clip := pictures(t, media.H264, 320, 180, 5)
	b := newBasket()
	p, err := s.Start(videoJob(media.H264, 0, 0), b.put)
	require.NoError(t, err)
	// The first run dies on the way: write all the time, slowly enough.
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for _, sample := range clip {
		p.Write(sample)
		<-ticker.C
	}
	all := b.until(t, reached(clip[len(clip)-1].Time, 0))
	require.FileExists(t, file)
	marks := 0
	for i, r := range all {
		if i > 0 {
			require.Greater(t, r.Sample.Time, all[i-1].Sample.Time)
		}
		if r.Discontinuity {
			marks++
			require.True(t, r.Sample.Key)
			require.Positive(t, i)
		}
	}
	require.Equal(t, 1, marks)
	require.EqualValues(t, 1, value(t, reg, "failures_total", "exit"))
}

// TestTalkative: what a process says neither blocks it nor fills the log.
func TestTalkative(t *testing.T) {
	path, _ := fake(t, `yes 'all is lost' >&2 & exec ffmpeg "$@"`)
	var log lines
	s := New(Config{Path: path}, slog.New(slog.NewTextHandler(&log, nil)), nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	clip := pictures(t, media.H264, 320, 180, 2)
	b := newBasket()
	p, err := s.Start(videoJob(media.H264, 0, 0), b.put)
	require.NoError(t, err)
	began := time.Now()
	feed(t, p, b, clip, segment.VideoTimescale)
	b.until(t, reached(clip[len(clip)-1].Time, 0))
	cancel()
	require.NoError(t, <-ended)
	seconds := int(time.Since(began) / time.Second)
	require.NotZero(t, log.count("all is lost"))
	require.LessOrEqual(t, log.count("all is lost"), seconds+1)
}

type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), what)
}

// TestNobodyStays: Stop ends the process and its children.
func TestNobodyStays(t *testing.T) {
	path, file := fake(t, `sleep 1000 & echo $! >FILE; echo $$ >>FILE; head -c 1 >/dev/null; nice >>FILE; exec sleep 1000`)
	s, _ := supervise(t, Config{Path: path, Nice: 7})
	p, err := s.Start(videoJob(media.H264, 0, 0), newBasket().put)
	require.NoError(t, err)
	stream(t, p)
	var words []string
	require.Eventually(t, func() bool {
		b, _ := os.ReadFile(file)
		words = strings.Fields(string(b))
		return len(words) == 3
	}, patience, 10*time.Millisecond)
	require.Equal(t, "7", words[2], "niceness")
	for _, pid := range words[:2] {
		require.True(t, alive(pid))
	}
	p.Stop()
	p.Stop()
	<-p.Done()
	require.NoError(t, p.Err())
	for _, pid := range words[:2] {
		require.Eventually(t, func() bool { return !alive(pid) }, patience, 10*time.Millisecond)
	}
}

// alive tells whether a process runs; one that waits to be reaped does not.
func alive(pid string) bool {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

// TestParentDies: nothing outlives a server that was killed.
func TestParentDies(t *testing.T) {
	if path := os.Getenv("TRANSCODE_TEST_PARENT"); path != "" {
		s, _ := supervise(t, Config{Path: path})
		p, err := s.Start(videoJob(media.H264, 0, 0), newBasket().put)
		require.NoError(t, err)
		stream(t, p)
		<-p.Done()
		return
	}
	path, file := fake(t, "echo $$ >FILE; exec sleep 1000")
	parent := exec.Command(os.Args[0], "-test.run", "^TestParentDies$")
	parent.Env = append(os.Environ(), "TRANSCODE_TEST_PARENT="+path)
	require.NoError(t, parent.Start())
	var pid string
	require.Eventually(t, func() bool {
		b, _ := os.ReadFile(file)
		pid = strings.TrimSpace(string(b))
		_, err := strconv.Atoi(pid)
		return err == nil && alive(pid)
	}, patience, 10*time.Millisecond)
	require.NoError(t, parent.Process.Signal(syscall.SIGKILL))
	_ = parent.Wait() // killed, as it should be
	require.Eventually(t, func() bool { return !alive(pid) }, patience, 10*time.Millisecond)
}

func TestLimits(t *testing.T) {
	path, _ := fake(t, "exec sleep 1000")
	s, reg := supervise(t, Config{Path: path, MaxProcesses: 3, MaxVideo: 1})
	video, err := s.Start(videoJob(media.VP8, 0, 0), newBasket().put)
	require.NoError(t, err)
	_, err = s.Start(videoJob(media.VP8, 0, 0), newBasket().put)
	require.ErrorIs(t, err, ErrBusy)
	for range 2 {
		_, err = s.Start(audioJob(), newBasket().put)
		require.NoError(t, err)
	}
	_, err = s.Start(audioJob(), newBasket().put)
	require.ErrorIs(t, err, ErrBusy)
	require.EqualValues(t, 2, value(t, reg, "processes", "audio"))
	video.Stop()
	<-video.Done()
	require.Eventually(t, func() bool {
		_, err = s.Start(videoJob(media.VP8, 0, 0), newBasket().put)
		return err == nil
	}, patience, time.Millisecond, "a place is free")
}

func TestUnavailable(t *testing.T) {
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	dumb, _ := fake(t, "")
	require.NoError(t, os.WriteFile(dumb, []byte("#!/bin/sh\necho ' DEV.LS h264 H.264 (decoders: h264 ) (encoders: h264_vaapi )'\n"), 0o700))
	for name, path := range map[string]string{
		"off": "", "not there": "/nowhere/ffmpeg", "fails": "/bin/false", "no ffmpeg": "/bin/true", "no encoder": dumb,
	} {
		t.Run(name, func(t *testing.T) {
			s := New(Config{Path: path}, log, nil)
			for _, job := range []Job{videoJob(media.H264, 0, 0), audioJob()} {
				require.ErrorIs(t, s.Can(job), ErrUnavailable)
				_, err := s.Start(job, newBasket().put)
				require.ErrorIs(t, err, ErrUnavailable)
			}
		})
	}
	s := New(Config{Path: "ffmpeg"}, log, nil)
	require.NoError(t, s.Can(audioJob()))
	for i, j := range []Job{
		{}, {Kind: media.Video, From: media.Codec{Name: media.Opus}, To: media.H264},
		{Kind: media.Audio, From: media.Codec{Name: media.Opus}, To: media.H264},
		{Kind: media.Video, From: media.Codec{Name: "H266"}, To: media.H264},
		videoJob(media.H264, 3, 2), videoJob(media.H264, 0, 720), videoJob(media.H264, 1<<20, 1<<20), videoJob(media.H264, -2, -2),
		{Kind: media.Audio, From: media.Codec{Name: media.Opus}, To: segment.AAC, Channels: 6},
	} {
		require.ErrorIs(t, s.Can(j), ErrUnavailable, fmt.Sprint(i))
	}
}

// TestEnd: Processes end with Run, also those that never ran.
func TestEnd(t *testing.T) {
	path, _ := fake(t, "exec sleep 1000")
	s := New(Config{Path: path}, slog.New(slog.DiscardHandler), nil)
	before, err := s.Start(audioJob(), newBasket().put)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, s.Run(ctx))
	<-before.Done()
	require.NoError(t, before.Err())
	_, err = s.Start(audioJob(), newBasket().put)
	require.ErrorIs(t, err, ErrUnavailable)
}
