package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// seen returns the timeline of 30 frames/s from 0 to 30 s, of the rank that at
// tells, -1 for none.
func seen(at func(second float64) int8) *timeline {
	t := &timeline{on: true}
	for i := range 900 {
		now := time.Duration(i) * frameTime
		if rank := at(now.Seconds()); rank >= 0 {
			t.add(now, rank)
		}
	}
	return t
}

func TestEvent(t *testing.T) {
	good := seen(func(s float64) int8 {
		switch {
		case s > 5.5 && s < 6.5:
			return -1 // frozen for a second
		case s > 5 && s < 27:
			return 0
		default:
			return 2
		}
	})
	still := seen(func(float64) int8 { return 2 })
	lost := seen(func(s float64) int8 {
		if s > 7 {
			return 1
		}
		return 2
	})
	second := time.Second
	rep := reportEvent([]*timeline{good, still, lost}, 5*second, 25*second, 30*second, true)
	require.EqualValues(t, 3, rep.Frozen.Count)
	require.InDelta(t, 1034, rep.Frozen.Max, 50)
	require.Zero(t, rep.Frozen.P50)
	require.InDelta(t, 30, rep.FrameRate, .1)
	require.InDelta(t, 28.5, rep.FrameRateLeast, .1)
	require.Equal(t, 1, rep.StayedOnTop)
	require.Equal(t, 1, rep.NeverBack)
	require.EqualValues(t, 2, rep.OffTop.Count)
	require.InDelta(t, 2000, rep.OffTop.Max, 50)
	require.EqualValues(t, 1, rep.BackOnTop.Count)
	require.InDelta(t, 2000, rep.BackOnTop.Max, 50)

	rep = reportEvent([]*timeline{seen(func(float64) int8 { return 0 }), {on: true}}, 5*second, 6*second, 30*second, false)
	require.Zero(t, rep.StayedOnTop+rep.NeverBack)
	require.EqualValues(t, 25_000, rep.Frozen.Max, "a viewer without a picture")
}
