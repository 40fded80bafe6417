package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/sfu/fanout"
	"github.com/freshet-live/freshet/sfu/health"
	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/sfu/rtc"
	"github.com/freshet-live/freshet/signaling"
	"github.com/freshet-live/freshet/signaling/auth"
)

var since = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// world is everything behind the API, with one live stream.
type world struct{ snaps []*media.Snapshot }

func (w world) Streams() []*media.Snapshot { return w.snaps }

func (w world) Stream(name string) *media.Snapshot {
	for _, s := range w.snaps {
		if s.Name == name {
			return s
		}
	}
	return nil
}

func (w world) Publisher(stream string) (time.Time, rtc.SessionStats, bool) {
	verdict := health.Verdict{ID: health.BFrames, Severity: health.Warning, Layer: "q", Text: "B-frames", Remedy: "none", Value: 50}
	return since, rtc.SessionStats{
		Connected: true, RTT: 1500 * time.Microsecond, Health: []health.Verdict{verdict},
	}, stream == "demo"
}

func (w world) EachViewer(_ string, f func(time.Time, fanout.ViewerStats)) {
	f(since, fanout.ViewerStats{
		Connected: true, RID: "q", TargetRID: "f", RTT: time.Millisecond, Packets: 7, Estimate: 400_000, Target: 900_000,
		Signal: "transport-cc", Temporal: 1, Paused: true, Waiting: true, Probes: 3, Replays: 2, SRTPProfile: "AEAD_AES_128_GCM",
	})
}

type gate struct{ err error }

func (g gate) Admin(*http.Request) (auth.Grant, error) { return auth.Grant{}, g.err }

func demo() world {
	video := &media.Layer{Kind: media.Video, Codec: media.Codec{Name: media.H264}, RID: "q"}
	video.SetStatus(media.LayerStatus{Active: true, Bitrate: 300_000, Width: 320, Height: 180, FrameRate: 30, Packets: 100, Lost: 2})
	audio := &media.Layer{Kind: media.Audio, Codec: media.Codec{Name: media.Opus}}
	audio.SetStatus(media.LayerStatus{Active: true, Bitrate: 64_000, Packets: 50})
	return world{[]*media.Snapshot{
		{Name: "demo", State: media.Live, Epoch: 2, Since: since, Viewers: 1, Video: []*media.Layer{video}, Active: []bool{false}, Wanted: []bool{true}, Audio: audio},
		{Name: "waiting", State: media.Idle, Since: since},
	}}
}

func (world) HLS(stream string) *HLS {
	if stream != "demo" {
		return nil
	}
	return &HLS{URL: "/hls/demo/index.m3u8", PartTargetMs: 234, TargetDurationMs: 3000, SkewMs: 0.5, Renditions: []Rendition{
		{Name: "q", Kind: "video", Codecs: "avc1.42C01F", Width: 320, Height: 180, FrameRate: 30, Bandwidth: 400_000, State: "live"},
	}}
}

func serve(w world, auth Authorizer, ready func(context.Context) error, path string) (int, string) {
	h := Handler{
		Site: &httpx.Site{Log: slog.New(slog.DiscardHandler), Errors: signaling.Errors()},
		Auth: auth, Streams: w, Publishers: w, Viewers: w, Ready: ready, Egress: w,
	}
	mux := http.NewServeMux()
	h.Register(mux)
	rec := httptest.NewRecorder()
	h.Site.Handler(mux).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
	body, _ := io.ReadAll(rec.Result().Body)
	return rec.Code, string(body)
}

const demoJSON = `{"name":"demo","state":"live","since":"2026-01-02T03:04:05Z","epoch":2,"viewers":1,
	"publisher":{"since":"2026-01-02T03:04:05Z","connected":true,"rttMs":1.5,"layers":[]},
	"health":[{"id":"b-frames","severity":"warning","layer":"q","text":"B-frames","remedy":"none","value":50}],
	"audio":{"codec":"opus","active":true,"bitrate":64000,"packets":50,"lost":0},
	"video":{"codec":"H264","layers":[{"rid":"q","wanted":true,"active":false,"bitrate":300000,"width":320,"height":180,"frameRate":30,"packets":100,"lost":2}]},
	"publishUrl":"/whip/demo","playUrl":"/whep/demo","watchUrl":"/watch/demo","broadcastUrl":"/broadcast/demo",
	"hls":{"url":"/hls/demo/index.m3u8","partTargetMs":234,"targetDurationMs":3000,"skewMs":0.5,"lastRequest":null,
	"renditions":[{"name":"q","kind":"video","codecs":"avc1.42C01F","width":320,"height":180,"frameRate":30,"bandwidth":400000,"transcoded":false,"state":"live"}]}`

func TestStreams(t *testing.T) {
	status, body := serve(demo(), gate{}, nil, "/api/v1/streams")
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"streams":[`+demoJSON+`},{"name":"waiting","state":"idle","since":"2026-01-02T03:04:05Z","epoch":0,"viewers":0,
		"publisher":null,"health":[],"audio":null,"video":null,
		"publishUrl":"/whip/waiting","playUrl":"/whep/waiting","watchUrl":"/watch/waiting","broadcastUrl":"/broadcast/waiting","hls":null}]}`, body)

	_, body = serve(world{}, gate{}, nil, "/api/v1/streams")
	require.JSONEq(t, `{"streams":[]}`, body)
}

func TestStream(t *testing.T) {
	status, body := serve(demo(), gate{}, nil, "/api/v1/streams/demo")
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, demoJSON+`,"viewerSessions":[{"since":"2026-01-02T03:04:05Z","connected":true,"rid":"q","targetRid":"f",
		"paused":true,"waiting":true,"estimate":400000,"target":900000,"signal":"transport-cc","temporalLayers":1,"rttMs":1,"loss":0,
		"packets":7,"bytes":0,"retransmitted":0,"nacks":0,"plis":0,"replays":2,"probes":3,"dropped":0,"undecodable":false,
		"srtpProfile":"AEAD_AES_128_GCM"}]}`, body)
	for _, path := range []string{"/api/v1/streams/none", "/api/v1/streams/-bad", "/api/v1/none", "/api/v1/streams/"} {
		status, body = serve(demo(), gate{}, nil, path)
		require.Equal(t, http.StatusNotFound, status)
		require.True(t, json.Valid([]byte(body)))
	}
}

func TestAdminOnly(t *testing.T) {
	for _, path := range []string{"/api/v1/streams", "/api/v1/streams/demo", "/api/v1/streams/none"} {
		status, _ := serve(demo(), gate{auth.ErrNoToken}, nil, path)
		require.Equal(t, http.StatusUnauthorized, status)
		status, _ = serve(demo(), gate{auth.ErrForbidden}, nil, path)
		require.Equal(t, http.StatusForbidden, status)
	}
}

func TestHealth(t *testing.T) {
	status, _ := serve(demo(), gate{auth.ErrNoToken}, nil, "/livez")
	require.Equal(t, http.StatusOK, status, "probes have no token")
	status, _ = serve(demo(), gate{}, nil, "/readyz")
	require.Equal(t, http.StatusOK, status)
	status, body := serve(demo(), gate{}, func(context.Context) error { return errors.New("no sockets") }, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, body, "no sockets")
}
