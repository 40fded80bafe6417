package httpx_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/internal/httpx"
)

// A shortcut serves the paths of its folder and no others, and refuses what
// the mux would.
func TestShortcut(t *testing.T) {
	site := newSite()
	mux := http.NewServeMux()
	h := site.Resource(httpx.Methods{http.MethodGet: func(w http.ResponseWriter, r *http.Request) error {
		if r.URL.Path == "/fast/panic" {
			panic("on purpose")
		}
		w.WriteHeader(http.StatusTeapot)
		return nil
	}})
	site.Shortcut("/fast/", h)
	handler := site.Handler(mux)
	for path, want := range map[string]int{
		"/fast/x": 418, "/fast/x/y/z": 418, "/fast/": 418, "/fast": 404, "/fast/../fast/x": 404, "/fast//x": 404,
		"/slow/x": 404, "/": 404, "/fast/panic": 500,
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		require.Equal(t, want, w.Code, path)
		require.Equal(t, "*", w.Header().Get("Access-Control-Allow-Origin"), path)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/fast/x", strings.NewReader("body")))
	require.Equal(t, http.StatusNotFound, w.Code, "bodies have deadlines, which the long way sets")
}
