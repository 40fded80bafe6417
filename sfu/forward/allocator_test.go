package forward

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/freshet-live/freshet/sfu/media"
)

// demandFor returns Layers with their bitrates in bit/s, lowest first.
func demandFor(rates ...uint64) (d Demand) {
	for i, r := range rates {
		l := &media.Layer{Kind: media.Video, Rank: i}
		l.SetStatus(media.LayerStatus{Bitrate: r, Active: true})
		d.Layers = append(d.Layers, l)
	}
	d.Audio, d.Best = 40_000, len(rates)-1
	return d
}

func TestAllocatorFollowsTheBudget(t *testing.T) {
	d := demandFor(250_000, 700_000, 2_500_000)
	var a Allocator
	now := began
	for _, step := range []struct {
		budget uint64
		after  time.Duration
		want   Allocation
	}{
		{0, 0, Allocation{Index: 2}},
		{5_000_000, 0, Allocation{Index: 2}},
		{2_600_000, 0, Allocation{Index: 2}}, // a little too much is kept
		{2_000_000, 0, Allocation{Index: 1, Wanted: 3_087_500}},
		{5_000_000, 500 * time.Millisecond, Allocation{Index: 1, Wanted: 3_087_500}}, // too soon
		{5_000_000, 600 * time.Millisecond, Allocation{Index: 2}},
		{400_000, 6 * time.Second, Allocation{Index: 0, Emergency: true, Wanted: 893_300}},
		{800_000, 2 * time.Second, Allocation{Index: 0, Wanted: 893_300}}, // no room to spare
		{900_000, 100 * time.Millisecond, Allocation{Index: 1, Wanted: 3_087_500}},
	} {
		now = now.Add(step.after)
		d.Budget = step.budget
		got := a.Decide(now, d)
		require.InDelta(t, step.want.Wanted, got.Wanted, 2, "%+v", step)
		got.Wanted = step.want.Wanted
		require.Equal(t, step.want, got, "%+v", step)
	}
}

// A Layer that comes back is worth what it took before, and one that is new is
// not climbed to before its bitrate is known.
func TestAllocatorMeasuresNewLayers(t *testing.T) {
	d := demandFor(250_000, 700_000, 2_500_000)
	d.Active, d.Best = []bool{true, true, false}, 1
	status := func(bitrate uint64) { d.Layers[2].SetStatus(media.LayerStatus{Bitrate: bitrate}) }
	status(0)
	var a Allocator
	now := began
	decide := func(budget uint64, after time.Duration) Allocation {
		now = now.Add(after)
		d.Budget = budget
		return a.Decide(now, d)
	}
	require.Equal(t, 1, decide(1_500_000, 0).Index)
	d.Active, d.Best = nil, 2
	status(100_000) // of the first few packets
	require.Equal(t, 1, decide(1_500_000, 3*time.Second).Index)
	status(2_500_000)
	require.Equal(t, 1, decide(1_500_000, 900*time.Millisecond).Index)
	require.Equal(t, 1, decide(1_500_000, time.Second).Index)
	require.Equal(t, 2, decide(3_500_000, time.Second).Index)
	require.Equal(t, 1, decide(1_500_000, time.Second).Index)
	d.Active, d.Best = []bool{true, true, false}, 1
	status(0)
	require.Equal(t, 1, decide(1_500_000, 20*time.Second).Index)
	d.Active, d.Best = nil, 2
	status(100_000)
	require.Equal(t, 1, decide(1_500_000, 200*time.Millisecond).Index)
	require.InDelta(t, 3_087_500, decide(1_500_000, 200*time.Millisecond).Wanted, 1e6)
}

func TestAllocatorPausesAndResumes(t *testing.T) {
	d := demandFor(250_000, 700_000)
	d.Congested = true
	var a Allocator
	now := began
	decide := func(budget uint64, after time.Duration) Allocation {
		now = now.Add(after)
		d.Budget = budget
		return a.Decide(now, d)
	}
	require.Equal(t, 1, decide(2_000_000, 0).Index)
	require.Equal(t, 0, decide(200_000, time.Second).Index, "not at once")
	require.False(t, decide(400_000, 900*time.Millisecond).Paused, "a short fright")
	require.False(t, decide(200_000, 100*time.Millisecond).Paused)
	require.False(t, decide(200_000, 1900*time.Millisecond).Paused)
	out := decide(200_000, 100*time.Millisecond)
	require.True(t, out.Paused)
	require.InDelta(t, 344_750, out.Wanted, 2)
	require.True(t, decide(400_000, 500*time.Millisecond).Paused, "not at once")
	require.True(t, decide(310_000, 2*time.Second).Paused, "no room")
	require.Equal(t, 0, decide(400_000, 100*time.Millisecond).Index, "by itself")

	d.Congested = false
	require.False(t, decide(200_000, time.Second).Paused)
	require.False(t, decide(200_000, 9*time.Second).Paused, "it does arrive")
	require.True(t, decide(200_000, time.Second).Paused)
	require.True(t, decide(200_000, 1900*time.Millisecond).Paused)
	require.False(t, decide(200_000, 200*time.Millisecond).Paused, "tried, as no queue stands")
	d.Congested = true
	decide(200_000, 100*time.Millisecond)
	require.True(t, decide(200_000, 2*time.Second).Paused, "in vain")
	d.Congested = false
	require.True(t, decide(200_000, 3900*time.Millisecond).Paused, "so the next try comes later")
	require.False(t, decide(200_000, 200*time.Millisecond).Paused)
}

// What the viewer chose stays the upper bound; a Layer that stops is left, and
// taken again when it is back.
func TestAllocatorStaysWithinBounds(t *testing.T) {
	d := demandFor(250_000, 700_000, 2_500_000)
	d.Budget, d.Best = 10_000_000, 1
	var a Allocator
	require.Equal(t, Allocation{Index: 1}, a.Decide(began, d))
	d.Active = []bool{true, false, true}
	d.Best = 0
	require.Equal(t, 0, a.Decide(began, d).Index)
	d.Active, d.Best = nil, 1
	require.Equal(t, 1, a.Decide(began.Add(2*time.Second), d).Index)
	d.Best = -1
	require.Equal(t, Allocation{Index: -1}, a.Decide(began, d))
}

// A step up that does not hold is tried less and less often.
func TestAllocatorGivesUpSlowly(t *testing.T) {
	d := demandFor(250_000, 2_500_000)
	var a Allocator
	ups, at := 0, 1
	for i := range 600 { // a minute in which each step up proves wrong
		d.Budget = 4_000_000
		if at == 1 {
			d.Budget = 1_000_000
		}
		next := a.Decide(began.Add(time.Duration(i)*100*time.Millisecond), d).Index
		if next > at {
			ups++
		}
		at = next
	}
	require.LessOrEqual(t, ups, 8)
	require.GreaterOrEqual(t, ups, 4)
}

// Whatever the numbers, the decision is a Layer that may be sent, and one that
// the Selector then takes.
func TestAllocatorAndSelector(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := demandFor(rapid.SliceOfN(rapid.Uint64Range(0, 1<<40), 0, maxLayers).Draw(t, "rates")...)
		var a Allocator
		var s Selector
		now := began
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(-100, 5000).Draw(t, "after")) * time.Millisecond)
			d.Active = rapid.SliceOfN(rapid.Bool(), len(d.Layers), len(d.Layers)).Draw(t, "active")
			s.SetLayers(d.Layers, d.Active)
			s.SetLimit(Limit{Ranks: rapid.IntRange(0, 10).Draw(t, "ranks")})
			_, _, d.Best = s.Offered()
			d.Budget = rapid.Uint64Range(0, 1<<42).Draw(t, "budget")
			out := a.Decide(now, d)
			s.Allocate(out)
			switch {
			case out.Paused:
				require.Nil(t, s.Target())
				require.Nil(t, s.Current())
				require.NotZero(t, d.Budget)
			case out.Index >= 0:
				require.LessOrEqual(t, out.Index, d.Best)
				require.True(t, d.Active[out.Index])
				require.Same(t, d.Layers[out.Index], s.Target())
			default:
				require.Negative(t, d.Best)
			}
		}
	})
}

// A Layer begins with a keyframe, which counts for long in what it needs; that
// must not pause a picture that fits by now.
func TestAllocatorForgivesAKeyframe(t *testing.T) {
	d := demandFor(500_000, 700_000)
	d.Budget, d.Congested = 300_000, true
	var a Allocator
	require.Equal(t, 0, a.Decide(began, d).Index)
	d.Layers[0].SetStatus(media.LayerStatus{Bitrate: 240_000, Active: true})
	for after := 200 * time.Millisecond; after < 2*pauseAfter; after += 200 * time.Millisecond {
		require.False(t, a.Decide(began.Add(after), d).Paused, after)
	}
}
