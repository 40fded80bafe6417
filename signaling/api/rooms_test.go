package api

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/rooms/room"
)

const demoRoom = "/api/v1/rooms/demo"

func TestRooms(t *testing.T) {
	g := newRig(t, keys)
	g.join("bob", room.Viewer, "", "192.0.2.1")
	var list RoomList
	g.as(http.MethodGet, "/api/v1/rooms?limit=1", "", 200).into(t, &list)
	require.Equal(t, []RoomName{{"demo"}}, list.Rooms)
	g.as(http.MethodGet, "/api/v1/rooms?cursor="+*list.Next, "", 200).into(t, &list)
	require.Equal(t, []RoomName{{"empty"}}, list.Rooms)
	require.Nil(t, list.Next)

	var one Room
	g.as(http.MethodGet, demoRoom, "", 200).into(t, &one)
	require.Equal(t, 1, one.People)
	require.Equal(t, 1, one.Connections)
	var people People
	g.as(http.MethodGet, demoRoom+"/people", "", 200).into(t, &people)
	require.Equal(t, []room.Person{{Identity: "bob", Name: "bob", Role: room.Viewer}}, people.People)
	for _, sub := range []string{"", "/messages", "/people", "/bans", "/mutes", "/audit"} {
		g.as(http.MethodGet, "/api/v1/rooms/none"+sub, "", 404)
		g.as(http.MethodGet, "/api/v1/rooms/-x"+sub, "", 404)
		g.as(http.MethodGet, demoRoom+sub+"?x=1", "", 400)
	}
}

func TestMessages(t *testing.T) {
	g := newRig(t, keys)
	say := func(token, body string) answer { return g.do(http.MethodPost, demoRoom+"/messages", token, body) }
	var done Done
	a := say(g.operator, `{"text":"maintenance at 5"}`)
	require.Equal(t, 201, a.status)
	a.into(t, &done)
	require.Equal(t, uint64(1), done.Seq)
	require.Equal(t, 201, say(g.host, `{"text":"hello","announce":true}`).status)
	require.Equal(t, 201, say(g.moderator, `{"text":"hi","mediaTime":5}`).status)
	require.Equal(t, 403, say(g.moderator, `{"text":"hi","announce":true}`).status)
	mute := g.mint(auth.MintOptions{Stream: "demo", Identity: "m", Admin: true, Subscribe: true})
	require.Equal(t, 403, say(mute, `{"text":"hi"}`).status, "without canPublishData one only moderates")
	for body, code := range map[string]string{
		`{"text":""}`: "empty", `{"text":"\u200b"}`: "empty", `{}`: "empty", `{"text":"` + strings.Repeat("x", 501) + `"}`: "too-long",
		`{"text":1}`: "wrong-type", `{"text":"x","from":"ann"}`: "unknown-field", `[]`: "malformed",
		`{"text":"x","mediaTime":"now"}`: "wrong-type",
	} {
		require.Equal(t, code, say(g.host, body).code(t), body)
	}
	require.Equal(t, "unknown-target", say(g.host, `{"text":"x","replyTo":"none"}`).code(t))

	var list Messages
	g.as(http.MethodGet, demoRoom+"/messages?limit=2", "", 200).into(t, &list)
	require.Len(t, list.Messages, 2)
	require.Equal(t, "hello", list.Messages[0].Text)
	require.Equal(t, "Ann", list.Messages[0].From.Name)
	require.Equal(t, room.Message, list.Messages[1].Kind)
	g.as(http.MethodGet, demoRoom+"/messages?limit=2&before="+*list.Next, "", 200).into(t, &list)
	require.Len(t, list.Messages, 1)
	require.Equal(t, room.Announcement, list.Messages[0].Kind)
	require.Nil(t, list.Next)
	g.as(http.MethodGet, demoRoom+"/messages?before=none", "", 404)
	g.as(http.MethodGet, demoRoom+"/messages?limit=1001", "", 400)

	// HTML is text.
	require.Equal(t, 201, say(g.host, `{"text":"<img src=x onerror=alert(1)>"}`).status)
	a = g.as(http.MethodGet, demoRoom+"/messages", "", 200)
	require.NotContains(t, a.body, "<img", "not even where somebody takes JSON for HTML")
	require.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"))

	a = g.do(http.MethodDelete, demoRoom+"/messages/"+done.Entry, g.moderator, "")
	require.Equal(t, 200, a.status, a.body)
	g.as(http.MethodDelete, demoRoom+"/messages/none", "", 404)
	g.as(http.MethodDelete, demoRoom+"/messages/"+strings.Repeat("x", 500), "", 404)
	require.NotContains(t, g.as(http.MethodGet, demoRoom+"/messages", "", 200).body, "maintenance")
}

// Every action is in the audit, with who did it.
func TestActions(t *testing.T) {
	g := newRig(t, keys)
	g.join("bob", room.Viewer, "", "192.0.2.1")
	var said Done
	g.do(http.MethodPost, demoRoom+"/messages", g.host, `{"text":"hello"}`).into(t, &said)
	act := func(token, body string) answer { return g.do(http.MethodPost, demoRoom+"/actions", token, body) }
	for i, step := range []struct{ token, body, kind, by string }{
		{g.moderator, `{"type":"mute","target":"bob","seconds":60,"reason":"caps"}`, "muted", "mod"},
		{g.moderator, `{"type":"unmute","target":"bob"}`, "unmuted", "mod"},
		{g.operator, `{"type":"settings","slowMode":10,"locked":true}`, "changed", "root"},
		{g.host, `{"type":"pin","target":"` + said.Entry + `"}`, "pinned", "ann"},
		{g.host, `{"type":"pin","target":""}`, "pinned", "ann"},
		{g.moderator, `{"type":"ban","target":"bob","address":true,"reason":"spam"}`, "banned", "mod"},
		{g.operator, `{"type":"clear"}`, "cleared", "root"},
		{g.operator, `{"type":"unban","target":"bob"}`, "unbanned", "root"},
	} {
		a := act(step.token, step.body)
		require.Equal(t, 200, a.status, "%s: %s", step.body, a.body)
		var done Done
		a.into(t, &done)
		var audit Entries
		g.as(http.MethodGet, demoRoom+"/audit", "", 200).into(t, &audit)
		require.Len(t, audit.Entries, i+1)
		last := audit.Entries[i]
		require.Equal(t, done.Entry, last.ID)
		require.Equal(t, step.kind, string(last.Kind))
		require.Equal(t, step.by, last.From.Identity, step.body)
		switch step.kind {
		case "muted":
			var mutes Entries
			g.as(http.MethodGet, demoRoom+"/mutes", "", 200).into(t, &mutes)
			require.Equal(t, "bob", mutes.Entries[0].Target)
			require.Equal(t, "caps", mutes.Entries[0].Reason)
		case "banned":
			var bans Entries
			g.as(http.MethodGet, demoRoom+"/bans", "", 200).into(t, &bans)
			require.Equal(t, "192.0.2.1", bans.Entries[0].Address.String())
			require.Equal(t, 1, g.hall.cut, "and the banned is out")
		}
	}
	var page Entries
	g.as(http.MethodGet, demoRoom+"/audit?limit=3", "", 200).into(t, &page)
	require.Len(t, page.Entries, 3)
	g.as(http.MethodGet, demoRoom+"/audit?limit=1000&cursor="+url.QueryEscape(*page.Next), "", 200).into(t, &page)
	require.Len(t, page.Entries, 5)
	require.Equal(t, room.Pinned, page.Entries[0].Kind)
	g.as(http.MethodGet, demoRoom+"/bans?cursor="+url.QueryEscape("ZGVtbwpr"), "", 400)
}

func TestActionsRefuse(t *testing.T) {
	g := newRig(t, keys)
	g.join("ann", room.Host, "", "192.0.2.1")
	for body, want := range map[string]struct {
		status int
		code   string
	}{
		`{}`:                                                           {400, "malformed"},
		`{"type":"message","text":"x"}`:                                {400, "unknown-field"},
		`{"type":"message"}`:                                           {400, "bad-field"},
		`{"type":"explode"}`:                                           {400, "malformed"},
		`{"type":"mute"}`:                                              {400, "malformed"},
		`{"type":"ban","target":""}`:                                   {400, "malformed"},
		`{"type":"ban","target":7}`:                                    {400, "wrong-type"},
		`{"type":"ban","targt":"bob"}`:                                 {400, "unknown-field"},
		`{"type":"ban","target":"ann"}`:                                {403, "forbidden"},
		`{"type":"ban","target":"mod"}`:                                {403, "forbidden"},
		`{"type":"unban","target":"bob"}`:                              {404, "unknown-target"},
		`{"type":"delete","target":"none"}`:                            {404, "unknown-target"},
		`{"type":"settings"}`:                                          {400, "malformed"},
		`{"type":"settings","slowMode":-1}`:                            {400, "malformed"},
		`{"type":"mute","target":"bob","seconds":-1}`:                  {400, "malformed"},
		`{"type":"mute","target":"` + strings.Repeat("x", 300) + `"}`:  {404, "unknown-target"},
		`{"type":"mute","target":"` + strings.Repeat("x", 9000) + `"}`: {400, "too-long"},
	} {
		a := g.do(http.MethodPost, demoRoom+"/actions", g.moderator, body)
		require.Equal(t, want.status, a.status, "%s: %s", body, a.body)
		require.Equal(t, want.code, a.code(t), body)
	}
	a := g.do(http.MethodPost, "/api/v1/rooms/none/actions", g.operator, `{"type":"clear"}`)
	require.Equal(t, 404, a.status)
}

// On an open server the operator is whoever asks.
func TestActionsOnAnOpenServer(t *testing.T) {
	g := newRig(t, nil)
	g.as(http.MethodPost, demoRoom+"/messages", `{"text":"hello"}`, 201)
	g.as(http.MethodPost, demoRoom+"/actions", `{"type":"ban","target":"bob"}`, 200)
	var audit Entries
	g.as(http.MethodGet, demoRoom+"/audit", "", 200).into(t, &audit)
	require.Nil(t, audit.Entries[0].From)
}
