package whep

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/media"
)

// listener reads an event stream over a real connection.
type listener struct {
	t    testing.TB
	resp *http.Response
	in   *bufio.Reader
	stop context.CancelFunc
}

func listen(t testing.TB, srv *httptest.Server, path string) *listener {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+path, nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer good:alice")
	resp, err := srv.Client().Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	return &listener{t, resp, bufio.NewReader(resp.Body), cancel}
}

// next returns the next event as "name data".
func (l *listener) next() string {
	l.t.Helper()
	name := ""
	for {
		line, err := l.in.ReadString('\n')
		require.NoError(l.t, err)
		line = strings.TrimSuffix(line, "\n")
		if n, ok := strings.CutPrefix(line, "event: "); ok {
			name = n
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			blank, err := l.in.ReadString('\n')
			require.NoError(l.t, err)
			require.Equal(l.t, "\n", blank, "E58: one data line per event")
			return name + " " + data
		}
	}
}

func (l *listener) requireEnd() {
	l.t.Helper()
	_, err := io.Copy(io.Discard, l.in)
	require.NoError(l.t, err, "a whole end, not a broken connection")
}

func serve(t testing.TB, g *rig) *httptest.Server {
	srv := httptest.NewServer(g.handler)
	t.Cleanup(srv.Close)
	return srv
}

func TestEvents(t *testing.T) { // E58, E61, E62, E66, E67
	g := newRig(snapshot(media.Idle, 0, 1))
	srv := serve(t, g)
	url := g.watch(t)
	resp := g.json(http.MethodPost, url+"/sse", `["active","inactive","layers","viewercount"]`)
	require.Equal(t, http.StatusCreated, resp.StatusCode)
	path := resp.Header.Get("Location")
	require.True(t, strings.HasPrefix(path, url+"/sse/"), path)

	l := listen(t, srv, path)
	require.Equal(t, http.StatusOK, l.resp.StatusCode)
	require.Equal(t, "text/event-stream", l.resp.Header.Get("Content-Type"))
	require.Equal(t, "no-store", l.resp.Header.Get("Cache-Control"))
	head := g.do(http.MethodHead, path, "") // answers at once, and the reader keeps its stream
	require.Equal(t, http.StatusOK, head.StatusCode)
	require.Equal(t, "text/event-stream", head.Header.Get("Content-Type"))
	require.Equal(t, `viewercount {"viewercount":1}`, l.next(), "no initial inactive")
	g.stream.set(snapshot(media.Live, 1, 1, "q"))
	require.Equal(t, `active {"state":"live"}`, l.next())
	require.Contains(t, l.next(), `layers {"1":[{"rid":"q"`)
	g.stream.set(snapshot(media.Reconnecting, 1, 1))
	require.Equal(t, `inactive {"state":"reconnecting"}`, l.next())
	g.stream.set(snapshot(media.Ended, 1, 2))
	require.Equal(t, `inactive {"state":"ended"}`, l.next())
	require.Equal(t, `viewercount {"viewercount":2}`, l.next(), "held back for a second, not lost")

	require.Equal(t, http.StatusOK, g.do(http.MethodDelete, path, "").StatusCode)
	l.requireEnd()
	require.Equal(t, http.StatusNotFound, g.do(http.MethodGet, path, "").StatusCode)
	require.Equal(t, http.StatusNotFound, g.do(http.MethodDelete, path, "").StatusCode)
}

func TestEventsEndWithTheSession(t *testing.T) { // E62
	g := newRig(snapshot(media.Live, 1, 1, "q"))
	srv := serve(t, g)
	url := g.watch(t)
	var all []*listener
	for range 2 {
		path := g.json(http.MethodPost, url+"/sse", `["active"]`).Header.Get("Location")
		l := listen(t, srv, path)
		require.Equal(t, `active {"state":"live"}`, l.next(), "E66: an initial active")
		all = append(all, l)
	}
	require.Equal(t, http.StatusOK, g.do(http.MethodDelete, url, "").StatusCode)
	for _, l := range all {
		l.requireEnd()
	}
	require.Equal(t, http.StatusNotFound, g.json(http.MethodPost, url+"/sse", `["active"]`).StatusCode)
}

func TestSecondReaderTakesOver(t *testing.T) {
	g := newRig(snapshot(media.Live, 1, 1, "q"))
	srv := serve(t, g)
	path := g.json(http.MethodPost, g.watch(t)+"/sse", `["active"]`).Header.Get("Location")
	first := listen(t, srv, path)
	first.next()
	second := listen(t, srv, path)
	require.Equal(t, `active {"state":"live"}`, second.next(), "one that comes back learns the present state")
	first.requireEnd()
}

func TestBadEventRequests(t *testing.T) { // E59
	g := newRig(nil)
	url := g.watch(t)
	for body, status := range map[string]int{
		`["active"]`: 201, `["active","active"]`: 201, `["nonsense"]`: 400, `["active","scte35"]`: 400, `["reconnect"]`: 400,
		`[]`: 400, ``: 400, `null`: 400, `{"events":["active"]}`: 400, `"active"`: 400, `[1]`: 400, `[["active"]]`: 400,
		`["` + strings.Repeat("x", 1000) + `"]`: 400, `[` + strings.Repeat(`"active",`, 100) + `"active"]`: 400,
	} {
		before := len(g.Sessions.Of("demo")[0].Peer.events)
		resp := g.json(http.MethodPost, url+"/sse", body)
		require.Equal(t, status, resp.StatusCode, body)
		after := len(g.Sessions.Of("demo")[0].Peer.events)
		require.Equal(t, status == 201, after == before+1, "%s: %d then %d", body, before, after)
	}
	require.Equal(t, http.StatusUnsupportedMediaType, g.do(http.MethodPost, url+"/sse", `["active"]`).StatusCode)
	require.Equal(t, http.StatusNotFound, g.do(http.MethodGet, url+"/sse/none", "").StatusCode)
}

func TestEventStreamsAreBounded(t *testing.T) { // H: resources
	g := newRig(snapshot(media.Live, 1, 1, "q"))
	srv := serve(t, g)
	url := g.watch(t)
	first := g.json(http.MethodPost, url+"/sse", `["active"]`).Header.Get("Location")
	for range maxEventStreams {
		require.Equal(t, http.StatusCreated, g.json(http.MethodPost, url+"/sse", `["active"]`).StatusCode)
	}
	require.Equal(t, http.StatusNotFound, g.do(http.MethodGet, first, "").StatusCode, "the oldest unread one has made way")
	for _, es := range g.Sessions.Of("demo")[0].Peer.events {
		listen(t, srv, url+"/sse/"+es.id).next()
	}
	resp := g.json(http.MethodPost, url+"/sse", `["active"]`)
	require.Equal(t, http.StatusTooManyRequests, resp.StatusCode, "streams with readers stay")
	require.NotEmpty(t, resp.Header.Get("Retry-After"))
	g.do(http.MethodDelete, url, "")
}

// FuzzEventNames and FuzzLayerRequest: any body is answered with a status
// below 500, and whatever is let in is within bounds.
func FuzzEventNames(f *testing.F) {
	for _, s := range []string{`["active"]`, `[]`, `null`, `["x"]`, `{`, `[null]`, "[\"active\\u0000\"]", `["layers","viewercount"]`} {
		f.Add(s)
	}
	g := newRig(nil)
	f.Fuzz(func(t *testing.T, body string) {
		url := g.watch(t)
		status := g.json(http.MethodPost, url+"/sse", body).StatusCode
		require.Contains(t, []int{201, 400, 413}, status)
		g.do(http.MethodDelete, url, "")
	})
}

func FuzzLayerRequest(f *testing.F) {
	for _, s := range []string{
		`{"mediaId":"1"}`, `{"mediaId":"1","rid":"h"}`, `{"mediaId":"1","spatialLayerId":1}`, `{"mediaId":"1","maxWidth":1e9}`,
		`{"mediaId":1}`, `[]`, `null`, `{"mediaId":"0","rid":""}`, `{"mediaId":"1","maxSpatialLayerId":7,"maxHeight":1}`,
	} {
		f.Add(s)
	}
	g := newRig(snapshot(media.Live, 1, 1, "q", "h"))
	f.Fuzz(func(t *testing.T, body string) {
		url := g.watch(t)
		status := g.json(http.MethodPost, url+"/layer", body).StatusCode
		require.Contains(t, []int{200, 400, 409, 413}, status)
		last := g.fan.conns[len(g.fan.conns)-1]
		for _, l := range last.limits {
			require.Contains(t, []string{"", "q", "h"}, l.RID)
			require.True(t, l.Ranks >= 0 && l.Ranks <= 8 && l.MaxWidth >= 0 && l.MaxHeight >= 0)
		}
		g.do(http.MethodDelete, url, "")
	})
}
