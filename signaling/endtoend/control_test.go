package endtoend

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/signaling/api"
)

// Who is sent away is told on the media path at once, not left to find out by
// silence; others notice nothing.
func TestEndsAreClean(t *testing.T) {
	s := start(t, options{})
	p := s.publish("demo", "ann")
	v, stays := s.watch("demo"), s.watch("demo")
	next(t, v.video, "video")
	next(t, stays.video, "video")
	closed := func(c *client) bool {
		switch c.pc.ConnectionState() {
		case webrtc.PeerConnectionStateClosed, webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateDisconnected:
			return true
		default:
			return false
		}
	}
	id := v.url[len("/whep/demo/"):]
	a := s.do(http.MethodDelete, "/api/v1/streams/demo/sessions/"+id, "", "", "")
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.Equal(t, http.StatusNotFound, s.do(http.MethodDelete, v.url, "", "", "").status, "the session is gone")
	// A peer that gets no close_notify takes five seconds to lose hope.
	require.Eventually(t, func() bool { return closed(v.client) }, 3*time.Second, 10*time.Millisecond)
	require.False(t, closed(stays.client) || closed(p.client))

	a = s.do(http.MethodDelete, "/api/v1/streams/demo", "", "", "")
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.Eventually(t, func() bool { return closed(p.client) }, 3*time.Second, 10*time.Millisecond)
	var d api.Detail
	require.NoError(t, json.Unmarshal([]byte(s.do(http.MethodGet, "/api/v1/streams/demo", "", "", "").body), &d))
	require.Equal(t, media.Ended, d.State)
	require.Equal(t, 1, d.Viewers, "who waits may stay")

	s.publish("demo", "bob") // the name is free
	next(t, stays.video, "video of the next publisher")
}
