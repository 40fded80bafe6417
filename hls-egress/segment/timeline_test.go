package segment_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/sfu/media"
)

// stream simulates one Layer's Frames: its own timestamps, and a clock that is
// off by some amount until its first sender report.
type stream struct {
	layer *media.Layer
	first int64         // timestamp of capture 0
	guess time.Duration // error of the clock before its report
	since time.Duration // when the report comes
	err   time.Duration // error after it
	ppm   float64       // how fast its timestamps run
}

func newStream(kind media.Kind, codec media.Codec, first int64) *stream {
	return &stream{layer: &media.Layer{Kind: kind, Codec: codec}, first: first}
}

func (s *stream) frame(at time.Duration, key bool) *media.Frame {
	rate := float64(s.layer.Codec.ClockRate)
	ticks := s.first + int64(at.Seconds()*rate*(1+s.ppm/1e6)+0.5)
	clock := media.Clock{Timestamp: uint32(ticks), Rate: s.layer.Codec.ClockRate, Reported: at >= s.since}
	clock.Wall = noon.Add(at + s.guess)
	if clock.Reported {
		clock.Wall = noon.Add(at + s.err)
	}
	s.layer.SetClock(clock)
	return &media.Frame{Layer: s.layer, Ticks: ticks, Wall: clock.Wall, Keyframe: key, Units: [][]byte{{1}}}
}

func TestTimelineOneClock(t *testing.T) {
	tl := segment.NewTimeline()
	q, h, f := newStream(media.Video, h264, 1e6), newStream(media.Video, h264, 4_000_000_000), newStream(media.Video, h264, 77)
	a := newStream(media.Audio, opus, 5_000)
	q.guess, q.since, q.err = 9*time.Millisecond, 1000*time.Millisecond, time.Millisecond
	h.guess, h.since, h.err = -6*time.Millisecond, 700*time.Millisecond, -time.Millisecond
	f.guess, f.since = 5*time.Millisecond, 400*time.Millisecond
	a.guess, a.since, a.err = 12*time.Millisecond, 2350*time.Millisecond, 2*time.Millisecond
	for i := range 30 * 20 {
		at := time.Duration(i) * time.Second / 30
		key := i%60 == 0
		var times [3]int64
		for n, s := range []*stream{f, h, q} {
			got, ok := tl.Sample(s.frame(at, key))
			require.True(t, ok)
			times[n] = got.Time
			require.Equal(t, key, got.Key)
			if at > 5*time.Second {
				require.InDelta(t, 0, got.Wall.Sub(noon.Add(at)).Seconds(), 0.002)
			}
		}
		if at > 2*time.Second {
			require.Equal(t, times[0], times[1], "h shows the same picture at the same time, after %v", at)
			require.Equal(t, times[0], times[2], "q after %v", at)
		}
	}
	last := int64(0)
	for i := range 50 * 20 {
		at := time.Duration(i) * time.Second / 50
		got, ok := tl.Sample(a.frame(at, true))
		require.True(t, ok)
		if i > 0 {
			require.InDelta(t, 960, got.Time-last, 1, "audio never jumps")
		}
		last = got.Time
		if at > 19*time.Second {
			require.InDelta(t, 0, got.Wall.Sub(noon.Add(at)).Seconds(), 0.005)
		}
	}
}

// Pictures are the measure of the others, also when sound was there long before.
func TestTimelineSoundFirst(t *testing.T) {
	tl := segment.NewTimeline()
	a, f, q := newStream(media.Audio, opus, 0), newStream(media.Video, h264, 5), newStream(media.Video, h264, 9)
	for i := range 500 {
		_, ok := tl.Sample(a.frame(time.Duration(i)*20*time.Millisecond, true))
		require.True(t, ok)
	}
	q.guess, q.since = 7*time.Millisecond, time.Hour
	for i := range 60 {
		at := 10*time.Second + time.Duration(i)*time.Second/30
		sf, ok := tl.Sample(f.frame(at, i%30 == 0))
		require.True(t, ok)
		sq, ok := tl.Sample(q.frame(at, i%30 == 0))
		require.True(t, ok)
		require.Equal(t, sf.Time, sq.Time)
		require.InDelta(t, (10*time.Second + at).Seconds(), float64(sf.Time)/segment.VideoTimescale, 0.001)
	}
}

// After as much drift as a day at 50 ppm brings, in a sixth of the time, the capture times still agree with the Layers' clocks
// within 10 ms, and sound with pictures.
func TestTimelineDrift(t *testing.T) {
	tl := segment.NewTimeline()
	v, a := newStream(media.Video, h264, 0), newStream(media.Audio, opus, 0)
	v.ppm, a.ppm = 300, -100
	const step = 40 * time.Millisecond
	var previous segment.Sample
	for at := time.Duration(0); at < 4*time.Hour; at += step {
		fv, fa := v.frame(at, at%(2*time.Second) == 0), a.frame(at, true)
		sv, ok := tl.Sample(fv)
		sa, _ := tl.Sample(fa)
		if !ok {
			t.Fatal("dropped")
		}
		if at < time.Minute {
			continue
		}
		if off := sv.Wall.Sub(fv.Wall); off.Abs() > 10*time.Millisecond {
			t.Fatalf("pictures are off by %v after %v", off, at)
		}
		video, audio := float64(sv.Time)/segment.VideoTimescale, float64(sa.Time)/segment.AudioTimescale
		if off := time.Duration((video - audio) * float64(time.Second)); off.Abs() > 10*time.Millisecond {
			t.Fatalf("sound is off by %v after %v", off, at)
		}
		if previous.Time != 0 && (sa.Time-previous.Time < 1918 || sa.Time-previous.Time > 1922) {
			t.Fatalf("sound jumps by %d ticks after %v", sa.Time-previous.Time, at)
		}
		previous = sa
	}
}

func TestTimelineDropsWhatGoesBack(t *testing.T) {
	tl := segment.NewTimeline()
	v := newStream(media.Video, h264, 1<<40)
	kept := 0
	// Decoding order of a stream with B pictures: I P B1 B2 P B3 B4
	for _, i := range []int{0, 3, 1, 2, 6, 4, 5, 9, 7, 8} {
		if s, ok := tl.Sample(v.frame(time.Duration(i)*time.Second/30, i == 0)); ok {
			kept++
			require.GreaterOrEqual(t, s.Time, int64(10*segment.VideoTimescale))
		}
	}
	require.Equal(t, 4, kept)
	_, ok := tl.Sample(nil)
	require.False(t, ok)
	_, ok = tl.Sample(&media.Frame{Layer: v.layer, Units: [][]byte{{1}}})
	require.False(t, ok, "no clock")
	for range 1000 {
		tl.Sample(newStream(media.Video, h264, 0).frame(time.Second, true))
	}
}

// The next publisher goes on where the one before it ended, as much later as
// it came.
func TestTimelineReset(t *testing.T) {
	for _, pause := range []time.Duration{0, time.Second, 20 * time.Second, 30 * time.Hour, -time.Hour} {
		tl := segment.NewTimeline()
		v := newStream(media.Video, h264, 12345)
		s, ok := tl.Sample(v.frame(0, true))
		require.True(t, ok)
		require.Equal(t, int64(10*segment.VideoTimescale), s.Time)
		s, _ = tl.Sample(v.frame(5*time.Second, false))
		tl.Reset()
		next := newStream(media.Video, h264, 99)
		sound := newStream(media.Audio, opus, 7)
		n, ok := tl.Sample(next.frame(5*time.Second+pause, true))
		require.True(t, ok)
		early, ok := tl.Sample(sound.frame(5*time.Second+pause-20*time.Millisecond, true))
		require.True(t, ok)
		require.Greater(t, n.Time, s.Time)
		require.Greater(t, early.Time*90/48, s.Time)
		if pause >= time.Second && pause < time.Hour {
			require.InDelta(t, pause.Seconds(), float64(n.Time-s.Time)/segment.VideoTimescale, 0.001)
		}
	}
}

// A wall clock that is set moves the capture times, not the media.
func TestTimelineClockIsSet(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour, 700 * time.Millisecond} {
		tl := segment.NewTimeline()
		v, a := newStream(media.Video, h264, 0), newStream(media.Audio, opus, 0)
		var times [2]int64
		for i := range 300 {
			at := time.Duration(i) * 20 * time.Millisecond
			if i == 100 {
				a.err = jump
			}
			if i == 110 {
				v.err = jump
			}
			for n, s := range []*stream{v, a} {
				got, ok := tl.Sample(s.frame(at, false))
				require.True(t, ok)
				if i > 0 {
					require.InDelta(t, s.layer.Codec.ClockRate/50, got.Time-times[n], 1)
				}
				times[n] = got.Time
				if i > 290 {
					require.InDelta(t, 0, got.Wall.Sub(noon.Add(at+jump)).Seconds(), 0.001)
				}
			}
		}
	}
}

// Times of a Layer only ever grow, whatever its timestamps and clocks do.
func TestTimelineGrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tl := segment.NewTimeline()
		streams := []*stream{newStream(media.Video, h264, 0), newStream(media.Video, h264, 1<<33), newStream(media.Audio, opus, 5)}
		newest := map[*media.Layer]int64{}
		at := time.Duration(0)
		for range rapid.IntRange(1, 200).Draw(t, "frames") {
			at += time.Duration(rapid.Int64Range(-int64(time.Second), int64(2*time.Second)).Draw(t, "step"))
			s := streams[rapid.IntRange(0, 2).Draw(t, "layer")]
			s.err = time.Duration(rapid.Int64Range(-int64(3*time.Second), int64(3*time.Second)).Draw(t, "error"))
			if rapid.IntRange(0, 30).Draw(t, "reset") == 0 {
				tl.Reset()
			}
			got, ok := tl.Sample(s.frame(max(at, 0), rapid.Bool().Draw(t, "key")))
			if !ok {
				continue
			}
			if got.Time <= newest[s.layer] {
				t.Fatalf("time went from %d to %d", newest[s.layer], got.Time)
			}
			newest[s.layer] = got.Time
		}
	})
}

func BenchmarkTimeline(b *testing.B) {
	tl := segment.NewTimeline()
	v := newStream(media.Video, h264, 0)
	f := v.frame(0, true)
	r := rand.Int64N(3)
	b.ReportAllocs()
	for i := range b.N {
		f.Ticks, f.Wall = int64(i)*3000+r, noon.Add(time.Duration(i)*time.Second/30)
		tl.Sample(f)
	}
}
