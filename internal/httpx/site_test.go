package httpx_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/internal/httpx"
)

var errTaken = errors.New("the seat is taken")

func newSite() *httpx.Site {
	return &httpx.Site{
		Log: slog.New(slog.DiscardHandler),
		Errors: httpx.Table{
			{Err: errTaken, Status: http.StatusConflict, RetryAfter: 1500 * time.Millisecond, Challenge: "Bearer"},
		},
	}
}

func newHandler(s *httpx.Site) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/things/{stream}", s.Resource(httpx.Methods{
		http.MethodPost: func(w http.ResponseWriter, r *http.Request) error {
			if err := httpx.RequireType(r, "application/sdp"); err != nil {
				return err
			}
			body, err := httpx.ReadBody(w, r, 10)
			if err != nil {
				return err
			}
			_, _ = w.Write(body)
			return nil
		},
		http.MethodGet: func(w http.ResponseWriter, r *http.Request) error {
			_, err := httpx.StreamName(r)
			return err
		},
		http.MethodDelete: func(http.ResponseWriter, *http.Request) error {
			return fmt.Errorf("row 7: %w", errTaken)
		},
		http.MethodPut: func(http.ResponseWriter, *http.Request) error { return errors.New("the secret is 42") },
		http.MethodPatch: func(http.ResponseWriter, *http.Request) error {
			panic("boom")
		},
	}))
	mux.Handle("/gone/", s.Missing())
	return s.Handler(mux)
}

func do(h http.Handler, method, target string, body string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func requireProblem(t *testing.T, resp *http.Response, status int, detail string) {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, status, resp.StatusCode, "%s", body)
	require.Equal(t, httpx.ProblemType, resp.Header.Get("Content-Type"))
	require.Equal(t, "*", resp.Header.Get("Access-Control-Allow-Origin"), "W14: on errors too")
	require.Contains(t, resp.Header.Get("Access-Control-Expose-Headers"), "Retry-After")
	var doc struct {
		Type, Title, Detail string
		Status              int
	}
	require.NoError(t, json.Unmarshal(body, &doc))
	require.Equal(t, status, doc.Status)
	require.Equal(t, http.StatusText(status), doc.Title)
	require.Contains(t, doc.Detail, detail)
}

func TestErrorsBecomeProblems(t *testing.T) {
	h := newHandler(newSite())
	resp := do(h, http.MethodDelete, "/things/a", "")
	requireProblem(t, resp, http.StatusConflict, "row 7: the seat is taken")
	require.Equal(t, "2", resp.Header.Get("Retry-After"), "rounded up")
	require.Equal(t, "Bearer", resp.Header.Get("WWW-Authenticate"))

	resp = do(h, http.MethodPut, "/things/a", "")
	raw, _ := io.ReadAll(resp.Body)
	require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
	require.NotContains(t, string(raw), "42", "texts of unknown errors stay inside")
}

func TestPanicBecomes500(t *testing.T) { // H18
	requireProblem(t, do(newHandler(newSite()), http.MethodPatch, "/things/a", ""), http.StatusInternalServerError, "")
}

func TestUnknownPaths(t *testing.T) {
	h := newHandler(newSite())
	for _, path := range []string{"/", "/nothing", "/things", "/things/", "//things/a", "/x/../things/a", "/things/a/b"} {
		t.Run(path, func(t *testing.T) { // W33: no 301 either
			requireProblem(t, do(h, http.MethodGet, path, ""), http.StatusNotFound, "")
		})
	}
}

func TestMissing(t *testing.T) { // W14: on errors too
	h := newHandler(newSite())
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete, http.MethodOptions} {
		requireProblem(t, do(h, method, "/gone/a/b", ""), http.StatusNotFound, "nothing at this path")
	}
	resp := do(h, http.MethodOptions, "/gone/a", "", "Origin", "https://a.example", "Access-Control-Request-Method", "PATCH")
	require.Equal(t, http.StatusNoContent, resp.StatusCode)
	require.Contains(t, resp.Header.Get("Access-Control-Allow-Methods"), "PATCH")
}

func TestOtherMethods(t *testing.T) { // W50
	h := newHandler(newSite())
	for _, method := range []string{"CONNECT", "TRACE", "BREW"} {
		resp := do(h, method, "/things/a", "")
		requireProblem(t, resp, http.StatusMethodNotAllowed, "this resource takes")
		require.Equal(t, "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT", resp.Header.Get("Allow"))
	}
	resp := do(h, http.MethodOptions, "/things/a", "")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Contains(t, resp.Header.Get("Allow"), "PATCH")
	require.Equal(t, http.StatusOK, do(h, http.MethodHead, "/things/a", "").StatusCode, "HEAD falls back to GET")
}

func TestPreflight(t *testing.T) { // W12, W13
	resp := do(newHandler(newSite()), http.MethodOptions, "/things/a", "",
		"Origin", "https://player.example", "Access-Control-Request-Method", "PATCH")
	require.Equal(t, http.StatusNoContent, resp.StatusCode)
	require.Equal(t, "*", resp.Header.Get("Access-Control-Allow-Origin"))
	require.Contains(t, resp.Header.Get("Access-Control-Allow-Methods"), "PATCH")
	for _, name := range []string{"Authorization", "Content-Type", "If-Match"} {
		require.Contains(t, resp.Header.Get("Access-Control-Allow-Headers"), name)
	}
	require.Empty(t, resp.Header.Values("Link"), "W36")
}

func TestMediaTypes(t *testing.T) { // W4
	h := newHandler(newSite())
	for _, good := range []string{
		"application/sdp", "Application/SDP; charset=utf-8", "application/sdp;", "application/sdp; =;",
	} {
		require.Equal(t, http.StatusOK, do(h, http.MethodPost, "/things/a", "x", "Content-Type", good).StatusCode, good)
	}
	for _, bad := range []string{"", "text/plain", "application/sdpx", "application/json; application/sdp", strings.Repeat("a", 4000)} {
		resp := do(h, http.MethodPost, "/things/a", "x", "Content-Type", bad)
		requireProblem(t, resp, http.StatusUnsupportedMediaType, "application/sdp")
		require.Equal(t, "application/sdp", resp.Header.Get("Accept"))
	}
}

func TestStreamNames(t *testing.T) { // H6
	h := newHandler(newSite())
	for _, good := range []string{"a", "0", "Demo_1-2", strings.Repeat("x", 64)} {
		require.Equal(t, http.StatusOK, do(h, http.MethodGet, "/things/"+good, "").StatusCode, good)
	}
	for _, bad := range []string{
		"-a", "_a", strings.Repeat("x", 65), "a.b", "a%2fb", "a%0d%0aX-Evil:%201", "%00", "%e2%82%ac", "a%20b", "..%2f..%2fetc",
	} {
		resp := do(h, http.MethodGet, "/things/"+bad, "")
		requireProblem(t, resp, http.StatusNotFound, "")
		require.Empty(t, resp.Header.Get("X-Evil"))
	}
}

func TestJSONBodies(t *testing.T) {
	s := newSite()
	mux := http.NewServeMux()
	mux.Handle("/json", s.Resource(httpx.Methods{http.MethodPost: func(w http.ResponseWriter, r *http.Request) error {
		var v []string
		if err := httpx.ReadJSON(w, r, &v); err != nil {
			return err
		}
		return httpx.WriteJSON(w, http.StatusCreated, v)
	}}))
	h := s.Handler(mux)
	resp := do(h, http.MethodPost, "/json", `["a"]`, "Content-Type", "application/json; charset=utf-8")
	require.Equal(t, http.StatusCreated, resp.StatusCode)
	require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
	for _, bad := range []string{"", "[", `{"a":1}`, `["a"] x`, `[1]`} {
		resp := do(h, http.MethodPost, "/json", bad, "Content-Type", "application/json")
		requireProblem(t, resp, http.StatusBadRequest, "JSON")
	}
	resp = do(h, http.MethodPost, "/json", strings.Repeat("[", httpx.MaxBody+1), "Content-Type", "application/json")
	requireProblem(t, resp, http.StatusRequestEntityTooLarge, "")
	resp = do(h, http.MethodPost, "/json", strings.Repeat("[", httpx.MaxBody), "Content-Type", "application/json")
	requireProblem(t, resp, http.StatusBadRequest, "")
}
