package segment_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/freshet-live/freshet/hls-egress/segment"
)

// chance makes a predicate that holds for about one of n frames, the same
// ones each time.
func chance(seed uint64, n int) func(i int) bool {
	return func(i int) bool {
		return rand.New(rand.NewPCG(seed, uint64(i))).IntN(n) == 0
	}
}

// drawEncoder makes one of the encoders of the world.
func drawEncoder(t *rapid.T, e *encoder) {
	e.delay = time.Duration(rapid.IntRange(5, 120).Draw(t, "delay")) * time.Millisecond
	e.keyDelay = e.delay + time.Duration(rapid.IntRange(0, 16).Draw(t, "key delay"))*time.Millisecond
	e.skew = rapid.SampledFrom([]int{0, 0, 0, 1, 2, 5}).Draw(t, "skew")
	if n := rapid.SampledFrom([]int{0, 0, 5, 30}).Draw(t, "loses one of"); n > 0 {
		e.lost = chance(rapid.Uint64().Draw(t, "seed"), n)
	}
	if from := rapid.SampledFrom([]int{0, 0, 0, 3, 8}).Draw(t, "silent from"); from > 0 {
		start := time.Duration(from) * time.Second
		end := start + time.Duration(rapid.IntRange(100, 9000).Draw(t, "silence"))*time.Millisecond
		e.silent = func(at time.Duration) bool { return at >= start && at < end }
	}
}

// Whatever publishers do, no rule breaks but for the lengths of parts where
// there is no picture to fill them.
func TestLadderHoldsTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		layers := simulcast()[:rapid.IntRange(1, 3).Draw(t, "layers")]
		for _, e := range layers {
			drawEncoder(t, e)
		}
		gop := rapid.SampledFrom([]int{0, 0, 0, 30, 60, 77, 250}).Draw(t, "gop")
		if gop > 0 {
			for _, e := range layers {
				e.keys = func(i int) bool { return i%gop == 0 }
			}
		}
		audio := rapid.SampledFrom([]string{"", "opus", segment.AAC}).Draw(t, "audio")
		cfg := segment.Config{
			Part:    time.Duration(rapid.SampledFrom([]int{200, 200, 333, 500}).Draw(t, "part")) * time.Millisecond,
			Segment: time.Duration(rapid.SampledFrom([]int{2, 2, 1, 4}).Draw(t, "segment")) * time.Second,
		}
		w := newWorld(t, cfg, audio, layers...)
		w.check.Lenient, w.check.Dependent = true, true
		w.fps = rapid.SampledFrom([]int{30, 30, 15, 24, 25, 50, 60, 12}).Draw(t, "fps")
		if from := rapid.IntRange(0, 20).Draw(t, "pause from"); from > 2 {
			start := time.Duration(from) * time.Second
			end := start + time.Duration(rapid.IntRange(50, 6000).Draw(t, "pause"))*time.Millisecond
			w.pause = func(at time.Duration) bool { return at >= start && at < end }
		}
		w.run(time.Duration(rapid.IntRange(1, 25000).Draw(t, "ms")) * time.Millisecond)
		if rapid.Bool().Draw(t, "discontinue") {
			w.take(w.ladder.Discontinue(w.now))
			w.run(8 * time.Second)
		}
		w.take(w.ladder.End(w.now))
		w.good()
		for _, e := range layers[1:] {
			first, _ := w.check.Newest(layers[0].spec.Name)
			other, last := w.check.Newest(e.spec.Name)
			require.Equal(t, first, other, "all renditions end together")
			require.Equal(t, w.check.Parts(e.spec.Name) > 0, last)
		}
	})
}
