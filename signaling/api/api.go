// Package api serves the control API below /api/v1/ and the health checks.
package api

import (
	"context"
	_ "embed" // the description
	"net/http"
	"time"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/sfu/fanout"
	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/sfu/rtc"
	"github.com/freshet-live/freshet/signaling/auth"
)

// description is the API in OpenAPI's words.
//
//go:embed openapi.yaml
var description []byte

// Authorizer decides who may look at all streams.
type Authorizer interface {
	Admin(r *http.Request) (auth.Grant, error)
}

// Streams is the hub, as far as the API needs it.
type Streams interface {
	// Stream returns nil for a name that is not in use.
	Stream(name string) *media.Snapshot
	Streams() []*media.Snapshot
}

// Publishers knows the publishing sessions.
type Publishers interface {
	// Publisher returns the session that sends to a Stream, and false when
	// there is none.
	Publisher(stream string) (since time.Time, stats rtc.SessionStats, ok bool)
}

// Viewers knows the viewers' sessions.
type Viewers interface {
	// EachViewer calls f for the viewers of a Stream, longest here first.
	EachViewer(stream string, f func(since time.Time, stats fanout.ViewerStats))
}

// Egress knows which Streams are served as LL-HLS.
type Egress interface {
	// HLS returns nil for a Stream that is not.
	HLS(stream string) *HLS
}

// Handler serves the API. Its fields are set before Register.
type Handler struct {
	Site       *httpx.Site
	Auth       Authorizer
	Streams    Streams
	Publishers Publishers
	Viewers    Viewers
	// Egress is nil when there is no HLS.
	Egress Egress
	// Ready returns why the server cannot do its work at present, nil when it
	// can; a nil function means that it always can.
	Ready func(ctx context.Context) error
}

// Register puts the resources into a mux.
func (h *Handler) Register(mux *http.ServeMux) {
	mux.Handle("/api/v1/streams", h.Site.Resource(httpx.Methods{http.MethodGet: h.list}))
	mux.Handle("/api/v1/streams/{stream}", h.Site.Resource(httpx.Methods{http.MethodGet: h.detail}))
	mux.Handle("/api/v1/openapi.yaml", h.Site.Resource(httpx.Methods{http.MethodGet: describeAPI}))
	mux.Handle("/livez", h.Site.Resource(httpx.Methods{http.MethodGet: live}))
	mux.Handle("/readyz", h.Site.Resource(httpx.Methods{http.MethodGet: h.ready}))
}

func (h *Handler) list(w http.ResponseWriter, r *http.Request) error {
	if _, err := h.Auth.Admin(r); err != nil {
		return err
	}
	all := h.Streams.Streams()
	list := List{Streams: make([]Stream, 0, len(all))}
	for _, snap := range all {
		list.Streams = append(list.Streams, h.stream(snap))
	}
	return httpx.WriteJSON(w, http.StatusOK, list)
}

func (h *Handler) detail(w http.ResponseWriter, r *http.Request) error {
	name, err := httpx.StreamName(r)
	if err != nil {
		return err
	}
	if _, err := h.Auth.Admin(r); err != nil {
		return err
	}
	snap := h.Streams.Stream(name)
	if snap == nil {
		return httpx.Fail(http.StatusNotFound, "nobody publishes or watches a stream of this name")
	}
	d := Detail{Stream: h.stream(snap), ViewerSessions: []Viewer{}}
	h.Viewers.EachViewer(name, func(since time.Time, stats fanout.ViewerStats) {
		d.ViewerSessions = append(d.ViewerSessions, describeViewer(since, stats))
	})
	return httpx.WriteJSON(w, http.StatusOK, d)
}

func (h *Handler) stream(snap *media.Snapshot) Stream {
	s := describe(snap)
	if since, stats, ok := h.Publishers.Publisher(snap.Name); ok {
		s.Publisher = describePublisher(since, stats)
		s.Health = append(s.Health, stats.Health...)
	}
	if h.Egress != nil {
		s.HLS = h.Egress.HLS(snap.Name)
	}
	return s
}

// describeAPI needs no token: what the API looks like is no secret.
func describeAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/yaml; charset=utf-8")
	_, _ = w.Write(description) // the client may be gone
	return nil
}

// live says that the process answers.
func live(w http.ResponseWriter, _ *http.Request) error { return healthy(w) }

// ready says whether the server can take sessions.
func (h *Handler) ready(w http.ResponseWriter, r *http.Request) error {
	if h.Ready != nil {
		if err := h.Ready(r.Context()); err != nil {
			p := httpx.Fail(http.StatusServiceUnavailable, "not ready: %v", err)
			p.RetryAfter = time.Second
			return p
		}
	}
	return healthy(w)
}

func healthy(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write([]byte("ok\n"))
	return nil
}
