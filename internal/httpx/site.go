package httpx

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path"
	"runtime/debug"
	"strings"
	"time"
)

// BodyTimeout bounds how long a request's body may take to arrive.
const BodyTimeout = 20 * time.Second

// Site is what all resources of one server share.
type Site struct {
	Log *slog.Logger
	// Errors tells clients about errors that are not Problems.
	Errors Table
	// Limits is asked before each POST, PATCH and DELETE; nil: no limits.
	Limits *Limiter
	// Proxies are believed when they say whom they ask for.
	Proxies Proxies

	shortcuts map[string]http.Handler
}

// Shortcut lets a Resource serve all paths below a folder, such as "/hls/",
// past the mux, whose two look-ups are a tenth of what a small answer costs. It
// is called before the Site serves.
func (s *Site) Shortcut(folder string, resource http.Handler) {
	if s.shortcuts == nil {
		s.shortcuts = map[string]http.Handler{}
	}
	s.shortcuts[folder] = resource
}

// shortcut returns the Resource that serves a request without more ado.
func (s *Site) shortcut(r *http.Request) http.Handler {
	if len(s.shortcuts) == 0 || r.ContentLength != 0 {
		return nil
	}
	rest, ok := strings.CutPrefix(r.URL.Path, "/")
	end := strings.IndexByte(rest, '/')
	if !ok || end < 0 {
		return nil
	}
	h := s.shortcuts[r.URL.Path[:end+2]]
	if h == nil || !clean(r.URL.Path) {
		return nil
	}
	return h
}

// Handler is the outermost handler of a server: it survives panics, finds the
// client behind trusted proxies, bounds the time that a body takes, and answers
// for paths that the mux lacks.
func (s *Site) Handler(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tracked := &tracker{ResponseWriter: w}
		defer s.recoverPanic(tracked, r)
		s.Proxies.settle(r)
		if h := s.shortcut(r); h != nil {
			h.ServeHTTP(tracked, r)
			return
		}
		// Deadlines stay with the connection, which earlier requests have used.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
		if r.ContentLength != 0 {
			// Also for handlers that never look at the body: net/http reads the
			// rest of it before it answers.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(BodyTimeout))
		}
		if _, pattern := mux.Handler(r); pattern == "" || !clean(r.URL.Path) {
			allowOrigin(w.Header())
			s.Fail(tracked, r, Fail(http.StatusNotFound, "there is nothing at this path"))
			return
		}
		mux.ServeHTTP(tracked, r)
	})
}

// clean reports whether a path is one that the mux serves as it stands. It
// would send a redirect for others, with a status that RFC 9725 section 4.5
// forbids.
func clean(p string) bool {
	c := path.Clean(p)
	return p == c || strings.TrimSuffix(p, "/") == c || p == "*"
}

// Fail answers a request with the problem that an error stands for, and logs
// what is the server's fault.
func (s *Site) Fail(w http.ResponseWriter, r *http.Request, err error) {
	p := s.Errors.Problem(err)
	level := slog.LevelDebug
	if p.Status >= 500 && p.Status != http.StatusServiceUnavailable {
		level = slog.LevelError
	}
	s.Log.Log(r.Context(), level, "request refused", "status", p.Status, "err", err,
		"method", r.Method, "path", r.URL.Path, "remote", r.RemoteAddr)
	p.write(w, r)
}

func (s *Site) recoverPanic(w *tracker, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p)
	}
	s.Log.ErrorContext(r.Context(), "handler panicked", "panic", p, "method", r.Method,
		"path", r.URL.Path, "stack", string(debug.Stack()))
	if !w.wrote {
		(&Problem{Status: http.StatusInternalServerError, Close: true}).write(w, r)
		return
	}
	panic(http.ErrAbortHandler) // a half answer must not look whole
}

// tracker remembers whether the answer has begun.
type tracker struct {
	http.ResponseWriter
	wrote bool
}

func (t *tracker) WriteHeader(status int) {
	t.wrote = t.wrote || status >= 200
	t.ResponseWriter.WriteHeader(status)
}

func (t *tracker) Write(b []byte) (int, error) {
	t.wrote = true
	return t.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController find the connection.
func (t *tracker) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// Flush, Hijack and ReadFrom are there for code that asserts instead of using
// http.ResponseController.
func (t *tracker) Flush() { _ = http.NewResponseController(t.ResponseWriter).Flush() }

// Hijack hands over the connection, as a WebSocket needs it.
func (t *tracker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	t.wrote = true
	return http.NewResponseController(t.ResponseWriter).Hijack()
}

// ReadFrom keeps files on the way from the kernel to the kernel.
func (t *tracker) ReadFrom(r io.Reader) (int64, error) {
	t.wrote = true
	return io.Copy(t.ResponseWriter, r)
}
