package main

import (
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/internal/redistest"
)

func TestRedisSettings(t *testing.T) {
	for text, want := range map[string]string{
		"redis://127.0.0.1:7000":                     "127.0.0.1:7000 db 0",
		"redis://:se%2Fcret@h:1/3":                   "h:1 db 3 password se/cret",
		"redis://h":                                  "h:6379 db 0",
		"rediss://u:p@h:1":                           "h:1 db 0 user u password p tls",
		"redis://h:1?master_name=m&addr=h2:2":        "h:1 h2:2 db 0 sentinel m",
		"redis://h:1?addr=h2:2&addr=h3:3":            "h:1 h2:2 h3:3 db 0",
		"redis://h:1?cluster=true":                   "h:1 db 0 cluster",
		"h:1, h2:2":                                  "h:1 h2:2 db 0",
		"h:1":                                        "h:1 db 0",
		"x":                                          "",
		"http://h:1":                                 "",
		"redis://h:1?no_such=option":                 "",
		"redis://h:1/x":                              "",
		"redis://h:1/1?cluster=true":                 "",
		"unix:///run/redis.sock":                     "",
		"redis://u:top-secret%zz@h:1":                "",
		"redis://u:top-secret@h:port":                "",
		"redis://u:top-secret@h:1?addr=no-port-here": "",
	} {
		o, err := redisOptions(text)
		if want == "" {
			require.Error(t, err, text)
			require.NotContains(t, err.Error(), "top-secret")
			continue
		}
		require.NoError(t, err, text)
		got := strings.Join(o.Addrs, " ") + " db " + string(rune('0'+o.DB))
		for _, x := range []struct{ key, value string }{{"user ", o.Username}, {"password ", o.Password}, {"sentinel ", o.MasterName}} {
			if x.value != "" {
				got += " " + x.key + x.value
			}
		}
		if o.TLSConfig != nil {
			got += " tls"
		}
		if o.IsClusterMode {
			got += " cluster"
		}
		require.Equal(t, want, got, text)
	}
}

func TestNodesAreNamed(t *testing.T) {
	a, b := defaultSettings(), defaultSettings()
	a.Cluster.Redis, b.Cluster.Redis = "h:1", "h:1"
	require.NoError(t, a.complete())
	require.NoError(t, b.complete())
	require.Regexp(t, `^[A-Za-z0-9][A-Za-z0-9-]*$`, a.Cluster.Node)
	require.NotEqual(t, a.Cluster.Node, b.Cluster.Node)
	c := defaultSettings()
	require.NoError(t, c.complete())
	require.Empty(t, c.Cluster.Node, "who is alone needs no name")
}

// join comes into the Room demo, and returns what sends and what waits for a
// text.
func join(t *testing.T, r *running) (send func(string), await func(string)) {
	t.Helper()
	url := strings.Replace(r.base, "http", "ws", 1) + "/rooms/demo/ws?token=ann"
	c, res, err := websocket.DefaultDialer.DialContext(t.Context(), url, nil)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	t.Cleanup(func() { c.Close() })
	send = func(text string) {
		require.NoError(t, c.WriteJSON(map[string]string{"type": "message", "id": text, "text": text}))
	}
	await = func(text string) {
		t.Helper()
		require.NoError(t, c.SetReadDeadline(time.Now().Add(20*time.Second)))
		for {
			_, b, err := c.ReadMessage()
			require.NoError(t, err, "waiting for %q", text)
			if strings.Contains(string(b), `"text":"`+text+`"`) {
				return
			}
		}
	}
	return send, await
}

// TestNodesShareRooms runs two servers with a Redis, which goes and comes back
// empty.
func TestNodesShareRooms(t *testing.T) {
	server := redistest.Start(t)
	dir := t.TempDir()
	args := func(node string) []string {
		return []string{"--cluster.redis", server.URL(), "--cluster.node", node, "--data-dir", dir + "/" + node}
	}
	a, b := serve(t, nil, args("a")...), serve(t, nil, args("b")...)
	sendA, awaitA := join(t, a)
	sendB, awaitB := join(t, b)
	sendA("hello from a")
	awaitB("hello from a")
	sendB("hello from b")
	awaitA("hello from b")

	server.Stop()
	sendA("a is alone")
	awaitA("a is alone")
	sendB("b is alone")
	awaitB("b is alone")
	require.NoError(t, b.stop(), "before it could tell anybody")
	server.Restart()
	b = serve(t, nil, args("b")...)
	_, awaitB = join(t, b)
	awaitA("b is alone")
	awaitB("a is alone")
}
