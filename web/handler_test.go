package web_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/web"
)

const script = "assets/player-AbCd1234.js"

func built() fstest.MapFS {
	return fstest.MapFS{
		".gitkeep":       {},
		"index.html":     {Data: []byte("<p>dashboard")},
		"broadcast.html": {Data: []byte("<p>broadcast")},
		"watch.html":     {Data: []byte("<p>watch")},
		"embed.html":     {Data: []byte("<p>embed")},
		"favicon.svg":    {Data: []byte("<svg/>")},
		script:           {Data: []byte(strings.Repeat("export {};\n", 200))},
	}
}

func get(t *testing.T, h http.Handler, target string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return string(b)
}

func TestNotBuilt(t *testing.T) {
	t.Parallel()
	_, err := web.NewHandler(fstest.MapFS{".gitkeep": {}})
	require.ErrorIs(t, err, web.ErrNotBuilt)

	half := built()
	delete(half, "watch.html")
	_, err = web.NewHandler(half)
	require.ErrorIs(t, err, web.ErrNotBuilt)
	require.ErrorContains(t, err, "watch.html")
}

func TestPages(t *testing.T) {
	t.Parallel()
	h, err := web.NewHandler(built())
	require.NoError(t, err)
	for _, c := range []struct{ target, body, ancestors string }{
		{"/", "<p>dashboard", "frame-ancestors 'none'"},
		{"/broadcast/demo", "<p>broadcast", "frame-ancestors 'none'"},
		{"/watch/demo?token=x", "<p>watch", "frame-ancestors 'none'"},
		{"/watch/demo/", "<p>watch", "frame-ancestors 'none'"},
		{"/embed/demo", "<p>embed", "frame-ancestors *"},
	} {
		r := get(t, h, c.target)
		require.Equal(t, http.StatusOK, r.StatusCode, c.target)
		require.Equal(t, c.body, body(t, r))
		require.Equal(t, "text/html; charset=utf-8", r.Header.Get("Content-Type"))
		require.Equal(t, "no-cache", r.Header.Get("Cache-Control"))
		require.Equal(t, "no-referrer", r.Header.Get("Referrer-Policy"))
		require.Equal(t, "nosniff", r.Header.Get("X-Content-Type-Options"))
		policy := r.Header.Get("Content-Security-Policy")
		require.True(t, strings.HasSuffix(policy, c.ancestors), policy)
		require.NotContains(t, policy, "unsafe-inline")

		again := get(t, h, c.target, "If-None-Match", r.Header.Get("ETag"))
		require.Equal(t, http.StatusNotModified, again.StatusCode)
	}
}

func TestAssets(t *testing.T) {
	t.Parallel()
	h, err := web.NewHandler(built())
	require.NoError(t, err)

	plain := get(t, h, "/"+script)
	require.Equal(t, http.StatusOK, plain.StatusCode)
	require.Equal(t, "public, max-age=31536000, immutable", plain.Header.Get("Cache-Control"))
	require.Equal(t, "Accept-Encoding", plain.Header.Get("Vary"))
	want := body(t, plain)

	packed := get(t, h, "/"+script, "Accept-Encoding", "br, gzip;q=0.8")
	require.Equal(t, "gzip", packed.Header.Get("Content-Encoding"))
	require.NotEqual(t, plain.Header.Get("ETag"), packed.Header.Get("ETag"))
	zr, err := gzip.NewReader(packed.Body)
	require.NoError(t, err)
	got, err := io.ReadAll(zr)
	require.NoError(t, err)
	require.Equal(t, want, string(got))

	again := get(t, h, "/"+script, "Accept-Encoding", "gzip", "If-None-Match", packed.Header.Get("ETag"))
	require.Equal(t, http.StatusNotModified, again.StatusCode)
	require.Empty(t, get(t, h, "/"+script, "Accept-Encoding", "gzip;q=0").Header.Get("Content-Encoding"))

	require.Equal(t, "no-cache", get(t, h, "/favicon.svg").Header.Get("Cache-Control"))
}

func TestNotOurs(t *testing.T) {
	t.Parallel()
	h, err := web.NewHandler(built())
	require.NoError(t, err)
	for _, target := range []string{
		"/.gitkeep", "/index.html", "/watch.html", "/watch/", "/watch/a/b", "/assets/", "/assets/none-AbCd1234.js", "/nothing",
	} {
		r := get(t, h, target)
		require.Equal(t, http.StatusNotFound, r.StatusCode, target)
		require.Equal(t, "application/problem+json", r.Header.Get("Content-Type"))
		require.JSONEq(t, `{"title":"Not Found","status":404,"detail":"there is no page at this address"}`, body(t, r))
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/watch/demo", nil))
	require.Equal(t, http.StatusMethodNotAllowed, w.Code)
	require.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
}

// The embedded app either serves its pages or says how to build them.
func TestEmbedded(t *testing.T) {
	t.Parallel()
	h, err := web.Handler()
	if err != nil {
		require.ErrorIs(t, err, web.ErrNotBuilt)
		return
	}
	require.Equal(t, http.StatusOK, get(t, h, "/watch/demo").StatusCode)
}
