// Package redistest runs a real redis-server for a test, and makes trouble with
// it.
package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Server is a redis-server of a test's own, on a free port of the loopback
// interface. It ends with the test.
type Server struct {
	t       testing.TB
	dir     string
	port    int
	cluster bool
	cmd     *exec.Cmd
	frozen  bool
}

// Start runs an empty redis-server, which keeps nothing over a Stop.
func Start(t testing.TB) *Server {
	t.Helper()
	return start(t, false)
}

// StartCluster runs a cluster of one node: it refuses commands whose keys would
// lie on several.
func StartCluster(t testing.TB) *Server {
	t.Helper()
	return start(t, true)
}

func start(t testing.TB, cluster bool) *Server {
	t.Helper()
	s := &Server{t: t, dir: t.TempDir(), cluster: cluster}
	t.Cleanup(func() {
		if s.cmd != nil {
			s.Stop()
		}
	})
	for range 5 { // somebody else may take the port first
		s.port = freePort(t)
		if s.run() == nil {
			return s
		}
	}
	t.Fatal("redis-server does not start; is it installed?")
	return nil
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if port > 55_000 { // a cluster takes port+10000, too
		port -= 20_000
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return port
}

// Addr is host:port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL is redis://host:port.
func (s *Server) URL() string { return "redis://" + s.Addr() }

func (s *Server) run() error {
	args := []string{
		"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", "no", "--daemonize", "no",
	}
	if s.cluster {
		args = append(args, "--cluster-enabled", "yes")
	}
	cmd := exec.Command("redis-server", args...) //nolint:noctx,gosec // ended by Stop
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("redis-server: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("redis-server: %w", err)
	}
	in := bufio.NewScanner(out)
	for in.Scan() {
		if strings.Contains(in.Text(), "Ready to accept connections") {
			s.cmd = cmd
			if s.cluster {
				s.Do("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
				for !strings.Contains(s.Do("CLUSTER", "INFO"), "cluster_state:ok") {
					time.Sleep(10 * time.Millisecond) //nolint:forbidigo // it tells nobody
				}
			}
			go io.Copy(io.Discard, out) //nolint:errcheck // until it ends
			return nil
		}
	}
	return errors.Join(errors.New("redis-server ended"), cmd.Wait())
}

// Stop kills it. All that it held is gone.
func (s *Server) Stop() {
	s.t.Helper()
	s.Thaw()
	if err := s.cmd.Process.Kill(); err != nil {
		s.t.Error(err)
	}
	_ = s.cmd.Wait() // killed
	s.cmd = nil
}

// Restart runs it again, empty, under the same address. It may be running.
func (s *Server) Restart() {
	s.t.Helper()
	if s.cmd != nil {
		s.Stop()
	}
	var err error
	for range 5 {
		if err = s.run(); err == nil {
			return
		}
	}
	s.t.Fatal(err)
}

// FlushAll forgets everything, while connections stay.
func (s *Server) FlushAll() {
	s.t.Helper()
	s.Do("FLUSHALL")
}

// Freeze lets it accept connections and never answer, until Thaw.
func (s *Server) Freeze() {
	s.t.Helper()
	s.signal(syscall.SIGSTOP)
	s.frozen = true
}

// Thaw ends Freeze.
func (s *Server) Thaw() {
	s.t.Helper()
	if s.frozen {
		s.signal(syscall.SIGCONT)
		s.frozen = false
	}
}

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// Do runs a command on a connection of its own, and returns the answer as it
// was sent.
func (s *Server) Do(args ...string) string {
	s.t.Helper()
	c, err := net.DialTimeout("tcp", s.Addr(), 5*time.Second) //nolint:noctx // has a deadline
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // nothing left to do
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		s.t.Fatal(err)
	}
	var b strings.Builder
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := fmt.Fprintf(c, "*%d\r\n%s*1\r\n$4\r\nQUIT\r\n", len(args), b.String()); err != nil {
		s.t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		s.t.Fatal(err)
	}
	text := strings.TrimSuffix(string(answer), "+OK\r\n")
	if strings.HasPrefix(text, "-") {
		s.t.Fatalf("redis: %v: %s", args, text)
	}
	return text
}
