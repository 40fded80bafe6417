package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/auth/authtest"
	"github.com/freshet-live/freshet/signaling/rooms/room"
)

// otherKey is in the configuration too; webhooks are signed by the first.
const otherKey = "apps:fedcba9876543210fedcba9876543210"

func token(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), append([]string{"token", "--auth.keys", key}, args...), &streams{stdout: &out, stderr: &out}))
	return strings.TrimSpace(out.String())
}

// hook receives webhooks that the key "team" has signed.
func hook(t *testing.T, answer func(w http.ResponseWriter, e authtest.Event)) (url string, got <-chan authtest.Event) {
	t.Helper()
	keys, err := auth.ParseKeys(key)
	require.NoError(t, err)
	events := make(chan authtest.Event, 1000)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e, err := authtest.Receive(r, keys)
		if err != nil {
			t.Errorf("LiveKit's receiver refuses it: %v", err)
		}
		if answer != nil {
			answer(w, e)
		}
		events <- e
	}))
	t.Cleanup(s.Close)
	return s.URL, events
}

// take returns the next webhook.
func take(t *testing.T, from <-chan authtest.Event) authtest.Event {
	t.Helper()
	select {
	case e := <-from:
		return e
	case <-time.After(20 * time.Second):
		t.Fatal("no webhook has come")
		return authtest.Event{}
	}
}

// A broadcast with two viewers, from its start to its end, and after it the end
// of the server, as a receiver hears of it.
func TestWebhooksOfABroadcast(t *testing.T) {
	url, got := hook(t, nil)
	r := serve(t, []string{"FRESHET_AUTH_KEYS=" + key + "," + otherKey, "FRESHET_WEBHOOKS_URLS=" + url},
		"--data-dir", t.TempDir(), "--stream.reconnect-window", "1s")
	studio := token(t, "--stream", "x", "--publish", "--identity", "studio")
	require.NoError(t, run(t.Context(), []string{
		"bench", "viewers", "--url", r.base + "/whep/x", "--publish", r.base + "/whip/x", "--token", studio,
		"-n", "2", "--duration", "2s", "--keyframes",
	}, &streams{stdout: io.Discard, stderr: io.Discard}))

	first := take(t, got)
	require.Equal(t, "room_started", first.Event)
	require.Equal(t, "x", first.Room)
	require.NotEmpty(t, first.RoomSID)
	here, viewers := map[string]bool{}, 0
	for reconnecting := false; ; {
		e := take(t, got)
		require.Equal(t, first.RoomSID, e.RoomSID, "one broadcast: %s", e.Event)
		switch e.Event {
		case "participant_joined":
			require.Equal(t, "studio", e.Identity)
			require.False(t, here[e.SID])
			here[e.SID] = true
			if !e.IsPublisher {
				viewers += max(1, strings.Count(string(e.Body), `"via":"whep"`)-1)
			}
		case "participant_left":
			require.Equal(t, "DISCONNECTED", e.State)
		case "stream_reconnecting":
			reconnecting = true
		case "room_finished":
			require.True(t, reconnecting)
			require.Equal(t, 2, viewers)
			require.GreaterOrEqual(t, len(here), 2)
			require.NoError(t, r.stop())
			require.Empty(t, got)
			return
		default:
			t.Fatalf("nobody expects %s", e.Event)
		}
	}
}

// Whoever is there when the server stops has left, and is told to have.
func TestTheServersEndIsTold(t *testing.T) {
	url, got := hook(t, nil)
	dir := t.TempDir()
	r := serve(t, []string{"FRESHET_AUTH_KEYS=" + key, "FRESHET_WEBHOOKS_URLS=" + url}, "--data-dir", dir)
	publishing := make(chan struct{})
	ctx, halt := context.WithCancel(t.Context())
	go func() {
		defer close(publishing)
		_ = run(ctx, []string{
			"bench", "publishers", "--url", r.base + "/whip/x", "-n", "1", "--duration", "1m",
			"--token", token(t, "--admin", "--publish", "--identity", "studio"),
		}, &streams{stdout: io.Discard, stderr: io.Discard})
	}()
	require.Equal(t, "room_started", take(t, got).Event)
	require.Equal(t, "participant_joined", take(t, got).Event)
	require.NoError(t, r.stop())
	halt()
	<-publishing
	var last []string
	for len(got) > 0 {
		last = append(last, take(t, got).Event)
	}
	require.Contains(t, last, "participant_left")
	require.Equal(t, "room_finished", last[len(last)-1])
	require.NoFileExists(t, filepath.Join(dir, "webhooks", "pending.jsonl"))
}

// What is said in a Room is told where that is wanted, once each.
func TestMessagesAreTold(t *testing.T) {
	url, got := hook(t, nil)
	r := serve(t, []string{"FRESHET_AUTH_KEYS=" + key, "FRESHET_WEBHOOKS_URLS=" + url, "FRESHET_WEBHOOKS_ROOM_MESSAGES=true"},
		"--data-dir", t.TempDir())
	header := http.Header{"Authorization": {"Bearer " + token(t, "--stream", "x", "--identity", "ann")}}
	conn, resp, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(r.base, "http")+"/rooms/x/ws", header)
	require.NoError(t, err)
	_ = resp.Body.Close()
	for range 2 { // the second is a repetition
		require.NoError(t, conn.WriteJSON(map[string]any{"type": "message", "id": "a-1", "text": "<b>hello</b>"}))
	}
	require.NoError(t, conn.WriteJSON(map[string]any{"type": "message", "id": "a-2", "text": "bye"}))
	for _, text := range []string{"<b>hello</b>", "bye"} {
		e := take(t, got)
		require.Equal(t, "room_message", e.Event)
		require.Equal(t, "x", e.Room)
		var body struct{ Message room.Entry }
		require.NoError(t, json.Unmarshal(e.Body, &body))
		require.Equal(t, text, body.Message.Text)
		require.Equal(t, "ann", body.Message.From.Identity)
		require.False(t, body.Message.Address.IsValid())
	}
	require.NoError(t, conn.Close())
}

// offer posts what is no offer, which is found out once one is admitted.
func offer(t *testing.T, url, token string) (status int, body string, h http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("nonsense"))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/sdp")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text), resp.Header
}

func TestAdmission(t *testing.T) {
	for _, keys := range []string{key, ""} {
		var status atomic.Int32
		url, got := hook(t, func(w http.ResponseWriter, _ authtest.Event) {
			w.WriteHeader(int(status.Load()))
			_, _ = io.WriteString(w, `{"allow":`+map[bool]string{true: "true", false: "false"}[status.Load() == 200]+`,"reason":"not paid"}`)
		})
		environ := []string{"FRESHET_WEBHOOKS_ADMISSION=" + url}
		bearer := ""
		if keys != "" {
			environ = append(environ, "FRESHET_AUTH_KEYS="+keys)
			bearer = token(t, "--stream", "x", "--publish", "--identity", "ann")
		} else {
			url, got = unsigned(t, &status)
			environ[0] = "FRESHET_WEBHOOKS_ADMISSION=" + url
		}
		r := serve(t, environ, "--data-dir", t.TempDir())

		status.Store(http.StatusForbidden)
		code, body, _ := offer(t, r.base+"/whip/x", bearer)
		require.Equal(t, http.StatusForbidden, code, body)
		require.Contains(t, body, "not paid")
		require.Contains(t, body, "not-admitted")
		e := take(t, got)
		require.Equal(t, "admission", e.Event)
		require.Contains(t, string(e.Body), `"action":"publish","via":"whip","stream":"x"`)
		require.Contains(t, string(e.Body), `"address":"127.0.0.1"`)
		code, body, _ = offer(t, r.base+"/whep/x", bearer)
		require.Equal(t, http.StatusForbidden, code, body)
		require.Contains(t, string(take(t, got).Body), `"action":"play","via":"whep"`)
		code, body = get(t, r.base+"/hls/x/index.m3u8", bearer)
		require.Equal(t, http.StatusForbidden, code, body)
		require.Contains(t, string(take(t, got).Body), `"action":"play","via":"hls"`)

		code, body = get(t, r.base+"/rooms/x/events", bearer)
		require.Equal(t, http.StatusForbidden, code, body)
		require.Contains(t, string(take(t, got).Body), `"action":"play","via":"room"`)

		status.Store(http.StatusOK)
		code, body, _ = offer(t, r.base+"/whip/x", bearer)
		require.Equal(t, http.StatusBadRequest, code, body)
		code, _ = get(t, r.base+"/hls/x/index.m3u8", bearer)
		require.Equal(t, http.StatusNotFound, code)

		status.Store(http.StatusInternalServerError)
		code, body, h := offer(t, r.base+"/whip/x", bearer)
		require.Equal(t, http.StatusServiceUnavailable, code, body)
		require.NotEmpty(t, h.Get("Retry-After"))
		require.Contains(t, body, "no-admission")
		if keys != "" {
			code, _, _ = offer(t, r.base+"/whip/x", "")
			require.Equal(t, http.StatusUnauthorized, code, "nobody is asked about a bad token")
			require.Len(t, got, 3)
		}
	}
}

// unsigned is a hook of an open server, which has no keys to sign with.
func unsigned(t *testing.T, status *atomic.Int32) (url string, got <-chan authtest.Event) {
	t.Helper()
	events := make(chan authtest.Event, 1000)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("signed by whom?")
		}
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(int(status.Load()))
		_, _ = io.WriteString(w, `{"allow":`+map[bool]string{true: "true", false: "false"}[status.Load() == 200]+`,"reason":"not paid"}`)
		events <- authtest.Event{Event: "admission", Body: body}
	}))
	t.Cleanup(s.Close)
	return s.URL, events
}

func TestWebhookSettings(t *testing.T) {
	for want, environ := range map[string]string{
		"webhooks.urls: number 2":    "FRESHET_WEBHOOKS_URLS=http://a.example,b.example",
		"webhooks.urls: number 1":    "FRESHET_WEBHOOKS_URLS=https://user:hidden@a.example",
		"webhooks.admission:":        "FRESHET_WEBHOOKS_ADMISSION=ftp://a.example/hidden",
		"webhooks.key: \"who\"":      "FRESHET_WEBHOOKS_KEY=who",
		"webhooks.give-up":           "FRESHET_WEBHOOKS_GIVE_UP=0s",
		"webhooks.admission-timeout": "FRESHET_WEBHOOKS_ADMISSION_TIMEOUT=11s",
		"webhooks.admission-fail":    "FRESHET_WEBHOOKS_ADMISSION_FAIL=maybe",
	} {
		message := fail(t, []string{environ}, "serve")
		require.Contains(t, message, want)
		require.NotContains(t, message, "hidden")
	}
	r := serve(t, []string{"FRESHET_WEBHOOKS_URLS=http://127.0.0.1:1/"}, "--data-dir", t.TempDir())
	r.stderr.find(t, "webhooks are not signed")
	status, body := get(t, r.base+"/api/v1/webhooks", "")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, `"host":"http://127.0.0.1:1"`)
}
