package origin

import (
	"context"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/internal/bench"
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

// nginx runs the real one with our sample in front of an origin, and returns
// its address.
func nginx(t *testing.T, origin string) string {
	t.Helper()
	program, err := exec.LookPath("nginx")
	require.NoError(t, err, "make tools installs it")
	sample, err := os.ReadFile("../../deploy/nginx/freshet.conf")
	require.NoError(t, err)
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	text := string(sample)
	for from, to := range map[string]string{
		"127.0.0.1:8080": strings.TrimPrefix(origin, "http://"), "listen 80;": "listen " + addr + ";",
		"/var/cache/nginx/freshet": filepath.Join(dir, "cache"),
	} {
		require.Equal(t, 1, strings.Count(text, from), from)
		text = strings.Replace(text, from, to, 1)
	}
	conf := filepath.Join(dir, "nginx.conf")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "freshet.conf"), []byte(text), 0o600))
	require.NoError(t, os.WriteFile(conf, []byte(`daemon off; master_process off; worker_processes 1; error_log stderr warn; pid `+dir+`/pid;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 100000;
  client_body_temp_path `+dir+`/body; proxy_temp_path `+dir+`/proxy; fastcgi_temp_path `+dir+`/f; uwsgi_temp_path `+dir+`/u; scgi_temp_path `+dir+`/s;
  include freshet.conf;
}
`), 0o600))
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "-c", conf, "-p", dir, "-e", "stderr")
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	return "http://" + addr
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
	front := nginx(t, origin.URL)
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
