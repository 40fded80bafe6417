package origin

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/internal/httpx"
)

// BenchmarkBesideNginx compares what a request costs here and in nginx, which
// serves the same bytes from files, and in net/http with a handler that only
// writes them. Each server is a process of its own, whose processor time
// counts; one client asks them in turns. Half of the requests are for
// playlists, half for parts, and they come in bursts, as they do when a part is
// done.
//
//	go test -run '^$' -bench BesideNginx -benchtime 1x ./hls-egress/origin
func BenchmarkBesideNginx(b *testing.B) {
	ours, floor := costServer(b, "origin"), costServer(b, "floor")
	servers := []*measured{ours, floor, costNginx(b, ours)}
	for _, s := range servers {
		s.connect(b)
		s.burst(b, 20) // warm
	}
	b.ResetTimer()
	for range b.N {
		for range 8 {
			for _, s := range servers {
				s.measure(b)
			}
		}
	}
	for _, s := range servers {
		b.ReportMetric(s.cost(), s.name+"-CPU-ms/1000req")
	}
	b.ReportMetric(ours.cost()/servers[2].cost(), "times-nginx")
	b.ReportMetric(ours.cost()/floor.cost(), "times-net/http")
	b.ReportMetric(0, "ns/op")
}

const (
	costEnv     = "FRESHET_TEST_COST_SERVER"
	costClients = 200
)

// measured is a server in another process.
type measured struct {
	name, addr string
	pid        int
	paths      []string
	conns      []net.Conn
	readers    []*bufio.Reader
	requests   int
	used       time.Duration
}

func (m *measured) cost() float64 { return m.used.Seconds() * 1e6 / float64(m.requests) }

func (m *measured) connect(b *testing.B) {
	for range costClients {
		c, err := net.Dial("tcp", m.addr)
		require.NoError(b, err)
		b.Cleanup(func() { _ = c.Close() })
		m.conns, m.readers = append(m.conns, c), append(m.readers, bufio.NewReaderSize(c, 8<<10))
	}
}

func (m *measured) measure(b *testing.B) {
	before := cpuTime(b, m.pid)
	m.burst(b, 100)
	m.used += cpuTime(b, m.pid) - before
	m.requests += 100 * costClients
}

// burst asks by all connections at once, some times.
func (m *measured) burst(b *testing.B, times int) {
	for i := range times {
		ask := []byte("GET " + m.paths[i%len(m.paths)] + " HTTP/1.1\r\nHost: cost\r\nAccept-Encoding: gzip\r\nUser-Agent: cost\r\n\r\n")
		for _, c := range m.conns {
			if _, err := c.Write(ask); err != nil {
				b.Fatal(err)
			}
		}
		for _, r := range m.readers {
			m.answer(b, r)
		}
	}
}

func (m *measured) answer(b *testing.B, r *bufio.Reader) {
	length := 0
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil || first && !strings.Contains(string(line), " 200 ") {
			b.Fatal(m.name, err, string(line))
		}
		if v, ok := strings.CutPrefix(string(line), "Content-Length: "); ok {
			length, _ = strconv.Atoi(strings.TrimSpace(v))
		}
		if len(line) == 2 {
			break
		}
	}
	if n, err := r.Discard(length); err != nil || n == 0 {
		b.Fatal(m.name, n, err)
	}
}

// cpuTime is what a process has used so far, in user and system mode.
func cpuTime(b *testing.B, pid int) time.Duration {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	require.NoError(b, err)
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	const utime, stime, tick = 11, 12, 10 * time.Millisecond
	var sum time.Duration
	for _, i := range []int{utime, stime} {
		n, err := strconv.Atoi(fields[i])
		require.NoError(b, err)
		sum += time.Duration(n) * tick
	}
	return sum
}

// costServer starts this program as a server.
func costServer(b *testing.B, mode string) *measured {
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, os.Args[0]) //nolint:gosec // this program
	cmd.Env = append(os.Environ(), costEnv+"="+mode)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() { cancel(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(b, err)
	addr, run, _ := strings.Cut(strings.TrimSpace(line), " ")
	return &measured{name: mode, addr: addr, pid: cmd.Process.Pid, paths: costPaths(run)}
}

// costPaths is what a client with sound asks for.
func costPaths(run string) (paths []string) {
	for part := range 10 {
		for _, name := range []string{"v0", "audio"} {
			base := "/hls/demo/" + name + "/"
			paths = append(paths, base+"index.m3u8?_HLS_msn=30&_HLS_part=3&_HLS_skip=YES", base+partName(run, 29, part))
		}
	}
	return paths
}

// serveCost is that server. It ends when its parent kills it.
func serveCost(mode string) {
	t := &testing.T{}
	r := newRig(t, 1, func(c *Config) { c.Window = time.Hour })
	r.p.Size = 40_000
	r.parts(305)
	handler := r.handler
	if mode == "floor" {
		handler = costFloor(r)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	_, _ = fmt.Fprintln(os.Stdout, l.Addr(), r.s.run)
	srv := httpx.NewServer(context.Background(), handler, slog.New(slog.DiscardHandler))
	panic(srv.Serve(httpx.Listener{Listener: l}))
}

// costFloor answers as the origin does, without thinking.
func costFloor(r *rig) http.Handler {
	type canned struct {
		header http.Header
		body   []byte
	}
	known := map[string]canned{}
	for _, p := range costPaths(r.s.run) {
		req := httptest.NewRequestWithContext(context.Background(), http.MethodGet, p, nil)
		req.Header.Set("Accept-Encoding", "gzip")
		w := httptest.NewRecorder()
		r.handler.ServeHTTP(w, req)
		known[req.URL.Path] = canned{w.Result().Header, w.Body.Bytes()}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := known[r.URL.Path]
		h := w.Header()
		for name, values := range c.header {
			h[name] = values
		}
		_, _ = w.Write(c.body) // the client may be gone
	})
}

// costNginx writes what the origin serves to files and lets nginx serve them.
func costNginx(b *testing.B, from *measured) *measured {
	program, err := exec.LookPath("nginx")
	require.NoError(b, err, "make tools installs it")
	dir := b.TempDir()
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	defer client.CloseIdleConnections()
	for _, p := range from.paths {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://"+from.addr+p, nil)
		require.NoError(b, err)
		req.Header.Set("Accept-Encoding", "gzip")
		res, err := client.Do(req)
		require.NoError(b, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(b, err)
		require.NoError(b, res.Body.Close())
		u, err := url.Parse(p)
		require.NoError(b, err)
		file := filepath.Join(dir, filepath.FromSlash(u.Path))
		require.NoError(b, os.MkdirAll(filepath.Dir(file), 0o700))
		if path.Ext(file) == ".m3u8" {
			require.NoError(b, os.WriteFile(file, nil, 0o600))
			file += ".gz"
		}
		require.NoError(b, os.WriteFile(file, body, 0o600))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	addr := l.Addr().String()
	require.NoError(b, l.Close())
	conf := filepath.Join(dir, "nginx.conf")
	require.NoError(b, os.WriteFile(conf, []byte(`daemon off; master_process off; worker_processes 1; error_log stderr warn; pid `+dir+`/pid;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 1000000; sendfile on; tcp_nopush on; gzip_static on;
  types { application/vnd.apple.mpegurl m3u8; video/mp4 mp4; }
  client_body_temp_path `+dir+`/body; proxy_temp_path `+dir+`/proxy; fastcgi_temp_path `+dir+`/f; uwsgi_temp_path `+dir+`/u; scgi_temp_path `+dir+`/s;
  server { listen `+addr+`; root `+dir+`; location /hls/ {
    add_header Access-Control-Allow-Origin "*"; add_header Cache-Control "public, max-age=3"; } }
}
`), 0o600))
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "-c", conf, "-p", dir, "-e", "stderr") //nolint:gosec // as it is installed
	cmd.Stderr = os.Stderr
	require.NoError(b, cmd.Start())
	b.Cleanup(func() { cancel(); _ = cmd.Wait() })
	require.Eventually(b, func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	return &measured{name: "nginx", addr: addr, pid: cmd.Process.Pid, paths: from.paths}
}
