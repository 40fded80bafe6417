package segment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/hls-egress/segment/segtest"
	"github.com/freshet-live/freshet/sfu/media"
)

// What was lost is asked for at once, and shown again from the keyframe on;
// the other renditions go on.
func TestLoss(t *testing.T) {
	w := newWorld(t, segment.Config{}, "opus", simulcast()...)
	w.check.Lenient = true
	w.run(9 * time.Second)
	frame := w.frame
	w.encoders[2].lost = func(i int) bool { return i == frame+1 }
	w.run(100 * time.Millisecond)
	for i := range w.transit {
		if a := &w.transit[i]; a.name == "f" {
			a.sample.Lost = true
			break
		}
	}
	w.run(10 * time.Second)
	w.good()
	require.Equal(t, []string{"f"}, w.again)
	require.LessOrEqual(t, len(w.check.Tolerated), 2, "%q", w.check.Tolerated)
	require.Less(t, w.ladder.Stats().Dropped, uint64(10))
	require.Zero(t, w.ladder.Stats().StandIns)
}

// A damaged stream of an encoder that answers nothing is better than a still
// picture.
func TestLossOfDeafEncoder(t *testing.T) {
	e := layer("video", 0, sps720, 8000)
	e.keys = func(i int) bool { return i%120 == 0 }
	w := newWorld(t, segment.Config{}, "opus", e)
	w.check.Lenient = true
	w.run(9 * time.Second)
	w.transit[len(w.transit)-1].sample.Lost = true
	for i := range w.transit {
		w.transit[i].sample.Lost = true
	}
	w.run(10 * time.Second)
	w.good()
	require.InDelta(t, 15, w.ladder.Stats().Dropped, 3, "half a second")
}

func TestPauses(t *testing.T) {
	for name, c := range map[string]struct {
		pause         time.Duration
		discontinuity int
	}{
		"0.3 s": {300 * time.Millisecond, 0},
		"1 s":   {time.Second, 0},
		"2.5 s": {2500 * time.Millisecond, 0},
		"5 s":   {5 * time.Second, 1},
		"1 min": {time.Minute, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, segment.Config{}, "opus", simulcast()...)
			w.check.Lenient, w.keep = true, true
			w.pause = func(at time.Duration) bool { return at > 10*time.Second && at < 10*time.Second+c.pause }
			w.run(30*time.Second + c.pause)
			w.good()
			found := 0
			for _, p := range w.parts {
				if p.Rendition == "f" && p.Discontinuity {
					found++
				}
			}
			require.Equal(t, c.discontinuity, found)
			require.GreaterOrEqual(t, w.check.Segments("f"), 13)
			require.LessOrEqual(t, len(w.check.Tolerated), 12, "%q", w.check.Tolerated)
		})
	}
}

// Small pauses are smoothed, so that parts keep to PART-TARGET.
func TestStutter(t *testing.T) {
	w := newWorld(t, segment.Config{}, "opus", simulcast()...)
	for _, e := range w.encoders {
		e.lost = func(i int) bool { return i%97 < 3 || i%41 == 5 }
	}
	w.run(time.Minute)
	w.good()
	require.Zero(t, w.ladder.Stats().LongParts)
}

func TestDiscontinue(t *testing.T) {
	w := newWorld(t, segment.Config{}, segment.AAC, simulcast()...)
	w.keep = true
	w.run(11 * time.Second)
	w.check.Lenient = true
	w.take(w.ladder.Discontinue(w.now))
	w.check.Lenient = false
	before := w.ladder.Stats()
	first := w.check.Segments("q")
	for _, name := range []string{"h", "f", "audio"} {
		require.Equal(t, first, w.check.Segments(name), "all renditions end with the same segment")
	}
	// Another publisher, whose f has another size, and who has no q.
	w.transit = nil
	w.take(w.ladder.Remove(w.now, "q"))
	w.encoders = w.encoders[1:]
	w.encoders[1].sps = sps360
	for _, e := range w.encoders {
		e.began = false
		require.NoError(t, w.ladder.Add(w.now, e.spec))
		require.ErrorIs(t, w.ladder.Add(w.now, segment.Spec{Name: "x", Kind: media.Video}), segment.ErrCodec)
	}
	w.run(10 * time.Second)
	w.good()
	require.Equal(t, before.Dropped, w.ladder.Stats().Dropped)
	require.Equal(t, 640, w.check.Rendition("f").Width)
	ids := map[string][]int{}
	for _, p := range w.parts {
		if p.Index == 0 && (p.MSN == 0 || p.Discontinuity) {
			ids[p.Rendition] = append(ids[p.Rendition], p.Init.ID)
		}
	}
	require.Equal(t, map[string][]int{"q": {0}, "h": {0, 1}, "f": {0, 1}, "audio": {0, 1}}, ids)
	w.check.Lenient = true
	w.take(w.ladder.End(w.now))
	w.good()
	require.Equal(t, w.check.Segments("h"), w.check.Segments("audio"))
	require.Empty(t, w.ladder.Write(w.now, "h", segment.Sample{Time: 1 << 40, Units: [][]byte{{1}}}).Parts)
	require.ErrorIs(t, w.ladder.Add(w.now, w.encoders[0].spec), segment.ErrRendition)
}

// A cut that fell just before the end is crossed by all renditions, also those
// whose samples have not come yet.
func TestDiscontinueAtACut(t *testing.T) {
	for ms := range 20 {
		w := newWorld(t, segment.Config{}, segment.AAC, simulcast()...)
		w.check.Lenient = true
		w.run(6600*time.Millisecond + time.Duration(ms)*30*time.Millisecond)
		w.take(w.ladder.End(w.now))
		w.good()
		for _, name := range []string{"h", "f", "audio"} {
			require.Equal(t, w.check.Segments("q"), w.check.Segments(name), "%s after %d ms", name, ms*30)
		}
	}
}

// Malformed media of one rendition does not touch the others.
func TestMalformed(t *testing.T) {
	for name, spoil := range map[string]func(s *segment.Sample){
		"no parameter sets": func(s *segment.Sample) {
			if s.Key {
				s.Units = s.Units[len(s.Units)-1:]
			}
		},
		"broken SPS": func(s *segment.Sample) {
			if s.Key {
				s.Units = [][]byte{{0x67, 0x42}, pps264, s.Units[len(s.Units)-1]}
			}
		},
		"absurd size": func(s *segment.Sample) {
			if s.Key {
				s.Units = [][]byte{unhex("6742c01fd9000000400000100000053c60c658"), pps264, s.Units[len(s.Units)-1]}
			}
		},
		"huge":     func(s *segment.Sample) { s.Units = [][]byte{make([]byte, 20<<20)} },
		"empty":    func(s *segment.Sample) { s.Units = nil },
		"no units": func(s *segment.Sample) { s.Units = [][]byte{{}, {}} },
		"too many units": func(s *segment.Sample) {
			s.Units = make([][]byte, 100_000)
			for i := range s.Units {
				s.Units[i] = []byte{0x41, 1}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, segment.Config{}, "opus", simulcast()...)
			w.check.Lenient = true
			for range 12 {
				w.run(time.Second)
				if w.since() > 4*time.Second && w.since() < 9*time.Second {
					for i := range w.transit {
						if w.transit[i].name == "h" {
							spoil(&w.transit[i].sample)
						}
					}
				}
			}
			w.run(8 * time.Second)
			w.good()
			require.Equal(t, 10, w.check.Segments("q"))
			require.Equal(t, 10, w.check.Segments("f"))
			require.Equal(t, 10, w.check.Segments("h"), "it goes on, or another one stands in")
			require.True(t, w.check.Rendition("h").Silent.IsZero(), "in the end it is back")
		})
	}
}

// Samples of all kinds of times are survived with bounded memory.
func TestAbsurdTimes(t *testing.T) {
	w := newWorld(t, segment.Config{}, "opus", simulcast()...)
	w.check.Lenient, w.check.Dependent = true, true
	w.run(5 * time.Second)
	key := []byte{0x65, 0x88, 1}
	for _, at := range []int64{-5, 0, 1, 1 << 62, 1 << 40, 900_000, 1_000_000} {
		for _, name := range []string{"f", "audio", "nobody"} {
			w.ladder.Write(w.now, name, segment.Sample{Time: at, Wall: w.now, Key: true, Units: [][]byte{sps720, pps264, key}})
			w.ladder.Tick(w.now)
		}
	}
}

// A size that changes begins with the next segment, with a new
// initialization section and no discontinuity.
func TestSizeChange(t *testing.T) {
	w := newWorld(t, segment.Config{}, "opus", simulcast()...)
	w.keep = true
	w.run(9*time.Second + 300*time.Millisecond)
	w.encoders[2].sps = sps360
	w.encoders[2].owes = 0 // an unsolicited keyframe, in the middle of a segment
	w.run(10 * time.Second)
	w.good()
	require.Equal(t, 640, w.check.Rendition("f").Width)
	inits := map[int]uint64{}
	for _, p := range w.parts {
		require.False(t, p.Discontinuity)
		if p.Rendition == "f" {
			if _, ok := inits[p.Init.ID]; !ok {
				inits[p.Init.ID] = p.MSN
				require.Zero(t, p.Index)
			}
		}
	}
	require.Len(t, inits, 2)
	require.Equal(t, uint64(6), inits[1], "cut as soon as it was asked for")
}

// A flood of large pictures within one part does not fill the memory.
func TestFlood(t *testing.T) {
	w := newWorld(t, segment.Config{}, "opus", layer("video", 0, sps720, 8000))
	w.check.Lenient = true
	w.keep = true
	w.run(5 * time.Second)
	big := append([]byte{0x41, 0x9a}, make([]byte, 1<<20)...)
	var last segment.Sample
	for _, a := range w.transit {
		if a.name == "video" {
			last = a.sample
		}
	}
	for i := range 100 {
		s := segment.Sample{Time: last.Time + int64(i), Wall: last.Wall, Units: [][]byte{big}}
		w.take(w.ladder.Write(w.now, "video", s))
	}
	w.run(5 * time.Second)
	w.good()
	require.Greater(t, w.ladder.Stats().Dropped, uint64(80))
	for _, p := range w.parts {
		require.Less(t, len(p.Data), 17<<20)
	}
	require.Contains(t, w.again, "video")
}

// Requests that are lost are repeated, and segments stay within TARGETDURATION.
func TestLostRequests(t *testing.T) {
	w := newWorld(t, segment.Config{}, "opus", simulcast()...)
	n := 0
	for range 40 * 200 {
		asked := w.asked
		w.run(5 * time.Millisecond)
		if !w.asked.IsZero() && w.asked != asked {
			if n++; n > 2 && n%3 != 0 { // two of three
				w.asked = time.Time{}
			}
		}
	}
	w.check.Lenient = true
	w.good()
	require.Greater(t, n, 20)
	require.GreaterOrEqual(t, w.check.Segments("f"), 13)
	require.Zero(t, w.ladder.Stats().Forced)
}

// Where Opus sends nothing there is silence, and each segment of sound begins
// with the packet in which its pictures begin.
func TestSilenceOfOpus(t *testing.T) {
	w := newWorld(t, segment.Config{}, "opus", simulcast()...)
	w.keep = true
	w.check.Lenient = true
	for range 40 {
		w.run(500 * time.Millisecond)
		kept := w.transit[:0]
		for i, a := range w.transit {
			if a.name != "audio" || i%2 == 0 {
				kept = append(kept, a)
			}
		}
		w.transit = kept
		w.sound += 17 // 340 ms without a packet
	}
	w.good()
	starts := map[uint64]time.Duration{}
	for _, p := range w.parts {
		m, err := segtest.ReadMedia(p.Data)
		require.NoError(t, err)
		if p.Rendition != "audio" {
			if p.Index == 0 {
				starts[p.MSN] = p.Time
			}
			continue
		}
		for _, d := range m.Durations {
			require.LessOrEqual(t, d, uint32(1440), "a hole at %v", p.Time)
		}
	}
	for _, p := range w.parts {
		if x, ok := starts[p.MSN]; ok && p.Rendition == "audio" && p.Index == 0 && p.MSN > 0 {
			require.LessOrEqual(t, p.Time, x)
			require.Greater(t, p.Time, x-30*time.Millisecond)
		}
	}
}
