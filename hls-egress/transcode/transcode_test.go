package transcode

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/sfu/media"
)

// patience is how long a test waits for a process on a busy machine.
const patience = 20 * time.Second

// supervise runs a Supervisor for as long as the test runs.
func supervise(t testing.TB, cfg Config) (*Supervisor, *prometheus.Registry) {
	t.Helper()
	if cfg.Path == "" {
		cfg.Path = "ffmpeg"
	}
	reg := prometheus.NewRegistry()
	s := New(cfg, slog.New(slog.NewTextHandler(t.Output(), nil)), reg)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	return s, reg
}

// basket collects Results.
type basket struct {
	mu      sync.Mutex
	results []Result
	changed chan struct{}
}

func newBasket() *basket { return &basket{changed: make(chan struct{}, 1)} }

func (b *basket) put(r Result) {
	b.mu.Lock()
	b.results = append(b.results, r)
	b.mu.Unlock()
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

func (b *basket) all() []Result {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Result(nil), b.results...)
}

// until waits for what has come to satisfy a condition.
func (b *basket) until(t testing.TB, ok func([]Result) bool) []Result {
	t.Helper()
	timeout := time.After(patience)
	for {
		if all := b.all(); ok(all) {
			return all
		}
		select {
		case <-b.changed:
		case <-timeout:
			t.Fatalf("only %d results", len(b.all()))
		}
	}
}

// reached tells whether the output is as far as within behind of a time.
func reached(at, behind int64) func([]Result) bool {
	return func(all []Result) bool {
		return len(all) > 0 && all[len(all)-1].Sample.Time >= at-behind
	}
}

// feed writes a clip. What comes out is never more than half a second behind.
func feed(t testing.TB, p *Process, b *basket, clip []segment.Sample, scale int64) {
	t.Helper()
	for i, s := range clip {
		if i > 0 && clip[i-1].Time > clip[0].Time+scale/2 {
			b.until(t, reached(clip[i-1].Time, scale/2))
		}
		p.Write(s)
	}
}

func videoJob(codec string, width, height int) Job {
	return Job{
		Stream: "test", Name: "rung", Kind: media.Video, From: media.Codec{Name: codec, ClockRate: 90000},
		To: media.H264, Width: width, Height: height,
	}
}

func audioJob() Job {
	return Job{
		Stream: "test", Name: "audio", Kind: media.Audio,
		From: media.Codec{Name: media.Opus, ClockRate: 48000, Channels: 2}, To: segment.AAC,
	}
}

// TestPictures: whatever comes in, the same times and keyframes come out.
func TestPictures(t *testing.T) {
	s, _ := supervise(t, Config{})
	for _, codec := range []string{media.H264, media.H265, media.VP8, media.VP9, media.AV1} {
		t.Run(codec, func(t *testing.T) {
			clip := pictures(t, codec, 320, 180, 3.3)
			require.Len(t, clip, 99)
			for i := range clip { // no clock is even; two are nearly at once, then there is a gap
				clip[i].Time += int64(i) * 7919 % 2900
				if i > 50 {
					clip[i].Time += 20_000
				}
			}
			clip[70].Time = clip[69].Time + 20
			b := newBasket()
			p, err := s.Start(videoJob(codec, 160, 90), b.put)
			require.NoError(t, err)
			feed(t, p, b, clip, segment.VideoTimescale)
			all := b.until(t, reached(clip[98].Time, 0))
			p.Stop()
			<-p.Done()
			require.NoError(t, p.Err())
			require.Len(t, all, len(clip))
			keys := 0
			for i, r := range all {
				require.False(t, r.Discontinuity)
				require.Equal(t, clip[i].Time, r.Sample.Time)
				require.Equal(t, clip[i].Wall, r.Sample.Wall)
				require.Equal(t, clip[i].Key, r.Sample.Key, "frame %d", i)
				if r.Sample.Key {
					keys++
					require.EqualValues(t, 7, r.Sample.Units[0][0]&0x1F, "SPS first")
					require.EqualValues(t, 8, r.Sample.Units[1][0]&0x1F, "then PPS")
				}
			}
			require.Equal(t, 4, keys)
		})
	}
}

func TestSound(t *testing.T) {
	s, _ := supervise(t, Config{})
	clip := sounds(t, "sine=frequency=440:sample_rate=48000:duration=3")
	b := newBasket()
	p, err := s.Start(audioJob(), b.put)
	require.NoError(t, err)
	feed(t, p, b, clip, segment.AudioTimescale)
	all := b.until(t, reached(clip[len(clip)-1].Time, 4*aacFrame))
	p.Stop()
	<-p.Done()
	for i, r := range all {
		require.EqualValues(t, clip[0].Time+int64(i)*aacFrame, r.Sample.Time)
		require.WithinDuration(t, epoch.Add(time.Duration(i)*aacFrame*time.Second/48000), r.Sample.Wall, time.Microsecond)
		require.True(t, r.Sample.Key)
		require.Len(t, r.Sample.Units, 1)
	}
}

// TestSizeChanges: a browser short of bandwidth or turned around changes the
// size of its picture; the rendition keeps its own.
func TestSizeChanges(t *testing.T) {
	s, reg := supervise(t, Config{})
	for name, job := range map[string]Job{
		"scaled": videoJob(media.H264, 160, 90), "as it begins": videoJob(media.H264, 0, 0),
	} {
		t.Run(name, func(t *testing.T) {
			var clip []segment.Sample
			for _, size := range [][2]int{{320, 180}, {160, 90}, {180, 320}} {
				for _, s := range pictures(t, media.H264, size[0], size[1], 1) {
					s.Time = start*segment.VideoTimescale + int64(len(clip))*3000
					clip = append(clip, s)
				}
			}
			// One picture is damaged on the way.
			broken := bytes.Clone(clip[20].Units[len(clip[20].Units)-1])
			for i := 20; i < len(broken); i++ {
				broken[i] ^= 0x5A
			}
			clip[20].Units = [][]byte{broken}

			b := newBasket()
			p, err := s.Start(job, b.put)
			require.NoError(t, err)
			feed(t, p, b, clip, segment.VideoTimescale)
			all := b.until(t, reached(clip[len(clip)-1].Time, 0))
			p.Stop()
			<-p.Done()
			require.Len(t, all, len(clip))
			for i, r := range all {
				require.Equal(t, clip[i].Time, r.Sample.Time)
				if r.Sample.Key {
					require.Equal(t, all[0].Sample.Units[:2], r.Sample.Units[:2], "parameter sets of frame %d", i)
				}
			}
			require.Zero(t, value(t, reg, "failures_total", "exit"))
		})
	}
}
