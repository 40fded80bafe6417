package httpx

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	// allowedHeaders names Authorization, which no wildcard covers (Fetch
	// section 3.3.6).
	allowedHeaders = "Authorization, Content-Type, If-Match, Accept, Cache-Control, Last-Event-ID, Range, If-None-Match, Idempotency-Key"
	exposedHeaders = "Location, Link, ETag, Retry-After, Accept-Post, Accept-Patch, Allow, WWW-Authenticate, Content-Range, Date, Idempotency-Replayed"
	preflightAge   = "7200" // seconds; Chromium takes no more
	// answerTimeout runs from the request's headers to the answer's end.
	answerTimeout = BodyTimeout + 20*time.Second
)

// Func serves one method of a resource. It either answers or returns an
// error, which the Site then tells the client.
type Func func(w http.ResponseWriter, r *http.Request) error

// Methods is a resource's method table. HEAD falls back to GET; OPTIONS is
// answered without an entry too.
type Methods map[string]Func

// Resource serves a path by its method table: preflights without a look at
// credentials (RFC 9725 section 4.7.1), 405 with Allow for other methods, rate
// limits for methods that change something, and cross-origin headers on every
// answer, errors included.
func (s *Site) Resource(methods Methods) http.Handler {
	allow := methods.allow()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		allowOrigin(w.Header())
		w.Header()["X-Content-Type-Options"] = noSniff
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTimeout))
		if isPreflight(r) {
			answerPreflight(w, allow)
			return
		}
		serve := methods.find(r.Method)
		if serve == nil {
			w.Header().Set("Allow", allow)
			if r.Method == http.MethodOptions {
				w.WriteHeader(http.StatusOK)
				return
			}
			s.Fail(w, r, Fail(http.StatusMethodNotAllowed, "this resource takes %s", allow))
			return
		}
		if r.Method == http.MethodOptions {
			w.Header().Set("Allow", allow)
		}
		if err := s.limit(r); err != nil {
			s.Fail(w, r, err)
			return
		}
		if err := serve(w, r); err != nil {
			s.Fail(w, r, err)
		}
	})
}

// Missing serves the paths beside the resources of an interface: 404 for all
// methods, which scripts of other origins may read too.
func (s *Site) Missing() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		allowOrigin(w.Header())
		if isPreflight(r) {
			answerPreflight(w, "DELETE, GET, HEAD, OPTIONS, PATCH, POST")
			return
		}
		s.Fail(w, r, Fail(http.StatusNotFound, "there is nothing at this path"))
	})
}

func (m Methods) find(method string) Func {
	if f := m[method]; f != nil || method != http.MethodHead {
		return f
	}
	return m[http.MethodGet]
}

// allow returns the value of the Allow header (RFC 9110 section 10.2.1).
func (m Methods) allow() string {
	names := []string{http.MethodOptions}
	for name := range m {
		names = append(names, name)
	}
	if m[http.MethodGet] != nil {
		names = append(names, http.MethodHead)
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

// Headers that every answer has, under their canonical names: tens of thousands
// of HLS requests a second pass here.
var (
	anyOrigin = []string{"*"}
	exposed   = []string{exposedHeaders}
	noSniff   = []string{"nosniff"}
)

func allowOrigin(h http.Header) {
	h["Access-Control-Allow-Origin"] = anyOrigin
	h["Access-Control-Expose-Headers"] = exposed
}

// isPreflight tells a browser's question from a plain OPTIONS (Fetch section
// 3.3.2).
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" &&
		r.Header.Get("Access-Control-Request-Method") != ""
}

func answerPreflight(w http.ResponseWriter, allow string) {
	h := w.Header()
	h.Set("Allow", allow)
	h.Set("Access-Control-Allow-Methods", allow)
	h.Set("Access-Control-Allow-Headers", allowedHeaders)
	h.Set("Access-Control-Max-Age", preflightAge)
	h.Add("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
	w.WriteHeader(http.StatusNoContent)
}

func (s *Site) limit(r *http.Request) error {
	switch r.Method {
	case http.MethodPost, http.MethodPatch, http.MethodDelete, http.MethodPut:
		return s.Limits.Check(r, time.Now())
	default:
		return nil
	}
}
