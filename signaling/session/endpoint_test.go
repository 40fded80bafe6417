package session

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/sdp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errNoToken, errImpossible = errors.New("no token"), errors.New("no restart now")

// conn is a Peer without a network.
type conn struct {
	mu       sync.Mutex
	restarts []string
	fail     error
	once     sync.Once
	done     chan struct{}
}

func newConn() *conn { return &conn{done: make(chan struct{})} }

func (c *conn) RestartICE(ufrag, pwd string) (string, string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil {
		return "", "", c.fail
	}
	c.restarts = append(c.restarts, ufrag+" "+pwd)
	return "serverfrag", "serverpasswordserverpassword", nil
}

func (c *conn) Close(error)           { c.once.Do(func() { close(c.done) }) }
func (c *conn) Done() <-chan struct{} { return c.done }

const (
	oldUfrag, oldPwd = "EsAw", "P2uYro0UCOQ4zxjKXaWCBui1"
	newUfrag, newPwd = "ysXw", "vw5LmwG4y/e6dPP/zAP9Gp5k"
)

func fragment(ufrag, pwd string) string {
	f := "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n"
	if ufrag != "" {
		f += "a=ice-ufrag:" + ufrag + "\r\n"
	}
	if pwd != "" {
		f += "a=ice-pwd:" + pwd + "\r\n"
	}
	return f + "a=candidate:1387637174 1 udp 2122260223 127.0.0.2 61764 typ host\r\n"
}

// rig is an endpoint with one session, and a handler for its resource.
type rig struct {
	*Endpoint[*conn]
	session *Session[*conn]
	handler http.Handler
}

func newRig() *rig {
	e := &Endpoint[*conn]{
		Site: &httpx.Site{Log: slog.New(slog.DiscardHandler), Errors: httpx.Table{
			{Err: errNoToken, Status: http.StatusUnauthorized, Challenge: "Bearer"},
			{Err: errImpossible, Status: http.StatusServiceUnavailable},
			{Err: sdp.ErrMalformed, Status: http.StatusBadRequest},
		}},
		Path: "/whip/", Sessions: NewTable[*conn](),
		// The token is the identity; "open" stands for a server without keys.
		Authorize: func(r *http.Request, _ string) (auth.Grant, error) {
			token := r.Header.Get("Authorization")
			if token == "" {
				return auth.Grant{}, errNoToken
			}
			return auth.Grant{Identity: token, Open: token == "open"}, nil
		},
		Candidates: func() []string { return []string{"1 1 udp 2130706431 127.0.0.1 8080 typ host"} },
	}
	mux := http.NewServeMux()
	e.RegisterSessions(mux)
	s := e.Sessions.Add(httptest.NewRequest(http.MethodPost, "/whip/demo", nil), auth.Grant{Stream: "demo", Identity: "alice"}, newConn(), Offer{Ufrag: oldUfrag, Pwd: oldPwd, MIDs: []string{"0", "1"}})
	return &rig{e, s, e.Site.Handler(mux)}
}

func (g *rig) do(method, path, body string, headers map[string]string) *http.Response {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "alice")
	r.Header.Set("Content-Type", TypeFragment)
	for k, v := range headers {
		r.Header.Set(k, v)
		if v == "" {
			r.Header.Del(k)
		}
	}
	w := httptest.NewRecorder()
	g.handler.ServeHTTP(w, r)
	return w.Result()
}

func (g *rig) patch(body, ifMatch string) *http.Response {
	return g.do(http.MethodPatch, g.URL(g.session), body, map[string]string{"If-Match": ifMatch})
}

func TestPatch(t *testing.T) {
	same, fresh := fragment(oldUfrag, oldPwd), fragment(newUfrag, newPwd)
	const current = "current"
	for name, tc := range map[string]struct {
		body, ifMatch, contentType string
		status                     int
	}{
		"W15 wrong type":                     {same, current, "application/sdp", 415},
		"W15 no type":                        {same, current, "-", 415},
		"W15 type in capitals, parameters":   {same, current, "Application/Trickle-ICE-SDPfrag; a=b", 204},
		"W16 garbage":                        {"garbage", current, "", 400},
		"W16 empty":                          {"", current, "", 400},
		"W18 trickle":                        {same, current, "", 204},
		"W18 trickle without credentials":    {fragment("", ""), current, "", 204},
		"W18 trickle for any":                {same, "*", "", 204},
		"W19 no If-Match":                    {same, "", "", 428},
		"W20 other tag":                      {same, `"other"`, "", 412},
		"W20 unquoted":                       {same, `other`, "", 412},
		"W20 weak":                           {same, "W/" + current, "", 412},
		"W20 list":                           {same, `"other", ` + current, "", 204},
		"W20 list of others":                 {same, `"other","more"`, "", 412},
		"W21 restart":                        {fresh, "*", "", 200},
		"W21 restart with the quoted form":   {fresh, `"*"`, "", 200},
		"W21 restart under the present tag":  {fresh, current, "", 200},
		"W20 restart under another tag":      {fresh, `"other"`, "", 412},
		"W24 short ufrag":                    {fragment("abc", newPwd), "*", "", 400},
		"W24 short pwd":                      {fragment(newUfrag, "short"), "*", "", 400},
		"W24 long ufrag":                     {fragment(strings.Repeat("a", 257), newPwd), "*", "", 400},
		"W24 new ufrag without pwd":          {fragment(newUfrag, ""), "*", "", 400},
		"W25 unresolvable name":              {same + "a=candidate:2 1 udp 5 0a1b.local 5000 typ host\r\n", current, "", 204},
		"W25 TCP and unknown transports":     {same + "a=candidate:2 1 tcp 5 127.0.0.1 9 typ host tcptype active\r\na=candidate:3 1 sctp 5 ::1 9 typ host\r\n", current, "", 204},
		"H13 more candidates than can be":    {same + strings.Repeat("a=candidate:2 1 udp 5 127.0.0.1 5000 typ host\r\n", 400), current, "", 400},
		"H2 body beyond the bound":           {same + strings.Repeat("x", httpx.MaxBody), current, "", 413},
		"W19 before W24: condition then pwd": {fragment(newUfrag, newPwd), "", "", 428},
		"W20 a lone quote":                   {fresh, `"`, "", 412},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig()
			tag := g.session.ETag()
			headers := map[string]string{"If-Match": strings.ReplaceAll(tc.ifMatch, current, tag)}
			switch tc.contentType {
			case "":
			case "-":
				headers["Content-Type"] = ""
			default:
				headers["Content-Type"] = tc.contentType
			}
			resp := g.do(http.MethodPatch, g.URL(g.session), tc.body, headers)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, tc.status, resp.StatusCode, "%s", body)
			require.Equal(t, "*", resp.Header.Get("Access-Control-Allow-Origin"))
			if tc.status == 200 {
				require.Equal(t, []string{newUfrag + " " + newPwd}, g.session.Peer.restarts)
				require.NotEqual(t, tag, resp.Header.Get("ETag"))
				return
			}
			require.Empty(t, g.session.Peer.restarts)
			require.Equal(t, tag, g.session.ETag())
			require.Empty(t, resp.Header.Get("ETag"), "W18")
			if tc.status == 204 {
				require.Empty(t, body)
				return
			}
			require.Equal(t, httpx.ProblemType, resp.Header.Get("Content-Type"))
		})
	}
}

func TestRestartAnswer(t *testing.T) { // W21, W22, W51
	g := newRig()
	old := g.session.ETag()
	resp := g.patch(fragment(newUfrag, newPwd), "*")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, TypeFragment, resp.Header.Get("Content-Type"))
	tag := resp.Header.Get("ETag")
	require.Regexp(t, `^"[^"*]+"$`, tag)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	for _, line := range []string{
		"a=ice-ufrag:serverfrag", "a=ice-pwd:serverpasswordserverpassword", "a=ice-lite",
		"a=candidate:1 1 udp 2130706431 127.0.0.1 8080 typ host", "a=end-of-candidates",
	} {
		require.Contains(t, string(body), line+"\r\n")
	}
	frag, err := sdp.ParseFragment(body)
	require.NoError(t, err)
	require.Equal(t, "serverfrag", frag.Ufrag)

	require.Equal(t, http.StatusPreconditionFailed, g.patch(fragment(newUfrag, newPwd), old).StatusCode)
	require.Equal(t, http.StatusNoContent, g.patch(fragment(newUfrag, newPwd), tag).StatusCode)
}

func TestFailedRestartLeavesTheSession(t *testing.T) { // W24
	g := newRig()
	tag := g.session.ETag()
	g.session.Peer.fail = errImpossible
	require.Equal(t, http.StatusServiceUnavailable, g.patch(fragment(newUfrag, newPwd), "*").StatusCode)
	require.Equal(t, http.StatusNoContent, g.patch(fragment(oldUfrag, oldPwd), tag).StatusCode)
	require.False(t, g.session.Over())
}

func TestDelete(t *testing.T) { // W9, W10, W26
	g := newRig()
	url := g.URL(g.session)
	require.Equal(t, http.StatusNoContent, g.do(http.MethodGet, url, "", nil).StatusCode, "W8")
	resp := g.do(http.MethodDelete, url, "", map[string]string{"If-Match": `"other"`})
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.True(t, g.session.Over())
	for _, method := range []string{http.MethodDelete, http.MethodPatch, http.MethodGet} {
		require.Equal(t, http.StatusNotFound, g.do(method, url, fragment("", ""), nil).StatusCode, method)
	}
}

func TestConcurrentDeletes(t *testing.T) { // H17
	g := newRig()
	statuses := make(chan int, 6)
	for range cap(statuses) {
		go func() { statuses <- g.do(http.MethodDelete, g.URL(g.session), "", nil).StatusCode }()
	}
	count := map[int]int{}
	for range cap(statuses) {
		count[<-statuses]++
	}
	require.Equal(t, map[int]int{200: 1, 404: 5}, count)
}

func TestSessionsBelongToTheirToken(t *testing.T) { // W39, W44, H7
	g := newRig()
	url := g.URL(g.session)
	for _, method := range []string{http.MethodPatch, http.MethodDelete, http.MethodGet} {
		resp := g.do(method, url, "", map[string]string{"Authorization": ""})
		require.Equal(t, http.StatusUnauthorized, resp.StatusCode, method)
		require.Equal(t, "Bearer", resp.Header.Get("WWW-Authenticate"))
		require.Equal(t, http.StatusForbidden, g.do(method, url, "", map[string]string{"Authorization": "mallory"}).StatusCode, method)
		require.Equal(t, http.StatusUnauthorized, g.do(method, "/whip/demo/none", "", map[string]string{"Authorization": ""}).StatusCode)
		require.Equal(t, http.StatusNotFound, g.do(method, "/whip/demo/none", "", nil).StatusCode)
		require.Equal(t, http.StatusNotFound, g.do(method, "/whip/demo/%0d%0a", "", nil).StatusCode)
		require.Equal(t, http.StatusNotFound, g.do(method, strings.Replace(url, "demo", "other", 1), "", nil).StatusCode, "its own stream only")
	}
	require.False(t, g.session.Over())
	require.Equal(t, http.StatusNoContent, g.do(http.MethodGet, url, "", map[string]string{"Authorization": "open"}).StatusCode)
}

func TestSessionMethods(t *testing.T) { // W12, W13, W50
	g := newRig()
	url := g.URL(g.session)
	resp := g.do(http.MethodPost, url, "", nil)
	require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)
	require.Equal(t, "DELETE, GET, HEAD, OPTIONS, PATCH", resp.Header.Get("Allow"))
	resp = g.do(http.MethodOptions, url, "", map[string]string{
		"Authorization": "", "Origin": "https://a.example", "Access-Control-Request-Method": "DELETE",
	})
	require.Equal(t, http.StatusNoContent, resp.StatusCode)
	require.Contains(t, resp.Header.Get("Access-Control-Allow-Methods"), "PATCH")
	require.Equal(t, TypeFragment, g.do(http.MethodOptions, url, "", nil).Header.Get("Accept-Patch"))
}

func TestRestartStorm(t *testing.T) { // H13
	g := newRig()
	count := map[int]int{}
	for i := range 500 {
		resp := g.patch(fragment(newUfrag+strings.Repeat("x", i%100), newPwd), "*")
		count[resp.StatusCode]++
		if resp.StatusCode == http.StatusTooManyRequests {
			require.NotEmpty(t, resp.Header.Get("Retry-After"))
		}
	}
	require.Len(t, count, 2)
	require.Positive(t, count[200])
	require.Positive(t, count[429])
	require.Equal(t, http.StatusOK, g.do(http.MethodDelete, g.URL(g.session), "", nil).StatusCode, "can always leave")
}

// Others are asked once the token and the body are good, and only about new
// sessions.
func TestOthersHaveASay(t *testing.T) {
	g := newRig()
	var asked []string
	refuse := httpx.Fail(http.StatusForbidden, "not you")
	g.Ask = func(_ *http.Request, grant auth.Grant) error {
		asked = append(asked, grant.Stream+" "+grant.Identity)
		if grant.Identity == "mallory" {
			return refuse
		}
		return nil
	}
	admit := func(token, contentType string) error {
		r := httptest.NewRequest(http.MethodPost, "/whip/demo", strings.NewReader("v=0"))
		r.SetPathValue("stream", "demo")
		r.Header.Set("Authorization", token)
		r.Header.Set("Content-Type", contentType)
		_, _, _, err := g.Admit(httptest.NewRecorder(), r)
		return err
	}
	require.ErrorIs(t, admit("", TypeSDP), errNoToken)
	require.Error(t, admit("alice", "text/plain"))
	require.Empty(t, asked)
	require.NoError(t, admit("alice", TypeSDP))
	require.ErrorIs(t, admit("mallory", TypeSDP), refuse)
	require.Equal(t, []string{"demo alice", "demo mallory"}, asked)
	require.Equal(t, http.StatusNoContent, g.patch(fragment("", ""), g.session.ETag()).StatusCode)
	require.Equal(t, http.StatusOK, g.do(http.MethodDelete, g.URL(g.session), "", nil).StatusCode)
	require.Len(t, asked, 2)
}

func TestEndedSessionsVanish(t *testing.T) { // W47
	g := newRig()
	g.session.Peer.Close(nil)
	require.Equal(t, http.StatusNotFound, g.do(http.MethodGet, g.URL(g.session), "", nil).StatusCode)
	require.Empty(t, g.Sessions.Of("demo"))
	require.Equal(t, 1, g.Sessions.Len())
	g.Sessions.sweep()
	require.Zero(t, g.Sessions.Len())
}

func TestCreated(t *testing.T) { // W3, W14, W17, W35, W42, W49
	g := newRig()
	g.ICEServers = func() []ICEServer {
		return []ICEServer{
			{URLs: []string{"stun:127.0.0.1:3478"}},
			{URLs: []string{"turn:127.0.0.1:3478?transport=udp", "turns:a>b\r\n.example"}, Username: `us"er`, Credential: `p\w`},
		}
	}
	w := httptest.NewRecorder()
	g.Created(w, g.session, "v=0\r\n")
	h := w.Result().Header
	require.Equal(t, http.StatusCreated, w.Code)
	require.Regexp(t, regexp.MustCompile(`^/whip/demo/[A-Za-z0-9_-]{22,}$`), h.Get("Location"))
	require.Regexp(t, `^"[^"*]+"$`, h.Get("ETag"))
	require.Equal(t, TypeSDP, h.Get("Content-Type"))
	require.Equal(t, "no-store", h.Get("Cache-Control"))
	const credentials = `; username="us\"er"; credential="p\\w"; credential-type="password"`
	require.Equal(t, []string{
		`<stun:127.0.0.1:3478>; rel="ice-server"`,
		`<turn:127.0.0.1:3478?transport=udp>; rel="ice-server"` + credentials,
		`<turns:ab.example>; rel="ice-server"` + credentials,
	}, h.Values("Link"))
}

func TestIDsAreUnguessable(t *testing.T) { // W42
	seen := map[string]bool{}
	table := NewTable[*conn]()
	for range 1000 {
		s := table.Add(httptest.NewRequest(http.MethodPost, "/", nil), auth.Grant{}, newConn(), Offer{})
		require.Len(t, s.ID, 24)
		require.False(t, seen[s.ID] || seen[s.ETag()])
		seen[s.ID], seen[s.ETag()] = true, true
	}
}
