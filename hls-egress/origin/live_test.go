package origin

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/hls-egress/hlstest"
	"github.com/freshet-live/freshet/internal/httpx"
)

// server serves the rig's Stream and makes it live, with TLS by HTTP/2.
func (r *rig) server(ctx context.Context, secure bool) *httptest.Server {
	srv := httptest.NewUnstartedServer(r.handler)
	if srv.EnableHTTP2 = secure; secure {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	r.t.Cleanup(srv.Close)
	var running sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	running.Go(func() { r.p.Run(ctx, r.s.Apply) })
	r.t.Cleanup(func() { cancel(); running.Wait() })
	return srv
}

// The strict client follows three renditions with sound through a
// discontinuity, and finds nothing to complain of.
func TestStrictClient(t *testing.T) {
	for name, secure := range map[string]bool{"plain": false, "HTTP2": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 3)
			r.p.Start = time.Now().Add(-60 * time.Second)
			r.parts(293)
			r.p.Discontinue()
			r.parts(7)
			srv := r.server(t.Context(), secure)
			ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
			defer cancel()
			client := &hlstest.Client{URL: srv.URL + "/hls/demo/index.m3u8", HTTP: srv.Client(), SameClock: true, Slack: time.Second}
			rep, err := client.Watch(ctx)
			require.NoError(t, err)
			require.Empty(t, rep.Violations)
			require.Len(t, rep.Renditions, 4)
			require.Greater(t, rep.Reloads, 4*20)
			require.Greater(t, rep.Parts, 4*20)
			require.Greater(t, rep.Segments, 4*3)
			require.Equal(t, 4, rep.Discontinuities)
		})
	}
}

// Clients that hang up while they wait leave nothing behind.
func TestClientsHangUp(t *testing.T) {
	r := newRig(t, 1)
	r.parts(13)
	srv := httptest.NewServer(r.handler)
	defer srv.Close()
	for range 20 {
		c, err := net.Dial("tcp", srv.Listener.Addr().String())
		require.NoError(t, err)
		_, err = c.Write([]byte("GET /hls/demo/v0/index.m3u8?_HLS_msn=1 HTTP/1.1\r\nHost: x\r\n\r\n"))
		require.NoError(t, err)
		defer c.Close()
		require.Eventually(t, func() bool { return r.o.blocked.Load() > 0 }, 5*time.Second, time.Millisecond)
		require.NoError(t, c.Close())
		require.Eventually(t, func() bool { return r.o.blocked.Load() == 0 }, 5*time.Second, time.Millisecond)
	}
}

// onePipe is a listener with one connection in memory, which lives in a
// bubble's time.
type onePipe struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *onePipe) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *onePipe) Close() error   { close(l.done); return nil }
func (l *onePipe) Addr() net.Addr { return &net.TCPAddr{} }

// A client that stops reading is given up, however much it has asked for.
func TestReadersThatStop(t *testing.T) {
	for _, size := range []int{1000, 1 << 20} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, 1)
			r.p.Size = size
			r.parts(10)
			l := &onePipe{conns: make(chan net.Conn), done: make(chan struct{})}
			srv := httpx.NewServer(t.Context(), r.handler, r.o.log)
			ended := make(chan error, 1)
			go func() { ended <- srv.Serve(l) }()
			client, server := net.Pipe()
			l.conns <- server
			_, err := client.Write([]byte("GET /hls/demo/v0/" + segmentName(r.s.run, 0) + " HTTP/1.1\r\nHost: x\r\n\r\n"))
			require.NoError(t, err)
			buf := make([]byte, 100)
			_, err = client.Read(buf)
			require.NoError(t, err)
			require.Contains(t, string(buf), "200 OK")
			time.Sleep(30 * time.Minute) //nolint:forbidigo // the clock is a fake one
			n, err := io.Copy(io.Discard, client)
			require.NoError(t, err)
			require.Zero(t, n, "the server has closed without sending the rest")
			require.NoError(t, srv.Close())
			require.ErrorIs(t, <-ended, http.ErrServerClosed)
		})
	}
}
