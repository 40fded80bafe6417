package origin

import (
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/internal/bench"
	"github.com/freshet-live/freshet/internal/nginxtest"
)

// counter counts what comes to the origin.
type counter struct {
	http.Handler
	mu   sync.Mutex
	seen map[string]int
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.seen[r.URL.RequestURI()]++
	c.mu.Unlock()
	c.Handler.ServeHTTP(w, r)
}

// However many players ask, the origin sees each object once, and those whose
// addresses are signed share them too.
func TestBehindNginx(t *testing.T) {
	if testing.Short() {
		t.Skip("plays in real time")
	}
	for name, access := range map[string]Access{"open": nil, "signed": &doorman{secrets: [][]byte{[]byte("one")}}} {
		t.Run(name, func(t *testing.T) { behindNginx(t, access) })
	}
}

func behindNginx(t *testing.T, access Access) {
	r := newRig(t, 1, func(c *Config) { c.Access = access })
	r.p.Start = time.Now().Add(-10 * time.Second)
	r.parts(50)
	count := &counter{Handler: r.handler, seen: map[string]int{}}
	r.handler = count
	origin := r.server(t.Context(), false)
	front := nginxtest.Start(t, origin.URL)
	const clients = 60
	rep, err := bench.RunHLS(t.Context(), bench.HLSOptions{
		URL: front + "/hls/demo/index.m3u8?token=sesame", Clients: clients, Duration: 5 * time.Second,
		Ramp: bench.Rate{Count: 300, Per: time.Second},
	})
	require.NoError(t, err)
	require.Zero(t, rep.Errors, rep.Failure)
	t.Logf("%d requests of %d clients; capture to delivery %v", rep.Requests, clients, rep.Latency)
	count.mu.Lock()
	all := 0
	seen := maps.Clone(count.seen)
	count.mu.Unlock()
	for uri, n := range seen {
		all += n
		if strings.Contains(uri, "/demo/index.m3u8") {
			continue // each client's own
		}
		if strings.HasSuffix(uri, indexFile) {
			require.LessOrEqual(t, n, 12, "%s is kept for a second", uri)
			continue
		}
		require.Equal(t, 1, n, uri)
	}
	require.Greater(t, rep.Requests, uint64(10*(all-clients)), "most requests end at nginx")

	for range 2 { // who shows a token everywhere does not share
		res, err := http.Get(front + "/hls/demo/v0/" + segmentName(r.s.run, 1) + "?token=sesame")
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusOK, res.StatusCode)
	}
	require.Equal(t, 2, count.seen["/hls/demo/v0/"+segmentName(r.s.run, 1)+"?token=sesame"])
	http.DefaultClient.CloseIdleConnections()
}
