package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// picture shows the player a frame of two packets that was sent late ago.
func show(p *player, now, late time.Duration, n uint32, key, gap bool) {
	p.take(now, arrival{ts: n * frameTicks, key: key, stamped: true, stamp: now - late}, gap)
	p.take(now, arrival{ts: n * frameTicks, marker: true}, false)
}

func TestPlayerStartsAtAKeyframe(t *testing.T) {
	p := &player{posted: time.Second, latencies: newHistogram()}
	show(p, 2*time.Second, time.Millisecond, 1, false, false)
	require.Zero(t, p.frames)
	require.True(t, p.starving())
	show(p, 3*time.Second, time.Second, 2, true, false)
	require.Equal(t, 1, p.frames)
	require.Equal(t, 2*time.Second, p.firstFrame)
	require.Zero(t, p.live, "a replayed picture is not live")
	require.Zero(t, p.latencies.count)
	show(p, 3100*time.Millisecond, 20*time.Millisecond, 3, false, false)
	require.Equal(t, 2100*time.Millisecond, p.live)
	require.EqualValues(t, 1, p.latencies.count)
	require.InDelta(t, 20, ms(p.latencies.quantile(1)), .1)
}

func TestPlayerWaitsForAKeyframeAfterAGap(t *testing.T) {
	p := &player{}
	show(p, 0, 0, 1, true, false)
	show(p, frameTime, 0, 2, false, true)
	require.Equal(t, 1, p.frames)
	show(p, 2*frameTime, 0, 3, false, false)
	require.Equal(t, 1, p.frames)
	show(p, 3*frameTime, 0, 4, true, true)
	require.Equal(t, 2, p.frames, "a keyframe after a gap can be shown")
}

func TestPlayerCountsFreezes(t *testing.T) {
	p := &player{}
	show(p, 0, 0, 1, true, false)
	show(p, freezeTime, 0, 2, false, false)
	require.Zero(t, p.freezes)
	show(p, 2*freezeTime+time.Millisecond, 0, 3, false, false)
	require.Equal(t, 1, p.freezes)
	require.Equal(t, freezeTime+time.Millisecond, p.frozen)
	p.pause(p.last + 5*time.Second) // the end
	require.Equal(t, 2, p.freezes)
}

func TestSpreads(t *testing.T) {
	h := newHistogram()
	var exact []time.Duration
	for i := range 1000 {
		d := time.Duration(i+1) * time.Millisecond
		h.add(d)
		exact = append(exact, d)
	}
	want := Spread{1000, 500, 950, 990, 1000}
	require.Equal(t, want, spreadOf(exact))
	got := h.spread()
	for _, pair := range [][2]float64{{want.P50, got.P50}, {want.P95, got.P95}, {want.P99, got.P99}, {want.Max, got.Max}} {
		require.InDelta(t, pair[0], pair[1], ms(bucketTime)+.001)
	}
	h.add(time.Hour)
	h.add(-time.Hour)
	require.EqualValues(t, 1002, h.count)
	require.InDelta(t, ms(overflow), h.spread().Max, ms(bucketTime)+.001)
	require.Zero(t, spreadOf(nil))
	require.Zero(t, newHistogram().spread())
}

func TestProcessUsage(t *testing.T) {
	stat := "42 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0 1 0 5 1000000 300 18446744073709551615 1"
	u, err := parseStat(stat, 4096)
	require.NoError(t, err)
	require.Equal(t, usage{cpu: 1750 * time.Millisecond, resident: 300 * 4096}, u)
	for _, bad := range []string{"", "42 (x) S 1 2", "42 (x) S 1 2 3 4 5 6 7 8 9 10 x 25 0 0 20 0 1 0 5 1 300"} {
		_, err := parseStat(bad, 4096)
		require.Error(t, err, bad)
	}
}
