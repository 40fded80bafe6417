package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/rooms/room"
)

// A token that is revoked opens nothing any more, and what it has open ends:
// that of others with the same identity does not.
func TestRevokeToken(t *testing.T) {
	g := newRig(t, keys)
	grant, err := g.auth.Inspect(g.viewer)
	require.NoError(t, err)
	grant.Stream = "demo"
	g.out.add(grant)
	g.join("bob", room.Viewer, grant.TokenID, "192.0.2.1")
	g.join("bob", room.Viewer, "another", "192.0.2.1")
	before := len(g.out.Infos("demo"))

	a := g.as(http.MethodPost, "/api/v1/revocations", `{"token":"`+g.viewer+`","reason":"leaked"}`, 201)
	var out Ended
	a.into(t, &out)
	require.Equal(t, 2, out.Sessions, "one that watches, one in the Room")
	require.Equal(t, grant.TokenID, out.Revocation.TokenID)
	require.Equal(t, "leaked", out.Revocation.Reason)
	require.Equal(t, "/api/v1/revocations/"+out.Revocation.ID, a.header.Get("Location"))
	require.Equal(t, grant.Expires.Add(leeway).Unix(), out.Revocation.Until.Unix(), "no longer than it would have been taken")
	require.Len(t, g.out.Infos("demo"), before-1)
	require.Equal(t, []error{auth.ErrRevoked}, g.out.ended)
	require.Equal(t, 1, g.hall.cut)
	_, err = g.auth.Room(asking(g.viewer), "demo")
	require.ErrorIs(t, err, auth.ErrRevoked)

	a = g.do(http.MethodGet, "/api/v1/streams", g.viewer, "")
	require.Equal(t, http.StatusForbidden, a.status)

	var list Revocations
	g.as(http.MethodGet, "/api/v1/revocations", "", 200).into(t, &list)
	require.Len(t, list.Revocations, 1)
	g.as(http.MethodGet, "/api/v1/revocations/"+out.Revocation.ID, "", 200)
	g.as(http.MethodDelete, "/api/v1/revocations/"+out.Revocation.ID, "", 204)
	g.as(http.MethodDelete, "/api/v1/revocations/"+out.Revocation.ID, "", 404)
	g.as(http.MethodGet, "/api/v1/revocations/"+out.Revocation.ID, "", 404)
	_, err = g.auth.Room(asking(g.viewer), "demo")
	require.NoError(t, err)
}

func TestRevokeOthers(t *testing.T) {
	for body, want := range map[string]int{
		`{"identity":"bob"}`:                   2,
		`{"identity":"bob","stream":"demo"}`:   2,
		`{"identity":"bob","stream":"other"}`:  0,
		`{"identity":"ann"}`:                   1,
		`{"tokenId":"token-bob"}`:              2,
		`{"address":"2001:db8::77"}`:           2,
		`{"address":"::ffff:192.0.2.1"}`:       1,
		`{"address":"192.0.2.9","ttl":60}`:     0,
		`{"identity":"nobody","reason":"pst"}`: 0,
	} {
		g := newRig(t, keys)
		g.join("bob", room.Viewer, "token-bob", "2001:db8::2")
		var out Ended
		g.as(http.MethodPost, "/api/v1/revocations", body, 201).into(t, &out)
		require.Equal(t, want, out.Sessions, body)
		require.Equal(t, !strings.Contains(body, "ttl"), out.Revocation.Until.IsZero())
	}
}

func TestRevokeRefuses(t *testing.T) {
	g := newRig(t, keys)
	for _, body := range []string{
		`{}`, `{"identity":""}`, `{"identity":"a","address":"::1"}`, `{"token":"x"}`, `{"token":"` + g.viewer + `x"}`,
		`{"tokenId":"t","stream":"demo"}`, `{"identity":"a","stream":"../x"}`, `{"address":"here"}`, `{"address":"0.0.0.0"}`,
		`{"address":"10.0.0.0/8"}`, `{"identity":"a","ttl":-1}`, `{"identity":"a","ttl":1e12}`, `{"identity":"a","until":"x"}`,
		`{"identity":"a\u0000"}`, `{"identity":"a","reason":"` + strings.Repeat("x", 501) + `"}`, `{"stream":"demo"}`,
	} {
		g.as(http.MethodPost, "/api/v1/revocations", body, 400)
	}
	var list Revocations
	g.as(http.MethodGet, "/api/v1/revocations", "", 200).into(t, &list)
	require.Empty(t, list.Revocations)
	require.NotNil(t, list.Revocations)
}

func TestTooManyRevocations(t *testing.T) {
	g := newRig(t, keys)
	for {
		_, err := g.auth.Bars.Add(auth.Bar{Identity: "x"}, time.Now())
		if err != nil {
			break
		}
	}
	require.Equal(t, codeTooMany, g.as(http.MethodPost, "/api/v1/revocations", `{"identity":"bob"}`, 409).code(t))
}
