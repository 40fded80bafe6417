package forward

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/media"
)

// Where the lowest Layer is too much, its frame rate goes, and a pause comes
// only after that.
func TestAllocatorThinsTheLowestLayer(t *testing.T) {
	d := demandFor(500_000, 1_500_000)
	d.Congested = true
	for _, l := range d.Layers {
		l.SetStatus(media.LayerStatus{Bitrate: l.Status().Bitrate, Active: true, Upper: [3]uint64{100_000, 150_000}})
	}
	var a Allocator
	now := began
	for _, step := range []struct {
		name     string
		budget   uint64
		after    time.Duration
		index    int
		temporal int
		wanted   uint64
	}{
		{"all", 2_000_000, 0, 1, 0, 0},
		{"the lower one, whole", 650_000, time.Second, 0, 0, 1_868_500},
		{"a little too much is kept", 550_000, time.Second, 0, 0, 1_868_500},
		{"two of three", 450_000, time.Second, 0, 2, 649_500},
		{"the base", 320_000, 0, 0, 1, 649_500},
		{"no room to spare for two", 450_000, 2 * time.Second, 0, 1, 649_500},
		{"two", 480_000, 0, 0, 2, 649_500},
		{"but not for long: the base", 320_000, time.Second, 0, 1, 649_500},
		{"so the next try waits", 480_000, 1900 * time.Millisecond, 0, 1, 649_500},
		{"all of it at once", 660_000, 200 * time.Millisecond, 0, 0, 1_868_500},
		{"too much even so", 200_000, time.Second, 0, 1, 649_500},
		{"a pause at last", 200_000, 2 * time.Second, -1, 0, 649_500},
		{"the base again", 330_000, 2 * time.Second, 0, 1, 649_500},
	} {
		now = now.Add(step.after)
		d.Budget = step.budget
		got := a.Decide(now, d)
		require.Equal(t, [2]int{step.index, step.temporal}, [2]int{got.Index, got.Temporal}, step.name)
		require.InDelta(t, step.wanted, got.Wanted, 2, step.name)
	}
	d.Budget = 0
	require.Equal(t, Allocation{Index: 1}, a.Decide(now, d), "nothing speaks for a bound")
}

func TestTemporalBitrates(t *testing.T) {
	s := media.LayerStatus{Bitrate: 1000, Upper: [3]uint64{200, 0, 300}}
	for n, want := range map[int]uint64{0: 500, 1: 500, 2: 700, 3: 700, 4: 1000, 9: 1000} {
		layers, rate := s.Temporal(n)
		require.Equal(t, 4, layers)
		require.Equal(t, want, rate, "%d", n)
	}
	layers, rate := (&media.LayerStatus{Bitrate: 7}).Temporal(1)
	require.Equal(t, [2]int{1, 7}, [2]int{layers, int(rate)})
}
