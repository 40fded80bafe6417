package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/signaling/auth"
)

// asking is a request that bears a token.
func asking(token string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// One call gives all that it takes, and no key opens more than it should.
func TestCreateStream(t *testing.T) {
	g := newRig(t, keys)
	a := g.as(http.MethodPost, "/api/v1/streams", `{"name":"show","ttl":3600,"identity":"studio"}`, 201)
	require.Equal(t, "http://live.example/api/v1/streams/show", a.header.Get("Location"))
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	var out Access
	a.into(t, &out)
	require.Equal(t, Links{
		PublishURL: "http://live.example/whip/show", PlayURL: "http://live.example/whep/show",
		HLSURL:   "http://live.example/hls/show/index.m3u8?token=" + out.Play.Token,
		WatchURL: "http://live.example/watch/show?token=" + out.Play.Token, EmbedURL: "http://live.example/embed/show?token=" + out.Play.Token,
		BroadcastURL: "http://live.example/broadcast/show?token=" + out.Publish.Token,
		RoomURL:      "ws://live.example/rooms/show/ws", EventsURL: "http://live.example/rooms/show/events",
	}, out.Links)
	require.Equal(t, OBS{"WHIP", out.PublishURL, out.Publish.Token}, out.OBS)
	require.Equal(t, "studio", out.Publish.Identity)
	require.WithinDuration(t, time.Now().Add(time.Hour), out.Publish.Expires, 10*time.Second)

	seen := map[string]bool{}
	for _, token := range []*Token{out.Publish, out.Play, out.Moderate} {
		grant, err := g.auth.Play(asking(token.Token), "show")
		require.NoError(t, err)
		require.True(t, grant.PublishData, "all may chat")
		require.Equal(t, token == out.Publish, grant.Publish, "one publishes")
		require.Equal(t, token != out.Play, grant.Admin, "two moderate")
		require.Equal(t, token.ID, grant.TokenID)
		require.False(t, grant.Operator)
		require.False(t, seen[grant.Identity] || seen[token.Token])
		seen[grant.Identity], seen[token.Token] = true, true
		_, err = g.auth.Play(asking(token.Token), "demo")
		require.ErrorIs(t, err, auth.ErrForbidden, "another stream")
	}
	for _, link := range []string{out.HLSURL, out.WatchURL, out.EmbedURL, out.PlayURL, out.RoomURL} {
		require.NotContains(t, link, out.Publish.Token)
	}

	// Without a body all is made up.
	g.as(http.MethodPost, "/api/v1/streams", "", 201).into(t, &out)
	require.True(t, strings.HasPrefix(out.Name, "stream-"))
	require.WithinDuration(t, time.Now().Add(24*time.Hour), out.Play.Expires, 10*time.Second)
}

func TestCreateRefuses(t *testing.T) {
	g := newRig(t, keys)
	for body, want := range map[string]struct {
		status int
		code   string
	}{
		`{"name":"demo"}`:                            {409, "name-taken"},
		`{"name":"demo","identity":"bob"}`:           {409, "name-taken"},
		`{"name":"../etc"}`:                          {400, "bad-field"},
		`{"name":"` + strings.Repeat("a", 65) + `"}`: {400, "bad-field"},
		`{"name":7}`:                                 {400, "wrong-type"},
		`{"ttl":"1h"}`:                               {400, "wrong-type"},
		`{"ttl":1}`:                                  {400, "bad-field"},
		`{"ttl":-5}`:                                 {400, "bad-field"},
		`{"ttl":99999999999}`:                        {400, "bad-field"},
		`{"identity":"a\u0000b"}`:                    {400, "bad-field"},
		`{"identity":"a\u202eb"}`:                    {400, "bad-field"},
		`{"identity":"` + strings.Repeat("é", 65) + `"}`: {400, "bad-field"},
		`{"stream":"x"}`: {400, "unknown-field"},
		`[]`:             {400, "malformed"},
		`{"name":"x"`:    {400, "malformed"},
		`{"name":"` + strings.Repeat("a", 65<<10) + `"}`:        {413, "request-entity-too-large"},
		`{"name":"x","token":"` + g.operator + `"}`:             {400, "unknown-field"},
		`{"name":"x"} {"name":"y"}`:                             {400, "malformed"},
		`{"name":"x","ttl":60,"identity":"ok","publish":false}`: {400, "unknown-field"},
	} {
		a := g.as(http.MethodPost, "/api/v1/streams", body, want.status)
		require.Equal(t, want.code, a.code(t), body)
	}
	a := g.do(http.MethodPost, "/api/v1/streams", g.operator, `{}`, "Content-Type", "text/plain")
	require.Equal(t, http.StatusUnsupportedMediaType, a.status)
	g.as(http.MethodPost, "/api/v1/streams?name=x", "", 400)
	g.as(http.MethodPut, "/api/v1/streams", "", 405)
	// Who publishes gets new tokens.
	g.as(http.MethodPost, "/api/v1/streams", `{"name":"demo","identity":"ann"}`, 201)
	// A name that is waited for, but not live, is free.
	g.as(http.MethodPost, "/api/v1/streams", `{"name":"waiting"}`, 201)
}

func TestCreateOnAnOpenServer(t *testing.T) {
	g := newRig(t, nil)
	var out Access
	g.as(http.MethodPost, "/api/v1/streams", `{"name":"show"}`, 201).into(t, &out)
	require.Nil(t, out.Publish)
	require.Nil(t, out.Play)
	require.Nil(t, out.Moderate)
	require.Equal(t, openNote, out.Note)
	require.Equal(t, "http://live.example/watch/show", out.WatchURL)
	require.Empty(t, out.OBS.BearerToken)
	require.Equal(t, "open-server", g.as(http.MethodPost, "/api/v1/streams/show/tokens", `{}`, 409).code(t))
}

func TestCreateToken(t *testing.T) {
	g := newRig(t, keys)
	for role, want := range map[string][3]bool{ // publishes, moderates, chats
		"host": {true, true, true}, "moderator": {false, true, true}, "speaker": {true, false, true}, "viewer": {false, false, true},
	} {
		var out Token
		g.as(http.MethodPost, "/api/v1/streams/show/tokens", `{"role":"`+role+`","identity":"cat","name":"Cat Ä","ttl":60}`, 201).into(t, &out)
		grant, err := g.auth.Play(asking(out.Token), "show")
		require.NoError(t, err)
		require.Equal(t, want, [3]bool{grant.Publish, grant.Admin, grant.PublishData}, role)
		require.Equal(t, "cat", grant.Identity)
		require.Equal(t, "Cat Ä", grant.Name)
		require.Equal(t, role, out.Role)
	}
	var out Token
	g.as(http.MethodPost, "/api/v1/streams/show/tokens", "", 201).into(t, &out)
	require.Equal(t, "viewer", out.Role)
	require.True(t, strings.HasPrefix(out.Identity, "viewer-"))
	for _, body := range []string{`{"role":"operator"}`, `{"role":"admin"}`, `{"name":"a\nb"}`, `{"identity":"\u0007"}`, `{"ttl":59}`, `{"x":1}`} {
		g.as(http.MethodPost, "/api/v1/streams/show/tokens", body, 400)
	}
	g.as(http.MethodPost, "/api/v1/streams/-bad/tokens", `{}`, 404)
}

// A page that the operator happens to look at cannot use an open server in the
// operator's name; with keys, pages of other sites have tokens.
func TestOtherSites(t *testing.T) {
	g, keyed := newRig(t, nil), newRig(t, keys)
	for _, c := range []struct{ method, path, body string }{
		{http.MethodPost, "/api/v1/streams", `{"name":"x"}`},
		{http.MethodPost, "/api/v1/revocations", `{"identity":"x"}`},
		{http.MethodPost, "/api/v1/rooms/demo/messages", `{"text":"x"}`},
		{http.MethodPost, "/api/v1/webhooks/replay", `{"all":true}`},
		{http.MethodDelete, "/api/v1/streams/demo", ""},
	} {
		for _, foreign := range [][]string{{"Origin", "http://evil.example"}, {"Sec-Fetch-Site", "cross-site"}, {"Origin", "null"}} {
			a := g.do(c.method, c.path, "", c.body, foreign...)
			require.Equal(t, 403, a.status, "%s %v", c.path, foreign)
			require.Equal(t, "cross-site", a.code(t))
		}
		a := keyed.do(c.method, c.path, keyed.operator, c.body, "Origin", "http://evil.example")
		require.Less(t, a.status, 300)
		a = g.do(c.method, c.path, "", c.body, "Origin", "http://live.example")
		require.Less(t, a.status, 300, "our own pages")
	}
}

func FuzzCursor(f *testing.F) {
	f.Add("limit=5&cursor=c3RyZWFtcwphMQ")
	f.Add("limit=0&cursor=%00&cursor=")
	f.Fuzz(func(t *testing.T, raw string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.RawQuery = raw
		q, err := query(r, "limit", "cursor")
		if err != nil {
			return
		}
		win, err := windowOf(q, "streams")
		if err != nil {
			return
		}
		all := []string{"a", "b", "c", "d"}
		page, next := cut(all, func(s string) string { return s }, win, "streams")
		require.LessOrEqual(t, len(page), win.limit)
		require.LessOrEqual(t, win.limit, maxLimit)
		require.Equal(t, next != nil, len(page) == win.limit && len(page) > 0 && page[len(page)-1] != "d")
	})
}
