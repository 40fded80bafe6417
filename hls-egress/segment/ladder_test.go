package segment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/hls-egress/segment/segtest"
)

func TestOneLayerAndSound(t *testing.T) {
	w := newWorld(t, segment.Config{}, "opus", layer("video", 0, sps720, 8000))
	w.run(30 * time.Second)
	w.good()
	part, target := w.ladder.Target()
	require.Equal(t, 235*time.Millisecond, part)
	require.Equal(t, 3*time.Second, target)
	require.True(t, w.ladder.Independent())
	for _, name := range []string{"video", "audio"} {
		require.Equal(t, 15, w.check.Segments(name), name)
		require.InDelta(t, 150, w.check.Parts(name), 4, name)
	}
	v := w.check.Rendition("video")
	require.Equal(t, "avc1.42C01F", v.Codecs)
	require.Equal(t, [2]int{1280, 720}, [2]int{v.Width, v.Height})
	require.Equal(t, 30.0, v.FrameRate)
	require.Equal(t, 2, w.check.Rendition("audio").Channels)
}

// Players wait for a whole segment: there is one a second after the first
// picture, or as soon as a deaf encoder has made its second keyframe.
func TestFirstSegment(t *testing.T) {
	for name, c := range map[string]struct {
		gop  int
		late time.Duration // sound
		by   time.Duration
	}{
		"obedient":     {by: 1050 * time.Millisecond},
		"late sound":   {late: 600 * time.Millisecond, by: 1100 * time.Millisecond},
		"deaf, 1 s":    {gop: 30, by: 1900 * time.Millisecond},
		"deaf, 2 s":    {gop: 60, by: 2250 * time.Millisecond},
		"deaf, 1.25 s": {gop: 37, by: 1900 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, segment.Config{}, segment.AAC, simulcast()...)
			w.keep = true
			for _, e := range w.encoders {
				if c.gop > 0 {
					e.keys = func(i int) bool { return i%c.gop == 0 }
				}
			}
			w.sound = int(c.late / (1024 * time.Second / segment.AudioTimescale))
			w.run(c.by)
			for _, name := range []string{"q", "h", "f", "audio"} {
				require.Equal(t, 1, w.check.Segments(name), name)
			}
			w.run(10 * time.Second)
			w.good()
			for _, p := range w.parts {
				m, err := segtest.ReadMedia(p.Data)
				require.NoError(t, err)
				for _, d := range m.Durations {
					require.True(t, p.Rendition != "audio" || d <= 2048, "a hole of %d at %v", d, p.Time)
				}
			}
		})
	}
}

// What was captured before the first sender report gets the times that are
// known when the stream begins.
func TestFirstDates(t *testing.T) {
	for _, reported := range []time.Duration{0, 100 * time.Millisecond, 500 * time.Millisecond} {
		w := newWorld(t, segment.Config{}, segment.AAC, simulcast()...)
		w.guess, w.reported, w.keep = 480*time.Millisecond, reported, true
		w.run(5 * time.Second)
		w.good()
		for _, p := range w.parts {
			if p.Index == 0 {
				require.WithinDuration(t, noon.Add(p.Time-10*time.Second), p.Wall, time.Millisecond, "%s %d", p.Rendition, p.MSN)
			}
		}
	}
}

// A pause right after the first picture is not made into a part.
func TestPauseAtTheStart(t *testing.T) {
	w := newWorld(t, segment.Config{}, "opus", simulcast()...)
	w.pause = func(at time.Duration) bool { return at > 100*time.Millisecond && at < 600*time.Millisecond }
	w.run(5 * time.Second)
	w.good()
}

func TestThreeLayers(t *testing.T) {
	w := newWorld(t, segment.Config{}, "opus", simulcast()...)
	w.run(30 * time.Second)
	w.good()
	for _, name := range []string{"q", "h", "f", "audio"} {
		require.Equal(t, 15, w.check.Segments(name), name)
	}
	require.Zero(t, w.ladder.Stats())
}

// q drops a fifth of its frames, as OpenH264 does at 250 kbit/s.
func TestDroppedFrames(t *testing.T) {
	layers := simulcast()
	layers[0].lost = func(i int) bool { return i*7919%5 == 0 }
	w := newWorld(t, segment.Config{}, "opus", layers...)
	w.run(60 * time.Second)
	w.good()
	require.Equal(t, 30, w.check.Segments("q"))
	require.Equal(t, 24.0, w.check.Rendition("q").FrameRate)
}

// Cameras do not keep time to the millisecond, and have rates of all kinds.
func TestCameras(t *testing.T) {
	for _, fps := range []int{10, 12, 15, 20, 24, 25, 30, 48, 50, 60} {
		w := newWorld(t, segment.Config{}, segment.AAC, simulcast()...)
		w.fps, w.jitter = fps, int64(9000/fps) // a tenth of a frame each way
		for _, e := range w.encoders {
			e.keyDelay = e.delay + 8*time.Millisecond
		}
		w.run(30 * time.Second)
		w.good()
		require.Equal(t, 15, w.check.Segments("f"), fps)
		require.Equal(t, float64(fps), w.check.Rendition("f").FrameRate)
		require.Zero(t, w.ladder.Stats().LongParts)
		part, _ := w.ladder.Target()
		t.Log(fps, part, w.check.Parts("f"), w.check.Parts("audio"))
	}
}

// Rule 8: a Layer that falls silent is carried by the next lower one, and comes
// back at a common keyframe.
func TestSilentLayer(t *testing.T) {
	layers := simulcast()
	layers[2].silent = func(at time.Duration) bool { return at > 10*time.Second && at < 17*time.Second }
	w := newWorld(t, segment.Config{}, "opus", layers...)
	w.check.Lenient = true
	w.keep = true
	w.run(14 * time.Second)
	require.False(t, w.check.Rendition("f").Silent.IsZero())
	w.run(11 * time.Second)
	w.good()
	require.True(t, w.check.Rendition("f").Silent.IsZero())
	require.LessOrEqual(t, len(w.check.Tolerated), 4, "the last parts before the silence: %q", w.check.Tolerated)
	require.LessOrEqual(t, w.ladder.Stats().StandIns, uint64(5))
	var from, to time.Duration
	for _, p := range w.parts {
		if p.Rendition == "f" && p.Init.Rendition != "f" {
			require.Equal(t, "h", p.Init.Rendition)
			if from == 0 {
				from = p.Time
			}
			to = p.Time + p.Duration
		}
	}
	require.Less(t, from-20*time.Second, 600*time.Millisecond)
	require.InDelta(t, 28, to.Seconds(), 1.5)
}

func TestDeafEncoder(t *testing.T) {
	for name, c := range map[string]struct {
		gop         int
		cfg         segment.Config
		target      time.Duration
		dependent   bool
		minSegments int
	}{
		"1 s":               {gop: 30, target: 3 * time.Second, minSegments: 27},
		"2 s":               {gop: 60, target: 3 * time.Second, minSegments: 27},
		"4 s":               {gop: 120, target: 5 * time.Second, minSegments: 13},
		"8.33 s":            {gop: 250, target: 10 * time.Second, dependent: true, minSegments: 5},
		"8.33 s, known":     {gop: 250, cfg: segment.Config{GOP: 8333 * time.Millisecond}, target: 9 * time.Second, minSegments: 6},
		"20 s":              {gop: 600, target: 10 * time.Second, dependent: true, minSegments: 5},
		"a little over 2 s": {gop: 64, target: 3 * time.Second, minSegments: 25},
	} {
		t.Run(name, func(t *testing.T) {
			e := layer("video", 0, sps720, 8000)
			e.keys = func(i int) bool { return i%c.gop == 0 }
			w := newWorld(t, c.cfg, "opus", e)
			w.check.Dependent, w.check.Lenient = c.dependent, c.dependent
			w.run(time.Minute)
			w.good()
			require.LessOrEqual(t, len(w.check.Tolerated), 2, "%q", w.check.Tolerated)
			_, target := w.ladder.Target()
			require.Equal(t, c.target, target)
			require.Equal(t, !c.dependent, w.ladder.Independent())
			require.GreaterOrEqual(t, w.check.Segments("video"), c.minSegments)
			require.InDelta(t, w.check.Segments("video"), w.check.Segments("audio"), 1)
		})
	}
}

// All Layers of a deaf simulcast encoder have their keyframes together.
func TestDeafSimulcast(t *testing.T) {
	layers := simulcast()
	for _, e := range layers {
		e.keys = func(i int) bool { return i%75 == 0 }
	}
	w := newWorld(t, segment.Config{}, "opus", layers...)
	w.run(time.Minute)
	w.good()
	require.Zero(t, w.ladder.Stats().StandIns)
	require.GreaterOrEqual(t, w.check.Segments("f"), 21)
}

// An encoder that answers Layer by Layer, frames apart.
func TestSkewedAnswers(t *testing.T) {
	layers := simulcast()
	layers[1].skew, layers[2].skew = 1, 2
	w := newWorld(t, segment.Config{}, "opus", layers...)
	w.check.Lenient = true
	w.run(30 * time.Second)
	w.good()
	require.Zero(t, w.ladder.Stats().StandIns)
	require.Equal(t, 15, w.check.Segments("f"))
}

// f appears when the bandwidth is there, 23 s after the start.
func TestLateLayer(t *testing.T) {
	layers := simulcast()
	layers[2].silent = func(at time.Duration) bool { return at < 23*time.Second }
	w := newWorld(t, segment.Config{}, "opus", layers...)
	w.keep = true
	w.run(20 * time.Second)
	f := w.check.Rendition("f")
	require.Equal(t, 640, f.Width, "f is offered from the start, carried by h")
	require.False(t, f.Silent.IsZero())
	w.run(20 * time.Second)
	w.good()
	f = w.check.Rendition("f")
	require.Equal(t, 1280, f.Width)
	require.True(t, f.Silent.IsZero())
	require.Equal(t, w.check.Segments("q"), w.check.Segments("f"))
}

func TestTranscodedRendition(t *testing.T) {
	w := newWorld(t, segment.Config{}, segment.AAC, layer("video", 2, sps720, 8000))
	rung := layer("360p", 1, sps360, 2000)
	rung.spec.Transcoded, rung.delay, rung.keyDelay = true, 400*time.Millisecond, 430*time.Millisecond
	w.run(9 * time.Second)
	require.NoError(t, w.ladder.Add(w.now, rung.spec))
	w.encoders = append(w.encoders, rung)
	w.run(21 * time.Second)
	w.good()
	require.Equal(t, 15, w.check.Segments("video"))
	require.Equal(t, 9, w.check.Segments("360p"))
	require.Equal(t, "mp4a.40.2", w.check.Rendition("audio").Codecs)

	w.check.Lenient = true // its last part
	out := w.ladder.Remove(w.now, "360p")
	require.Len(t, out.Renditions, 2)
	w.take(out)
	w.encoders = w.encoders[:1]
	w.run(5 * time.Second)
	w.good()
}

// Where the publisher's codec cannot be packaged, the transcoded renditions
// lead.
func TestOnlyTranscoded(t *testing.T) {
	big, small := layer("720p", 1, sps720, 8000), layer("360p", 0, sps360, 2000)
	for i, e := range []*encoder{small, big} {
		e.spec.Transcoded = true
		e.delay = time.Duration(200+150*i) * time.Millisecond
		e.keyDelay = e.delay + 30*time.Millisecond
	}
	w := newWorld(t, segment.Config{}, segment.AAC, small, big)
	w.run(30 * time.Second)
	w.good()
	require.Equal(t, 15, w.check.Segments("720p"))
	require.Equal(t, 15, w.check.Segments("360p"))
}

func TestOnlySound(t *testing.T) {
	for _, codec := range []string{"opus", segment.AAC} {
		w := newWorld(t, segment.Config{}, codec)
		w.run(30 * time.Second)
		w.good()
		require.InDelta(t, 14, w.check.Segments("audio"), 1, codec)
	}
}

func TestOnlyPictures(t *testing.T) {
	w := newWorld(t, segment.Config{}, "", simulcast()...)
	w.run(30 * time.Second)
	w.good()
	require.Equal(t, 15, w.check.Segments("f"))
}

// Sound does not wait for ever for a camera that was announced.
func TestSoundBeforePictures(t *testing.T) {
	e := layer("video", 0, sps720, 8000)
	e.silent = func(at time.Duration) bool { return at < 15*time.Second }
	w := newWorld(t, segment.Config{}, "opus", e)
	w.run(40 * time.Second)
	w.good()
	require.GreaterOrEqual(t, w.check.Segments("audio"), 16)
	require.GreaterOrEqual(t, w.check.Segments("video"), 10)
}

// Layers are announced with their first keyframe, which may come long after
// the first sound; neither the beginning nor a comeback does without them.
func TestSoundBeforeLayers(t *testing.T) {
	w := newWorld(t, segment.Config{}, "opus")
	begin := func(after time.Duration) {
		w.run(after)
		w.encoders = simulcast()
		for _, e := range w.encoders {
			require.NoError(t, w.ladder.Add(w.now, e.spec))
		}
		w.run(10 * time.Second)
	}
	begin(1500 * time.Millisecond)
	before := w.check.Segments("q")
	require.Equal(t, w.check.Segments("audio"), before, "sound did not begin alone")
	w.check.Lenient = true
	w.take(w.ladder.Discontinue(w.now))
	w.encoders, w.transit = nil, nil
	begin(4 * time.Second)
	w.good()
	newest, _ := w.check.Newest("q")
	require.Equal(t, int(newest), w.check.Segments("q"), "its playlist went on without a hole")
	require.Greater(t, w.check.Segments("q"), before+2)
}
