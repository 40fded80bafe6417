package whip

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/health"
	"github.com/freshet-live/freshet/sfu/rtc"
)

// listen opens an event stream over a real connection.
func listen(t *testing.T, srv *httptest.Server, path, token string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+path, nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := srv.Client().Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// next returns the next event as "name data".
func next(t *testing.T, in *bufio.Reader) string {
	t.Helper()
	name := ""
	for {
		line, err := in.ReadString('\n')
		require.NoError(t, err)
		line = strings.TrimSpace(line)
		if n, ok := strings.CutPrefix(line, "event: "); ok {
			name = n
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			return name + " " + data
		}
	}
}

func TestEvents(t *testing.T) {
	g := newRig(false)
	g.pub.stats = rtc.SessionStats{Health: []health.Verdict{{ID: health.Loss, Severity: health.OK, Text: "fine"}}}
	srv := httptest.NewServer(g.handler)
	defer srv.Close()
	url := g.do(http.MethodPost, "/whip/demo", offer(t, "obs-30.0.2-whip")).Header.Get("Location") + "/events"

	require.Equal(t, http.StatusForbidden, listen(t, srv, url, "good:bob").StatusCode, "H7")
	require.Equal(t, http.StatusUnauthorized, listen(t, srv, url, "bad").StatusCode)
	require.Equal(t, http.StatusNotFound, listen(t, srv, "/whip/demo/none/events", "good:alice").StatusCode)

	resp := listen(t, srv, url, "good:alice")
	require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
	in := bufio.NewReader(resp.Body)
	require.Equal(t, `unwatched {"rids":[]}`, next(t, in))
	require.Equal(t, `health [{"id":"loss","severity":"ok","text":"fine","value":0}]`, next(t, in))
	g.pub.conns[0].watch("h", "f")
	require.Equal(t, `unwatched {"rids":["h","f"]}`, next(t, in))
	g.pub.conns[0].watch()
	require.Equal(t, `unwatched {"rids":[]}`, next(t, in))

	for range maxReaders - 1 {
		require.Equal(t, http.StatusOK, listen(t, srv, url, "good:alice").StatusCode)
	}
	require.Equal(t, http.StatusTooManyRequests, listen(t, srv, url, "good:alice").StatusCode)
	g.pub.conns[0].Close(nil)
	_, err := io.ReadAll(in)
	require.NoError(t, err, "the stream ends with the session")
}

func TestFeedTellsChangesOnly(t *testing.T) {
	fine := []health.Verdict{{ID: health.Loss, Severity: health.OK, Text: "fine"}}
	var f feed
	names := func(unwatched []string, verdicts []health.Verdict) (names []string) {
		for _, e := range f.next(unwatched, verdicts) {
			names = append(names, e.Name)
		}
		return names
	}
	require.Equal(t, []string{"unwatched", "health"}, names(nil, nil), "at first all, if it is nothing")
	require.Empty(t, names(nil, nil))
	require.Equal(t, []string{"unwatched"}, names([]string{"f"}, nil))
	require.Equal(t, []string{"health"}, names([]string{"f"}, fine))
	require.Empty(t, names([]string{"f"}, fine))
	require.Equal(t, []string{"unwatched", "health"}, names(nil, nil))
}
