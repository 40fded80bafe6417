package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/internal/bench"
	"github.com/freshet-live/freshet/internal/nginxtest"
)

// chat is a WebSocket of a Room.
type chat struct {
	*websocket.Conn
	t *testing.T
}

func enter(t *testing.T, base, query string, config *tls.Config) *chat {
	t.Helper()
	d := websocket.Dialer{TLSClientConfig: config, EnableCompression: true}
	c, resp, err := d.Dial("ws"+strings.TrimPrefix(base, "http")+"/rooms/demo/ws?"+query, nil)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	t.Cleanup(func() { _ = c.Close() })
	return &chat{c, t}
}

// find reads up to a frame that contains a text.
func (c *chat) find(text string) string {
	c.t.Helper()
	for {
		require.NoError(c.t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
		_, b, err := c.ReadMessage()
		require.NoError(c.t, err)
		if strings.Contains(string(b), text) {
			return string(b)
		}
	}
}

func (c *chat) say(text string) {
	c.t.Helper()
	require.NoError(c.t, c.WriteJSON(map[string]string{"type": "message", "id": text, "text": text}))
	c.find(`"type":"ack"`)
}

// With TLS, WebSockets come by HTTP/1.1 beside HTTP/2, as browsers do it.
func TestRoomsByTLS(t *testing.T) {
	cert, key, roots := certificate(t)
	r := serve(t, nil, "--http.tls-cert", cert, "--http.tls-key", key, "--data-dir", t.TempDir())
	ann := enter(t, r.base, "token=ann&name=Ann", &tls.Config{RootCAs: roots})
	ann.find(`"type":"hello"`)
	ann.say("hello")
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get(r.base + "/rooms/demo/events")
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, 2, res.ProtoMajor)
	s := bufio.NewScanner(res.Body)
	for s.Scan() && !strings.Contains(s.Text(), `"text":"hello"`) {
	}
	require.Contains(t, s.Text(), `"type":"hello"`)
	res, err = (&http.Client{Transport: transport}).Get(r.base + "/rooms/demo/ws")
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, http.StatusUpgradeRequired, res.StatusCode)
}

// What was said is there after a restart. A second server on the same folder
// runs, but does not keep what is said there.
func TestRoomsAreKept(t *testing.T) {
	dir := t.TempDir()
	r := serve(t, nil, "--data-dir", dir)
	enter(t, r.base, "token=ann", nil).say("one")
	second := serve(t, nil, "--data-dir", dir)
	second.stderr.find(t, "another server has this data-dir")
	require.NotContains(t, enter(t, second.base, "token=ann", nil).find(`"type":"hello"`), "one")
	require.NoError(t, r.stop())
	r = serve(t, nil, "--data-dir", dir)
	require.Contains(t, enter(t, r.base, "token=bob", nil).find(`"type":"hello"`), `"text":"one"`)
}

func TestRoomsShowTheStream(t *testing.T) {
	r := serve(t, nil, "--data-dir", t.TempDir())
	c := enter(t, r.base, "token=ann", nil)
	c.find(`"type":"hello"`)
	r.publish(t, []string{"video"})
	d := websocket.Dialer{}
	conn, resp, err := d.Dial("ws"+strings.TrimPrefix(r.base, "http")+"/rooms/x-1/ws", nil)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	defer conn.Close()
	(&chat{conn, t}).find(`"state":"live"`)
}

func TestRoomSettings(t *testing.T) {
	for env, want := range map[string]string{
		"FRESHET_ROOMS_HISTORY=0": "rooms.history", "FRESHET_ROOMS_HISTORY=5000": "rooms.history", "FRESHET_ROOMS_MAX_MESSAGE=0": "rooms.max-message",
		"FRESHET_ROOMS_MAX_SOCKETS=0": "rooms.max-sockets", "FRESHET_ROOMS_MAX_PER_ADDRESS=-1": "rooms.max-per-address",
	} {
		require.Contains(t, fail(t, []string{env}, "serve"), want)
	}
}

func TestBenchChat(t *testing.T) {
	r := serve(t, nil, "--data-dir", t.TempDir())
	var rep bench.ChatReport
	table := benchmark(t, &rep, "chat", "--url", r.base+"/rooms/x", "-n", "40", "--rate", "50/s", "--duration", "2s",
		"--storm", "20/1s", "--slow", "2", "--pid", strconv.Itoa(os.Getpid()))
	require.Contains(t, table, "sent to read")
	require.Zero(t, rep.Failed, rep.Failure)
	require.Zero(t, rep.Missed+rep.Repeated+rep.Unresumed)
	require.EqualValues(t, 20, rep.Resumed)
	require.Greater(t, rep.Sent, uint64(50))
	require.GreaterOrEqual(t, rep.Delivered, 38*rep.Accepted)
	require.Positive(t, rep.Latency.P50)
	require.Positive(t, rep.Server.Cores)
}

func TestBenchChatWithKeys(t *testing.T) {
	key := "APIfreshet:0123456789abcdef0123456789abcdef"
	r := serve(t, nil, "--data-dir", t.TempDir(), "--auth.keys", key)
	var rep bench.ChatReport
	benchmark(t, &rep, "chat", "--url", r.base+"/rooms/x/ws", "-n", "12", "--duration", "1s", "--key", key)
	require.Zero(t, rep.Failed, rep.Failure)
	require.EqualValues(t, rep.Sent, rep.Accepted)
	require.Contains(t, fail(t, nil, "bench", "chat", "--url", r.base+"/rooms/x", "-n", "2"), "401")
	require.Contains(t, fail(t, nil, "bench", "chat", "--url", r.base+"/rooms/x", "--key", "nonsense"), "--key")
}

// Our sample of nginx lets WebSockets and event streams through, at once.
func TestRoomsBehindNginx(t *testing.T) {
	r := serve(t, nil, "--data-dir", t.TempDir())
	front := nginxtest.Start(t, r.base)
	ann := enter(t, front, "token=ann&name=Ann", nil)
	ann.find(`"type":"hello"`)
	res, err := http.Get(front + "/rooms/demo/events")
	require.NoError(t, err)
	defer res.Body.Close()
	ann.say("hello")
	s := bufio.NewScanner(res.Body)
	for s.Scan() && !strings.Contains(s.Text(), `"text":"hello"`) {
	}
	var m struct{ Type string }
	require.NoError(t, json.Unmarshal([]byte(strings.TrimPrefix(s.Text(), "data: ")), &m))
	require.Equal(t, "events", m.Type)
	http.DefaultClient.CloseIdleConnections()
}
