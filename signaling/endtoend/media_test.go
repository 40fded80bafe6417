package endtoend

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/signaling/api"
	"github.com/freshet-live/freshet/signaling/auth"
)

func TestPublishAndWatch(t *testing.T) { // E56, R8, R16
	s := start(t, options{})
	p := s.publish("demo", "")
	v := s.watch("demo")
	r := &run{t: t}
	for range 50 {
		r.check(next(t, v.video, "video"))
	}
	require.Equal(t, []byte{0xfc, 0xff, 0xfe}, next(t, v.audio, "audio").Payload)
	v.delete()
	p.delete()
	require.Equal(t, http.StatusNotFound, s.do(http.MethodDelete, v.url, v.token, "", "").status, "W10")
	require.Equal(t, http.StatusNotFound, s.do(http.MethodDelete, p.url, p.token, "", "").status, "W10")
}

func TestOverTCP(t *testing.T) { // RFC 6544, where UDP is blocked
	s := start(t, options{tcp: true})
	p := s.publish("demo", "", "q", "f")
	v := s.watch("demo")
	(&run{t: t}).until(v, 'f')
	p.delete()
	v.delete()
}

func TestShutdown(t *testing.T) { // E62
	s := start(t, options{})
	s.publish("demo", "")
	v := s.watch("demo")
	events := v.events("active")
	event(t, events, "active")
	s.stop() // event streams and sessions do not hold it up
	for range events {
		require.FailNow(t, "an event after the end")
	}
}

func TestViewerFirst(t *testing.T) { // E51, E63
	s := start(t, options{})
	v := s.watch("demo")
	events := v.events("active", "inactive", "viewercount")
	require.Equal(t, `viewercount {"viewercount":1}`, event(t, events, "viewercount"))
	s.publish("demo", "")
	event(t, events, "active")
	(&run{t: t}).until(v, '-')
}

func TestChooseLayers(t *testing.T) { // R3, R19, E57, E60, E61
	s := start(t, options{})
	s.publish("demo", "", "q", "h", "f")
	v := s.watch("demo")
	require.Len(t, v.links, 3, "events, layers, and the playlist")
	events := v.events("layers")
	for range 3 { // layers show up one by one
		layers := event(t, events, "layers")
		var data map[string][]struct {
			RID           string
			Width, Height int
		}
		require.NoError(t, json.Unmarshal([]byte(layers[len("layers "):]), &data))
		require.Contains(t, data, "1", "the video is the second section of this offer")
		if list := data["1"]; len(list) == 3 && list[2].Height > 0 {
			require.Equal(t, "q h f", list[0].RID+" "+list[1].RID+" "+list[2].RID)
			require.Equal(t, 720, list[2].Height)
			break
		}
	}
	mid := v.pc.GetTransceivers()[1].Mid()
	choose := func(members string) answer {
		return s.do(http.MethodPost, v.url+"/layer", v.token, "application/json", fmt.Sprintf(`{"mediaId":%q%s}`, mid, members))
	}
	r := &run{t: t}
	r.until(v, 'f')
	for _, step := range []struct {
		members string
		layer   byte
	}{
		{`,"rid":"q"`, 'q'}, {`,"rid":"h"`, 'h'}, {`,"maxHeight":180`, 'q'}, {``, 'f'}, {`,"spatialLayerId":1`, 'h'},
		{`,"maxSpatialLayerId":0`, 'q'},
	} {
		require.Equal(t, http.StatusOK, choose(step.members).status, step.members)
		r.until(v, step.layer)
	}
	require.Equal(t, http.StatusConflict, choose(`,"rid":"x"`).status)
}

func TestPublisherComesBack(t *testing.T) { // E64, E66, R13
	s := start(t, options{})
	first := s.publish("demo", "")
	v := s.watch("demo")
	events := v.events("active", "inactive")
	r := &run{t: t}
	for range 20 {
		r.check(next(t, v.video, "video"))
	}
	event(t, events, "active")
	first.delete()
	event(t, events, "inactive")
	s.publish("demo", "")
	event(t, events, "active")
	epoch := s.hub.Stream("demo").Epoch
	require.EqualValues(t, 2, epoch)
	// What was on its way may come yet; the new publisher's first picture is a
	// keyframe and goes on where the old one ended.
	for range 50 {
		p := next(t, v.video, "video after the reconnect")
		require.Equal(t, r.last.SSRC, p.SSRC)
		require.Equal(t, r.last.SequenceNumber+1, p.SequenceNumber)
		require.Positive(t, int32(p.Timestamp-r.last.Timestamp))
		r.last = p
	}
}

func TestTakeOver(t *testing.T) { // W38, W43, H7
	keys := auth.Keys{"key": "a-secret-that-is-long-enough-for-it"}
	s := start(t, options{keys: keys})
	first := s.publish("demo", "alice")
	v := s.watch("demo")
	r := &run{t: t}
	r.check(next(t, v.video, "video"))

	stranger := s.newPublisher("demo", "bob")
	a := stranger.post("demo")
	require.Equal(t, http.StatusConflict, a.status, a.body)
	require.Equal(t, http.StatusUnauthorized, s.do(http.MethodDelete, first.url, "", "", "").status)
	require.Equal(t, http.StatusForbidden, s.do(http.MethodDelete, first.url, stranger.token, "", "").status)
	require.Equal(t, http.StatusForbidden, s.do(http.MethodDelete, first.url, v.token, "", "").status)
	require.Equal(t, http.StatusForbidden, s.do(http.MethodPost, "/whip/demo", v.token, "application/sdp", "").status)

	// A second session of alice's that never connects changes nothing.
	half := s.newPublisher("demo", "alice")
	require.Equal(t, http.StatusCreated, half.post("demo").status)
	for range 20 {
		r.check(next(t, v.video, "video beside a half-open session"))
	}
	second := s.publish("demo", "alice")
	require.Eventually(t, func() bool { return s.hub.Stream("demo").Epoch == 2 }, patience, 10*time.Millisecond)
	for range 50 {
		p := next(t, v.video, "video after the take-over")
		require.Equal(t, r.last.SequenceNumber+1, p.SequenceNumber)
		r.last = p
	}
	require.Eventually(t, func() bool {
		return s.do(http.MethodGet, first.url, first.token, "", "").status == http.StatusNotFound
	}, patience, 10*time.Millisecond, "the first session is closed")
	require.Equal(t, http.StatusNoContent, s.do(http.MethodGet, second.url, second.token, "", "").status)
}

func TestRestartICE(t *testing.T) { // W18, W20, W21, W22, E21
	s := start(t, options{})
	p := s.publish("demo", "")
	v := s.watch("demo")
	r := &run{t: t}
	for range 10 {
		r.check(next(t, v.video, "video"))
	}
	for _, c := range []*client{p.client, v.client} {
		old := c.etag
		trickle := credentials(c.pc.LocalDescription().SDP) + "a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\n"
		a := s.do(http.MethodPatch, c.url, c.token, fragmentType, trickle, "If-Match", c.etag)
		require.Equal(t, http.StatusNoContent, a.status, a.body)
		c.restart()
		// The client closes its old sockets, with what is on its way to them.
		first, missing := r.last.SequenceNumber, 0
		for range 100 { // two seconds
			p := next(t, v.video, "video during a restart of "+c.kind)
			require.Equal(t, r.last.SSRC, p.SSRC)
			missing = int(p.SequenceNumber-first) - 100
			r.last = p
		}
		require.Less(t, missing, 25, "half a second of video")
		trickle = credentials(c.pc.LocalDescription().SDP)
		require.Equal(t, http.StatusPreconditionFailed,
			s.do(http.MethodPatch, c.url, c.token, fragmentType, trickle, "If-Match", old).status)
		require.Equal(t, http.StatusNoContent,
			s.do(http.MethodPatch, c.url, c.token, fragmentType, trickle, "If-Match", c.etag).status)
	}
}

func TestControlAPI(t *testing.T) {
	s := start(t, options{})
	s.publish("demo", "", "q", "f")
	v := s.watch("demo")
	next(t, v.video, "video")
	var d api.Detail
	require.Eventually(t, func() bool {
		d = api.Detail{}
		a := s.do(http.MethodGet, "/api/v1/streams/demo", "", "", "")
		require.Equal(t, http.StatusOK, a.status)
		require.NoError(t, json.Unmarshal([]byte(a.body), &d))
		return d.Video != nil && len(d.Video.Layers) == 2 && d.Video.Layers[1].FrameRate > 0 && d.Viewers == 1 &&
			len(d.ViewerSessions) == 1 && d.ViewerSessions[0].Packets > 0
	}, patience, 20*time.Millisecond)
	require.Equal(t, media.Live, d.State)
	require.Equal(t, "VP8", d.Video.Codec)
	require.Equal(t, "opus", d.Audio.Codec)
	require.Equal(t, 640, d.Video.Layers[1].Width)
	require.True(t, d.Publisher.Connected)
	require.True(t, d.ViewerSessions[0].Connected)
	require.NotEmpty(t, d.ViewerSessions[0].SRTPProfile)
}
