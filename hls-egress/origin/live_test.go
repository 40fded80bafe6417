package origin

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/hls-egress/hlstest"
)

// server serves the rig's Stream and makes it live.
func (r *rig) server(ctx context.Context) *httptest.Server {
	srv := httptest.NewServer(r.handler)
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
	r := newRig(t, 3)
	r.p.Start = time.Now().Add(-60 * time.Second)
	r.parts(300)
	srv := r.server(t.Context())
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	client := &hlstest.Client{
		URL: srv.URL + "/hls/demo/index.m3u8", HTTP: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}}, SameClock: true,
	}
	defer client.HTTP.CloseIdleConnections()
	rep, err := client.Watch(ctx)
	require.NoError(t, err)
	require.Empty(t, rep.Violations)
	require.Len(t, rep.Renditions, 4)
	require.Greater(t, rep.Reloads, 4*30)
	require.Greater(t, rep.Parts, 4*25)
	require.Greater(t, rep.Segments, 4*4)
}
