package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	livekit "github.com/livekit/protocol/auth"
	"github.com/stretchr/testify/require"
)

const (
	testKey    = "APIfreshet"
	testSecret = "0123456789abcdef0123456789abcdef"
)

var testKeys = Keys{testKey: testSecret, "other": strings.Repeat("x", 40)}

// sign makes a JWT by hand, as a client in any language would.
func sign(t *testing.T, header, claims map[string]any, secret string) string {
	t.Helper()
	part := func(v any) string {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	text := part(header) + "." + part(claims)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

var hs256 = map[string]any{"alg": "HS256", "typ": "JWT"}

// claims returns those of a token that may do everything with stream "demo",
// changed by set; a nil value removes a claim.
func claims(set map[string]any) map[string]any {
	now := time.Now()
	c := map[string]any{
		"iss": testKey, "sub": "ann", "name": "Ann",
		"nbf": now.Add(-time.Hour).Unix(), "exp": now.Add(time.Hour).Unix(),
		"video": map[string]any{"room": "demo", "roomJoin": true},
	}
	for k, v := range set {
		if c[k] = v; v == nil {
			delete(c, k)
		}
	}
	return c
}

func video(set map[string]any) map[string]any { return claims(map[string]any{"video": set}) }

func request(token string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/whip/demo", nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

// W37, W38, H7: what each token may do with the stream "demo".
func TestVerifier(t *testing.T) {
	v := NewVerifier(testKeys)
	require.False(t, v.Open())
	long, past := time.Now().Add(2*time.Hour).Unix(), time.Now().Add(-2*time.Hour).Unix()
	for _, c := range []struct {
		name          string
		token         string
		publish, play error
		admin         error
	}{
		{"no token", "", ErrNoToken, ErrNoToken, ErrNoToken},
		{"canPublish absent means allowed", sign(t, hs256, claims(nil), testSecret), nil, nil, ErrForbidden},
		{"canPublish false", sign(t, hs256, video(map[string]any{"room": "demo", "roomJoin": true, "canPublish": false}), testSecret), ErrForbidden, nil, ErrForbidden},
		{"canSubscribe false", sign(t, hs256, video(map[string]any{"room": "demo", "roomJoin": true, "canSubscribe": false}), testSecret), nil, ErrForbidden, ErrForbidden},
		{"another stream", sign(t, hs256, video(map[string]any{"room": "Demo", "roomJoin": true}), testSecret), ErrForbidden, ErrForbidden, ErrForbidden},
		{"no stream", sign(t, hs256, video(map[string]any{"roomJoin": true}), testSecret), ErrForbidden, ErrForbidden, ErrForbidden},
		{"a star is no stream", sign(t, hs256, video(map[string]any{"room": "*", "roomJoin": true}), testSecret), ErrForbidden, ErrForbidden, ErrForbidden},
		{"roomJoin missing", sign(t, hs256, video(map[string]any{"room": "demo"}), testSecret), ErrForbidden, ErrForbidden, ErrForbidden},
		{"no video grant", sign(t, hs256, claims(map[string]any{"video": nil}), testSecret), ErrForbidden, ErrForbidden, ErrForbidden},
		{"admin of the stream", sign(t, hs256, video(map[string]any{"room": "demo", "roomAdmin": true}), testSecret), nil, nil, ErrForbidden},
		{"admin of another stream", sign(t, hs256, video(map[string]any{"room": "x", "roomAdmin": true}), testSecret), ErrForbidden, ErrForbidden, ErrForbidden},
		{"admin of all", sign(t, hs256, video(map[string]any{"roomAdmin": true}), testSecret), nil, nil, nil},
		{"admin of all, spelt out", sign(t, hs256, video(map[string]any{"room": "*", "roomAdmin": true}), testSecret), nil, nil, nil},
		{"roomList", sign(t, hs256, video(map[string]any{"roomList": true}), testSecret), ErrForbidden, ErrForbidden, nil},
		{"wrong secret", sign(t, hs256, claims(nil), testSecret+"x"), ErrBadToken, ErrBadToken, ErrBadToken},
		{"another key's secret", sign(t, hs256, claims(map[string]any{"iss": "other"}), testSecret), ErrBadToken, ErrBadToken, ErrBadToken},
		{"unknown key", sign(t, hs256, claims(map[string]any{"iss": "who"}), testSecret), ErrBadToken, ErrBadToken, ErrBadToken},
		{"no issuer", sign(t, hs256, claims(map[string]any{"iss": nil}), testSecret), ErrBadToken, ErrBadToken, ErrBadToken},
		{"expired", sign(t, hs256, claims(map[string]any{"exp": past}), testSecret), ErrBadToken, ErrBadToken, ErrBadToken},
		{"not valid yet", sign(t, hs256, claims(map[string]any{"nbf": long}), testSecret), ErrBadToken, ErrBadToken, ErrBadToken},
		{"alg none", sign(t, map[string]any{"alg": "none", "typ": "JWT"}, claims(nil), ""), ErrBadToken, ErrBadToken, ErrBadToken},
		{"alg none, unsigned", strings.TrimRight(sign(t, map[string]any{"alg": "none"}, claims(nil), ""), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"), ErrBadToken, ErrBadToken, ErrBadToken},
		{"alg HS512", sign(t, map[string]any{"alg": "HS512", "typ": "JWT"}, claims(nil), testSecret), ErrBadToken, ErrBadToken, ErrBadToken},
		{"alg RS256", sign(t, map[string]any{"alg": "RS256", "typ": "JWT"}, claims(nil), testSecret), ErrBadToken, ErrBadToken, ErrBadToken},
		{"video of another type", sign(t, hs256, claims(map[string]any{"video": "demo"}), testSecret), ErrBadToken, ErrBadToken, ErrBadToken},
		{"an opaque key", "stream-key", ErrBadToken, ErrBadToken, ErrBadToken},
		{"empty parts", "..", ErrBadToken, ErrBadToken, ErrBadToken},
		{"too long", strings.Repeat("a", maxToken+1), ErrBadToken, ErrBadToken, ErrBadToken},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request(c.token)
			g, err := v.Publish(r, "demo")
			require.ErrorIs(t, err, c.publish)
			require.Equal(t, c.publish == nil, g.Publish && g.Stream == "demo")
			g, err = v.Play(r, "demo")
			require.ErrorIs(t, err, c.play)
			require.Equal(t, c.play == nil, g.Subscribe)
			g, err = v.Admin(r)
			require.ErrorIs(t, err, c.admin)
			require.Equal(t, c.admin == nil, g.Admin)
		})
	}
}

func TestGrant(t *testing.T) {
	v := NewVerifier(testKeys)
	g, err := v.Publish(request(sign(t, hs256, claims(nil), testSecret)), "demo")
	require.NoError(t, err)
	require.Equal(t, "ann", g.Identity)
	require.Equal(t, "Ann", g.Name)
	require.False(t, g.Open || g.Admin || g.Hidden)
	require.True(t, g.PublishData)
	require.WithinDuration(t, time.Now().Add(time.Hour), g.Expires, 5*time.Second)

	// W43: without an identity the token itself is one.
	a := sign(t, hs256, claims(map[string]any{"sub": nil}), testSecret)
	b := sign(t, hs256, claims(map[string]any{"sub": nil, "name": "B"}), testSecret)
	ga, err := v.Publish(request(a), "demo")
	require.NoError(t, err)
	gb, err := v.Publish(request(b), "demo")
	require.NoError(t, err)
	require.NotEmpty(t, ga.Identity)
	require.NotEqual(t, ga.Identity, gb.Identity)
	require.NotContains(t, a, ga.Identity)
}

// What LiveKit's own builder makes is understood.
func TestLiveKitTokens(t *testing.T) {
	v := NewVerifier(testKeys)
	grant := &livekit.VideoGrant{Room: "demo", RoomJoin: true, Hidden: true}
	grant.SetCanPublish(false)
	token, err := livekit.NewAccessToken(testKey, testSecret).SetIdentity("bob").SetVideoGrant(grant).
		SetMetadata("{}").SetValidFor(time.Minute).ToJWT()
	require.NoError(t, err)
	_, err = v.Publish(request(token), "demo")
	require.ErrorIs(t, err, ErrForbidden)
	g, err := v.Play(request(token), "demo")
	require.NoError(t, err)
	require.True(t, g.Hidden && g.Subscribe)
	require.False(t, g.PublishData, "follows canPublish")
	require.Equal(t, "bob", g.Identity)
}

func TestOpen(t *testing.T) {
	v := NewVerifier(nil)
	require.True(t, v.Open())
	g, err := v.Publish(request(""), "demo")
	require.NoError(t, err)
	require.Equal(t, Grant{
		Open: true, Operator: true, Stream: "demo", Publish: true, Subscribe: true, PublishData: true, Admin: true,
		Address: netip.MustParseAddr("192.0.2.1"),
	}, g)
	a, err := v.Publish(request("key-1"), "demo")
	require.NoError(t, err)
	again, err := v.Play(request("key-1"), "demo")
	require.NoError(t, err)
	other, err := v.Admin(request("key-2"))
	require.NoError(t, err)
	require.Equal(t, a.Identity, again.Identity, "W43")
	require.NotEqual(t, a.Identity, other.Identity)
	require.NotContains(t, a.Identity, "key-1")
}

func TestMint(t *testing.T) {
	v := NewVerifier(testKeys)
	token, err := Mint(testKeys, MintOptions{Stream: "demo", Identity: "ann", Subscribe: true, TTL: time.Minute})
	require.NoError(t, err)
	_, err = v.Publish(request(token), "demo")
	require.ErrorIs(t, err, ErrForbidden, "a watch link does not publish")
	g, err := v.Play(request(token), "demo")
	require.NoError(t, err)
	require.False(t, g.PublishData || g.Admin)
	require.WithinDuration(t, time.Now().Add(time.Minute), g.Expires, 5*time.Second)

	token, err = Mint(testKeys, MintOptions{Key: "other", Admin: true, Publish: true, Subscribe: true, Data: true})
	require.NoError(t, err)
	_, err = v.Admin(request(token))
	require.NoError(t, err)
	_, err = v.Publish(request(token), "anything")
	require.NoError(t, err)

	_, err = Mint(nil, MintOptions{})
	require.ErrorIs(t, err, ErrKeys)
	_, err = Mint(testKeys, MintOptions{Key: "who"})
	require.ErrorIs(t, err, ErrKeys)
}

func TestParseKeys(t *testing.T) {
	keys, err := ParseKeys("a:b:c", " key : "+testSecret)
	require.NoError(t, err)
	require.Equal(t, Keys{"a": "b:c", "key": testSecret}, keys)
	require.Equal(t, []string{"a"}, keys.Weak())
	require.NotContains(t, keys.LogValue().String(), testSecret)
	keys, err = ParseKeys()
	require.NoError(t, err)
	require.Empty(t, keys)
	for _, bad := range [][]string{{"nosecret"}, {"key:"}, {":" + testSecret}, {""}, {"a:b", "a:c"}} {
		_, err := ParseKeys(bad...)
		require.ErrorIs(t, err, ErrKeys)
		require.NotContains(t, err.Error(), testSecret)
	}
}

// W39: schemes in any case; the query where headers cannot be set.
func TestFromRequest(t *testing.T) {
	for header, want := range map[string]string{
		"Bearer x": "x", "bearer x": "x", "BEARER   x ": "x", "Bearer": "", "Bearer ": "", "Basic x": "", "x": "", "": "",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", header)
		token, ok := FromRequest(r)
		require.Equal(t, want, token, header)
		require.Equal(t, want != "", ok)
	}
	r := httptest.NewRequest(http.MethodGet, "/hls/demo/index.m3u8?token=q", nil)
	token, ok := FromRequest(r)
	require.True(t, ok)
	require.Equal(t, "q", token)
	r.Header.Set("Authorization", "Basic x")
	token, _ = FromRequest(r)
	require.Equal(t, "q", token)
	r.Header.Set("Authorization", "Bearer h")
	token, _ = FromRequest(r)
	require.Equal(t, "h", token)
}

func FuzzFromRequest(f *testing.F) {
	f.Add("Bearer x", "")
	f.Add("bearer  a.b.c", "token=y")
	f.Add("Basic Og==", "token=%zz&token=")
	v := NewVerifier(testKeys)
	f.Fuzz(func(t *testing.T, header, query string) {
		r := &http.Request{Header: http.Header{"Authorization": {header}}, URL: &url.URL{RawQuery: query}}
		token, ok := FromRequest(r)
		require.Equal(t, ok, token != "")
		_, err := v.Publish(r, "demo")
		require.Error(t, err)
		if !ok {
			require.ErrorIs(t, err, ErrNoToken)
		} else {
			require.ErrorIs(t, err, ErrBadToken)
		}
	})
}
