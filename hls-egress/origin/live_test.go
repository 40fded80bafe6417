package origin

import (
	"context"
	"net"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/hls-egress/hlstest"
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
