package whip

import (
	"context"
	"errors"
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
	"github.com/freshet-live/freshet/sfu/hub"
	"github.com/freshet-live/freshet/sfu/rtc"
	"github.com/freshet-live/freshet/signaling"
	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// conn is a publisher's connection without a network.
type conn struct {
	once  sync.Once
	done  chan struct{}
	stats rtc.SessionStats

	mu        sync.Mutex
	unwatched []string
	changed   chan struct{}
}

func (c *conn) Unwatched() ([]string, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unwatched, c.changed
}

func (c *conn) watch(unwatched ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unwatched = unwatched
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *conn) RestartICE(string, string) (string, string, error) { return "frag", "password", nil }
func (c *conn) Close(error)                                       { c.once.Do(func() { close(c.done) }) }
func (c *conn) Done() <-chan struct{}                             { return c.done }
func (c *conn) Stats() rtc.SessionStats                           { return c.stats }

// publisher is what stands for sfu/rtc: it gives the same answer to everybody.
type publisher struct {
	mu     sync.Mutex
	owners []string
	conns  []*conn
	answer string
	stats  rtc.SessionStats
	err    error
}

func (p *publisher) Publish(_ context.Context, _, owner, _ string) (Peer, string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.owners = append(p.owners, owner)
	if p.err != nil {
		return nil, "", p.err
	}
	c := &conn{done: make(chan struct{}), changed: make(chan struct{}), stats: p.stats}
	p.conns = append(p.conns, c)
	return c, p.answer, nil
}

// tokens takes the token "good:<identity>" and refuses others.
type tokens struct{ open bool }

func (k tokens) Publish(r *http.Request, stream string) (auth.Grant, error) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch id, good := strings.CutPrefix(token, "good:"); {
	case k.open:
		return auth.Grant{Open: true, Identity: id}, nil
	case !ok:
		return auth.Grant{}, auth.ErrNoToken
	case !good:
		return auth.Grant{}, auth.ErrBadToken
	case stream == "others":
		return auth.Grant{}, auth.ErrForbidden
	default:
		return auth.Grant{Identity: id}, nil
	}
}

const answer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=ice-lite\r\n" +
	"m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=recvonly\r\na=rtcp-mux\r\na=setup:passive\r\n" +
	"a=ice-ufrag:abcdefgh\r\na=ice-pwd:abcdefghabcdefghabcdefgh\r\na=fingerprint:sha-256 AA\r\na=rtpmap:96 VP8/90000\r\n" +
	"a=candidate:9 1 udp 1 127.0.0.9 9 typ host\r\n"

const candidate = "1 1 udp 2130706431 127.0.0.1 8080 typ host"

type rig struct {
	*Handler
	pub     *publisher
	handler http.Handler
}

func newRig(open bool) *rig {
	pub := &publisher{answer: answer}
	site := &httpx.Site{Log: slog.New(slog.DiscardHandler), Errors: signaling.Errors()}
	h := New(Config{
		Site: site, Auth: tokens{open}, Publisher: pub, Log: slog.New(slog.DiscardHandler),
		Candidates: func() []string { return []string{candidate} },
		ICEServers: func() []session.ICEServer { return []session.ICEServer{{URLs: []string{"stun:127.0.0.1:3478"}}} },
	})
	mux := http.NewServeMux()
	h.Register(mux)
	return &rig{h, pub, site.Handler(mux)}
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

func offer(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "sdp", "testdata", name+".sdp"))
	require.NoError(t, err)
	return string(b)
}

func TestCreated(t *testing.T) { // W1, W2, W3, W14, W17, W27, W35, W42, W49
	g := newRig(false)
	resp := g.do(http.MethodPost, "/whip/demo", offer(t, "chrome-simulcast-hi-lo-sendonly"))
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, resp.StatusCode, "%s", body)
	require.Equal(t, "application/sdp", resp.Header.Get("Content-Type"))
	require.Regexp(t, `^/whip/demo/[A-Za-z0-9_-]{22,}$`, resp.Header.Get("Location"))
	require.Regexp(t, `^"[^"*]+"$`, resp.Header.Get("ETag"))
	require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
	require.Equal(t, []string{
		"<" + resp.Header.Get("Location") + `/events>; rel="https://github.com/freshet-live/freshet#publisher-events"`,
		`<stun:127.0.0.1:3478>; rel="ice-server"`,
	}, resp.Header.Values("Link"))
	for _, name := range []string{"Location", "Link", "ETag"} {
		require.Contains(t, resp.Header.Get("Access-Control-Expose-Headers"), name)
	}
	require.Contains(t, string(body), "a=candidate:"+candidate+"\r\n")
	require.Contains(t, string(body), "a=end-of-candidates")
	require.NotContains(t, string(body), "127.0.0.9", "only our candidates")
	require.Equal(t, []string{"alice"}, g.pub.owners)
}

func TestPostRules(t *testing.T) {
	good := offer(t, "obs-30.0.2-whip")
	for name, tc := range map[string]struct {
		body    string
		headers []string
		status  int
	}{
		"W4 other type":               {good, []string{"Content-Type", "text/plain"}, 415},
		"W4 no type":                  {good, []string{"Content-Type", ""}, 415},
		"W4 case and parameters":      {good, []string{"Content-Type", "Application/SDP; charset=utf-8"}, 201},
		"W5 garbage":                  {"hello", nil, 400},
		"W5 empty":                    {"", nil, 400},
		"W5 bare line feeds":          {strings.ReplaceAll(good, "\r", ""), nil, 201},
		"W7 recvonly":                 {strings.ReplaceAll(good, "a=sendonly", "a=recvonly"), nil, 422},
		"W7 inactive":                 {strings.ReplaceAll(good, "a=sendonly", "a=inactive"), nil, 422},
		"W7 sendrecv":                 {strings.ReplaceAll(good, "a=sendonly", "a=sendrecv"), nil, 201},
		"W32 holdconn":                {strings.ReplaceAll(good, "a=setup:actpass", "a=setup:holdconn"), nil, 422},
		"W32 passive":                 {strings.ReplaceAll(good, "a=setup:actpass", "a=setup:passive"), nil, 201},
		"W37 no token":                {good, []string{"Authorization", ""}, 401},
		"W38 bad token":               {good, []string{"Authorization", "Bearer bad"}, 401},
		"W38 token comes before type": {"hello", []string{"Authorization", "", "Content-Type", "text/plain"}, 401},
		"W38 token comes before SDP":  {"hello", []string{"Authorization", "Bearer bad"}, 401},
		"W46 Accept something else":   {good, []string{"Accept", "text/html"}, 201},
		"W52 video only":              {offer(t, "ffmpeg-8-whip-video-only"), nil, 201},
		"H2 a megabyte of garbage":    {strings.Repeat("a=x\r\n", 200_000), nil, 413},
		"H2 padded offer":             {good + strings.Repeat("a=x:y\r\n", 30_000), nil, 400},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(false)
			resp := g.do(http.MethodPost, "/whip/demo", tc.body, tc.headers...)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, tc.status, resp.StatusCode, "%s", body)
			require.NotEmpty(t, resp.Header.Get("Access-Control-Allow-Origin"))
			if tc.status == 201 {
				return
			}
			require.Equal(t, httpx.ProblemType, resp.Header.Get("Content-Type"))
			require.Empty(t, g.pub.owners, "nothing was made")
			require.Equal(t, tc.status == 401, resp.Header.Get("WWW-Authenticate") != "", "W37")
		})
	}
}

func TestForbiddenStream(t *testing.T) { // W38
	resp := newRig(false).do(http.MethodPost, "/whip/others", "")
	require.Equal(t, http.StatusForbidden, resp.StatusCode)
}

func TestEndpointMethods(t *testing.T) { // W8, W11, W13, W36, W50
	g := newRig(false)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		resp := g.do(method, "/whip/demo", "", "Authorization", "")
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusNoContent, resp.StatusCode)
		require.Empty(t, body)
	}
	resp := g.do(http.MethodOptions, "/whip/demo", "")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, "application/sdp", resp.Header.Get("Accept-Post"))
	require.NotEmpty(t, resp.Header.Values("Link"), "W36: a plain OPTIONS may name ICE servers")
	require.Empty(t, g.do(http.MethodOptions, "/whip/demo", "", "Authorization", "").Header.Values("Link"), "but not to strangers")
	resp = g.do(http.MethodOptions, "/whip/demo", "",
		"Authorization", "", "Origin", "https://a.example", "Access-Control-Request-Method", "POST")
	require.Equal(t, http.StatusNoContent, resp.StatusCode)
	require.Empty(t, resp.Header.Values("Link"), "W36")
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch} {
		resp := g.do(method, "/whip/demo", "")
		require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)
		require.Equal(t, "GET, HEAD, OPTIONS, POST", resp.Header.Get("Allow"))
	}
	require.Equal(t, http.StatusNotFound, g.do(http.MethodPost, "/whip/-bad", "").StatusCode)
}

func TestPublisherErrors(t *testing.T) { // W34, W43
	for name, tc := range map[string]struct {
		err    error
		status int
		wait   bool
	}{
		"W43 another publisher": {hub.ErrPublisherExists, 409, true},
		"W34 busy":              {rtc.ErrBusy, 503, true},
		"W34 too many streams":  {hub.ErrTooManyStreams, 503, true},
		"W30 unsupported":       {rtc.ErrUnsupported, 422, false},
		"W5 malformed":          {rtc.ErrMalformed, 400, false},
		"ours":                  {errors.New("disk on fire"), 500, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(false)
			g.pub.err = tc.err
			resp := g.do(http.MethodPost, "/whip/demo", offer(t, "obs-30.0.2-whip"))
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, tc.status, resp.StatusCode)
			require.Equal(t, tc.wait, resp.Header.Get("Retry-After") != "")
			require.NotContains(t, string(body), "fire")
		})
	}
}

func TestBadOwnAnswer(t *testing.T) {
	g := newRig(false)
	g.pub.answer = "v=0\r\n"
	require.Equal(t, http.StatusInternalServerError, g.do(http.MethodPost, "/whip/demo", offer(t, "obs-30.0.2-whip")).StatusCode)
	<-g.pub.conns[0].Done() // nothing half made stays
}

// Without keys, whoever brings no token is the same somebody: an encoder that
// has crashed must not find its own name taken for half a minute.
func TestOwnersInOpenMode(t *testing.T) { // W43
	g := newRig(true)
	for range 2 {
		resp := g.do(http.MethodPost, "/whip/demo", offer(t, "obs-30.0.2-whip"), "Authorization", "")
		require.Equal(t, http.StatusCreated, resp.StatusCode)
	}
	require.Equal(t, g.pub.owners[0], g.pub.owners[1])
	g.do(http.MethodPost, "/whip/demo", offer(t, "obs-30.0.2-whip"))
	require.Equal(t, "alice", g.pub.owners[2], "a stream key is an identity in open mode too")
}

func TestConcurrentPosts(t *testing.T) { // H17
	g := newRig(false)
	body := offer(t, "obs-30.0.2-whip")
	locations := make(chan string, 20)
	for range cap(locations) {
		go func() { locations <- g.do(http.MethodPost, "/whip/demo", body).Header.Get("Location") }()
	}
	seen := map[string]bool{}
	for range cap(locations) {
		seen[<-locations] = true
	}
	require.Len(t, seen, 20)
	require.Equal(t, 20, g.Sessions.Len())
}

func TestTruncatedOffers(t *testing.T) { // H1, H4
	g := newRig(false)
	full := offer(t, "chrome-simulcast-hi-lo-sendonly")
	for n := 0; n < len(full); n += 97 {
		status := g.do(http.MethodPost, "/whip/demo", full[:n]).StatusCode
		require.True(t, status == 201 || status == 400 || status == 422, "%d bytes: %d", n, status)
		flipped := []byte(full)
		flipped[n] ^= 1 << (n % 7)
		require.Less(t, g.do(http.MethodPost, "/whip/demo", string(flipped)).StatusCode, 500)
	}
}

func TestPublisherSummary(t *testing.T) {
	g := newRig(false)
	_, _, ok := g.Publisher("demo")
	require.False(t, ok)
	first, second := &conn{done: make(chan struct{})}, &conn{done: make(chan struct{})}
	first.stats = rtc.SessionStats{Connected: true, RTT: time.Millisecond}
	g.Sessions.Add(httptest.NewRequest(http.MethodPost, "/", nil), auth.Grant{Stream: "demo"}, &peer{Peer: first}, session.Offer{})
	g.Sessions.Add(httptest.NewRequest(http.MethodPost, "/", nil), auth.Grant{Stream: "demo"}, &peer{Peer: second}, session.Offer{})
	_, stats, ok := g.Publisher("demo")
	require.True(t, ok)
	require.True(t, stats.Connected, "the connected one counts")
	first.Close(nil)
	_, stats, ok = g.Publisher("demo")
	require.True(t, ok)
	require.False(t, stats.Connected)
}

func TestRunEnds(t *testing.T) {
	g := newRig(false)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	cancel()
	require.NoError(t, <-done)
}
