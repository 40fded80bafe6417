package whep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/sfu/fanout"
	"github.com/freshet-live/freshet/sfu/fanout/seats"
	"github.com/freshet-live/freshet/sfu/forward"
	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/signaling"
	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/sdp"
	"github.com/freshet-live/freshet/signaling/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stream is what stands for the hub: one Stream that tests change by hand.
type stream struct {
	mu      sync.Mutex
	snap    *media.Snapshot
	changed chan struct{}
}

func newStream(snap *media.Snapshot) *stream {
	return &stream{snap: snap, changed: make(chan struct{})}
}

func (s *stream) set(snap *media.Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.snap = snap
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *stream) Watch() (*media.Snapshot, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.snap, s.changed
}

func (s *stream) Stream(string) *media.Snapshot {
	snap, _ := s.Watch()
	return snap
}

// conn is a viewer's connection without a network.
type conn struct {
	*stream
	limits []forward.Limit
	fail   error
	once   sync.Once
	done   chan struct{}
}

func (c *conn) RestartICE(string, string) (string, string, error) { return "frag", "password", nil }
func (c *conn) Close(error)                                       { c.once.Do(func() { close(c.done) }) }
func (c *conn) Done() <-chan struct{}                             { return c.done }
func (c *conn) Stats() fanout.ViewerStats                         { return fanout.ViewerStats{Connected: true} }

func (c *conn) SetLimit(l forward.Limit) error {
	c.limits = append(c.limits, l)
	return c.fail
}

// fan is what stands for the fan-out engine.
type fan struct {
	*stream
	mu     sync.Mutex
	params []fanout.Params
	conns  []*conn
	err    error
}

func (f *fan) Add(_ string, p fanout.Params) (Viewer, Local, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, Local{}, f.err
	}
	c := &conn{stream: f.stream, done: make(chan struct{})}
	f.params, f.conns = append(f.params, p), append(f.conns, c)
	return c, Local{
		Ufrag: "localfrag", Pwd: "localpasswordlocalpassword", Fingerprint: "sha-256 AA:BB", CNAME: "server",
		Audio: sdp.TrackSSRC{SSRC: 1}, Video: sdp.TrackSSRC{SSRC: 2, RTX: 3},
	}, nil
}

// tokens takes the token "good:<identity>" and refuses others.
type tokens struct{}

func (tokens) Play(r *http.Request, _ string) (auth.Grant, error) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch id, good := strings.CutPrefix(token, "good:"); {
	case !ok:
		return auth.Grant{}, auth.ErrNoToken
	case !good:
		return auth.Grant{}, auth.ErrBadToken
	default:
		return auth.Grant{Identity: id}, nil
	}
}

const candidate = "1 1 udp 2130706431 127.0.0.1 8080 typ host"

type rig struct {
	*Handler
	fan     *fan
	stream  *stream
	handler http.Handler
}

func newRig(snap *media.Snapshot) *rig {
	st := newStream(snap)
	f := &fan{stream: st}
	site := &httpx.Site{Log: slog.New(slog.DiscardHandler), Errors: signaling.Errors()}
	h := New(Config{
		Site: site, Auth: tokens{}, Engine: f, Streams: st, Log: slog.New(slog.DiscardHandler),
		Candidates: func() []string { return []string{candidate} },
	})
	mux := http.NewServeMux()
	h.Register(mux)
	return &rig{h, f, st, site.Handler(mux)}
}

func (g *rig) do(method, path, body string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer good:alice")
	r.Header.Set("Content-Type", "application/sdp")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
		}
	}
	w := httptest.NewRecorder()
	g.handler.ServeHTTP(w, r)
	return w.Result()
}

func (g *rig) json(method, path, body string) *http.Response {
	return g.do(method, path, body, "Content-Type", "application/json")
}

// watch makes a session and returns its URL.
func (g *rig) watch(t testing.TB) string {
	t.Helper()
	resp := g.do(http.MethodPost, "/whep/demo", offer(t, "draft-whep-offer"))
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, resp.StatusCode, "%s", body)
	return resp.Header.Get("Location")
}

func offer(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "sdp", "testdata", name+".sdp"))
	require.NoError(t, err)
	return string(b)
}

func TestCreated(t *testing.T) { // E1, E2, E3, E6, E17, E27, E49, E51, E53, E57, E60
	g := newRig(nil)
	resp := g.do(http.MethodPost, "/whep/demo", offer(t, "draft-whep-offer"))
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, resp.StatusCode, "E51: an idle stream admits viewers; %s", body)
	url := resp.Header.Get("Location")
	require.Regexp(t, `^/whep/demo/[A-Za-z0-9_-]{22,}$`, url)
	require.Regexp(t, `^"[^"*]+"$`, resp.Header.Get("ETag"))
	require.Equal(t, "application/sdp", resp.Header.Get("Content-Type"))
	require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
	require.Equal(t, []string{
		`<` + url + `/sse>; rel="urn:ietf:params:whep:ext:core:server-sent-events"; events="active,inactive,layers,viewercount"`,
		`<` + url + `/layer>; rel="urn:ietf:params:whep:ext:core:layer"`,
	}, resp.Header.Values("Link"))
	for _, line := range []string{
		"a=ice-lite", "a=ice-ufrag:localfrag", "a=fingerprint:sha-256 AA:BB", "a=sendonly", "a=candidate:" + candidate,
		"a=end-of-candidates", "a=msid:demo", "a=ssrc:2 cname:server",
	} {
		require.Contains(t, string(body), line)
	}
	p := g.fan.params[0]
	require.Equal(t, "zjkk", p.RemoteUfrag)
	require.False(t, p.DTLSClient)
	require.Equal(t, "sha-256", p.Fingerprints[0].Algorithm)
	require.Equal(t, "0", p.Audio.MID)
	require.Equal(t, media.VP8, p.Video.Codecs[0].Codec.Name)
	require.EqualValues(t, 97, p.Video.Codecs[0].RTXPayloadType)
	require.True(t, p.Video.Codecs[0].NACK)
}

func TestPostRules(t *testing.T) {
	good := offer(t, "draft-whep-offer")
	for name, tc := range map[string]struct {
		body    string
		headers []string
		status  int
	}{
		"E4 other type":              {good, []string{"Content-Type", "text/plain"}, 415},
		"E4 case and parameters":     {good, []string{"Content-Type", "Application/SDP; charset=utf-8"}, 201},
		"E5 garbage":                 {"hello", nil, 400},
		"E7 sendonly":                {strings.ReplaceAll(good, "a=recvonly", "a=sendonly"), nil, 422},
		"E7 sendrecv":                {strings.ReplaceAll(good, "a=recvonly", "a=sendrecv"), nil, 201},
		"E37 no token":               {good, []string{"Authorization", ""}, 401},
		"E38 token comes before SDP": {"hello", []string{"Authorization", "Bearer bad"}, 401},
		"E65 opera":                  {offer(t, "opera-52-whep-recvonly"), nil, 201},
		"H2 a megabyte of garbage":   {strings.Repeat("a=x\r\n", 200_000), nil, 413},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(nil)
			resp := g.do(http.MethodPost, "/whep/demo", tc.body, tc.headers...)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, tc.status, resp.StatusCode, "%s", body)
			if tc.status != 201 {
				require.Equal(t, httpx.ProblemType, resp.Header.Get("Content-Type"))
				require.Empty(t, g.fan.params, "nothing was made")
			}
		})
	}
}

func TestEngineErrors(t *testing.T) { // E34
	for err, status := range map[error]int{
		fanout.ErrBusy: 503, fanout.ErrParams: 422, errors.New("disk on fire"): 500,
	} {
		g := newRig(nil)
		g.fan.err = fmt.Errorf("wrapped: %w", err)
		resp := g.do(http.MethodPost, "/whep/demo", offer(t, "draft-whep-offer"))
		require.Equal(t, status, resp.StatusCode)
		require.Equal(t, status == 503, resp.Header.Get("Retry-After") != "")
	}
}

func TestNoSeat(t *testing.T) {
	const link = `</hls/demo/index.m3u8>; rel="alternate"; type="application/vnd.apple.mpegurl"`
	g := newRig(nil)
	g.playlist = func(stream string) string { return "/hls/" + stream + "/index.m3u8" }
	require.Contains(t, g.do(http.MethodPost, "/whep/demo", offer(t, "draft-whep-offer")).Header.Values("Link"), link)
	g.fan.err = fmt.Errorf("%w: %w", fanout.ErrBusy, &seats.Refusal{Reason: seats.CPU, RetryAfter: 7 * time.Second})
	resp := g.do(http.MethodPost, "/whep/demo", offer(t, "draft-whep-offer"))
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	require.Equal(t, "7", resp.Header.Get("Retry-After"))
	require.Equal(t, []string{link}, resp.Header.Values("Link"))

	g.fan.err = fmt.Errorf("another: %w", fanout.ErrBusy)
	resp = g.do(http.MethodPost, "/whep/demo", offer(t, "draft-whep-offer"))
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	require.NotEmpty(t, resp.Header.Get("Retry-After"))
	require.Equal(t, []string{link}, resp.Header.Values("Link"))
	g.fan.err = fanout.ErrParams
	require.Empty(t, g.do(http.MethodPost, "/whep/demo", offer(t, "draft-whep-offer")).Header.Values("Link"))

	g.playlist = nil // there is no HLS
	g.fan.err = fanout.ErrBusy
	require.Empty(t, g.do(http.MethodPost, "/whep/demo", offer(t, "draft-whep-offer")).Header.Values("Link"))
	g.fan.err = nil
	require.NotContains(t, g.do(http.MethodPost, "/whep/demo", offer(t, "draft-whep-offer")).Header.Values("Link"), link)
}

func TestUndecodableStream(t *testing.T) { // E65
	live := func(video, audio string) *media.Snapshot {
		s := snapshot(media.Live, 1, 0, "")
		s.Video[0].Codec.Name = video
		if audio != "" {
			s.Audio = &media.Layer{Kind: media.Audio, Codec: media.Codec{Name: audio}}
		}
		return s
	}
	soundOnly := live("", media.Opus)
	soundOnly.Video, soundOnly.Active = nil, nil
	for name, tc := range map[string]struct {
		snap   *media.Snapshot
		offer  string
		status int
	}{
		"video":                    {live(media.VP8, ""), "draft-whep-offer", 201},
		"sound alone will do":      {live(media.H265, media.Opus), "draft-whep-offer", 201},
		"nothing at all":           {live(media.H265, ""), "draft-whep-offer", 422},
		"not live any more":        {&media.Snapshot{State: media.Ended}, "draft-whep-offer", 201},
		"not what is there":        {live(media.H265, media.Opus), "firefox-84-video", 422},
		"video may come yet":       {soundOnly, "firefox-84-video", 201},
		"so may sound":             {live(media.VP8, ""), "libdatachannel-whep-recvonly-audio-bAS", 201},
		"sound beside other video": {live(media.H265, media.Opus), "libdatachannel-whep-recvonly-audio-bAS", 201},
	} {
		t.Run(name, func(t *testing.T) {
			resp := newRig(tc.snap).do(http.MethodPost, "/whep/demo", offer(t, tc.offer))
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, tc.status, resp.StatusCode)
			if tc.status == 422 {
				require.Contains(t, string(body), "H265", "says what it would take")
			}
		})
	}
}

func TestEndpointMethods(t *testing.T) { // E8, E11, E12, E50, E52
	g := newRig(nil)
	resp := g.do(http.MethodHead, "/whep/demo", "", "Authorization", "")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, "application/sdp", resp.Header.Get("Content-Type"))
	require.Equal(t, http.StatusNoContent, g.do(http.MethodGet, "/whep/demo", "", "Authorization", "").StatusCode)
	require.Equal(t, "application/sdp", g.do(http.MethodOptions, "/whep/demo", "").Header.Get("Accept-Post"))
	url := g.watch(t)
	for path, allow := range map[string]string{
		"/whep/demo": "GET, HEAD, OPTIONS, POST", url: "DELETE, GET, HEAD, OPTIONS, PATCH",
		url + "/sse": "OPTIONS, POST", url + "/sse/x": "DELETE, GET, HEAD, OPTIONS", url + "/layer": "OPTIONS, POST",
	} {
		resp := g.do(http.MethodPut, path, "")
		require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)
		require.Equal(t, allow, resp.Header.Get("Allow"))
		resp = g.do(http.MethodOptions, path, "", "Authorization", "", "Origin", "https://a.example", "Access-Control-Request-Method", "POST")
		require.Equal(t, http.StatusNoContent, resp.StatusCode, "E13")
	}
}

func TestExtensionsBelongToTheirToken(t *testing.T) { // H7
	g := newRig(snapshot(media.Live, 1, 0, "q", "f"))
	url := g.watch(t)
	made := g.json(http.MethodPost, url+"/sse", `["active"]`).Header.Get("Location")
	for _, tc := range []struct{ method, path, body string }{
		{http.MethodPost, url + "/sse", `["active"]`},
		{http.MethodGet, made, ""},
		{http.MethodDelete, made, ""},
		{http.MethodPost, url + "/layer", `{"mediaId":"1"}`},
		{http.MethodPatch, url, ""},
		{http.MethodDelete, url, ""},
	} {
		for token, status := range map[string]int{"": 401, "Bearer bad": 401, "Bearer good:mallory": 403} {
			resp := g.do(tc.method, tc.path, tc.body, "Content-Type", "application/json", "Authorization", token)
			require.Equal(t, status, resp.StatusCode, "%s %s with %q", tc.method, tc.path, token)
		}
	}
	require.Empty(t, g.fan.conns[0].limits)
}

func TestLayer(t *testing.T) { // E60
	simulcast := []string{"q", "h", "f"}
	for name, tc := range map[string]struct {
		rids   []string
		body   string
		status int
		limit  forward.Limit
	}{
		"automatic":                      {simulcast, `{"mediaId":"1"}`, 200, forward.Limit{}},
		"rid":                            {simulcast, `{"mediaId":"1","rid":"h"}`, 200, forward.Limit{RID: "h"}},
		"spatial layer":                  {simulcast, `{"mediaId":"1","spatialLayerId":2}`, 200, forward.Limit{RID: "f"}},
		"spatial layer of a single one":  {[]string{""}, `{"mediaId":"1","spatialLayerId":0}`, 200, forward.Limit{}},
		"bounds":                         {simulcast, `{"mediaId":"1","maxSpatialLayerId":1,"maxWidth":640,"maxHeight":360}`, 200, forward.Limit{Ranks: 2, MaxWidth: 640, MaxHeight: 360}},
		"unknown members are let be":     {simulcast, `{"mediaId":"1","future":true}`, 200, forward.Limit{}},
		"bounds before the publisher":    {nil, `{"mediaId":"1","maxHeight":360}`, 200, forward.Limit{MaxHeight: 360}},
		"unknown rid":                    {simulcast, `{"mediaId":"1","rid":"x"}`, 409, forward.Limit{}},
		"rid before the publisher":       {nil, `{"mediaId":"1","rid":"h"}`, 409, forward.Limit{}},
		"spatial layer that is not":      {simulcast, `{"mediaId":"1","spatialLayerId":3}`, 409, forward.Limit{}},
		"temporal layer":                 {simulcast, `{"mediaId":"1","temporalLayerId":1}`, 200, forward.Limit{Temporal: 2}},
		"temporal layer that is not":     {simulcast, `{"mediaId":"1","temporalLayerId":2}`, 409, forward.Limit{}},
		"temporal layer before any":      {nil, `{"mediaId":"1","temporalLayerId":0}`, 409, forward.Limit{}},
		"bound of temporal layers":       {simulcast, `{"mediaId":"1","maxTemporalLayerId":0}`, 200, forward.Limit{Temporal: 1}},
		"both":                           {simulcast, `{"mediaId":"1","temporalLayerId":1,"maxTemporalLayerId":0}`, 200, forward.Limit{Temporal: 1}},
		"temporal bound before any":      {nil, `{"mediaId":"1","maxTemporalLayerId":3}`, 200, forward.Limit{Temporal: 4}},
		"unknown media":                  {simulcast, `{"mediaId":"7"}`, 400, forward.Limit{}},
		"no media":                       {simulcast, `{"rid":"q"}`, 400, forward.Limit{}},
		"negative":                       {simulcast, `{"mediaId":"1","spatialLayerId":-1}`, 400, forward.Limit{}},
		"no width":                       {simulcast, `{"mediaId":"1","maxWidth":0}`, 400, forward.Limit{}},
		"no number":                      {simulcast, `{"mediaId":"1","maxWidth":"wide"}`, 400, forward.Limit{}},
		"no object":                      {simulcast, `[]`, 400, forward.Limit{}},
		"audio is always automatic":      {simulcast, `{"mediaId":"0"}`, 200, forward.Limit{}},
		"audio has nothing to choose by": {simulcast, `{"mediaId":"0","rid":"q"}`, 409, forward.Limit{}},
	} {
		t.Run(name, func(t *testing.T) {
			snap := snapshot(media.Live, 1, 0, tc.rids...)
			if tc.rids == nil {
				snap = &media.Snapshot{State: media.Idle}
			}
			g := newRig(snap)
			resp := g.json(http.MethodPost, g.watch(t)+"/layer", tc.body)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, tc.status, resp.StatusCode, "%s", body)
			limits := g.fan.conns[0].limits
			if tc.status == 200 && !strings.Contains(name, "audio") {
				require.Equal(t, []forward.Limit{tc.limit}, limits)
				return
			}
			require.Empty(t, limits)
		})
	}
	g := newRig(snapshot(media.Live, 1, 0, simulcast...))
	url := g.watch(t)
	require.Equal(t, http.StatusUnsupportedMediaType, g.do(http.MethodPost, url+"/layer", `{"mediaId":"1"}`).StatusCode)
	g.fan.conns[0].fail = fanout.ErrNoLayer
	require.Equal(t, http.StatusConflict, g.json(http.MethodPost, url+"/layer", `{"mediaId":"1"}`).StatusCode)
}

func TestViewersOfAStream(t *testing.T) {
	g := newRig(nil)
	g.watch(t)
	g.watch(t)
	require.Len(t, g.Sessions.Of("demo"), 2)
	g.fan.conns[0].Close(nil)
	require.Len(t, g.Sessions.Of("demo"), 1)
}

func TestRunEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- newRig(nil).Run(ctx) }()
	cancel()
	require.NoError(t, <-done)
}

var _ session.Peer = (*conn)(nil)
