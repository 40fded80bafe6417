// Package nginxtest runs the real nginx with our sample for a test.
package nginxtest

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Start runs nginx with deploy/nginx/freshet.conf in front of a server, and
// returns where it listens, http://host:port. Both are of the loopback
// interface; it ends with the test. The sample is found from two folders below
// the repository's.
func Start(t *testing.T, behind string) string {
	t.Helper()
	program, err := exec.LookPath("nginx")
	require.NoError(t, err, "make tools installs it")
	sample, err := os.ReadFile("../../deploy/nginx/freshet.conf")
	require.NoError(t, err)
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	text := string(sample)
	for from, to := range map[string]string{
		"127.0.0.1:8080": strings.TrimPrefix(behind, "http://"), "listen 80;": "listen " + addr + ";",
		"/var/cache/nginx/freshet": filepath.Join(dir, "cache"),
	} {
		require.Equal(t, 1, strings.Count(text, from), from)
		text = strings.Replace(text, from, to, 1)
	}
	conf := filepath.Join(dir, "nginx.conf")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "freshet.conf"), []byte(text), 0o600)) //nolint:gosec // in the test's own folder
	require.NoError(t, os.WriteFile(conf, []byte(`daemon off; master_process off; worker_processes 1; error_log stderr warn; pid `+dir+`/pid;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 100000;
  client_body_temp_path `+dir+`/body; proxy_temp_path `+dir+`/proxy; fastcgi_temp_path `+dir+`/f; uwsgi_temp_path `+dir+`/u; scgi_temp_path `+dir+`/s;
  include freshet.conf;
}
`), 0o600))
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "-c", conf, "-p", dir, "-e", "stderr") //nolint:gosec // the nginx of this machine
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", addr) //nolint:noctx // of this machine
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	return "http://" + addr
}
