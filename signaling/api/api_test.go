package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
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

func demoStreams() *streams {
	video := &media.Layer{Kind: media.Video, Codec: media.Codec{Name: media.H264}, RID: "q"}
	video.SetStatus(media.LayerStatus{Active: true, Bitrate: 300_000, Width: 320, Height: 180, FrameRate: 30, Packets: 100, Lost: 2})
	audio := &media.Layer{Kind: media.Audio, Codec: media.Codec{Name: media.Opus}}
	audio.SetStatus(media.LayerStatus{Active: true, Bitrate: 64_000, Packets: 50})
	return &streams{snaps: []*media.Snapshot{
		{Name: "demo", State: media.Live, Epoch: 2, Since: since, Viewers: 1, Video: []*media.Layer{video}, Active: []bool{false}, Wanted: []bool{true}, Audio: audio},
		{Name: "waiting", State: media.Idle, Since: since},
	}}
}

func demoPublishers() *publishers {
	verdict := health.Verdict{ID: health.BFrames, Severity: health.Warning, Layer: "q", Text: "B-frames", Remedy: "none", Value: 50}
	p := &publishers{}
	p.stats = rtc.SessionStats{Connected: true, RTT: 1500 * time.Microsecond, Health: []health.Verdict{verdict}}
	p.add(auth.Grant{Stream: "demo", Identity: "ann", Name: "Ann", TokenID: "token-ann", Address: netip.MustParseAddr("192.0.2.1")})
	return p
}

func demoViewers() *viewers {
	v := &viewers{}
	v.stats = fanout.ViewerStats{
		Connected: true, RID: "q", TargetRID: "f", RTT: time.Millisecond, Packets: 7, Estimate: 400_000, Target: 900_000,
		Signal: "transport-cc", Temporal: 1, Paused: true, Waiting: true, Probes: 3, Replays: 2, SRTPProfile: "AEAD_AES_128_GCM",
	}
	v.add(auth.Grant{
		Stream: "demo", Identity: "bob", TokenID: "token-bob", Address: netip.MustParseAddr("2001:db8::2"), Expires: since.Add(time.Hour),
	})
	return v
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
	g := newRig(t, keys)
	a := g.as(http.MethodGet, "/api/v1/streams", "", 200)
	require.JSONEq(t, `{"streams":[`+demoJSON+`},{"name":"waiting","state":"idle","since":"2026-01-02T03:04:05Z","epoch":0,"viewers":0,
		"publisher":null,"health":[],"audio":null,"video":null,
		"publishUrl":"/whip/waiting","playUrl":"/whep/waiting","watchUrl":"/watch/waiting","broadcastUrl":"/broadcast/waiting","hls":null}]}`, a.body)
	g.streams.snaps = nil
	require.JSONEq(t, `{"streams":[]}`, g.as(http.MethodGet, "/api/v1/streams", "", 200).body)
}

func TestStream(t *testing.T) {
	g := newRig(t, keys)
	a := g.as(http.MethodGet, "/api/v1/streams/demo", "", 200)
	require.JSONEq(t, demoJSON+`,"viewerSessions":[{"since":"2026-01-02T03:04:05Z","connected":true,"rid":"q","targetRid":"f",
		"paused":true,"waiting":true,"estimate":400000,"target":900000,"signal":"transport-cc","temporalLayers":1,"rttMs":1,"loss":0,
		"packets":7,"bytes":0,"retransmitted":0,"nacks":0,"plis":0,"replays":2,"probes":3,"dropped":0,"undecodable":false,
		"srtpProfile":"AEAD_AES_128_GCM"}]}`, a.body)
	for path, code := range map[string]string{
		"/api/v1/streams/none": "no-stream", "/api/v1/streams/-bad": "not-found", "/api/v1/none": "not-found", "/api/v1/streams/": "not-found",
		"/api/v1/streams/demo/": "not-found", "/api/v1/streams/../streams": "not-found", "/api/v1/streams/%2e%2e": "not-found",
		"/api/v1/streams/demo%2f..": "not-found", "/api/v1//streams": "not-found", "/api/v1/streams/demo/sessions/%00": "no-session",
	} {
		a := g.do(http.MethodGet, path, g.operator, "")
		require.Equal(t, http.StatusNotFound, a.status, path)
		require.Equal(t, code, a.code(t), path)
	}
}

func TestHealth(t *testing.T) {
	g := newRig(t, keys)
	require.Equal(t, http.StatusOK, g.do(http.MethodGet, "/livez", "", "").status, "probes have no token")
	require.Equal(t, http.StatusOK, g.do(http.MethodGet, "/readyz", "", "").status)

	h := &Handler{
		Site: &httpx.Site{Log: slog.New(slog.DiscardHandler), Errors: signaling.Errors()},
		Auth: g.auth, Records: g.hall, Ready: func(context.Context) error { return errors.New("no sockets") },
	}
	mux := http.NewServeMux()
	h.Register(mux)
	g.handler = h.Site.Handler(mux)
	a := g.do(http.MethodGet, "/readyz", "", "")
	require.Equal(t, http.StatusServiceUnavailable, a.status)
	require.Contains(t, a.body, "no sockets")
}
