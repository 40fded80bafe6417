package main

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/hls-egress/hlstest"
	"github.com/freshet-live/freshet/signaling/auth"
)

// publish lets the bench publish "x-1" until the returned function is called,
// or the test ends. It returns when all renditions answer.
func (r *running) publish(t *testing.T, renditions []string, args ...string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var publishing sync.WaitGroup
	args = append([]string{"bench", "publishers", "--url", r.base + "/whip/x", "-n", "1", "--duration", "5m", "--keyframes"}, args...)
	publishing.Go(func() { _ = run(ctx, args, &streams{stdout: io.Discard, stderr: io.Discard}) })
	stop = func() { cancel(); publishing.Wait() }
	t.Cleanup(stop)
	for _, rendition := range renditions {
		require.Eventually(t, func() bool {
			status, _ := get(t, r.base+"/hls/x-1/"+rendition+"/index.m3u8", "")
			return status == http.StatusOK
		}, 30*time.Second, 50*time.Millisecond, rendition)
	}
	return stop
}

// A strict client follows a live simulcast stream through the whole server,
// through a restart of its publisher, to its end.
func TestHLSRules(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("plays in real time")
	}
	r := serve(t, nil, "--data-dir", t.TempDir(), "--stream.reconnect-window", "4s")
	stop := r.publish(t, []string{"q", "h", "f", "audio"}, "--simulcast")
	transport := &http.Transport{MaxIdleConnsPerHost: 32}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client := &hlstest.Client{
		URL: r.base + "/hls/x-1/index.m3u8", HTTP: &http.Client{Transport: transport},
		// A busy machine sends sender reports late, and parts too.
		FMP4: true, Slack: time.Second, Jitter: 50 * time.Millisecond,
	}
	restart := time.AfterFunc(5*time.Second, func() {
		stop()
		stop = r.publish(t, nil, "--simulcast")
		time.AfterFunc(10*time.Second, stop)
	})
	defer restart.Stop()
	rep, err := client.Watch(ctx)
	require.NoError(t, err)
	for _, v := range rep.Violations {
		t.Error(v)
	}
	require.Len(t, rep.Renditions, 4)
	require.Greater(t, rep.Segments, 4*4)
	require.Equal(t, 4, rep.Discontinuities)
	require.True(t, rep.Ended)
}

// With keys, a token opens the multivariant playlist, whose addresses open the
// rest.
func TestHLSWithKeys(t *testing.T) {
	const key = "team:a-long-secret-of-at-least-32-characters"
	keys, err := auth.ParseKeys(key)
	require.NoError(t, err)
	mint := func(o auth.MintOptions) string {
		token, err := auth.Mint(keys, o)
		require.NoError(t, err)
		return token
	}
	r := serve(t, []string{"FRESHET_HLS_PER_VIEWER=true"}, "--data-dir", t.TempDir(), "--auth.keys", key)
	publisher := mint(auth.MintOptions{Stream: "x-1", Publish: true})
	viewer := mint(auth.MintOptions{Stream: "x-1", Subscribe: true})
	r.publish(t, nil, "--token", publisher)
	url := r.base + "/hls/x-1/index.m3u8"
	require.Eventually(t, func() bool {
		status, _ := get(t, url+"?token="+viewer, "")
		return status == http.StatusOK
	}, 30*time.Second, 50*time.Millisecond)

	status, _ := get(t, url, "")
	require.Equal(t, http.StatusUnauthorized, status)
	status, _ = get(t, url, publisher)
	require.Equal(t, http.StatusForbidden, status, "it does not follow from being allowed to publish")
	status, _ = get(t, url, mint(auth.MintOptions{Stream: "other", Subscribe: true}))
	require.Equal(t, http.StatusForbidden, status)
	status, text := get(t, url, viewer)
	require.Equal(t, http.StatusOK, status)
	uri := regexp.MustCompile(`(?m)^~.+/index\.m3u8$`).FindString(text)
	require.NotEmpty(t, uri, text)
	status, list := get(t, r.base+"/hls/x-1/"+uri, "")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, list, `URI="../../~`, "media is where all viewers find it")
	_, text = get(t, url, mint(auth.MintOptions{Stream: "x-1", Subscribe: true, Identity: "another"}))
	require.NotContains(t, text, uri)
	status, _ = get(t, r.base+"/hls/x-1/"+strings.Replace(uri, "~", "~9", 1), "")
	require.Equal(t, http.StatusForbidden, status)
	status, _ = get(t, r.base+"/hls/x-1/video/index.m3u8", "")
	require.Equal(t, http.StatusUnauthorized, status)
}
