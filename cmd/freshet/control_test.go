package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/internal/nginxtest"
	"github.com/freshet-live/freshet/signaling/api"
	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/rooms/room"
	"github.com/freshet-live/freshet/signaling/session"
)

// ask sends a request with a token and an optional JSON body, and reads the
// answer into out where it is the status that is wanted.
func (r *running) ask(t *testing.T, method, path, token, body string, status int, out any, headers ...string) {
	t.Helper()
	got, text := r.send(t, method, path, token, body, headers...)
	require.Equal(t, status, got, "%s %s: %s", method, path, text)
	if out != nil {
		require.NoError(t, json.Unmarshal([]byte(text), out), text)
	}
}

func (r *running) send(t *testing.T, method, path, token, body string, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.base+path, strings.NewReader(body))
	require.NoError(t, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	res, err := client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(text)
}

// watch lets the bench watch a Stream by WHEP until the test ends.
func (r *running) watch(t *testing.T, stream, token string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = run(ctx, []string{"bench", "viewers", "--url", r.base + "/whep/" + stream, "-n", "1", "--duration", "5m", "--token", token},
			&streams{stdout: io.Discard, stderr: io.Discard})
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// chat comes into a Stream's Room and has been welcomed.
func (r *running) chat(t *testing.T, stream, token string) *websocket.Conn {
	t.Helper()
	ws, res, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(r.base, "http")+"/rooms/"+stream+"/ws?token="+token, nil)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	t.Cleanup(func() { _ = ws.Close() })
	_, hello, err := ws.ReadMessage()
	require.NoError(t, err)
	require.Contains(t, string(hello), `"hello"`)
	return ws
}

// requireCut waits until a connection to a Room is closed with a code.
func requireCut(t *testing.T, ws *websocket.Conn, code int) {
	t.Helper()
	require.NoError(t, ws.SetReadDeadline(time.Now().Add(5*time.Second)))
	for {
		_, _, err := ws.ReadMessage()
		var closed *websocket.CloseError
		if errors.As(err, &closed) {
			require.Equal(t, code, closed.Code)
			return
		}
		require.NoError(t, err)
	}
}

// sessions waits until so many of a kind are connected to a Stream.
func (r *running) sessions(t *testing.T, admin, stream, kind string, n int) (list api.Sessions) {
	t.Helper()
	require.Eventually(t, func() bool {
		status, text := r.send(t, http.MethodGet, "/api/v1/streams/"+stream+"/sessions?kind="+kind, admin, "")
		list = api.Sessions{}
		if status != http.StatusOK || json.Unmarshal([]byte(text), &list) != nil {
			return false
		}
		up := 0
		for _, s := range list.Sessions {
			if s.Publisher != nil && s.Publisher.Connected || s.Viewer != nil && s.Viewer.Connected {
				up++
			}
		}
		return up == n && len(list.Sessions) == n
	}, 30*time.Second, 50*time.Millisecond, "%d of kind %s", n, kind)
	return list
}

// requireShut is about a Room that a token does not open.
func (r *running) requireShut(t *testing.T, stream, token string) {
	t.Helper()
	_, res, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(r.base, "http")+"/rooms/"+stream+"/ws?token="+token, nil)
	require.ErrorIs(t, err, websocket.ErrBadHandshake)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusForbidden, res.StatusCode)
}

// An operator makes a stream, sees who is there, and sends them away, by each
// of the ways in which somebody may be unwanted.
func TestControl(t *testing.T) {
	if testing.Short() {
		t.Skip("publishes and watches")
	}
	dir := t.TempDir()
	r := serve(t, []string{"FRESHET_AUTH_KEYS=" + key}, "--data-dir", dir)
	admin := token(t, "--admin", "--identity", "root")
	var made api.Access
	r.ask(t, http.MethodPost, "/api/v1/streams", admin, `{"name":"x-1","identity":"studio"}`, 201, &made)
	require.Equal(t, r.base+"/whip/x-1", made.PublishURL)
	studio, bob := made.Publish.Token, made.Play
	r.publish(t, nil, "--token", studio)
	require.Equal(t, "studio", r.sessions(t, admin, "x-1", "publisher", 1).Sessions[0].Identity)
	r.watch(t, "x-1", bob.Token)
	seen := r.sessions(t, admin, "x-1", "viewer", 1).Sessions[0]
	require.Equal(t, bob.Identity, seen.Identity)
	require.Equal(t, bob.ID, seen.TokenID)
	ws := r.chat(t, "x-1", bob.Token)
	const hls, whep = "/hls/x-1/index.m3u8", "/whep/x-1"
	require.Eventually(t, func() bool {
		status, _ := r.send(t, http.MethodGet, hls, bob.Token, "")
		return status == http.StatusOK
	}, 20*time.Second, 100*time.Millisecond)

	// A moderator bans: all that is open ends, and nothing opens again.
	act := "/api/v1/rooms/x-1/actions"
	r.ask(t, http.MethodPost, act, made.Moderate.Token, `{"type":"ban","target":"`+bob.Identity+`"}`, 200, nil)
	requireCut(t, ws, 4001)
	r.stderr.find(t, "sessions of somebody banned were ended")
	r.sessions(t, admin, "x-1", "viewer", 0)
	var p struct{ Code string }
	for _, path := range []string{hls, whep} {
		method := http.MethodGet
		if path == whep {
			method = http.MethodPost
		}
		r.ask(t, method, path, bob.Token, "", 403, &p)
		require.Equal(t, "banned", p.Code)
	}
	r.ask(t, http.MethodGet, "/rooms/x-1/events", bob.Token, "", 403, &p)
	r.ask(t, http.MethodGet, hls, studio, "", 200, nil)
	r.ask(t, http.MethodPost, act, made.Moderate.Token, `{"type":"unban","target":"`+bob.Identity+`"}`, 200, nil)
	r.ask(t, http.MethodGet, hls, bob.Token, "", 200, nil)

	// The operator revokes the token.
	ws = r.chat(t, "x-1", bob.Token)
	r.watch(t, "x-1", bob.Token)
	r.sessions(t, admin, "x-1", "viewer", 1)
	r.ask(t, http.MethodPost, "/api/v1/revocations", admin, `{"token":"`+bob.Token+`"}`, 201, nil)
	requireCut(t, ws, 4003)
	r.sessions(t, admin, "x-1", "viewer", 0)
	for _, path := range []string{hls, "/rooms/x-1/events", "/rooms/x-1/ws"} {
		r.ask(t, http.MethodGet, path, bob.Token, "", 403, &p)
		require.Equal(t, "revoked", p.Code, path)
	}
	r.requireShut(t, "x-1", bob.Token)

	// And ends the stream.
	var ended api.Ended
	r.ask(t, http.MethodDelete, "/api/v1/streams/x-1?block=600", admin, "", 200, &ended)
	require.Equal(t, 1, ended.Sessions)
	r.sessions(t, admin, "x-1", "publisher", 0)
	var stream api.Detail
	r.ask(t, http.MethodGet, "/api/v1/streams/x-1", admin, "", 200, &stream)
	require.Equal(t, "ended", string(stream.State))
	r.ask(t, http.MethodPost, "/whip/x-1", studio, "", 403, &p)
	require.Equal(t, "revoked", p.Code)

	// None of it is forgotten.
	require.NoError(t, r.stop())
	require.NotContains(t, r.stderr.String(), bob.Token)
	r = serve(t, []string{"FRESHET_AUTH_KEYS=" + key}, "--data-dir", dir)
	r.ask(t, http.MethodGet, hls, bob.Token, "", 403, &p)
	r.ask(t, http.MethodPost, "/whip/x-1", studio, "", 403, &p)
	var audit api.Entries
	r.ask(t, http.MethodGet, "/api/v1/rooms/x-1/audit", admin, "", 200, &audit)
	require.Len(t, audit.Entries, 2)
	require.Equal(t, made.Moderate.Identity, audit.Entries[0].From.Identity)
}

// Whom a ban reaches beside the Room: those who have a session, who ask for
// something, and who have an HLS address.
func TestReachOfABan(t *testing.T) {
	home, away := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	mod, root := &room.Person{Role: room.Moderator}, &room.Person{Role: room.Operator}
	type bearers struct {
		grant auth.Grant
		// mod, modBoth and rootBoth: by a moderator, with the address too, and by
		// the operator so.
		mod, modBoth, rootBoth bool
	}
	for name, c := range map[string]bearers{
		"bob":                        {auth.Grant{Identity: "bob", Address: away}, true, true, true},
		"somebody at bob's":          {auth.Grant{Identity: "eve", Address: home}, false, true, true},
		"somebody elsewhere":         {auth.Grant{Identity: "eve", Address: away}, false, false, false},
		"a speaker at bob's":         {auth.Grant{Identity: "sue", Address: home, Publish: true}, false, true, true},
		"a moderator at bob's":       {auth.Grant{Identity: "mod", Address: home, Admin: true}, false, false, false},
		"a moderator called bob":     {auth.Grant{Identity: "bob", Address: away, Admin: true}, false, false, true},
		"a host called bob":          {auth.Grant{Identity: "bob", Address: home, Admin: true, Publish: true}, false, false, true},
		"a host at bob's":            {auth.Grant{Identity: "sue", Address: home, Admin: true, Publish: true}, false, false, false},
		"an operator":                {auth.Grant{Identity: "bob", Address: home, Admin: true, Publish: true, Operator: true}, false, false, false},
		"anybody, on an open server": {auth.Grant{Address: home, Admin: true, Publish: true, Operator: true, Open: true}, false, true, true},
	} {
		for _, b := range []struct {
			want bool
			by   *room.Person
			addr netip.Addr
		}{{c.mod, mod, netip.Addr{}}, {c.modBoth, mod, home}, {c.rootBoth, root, home}, {c.rootBoth, nil, home}} {
			e := room.Entry{Kind: room.Banned, From: b.by, Target: "bob", Address: b.addr}
			a := access{banned: func(stream, identity string, role room.Role, addr netip.Addr) bool {
				return stream == "x" && e.Reaches(identity, role, addr)
			}}
			for stream, want := range map[string]bool{"x": b.want, "y": false} {
				g := c.grant
				g.Stream = stream
				require.Equal(t, want, reaches("x", e)(session.Info{Grant: g}), "%s: %v", name, e)
				_, err := a.heed(g, nil)
				require.Equal(t, want, errors.Is(err, room.ErrBanned), "%s: %v", name, e)
				require.Equal(t, want, a.Barred(stream, bearer(g), g.Address), "%s: %v", name, e)
			}
		}
	}
	a := access{banned: func(_, identity string, role room.Role, _ netip.Addr) bool { return identity == "" && role == "" }}
	require.True(t, a.Barred("x", "", home), "whose address is nobody's own is asked about as a viewer")
}

// A host whom the operator bans loses all, one whom a moderator bans nothing.
func TestABannedHost(t *testing.T) {
	r := serve(t, []string{"FRESHET_AUTH_KEYS=" + key}, "--data-dir", t.TempDir())
	admin := token(t, "--admin", "--identity", "root")
	mod := token(t, "--stream", "x", "--admin", "--identity", "mod")
	host := token(t, "--stream", "x", "--admin", "--publish", "--identity", "ann")
	const act = "/api/v1/rooms/x/actions"
	banned := func(want bool) {
		t.Helper()
		for path, method := range map[string]string{
			"/whip/x": http.MethodPost, "/whep/x": http.MethodPost, "/hls/x/index.m3u8": http.MethodGet, act: http.MethodPost,
		} {
			_, text := r.send(t, method, path, host, "")
			require.Equal(t, want, strings.Contains(text, `"banned"`), "%s: %s", path, text)
		}
	}
	// The moderator does not know who ann is.
	r.ask(t, http.MethodPost, act, mod, `{"type":"ban","target":"ann"}`, 200, nil)
	banned(false)
	r.ask(t, http.MethodPost, act, admin, `{"type":"ban","target":"ann"}`, 200, nil)
	banned(true)
	var p struct{ Code string }
	r.ask(t, http.MethodGet, "/rooms/x/events", host, "", 403, &p)
	require.Equal(t, "banned", p.Code)
	r.ask(t, http.MethodPost, act, admin, `{"type":"unban","target":"ann"}`, 200, nil)
	banned(false)
}

// Who is revoked while the admission webhook thinks does not come in.
func TestRevokedWhileAsked(t *testing.T) {
	var r *running
	admin, bob := token(t, "--admin"), token(t, "--stream", "x", "--identity", "bob")
	doorman := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		r.ask(t, http.MethodPost, "/api/v1/revocations", admin, `{"identity":"bob"}`, 201, nil)
	}))
	defer doorman.Close()
	r = serve(t, []string{"FRESHET_AUTH_KEYS=" + key, "FRESHET_WEBHOOKS_ADMISSION=" + doorman.URL}, "--data-dir", t.TempDir())
	var p struct{ Code string }
	r.ask(t, http.MethodGet, "/rooms/x/events", bob, "", 403, &p)
	require.Equal(t, "revoked", p.Code)
}

// Rooms ask once more about those who have just come in.
func TestRevokedOnTheWayIn(t *testing.T) {
	bars, err := auth.NewBars("")
	require.NoError(t, err)
	a := access{bars: bars}
	bob := auth.Grant{Stream: "x", Identity: "bob"}
	require.NoError(t, a.revoked(bob))
	_, err = bars.Add(auth.Bar{Identity: "bob"}, time.Now())
	require.NoError(t, err)
	require.ErrorIs(t, a.revoked(bob), auth.ErrRevoked)
}

// Behind a proxy that is trusted, a client is who the proxy says; of others
// nobody believes such things.
func TestClientsBehindAProxy(t *testing.T) {
	const us, them = "203.0.113.7", "203.0.113.8"
	r := serve(t, []string{"FRESHET_HTTP_TRUSTED_PROXIES=127.0.0.0/8"}, "--data-dir", t.TempDir())
	r.ask(t, http.MethodPost, "/api/v1/revocations", "", `{"address":"`+us+`"}`, 201, nil)
	for forwarded, status := range map[string]int{us: 403, them: 200, them + ", " + us: 403, us + ", " + them: 200} {
		r.ask(t, http.MethodGet, "/api/v1/streams", "", "", status, nil, "X-Forwarded-For", forwarded)
	}
	var made api.Access
	r.ask(t, http.MethodPost, "/api/v1/streams", "", `{}`, 201, &made, "X-Forwarded-Proto", "https", "X-Forwarded-Host", "live.example")
	require.True(t, strings.HasPrefix(made.RoomURL, "wss://live.example/rooms/"), made.RoomURL)

	r = serve(t, nil, "--data-dir", t.TempDir())
	r.ask(t, http.MethodPost, "/api/v1/revocations", "", `{"address":"`+us+`"}`, 201, nil)
	r.ask(t, http.MethodGet, "/api/v1/streams", "", "", 200, nil, "X-Forwarded-For", us)
	for _, bad := range []string{"proxy.example", "10.0.0.0/99"} {
		require.Contains(t, fail(t, []string{"FRESHET_HTTP_TRUSTED_PROXIES=" + bad}, "serve"), "http.trusted-proxies: ")
	}
}

// Our sample of nginx tells who the client is, and lets no client say so.
func TestClientsBehindNginx(t *testing.T) {
	r := serve(t, []string{"FRESHET_HTTP_TRUSTED_PROXIES=127.0.0.1"}, "--data-dir", t.TempDir())
	r.ask(t, http.MethodPost, "/api/v1/revocations", "", `{"address":"127.0.0.2"}`, 201, nil)
	front := nginxtest.Start(t, r.base)
	for from, want := range map[string]int{"127.0.0.2": http.StatusForbidden, "127.0.0.3": http.StatusOK} {
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		client := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
		for _, lie := range []string{"", "127.0.0.2", "127.0.0.3", "127.0.0.1"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, front+"/api/v1/streams", nil)
			require.NoError(t, err)
			if lie != "" {
				req.Header.Set("X-Forwarded-For", lie)
				req.Header.Set("Forwarded", "for="+lie)
			}
			res, err := client.Do(req)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, want, res.StatusCode, "%s says it is %q", from, lie)
		}
	}
}

// A damaged list of revocations lets nobody slip in: the server does not start.
func TestDamagedRevocations(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/revocations.jsonl", []byte("{\"bar\":{}}\n"), 0o600))
	text := fail(t, nil, "serve", "--http.listen", "127.0.0.1:0", "--admin.listen", "off", "--data-dir", dir)
	require.Contains(t, text, "revocations.jsonl: line 1 is no revocation")
}
