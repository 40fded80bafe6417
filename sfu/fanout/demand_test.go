package fanout

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/forward"
	"github.com/freshet-live/freshet/sfu/hub"
)

// Viewers declare up to which Layer they have a use for the video, so that the
// publisher may pause what lies above.
func TestViewersDeclareTheirDemand(t *testing.T) {
	r := newRig(t, Config{})
	r.publish(t, "s", testH264, "q", "h", "f")
	wants := func(q, h, f bool) {
		t.Helper()
		require.Eventually(t, func() bool {
			s := r.hub.Stream("s")
			return len(s.Wanted) == 3 && s.Wanted[0] == q && s.Wanted[1] == h && s.Wanted[2] == f
		}, patience, time.Millisecond, "%v", r.hub.Stream("s"))
	}
	wants(false, false, false)
	p := r.view(t, "s", peerOptions{})
	next(t, p.video)
	wants(true, true, true)
	require.NoError(t, p.viewer.SetLimit(forward.Limit{RID: "q"}))
	wants(true, false, false)
	require.NoError(t, p.viewer.SetLimit(forward.Limit{Ranks: 2}))
	wants(true, true, false)

	other := r.view(t, "s", peerOptions{audioOnly: true})
	next(t, other.audio)
	require.NoError(t, p.viewer.SetLimit(forward.Limit{RID: "q"}))
	wants(true, false, false)
	require.NoError(t, p.viewer.SetLimit(forward.Limit{}))
	wants(true, true, true)
	p.viewer.Close(nil)
	wants(false, false, false)
}

func TestThrift(t *testing.T) {
	now := time.Now()
	var x thrift
	for _, step := range []struct {
		after        time.Duration
		bound, reach int
		want         int
	}{
		{0, 2, hub.WantAll, 2},
		{0, 2, 1, 2},               // just narrow
		{thriftAfter - 1, 2, 1, 2}, // not for long
		{1, 2, 1, 1},               // for long
		{0, 0, 1, 0},               // the viewer's own choice
		{0, 2, 1, 2},               // and back: anew
		{thriftAfter, 2, 1, 1},     //
		{-time.Second, 2, 1, 1},    // once given up, it stays
		{time.Second, 3, 2, 2},     // a better path, a better aim
		{time.Second, 3, 3, 3},     // everything is in reach
		{thriftAfter, 3, 1, 3}, {0, 3, hub.WantAll, 3},
	} {
		now = now.Add(step.after)
		require.Equal(t, step.want, x.want(now, step.bound, step.reach), "%+v", step)
	}
}

func TestAbove(t *testing.T) {
	require.Equal(t, 0, above(-1, 3)) // paused
	require.Equal(t, 2, above(1, 3))
	require.Equal(t, 2, above(2, 3))
	require.Equal(t, 0, above(1, 1)) // the publisher came back with fewer
}

// A viewer whose path has been narrow for long gives up the Layers beyond the
// next one, and wants them again with the first room.
func TestNarrowPathGivesUpTheTop(t *testing.T) {
	r := newRig(t, Config{})
	r.publish(t, "s", testH264, "q", "h", "f")
	p := r.view(t, "s", peerOptions{remb: true})
	next(t, p.video)
	wants := func(top bool) {
		t.Helper()
		require.Eventually(t, func() bool {
			s := r.hub.Stream("s")
			return len(s.Wanted) == 3 && s.Wanted[1] && s.Wanted[2] == top
		}, patience, time.Millisecond)
	}
	wants(true)
	require.Eventually(t, func() bool { // the Layers' bitrates are known
		return r.hub.Stream("s").Video[2].Status().Bitrate > 100_000
	}, patience, time.Millisecond)
	limit := func(bitrate uint64, later time.Duration) {
		p.viewer.worker.inbox.post(func(now time.Time) {
			p.viewer.adapt.estimator.REMB(now, bitrate)
			p.viewer.allocate(now)
			p.viewer.adapt.thrift.since = p.viewer.adapt.thrift.since.Add(-later)
			p.viewer.allocate(now)
		})
	}
	limit(100_000, 0)
	require.Eventually(t, func() bool { return p.viewer.Stats().TargetRID == "q" }, patience, time.Millisecond)
	wants(true)
	limit(100_000, thriftAfter)
	wants(false)
	limit(50_000_000, 0)
	wants(true)
}
