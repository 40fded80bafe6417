package fanout

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/forward"
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
