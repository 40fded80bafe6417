package segment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/hls-egress/segment"
)

// L20: a part follows the one before within PART-TARGET, give or take what a
// keyframe is later than other pictures.
func TestCadence(t *testing.T) {
	w := newWorld(t, segment.Config{}, "opus", simulcast()...)
	w.keep = true
	w.run(30 * time.Second)
	w.good()
	target, _ := w.ladder.Target()
	ready := map[string]time.Time{}
	var worst, delay time.Duration
	for _, p := range w.parts {
		if before, ok := ready[p.Rendition]; ok {
			worst = max(worst, p.Ready.Sub(before))
		}
		ready[p.Rendition] = p.Ready
		if p.MSN > 0 {
			delay = max(delay, p.Ready.Sub(p.Wall.Add(p.Duration)))
		}
	}
	t.Logf("parts at most %v apart, and %v after their last sample ends", worst, delay)
	require.LessOrEqual(t, worst, target+40*time.Millisecond)
	require.LessOrEqual(t, delay, 100*time.Millisecond)
}
