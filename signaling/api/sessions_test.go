package api

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/rooms/room"
	"github.com/freshet-live/freshet/signaling/session"
)

func TestSessions(t *testing.T) {
	g := newRig(t, keys)
	var list Sessions
	g.as(http.MethodGet, "/api/v1/streams/demo/sessions", "", 200).into(t, &list)
	require.Len(t, list.Sessions, 2)
	require.Nil(t, list.Next)
	p, v := list.Sessions[0], list.Sessions[1]
	require.Equal(t, kindPublisher, p.Kind)
	require.Equal(t, "ann", p.Identity)
	require.Equal(t, "192.0.2.1", p.Address)
	require.True(t, p.Publisher.Connected)
	require.Nil(t, p.Viewer)
	require.Equal(t, kindViewer, v.Kind)
	require.Equal(t, "token-bob", v.TokenID)
	require.Equal(t, uint64(400_000), v.Viewer.Estimate)
	require.Equal(t, since.Add(time.Hour), *v.Expires)

	for kind, id := range map[string]string{kindPublisher: p.ID, kindViewer: v.ID} {
		g.as(http.MethodGet, "/api/v1/streams/demo/sessions?kind="+kind, "", 200).into(t, &list)
		require.Len(t, list.Sessions, 1)
		require.Equal(t, id, list.Sessions[0].ID)
	}
	var one Session
	g.as(http.MethodGet, "/api/v1/streams/demo/sessions/"+v.ID, "", 200).into(t, &one)
	require.Equal(t, v, one)
	g.as(http.MethodGet, "/api/v1/streams/waiting/sessions/"+v.ID, "", 404)
	g.as(http.MethodGet, "/api/v1/streams/none/sessions", "", 404)
	g.as(http.MethodGet, "/api/v1/streams/waiting/sessions", "", 200)
}

// Pages hold what they should while others come and go: nobody who stays is
// left out or told twice.
func TestPagesUnderChange(t *testing.T) {
	g := newRig(t, keys)
	const n = 10_000
	stay := map[string]bool{}
	leave := map[string]bool{}
	for i := range n {
		s := g.out.add(auth.Grant{Stream: "demo", Identity: fmt.Sprintf("v%05d", i)})
		if i%3 == 0 {
			leave[s.ID] = true
		} else {
			stay[s.ID] = true
		}
	}
	seen := map[string]bool{}
	path := "/api/v1/streams/demo/sessions?kind=viewer&limit=1000"
	for page := 0; path != ""; page++ {
		var list Sessions
		g.as(http.MethodGet, path, "", 200).into(t, &list)
		require.LessOrEqual(t, len(list.Sessions), 1000)
		for _, s := range list.Sessions {
			require.False(t, seen[s.ID], "twice")
			seen[s.ID] = true
		}
		if page == 2 { // a third goes, also the one that the cursor names
			last := list.Sessions[len(list.Sessions)-1].ID
			delete(stay, last)
			g.out.End(func(i session.Info) bool { return i.ID == last || leave[i.ID] }, nil)
			g.out.add(auth.Grant{Stream: "demo", Identity: "late"})
		}
		path = ""
		if list.Next != nil {
			path = "/api/v1/streams/demo/sessions?kind=viewer&limit=1000&cursor=" + url.QueryEscape(*list.Next)
		}
	}
	for id := range stay {
		require.True(t, seen[id], id)
	}
}

func TestBadPages(t *testing.T) {
	g := newRig(t, keys)
	for _, name := range []string{"a1", "a2", "a3"} {
		g.streams.snaps = append(g.streams.snaps, &media.Snapshot{Name: "z" + name, State: media.Idle, Since: since})
	}
	var list List
	g.as(http.MethodGet, "/api/v1/streams?limit=2", "", 200).into(t, &list)
	require.NotNil(t, list.Next)
	for query, code := range map[string]string{
		"limit=0": "bad-parameter", "limit=1001": "bad-parameter", "limit=-1": "bad-parameter", "limit=x": "bad-parameter",
		"limit=": "bad-parameter", "limit=99999999999999999999": "bad-parameter", "limit=1&limit=2": "bad-parameter", "limt=1": "bad-parameter",
		"cursor=": "bad-cursor", "cursor=x": "bad-cursor", "cursor=!!": "bad-cursor", "cursor=" + *list.Next + "A": "bad-cursor",
		"offset=1": "bad-parameter", "%zz=1": "bad-parameter", "limit=1;cursor=2": "bad-parameter",
	} {
		a := g.as(http.MethodGet, "/api/v1/streams?"+query, "", 400)
		require.Equal(t, code, a.code(t), query)
	}
	a := g.as(http.MethodGet, "/api/v1/revocations?cursor="+*list.Next, "", 400)
	require.Equal(t, "bad-cursor", a.code(t), "of another list")
	g.as(http.MethodGet, "/api/v1/streams/demo/sessions?kind=relay", "", 400)
	g.as(http.MethodGet, "/api/v1/streams/demo?x=1", "", 400)
}

func TestKick(t *testing.T) {
	g := newRig(t, keys)
	g.join("bob", room.Viewer, "token-bob", "2001:db8::2")
	other := g.out.add(auth.Grant{Stream: "demo", Identity: "bob"})
	id := g.out.Infos("demo")[0].ID
	var out Ended
	g.as(http.MethodDelete, "/api/v1/streams/demo/sessions/"+id, "", 200).into(t, &out)
	require.Equal(t, Ended{Sessions: 1}, out)
	require.Equal(t, []error{errKicked}, g.out.ended)
	g.as(http.MethodDelete, "/api/v1/streams/demo/sessions/"+id, "", 404)
	g.as(http.MethodDelete, "/api/v1/streams/demo/sessions/"+other.ID+"?block=-1", "", 400)
	g.as(http.MethodDelete, "/api/v1/streams/demo/sessions/"+other.ID+"?block=1.5", "", 400)
	_, err := g.auth.Play(asking(g.viewer), "demo")
	require.NoError(t, err, "a kick alone keeps nobody out")

	g.as(http.MethodDelete, "/api/v1/streams/demo/sessions/"+other.ID+"?block=600", "", 200).into(t, &out)
	require.Equal(t, 2, out.Sessions, "the Room too")
	require.Equal(t, "bob", out.Revocation.Identity)
	require.Equal(t, "demo", out.Revocation.Stream)
	require.WithinDuration(t, time.Now().Add(10*time.Minute), out.Revocation.Until, 10*time.Second)
	_, err = g.auth.Play(asking(g.viewer), "demo")
	require.ErrorIs(t, err, auth.ErrRevoked)
	_, err = g.auth.Play(asking(g.host), "demo")
	require.NoError(t, err)
	g.as(http.MethodDelete, "/api/v1/revocations/"+out.Revocation.ID, "", 204)
	_, err = g.auth.Play(asking(g.viewer), "demo")
	require.NoError(t, err)
}

// On an open server somebody without a token is known by the address only.
func TestKickWithoutIdentity(t *testing.T) {
	g := newRig(t, nil)
	s := g.out.add(auth.Grant{Stream: "demo", Address: netip.MustParseAddr("192.0.2.7")})
	near := g.out.add(auth.Grant{Stream: "demo", Address: netip.MustParseAddr("192.0.2.7")})
	var out Ended
	g.as(http.MethodDelete, "/api/v1/streams/demo/sessions/"+s.ID+"?block=60", "", 200).into(t, &out)
	require.Equal(t, 2, out.Sessions)
	require.Equal(t, "192.0.2.7", out.Revocation.Address.String())
	require.NotContains(t, g.out.Infos("demo"), near)
	require.Len(t, g.out.Infos("demo"), 1, "bob is elsewhere")
}

func TestEndStream(t *testing.T) {
	g := newRig(t, keys)
	var out Ended
	g.as(http.MethodDelete, "/api/v1/streams/demo", "", 200).into(t, &out)
	require.Equal(t, Ended{Sessions: 1}, out)
	require.Equal(t, []string{"demo"}, g.streams.ended)
	_, err := g.auth.Publish(asking(g.host), "demo")
	require.NoError(t, err)

	require.Equal(t, "not-live", g.as(http.MethodDelete, "/api/v1/streams/waiting", "", 404).code(t))
	require.Equal(t, "not-live", g.as(http.MethodDelete, "/api/v1/streams/none", "", 404).code(t))
	g.as(http.MethodDelete, "/api/v1/streams/demo?block=soon", "", 400)
	g.as(http.MethodDelete, "/api/v1/streams/demo?block=60", "", 200).into(t, &out)
	require.True(t, out.Revocation.Publish)
	_, err = g.auth.Publish(asking(g.host), "demo")
	require.ErrorIs(t, err, auth.ErrRevoked)
	_, err = g.auth.Play(asking(g.viewer), "demo")
	require.NoError(t, err, "watching goes on")
}
