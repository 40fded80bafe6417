// Package api serves the control API below /api/v1/ and the health checks.
package api

import (
	"context"
	_ "embed" // the description
	"log/slog"
	"maps"
	"net/http"
	"time"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/sfu/fanout"
	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/sfu/rtc"
	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/session"
)

// description is the API in OpenAPI's words.
//
//go:embed openapi.yaml
var description []byte

// Authorizer decides who may do what. Errors are those of package auth.
type Authorizer interface {
	// Admin is asked for those who look, Operate for those who change.
	Admin(r *http.Request) (auth.Grant, error)
	Operate(r *http.Request) (auth.Grant, error)
	// Moderate is asked for those who moderate a Stream's Room.
	Moderate(r *http.Request, stream string) (auth.Grant, error)
	// Inspect tells whose a token is.
	Inspect(token string) (auth.Grant, error)
	// Mint makes a token; "" on a server that needs none.
	Mint(o auth.MintOptions) (string, error)
}

// Streams is the hub, as far as the API needs it.
type Streams interface {
	// Stream returns nil for a name that is not in use.
	Stream(name string) *media.Snapshot
	Streams() []*media.Snapshot
	// End ends a Stream and reports whether there was anything to end.
	End(name string, reason error) bool
}

// Publishers knows the publishing sessions.
type Publishers interface {
	// Publisher returns the session that sends to a Stream, and false when
	// there is none.
	Publisher(stream string) (since time.Time, stats rtc.SessionStats, ok bool)
	// Infos returns who publishes, longest here first.
	Infos(stream string) []session.Info
	// Stats returns false for a session that is over.
	Stats(stream, id string) (rtc.SessionStats, bool)
	// End ends the sessions that match and returns how many there were.
	End(match func(session.Info) bool, reason error) int
}

// Viewers knows the viewers' sessions.
type Viewers interface {
	// EachViewer calls f for the viewers of a Stream, longest here first.
	EachViewer(stream string, f func(since time.Time, stats fanout.ViewerStats))
	// Infos, Stats and End are as those of Publishers.
	Infos(stream string) []session.Info
	Stats(stream, id string) (fanout.ViewerStats, bool)
	End(match func(session.Info) bool, reason error) int
}

// Bars keep out whom the operator does not want, as *auth.Bars do.
type Bars interface {
	Add(bar auth.Bar, now time.Time) (auth.Bar, error)
	Lift(id string, now time.Time) (bool, error)
	List(now time.Time) []auth.Bar
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
	Bars       Bars
	// Rooms, Records and Guests are nil when there are no Rooms.
	Rooms   Rooms
	Records Records
	Guests  Guests
	// Egress is nil when there is no HLS.
	Egress Egress
	// Webhooks is nil when there are none.
	Webhooks Webhooks
	// Ready returns why the server cannot do its work at present, nil when it
	// can; a nil function means that it always can.
	Ready func(ctx context.Context) error
	Log   *slog.Logger

	replies replies
}

// routes are all resources, for Register and for the description's test.
func (h *Handler) routes() map[string]httpx.Methods {
	const get, post, del = http.MethodGet, http.MethodPost, http.MethodDelete
	all := map[string]httpx.Methods{}
	if h.Rooms != nil {
		all = h.roomRoutes()
	}
	if h.Webhooks != nil {
		maps.Copy(all, h.webhookRoutes())
	}
	maps.Copy(all, map[string]httpx.Methods{
		"/api/v1/streams":                             {get: h.list, post: h.post(h.operates, h.createStream)},
		"/api/v1/streams/{stream}":                    {get: h.detail, del: h.endStream},
		"/api/v1/streams/{stream}/tokens":             {post: h.post(h.operates, h.createToken)},
		"/api/v1/streams/{stream}/sessions":           {get: h.listSessions},
		"/api/v1/streams/{stream}/sessions/{session}": {get: h.getSession, del: h.kick},
		"/api/v1/revocations":                         {get: h.listRevocations, post: h.post(h.operates, h.revoke)},
		"/api/v1/revocations/{revocation}":            {get: h.getRevocation, del: h.lift},
		"/api/v1/openapi.yaml":                        {get: describeAPI},
	})
	return all
}

// operates lets in who may do everything.
func (h *Handler) operates(r *http.Request) (auth.Grant, error) {
	g, err := h.Auth.Operate(r)
	if err != nil {
		return g, err //nolint:wrapcheck // for the table
	}
	return g, sameSite(r, g)
}

// sameSite refuses changes that a page of another site asks for on an open
// server, on which nothing but this tells the operator from what the operator's
// browser happens to show. Elsewhere the token does.
func sameSite(r *http.Request, g auth.Grant) error {
	if !g.Open {
		return nil
	}
	if err := new(http.CrossOriginProtection).Check(r); err != nil {
		return problem(http.StatusForbidden, "cross-site", "without keys the server takes no changes from pages of other sites")
	}
	return nil
}

// Register puts the resources into a mux.
func (h *Handler) Register(mux *http.ServeMux) {
	for path, methods := range h.routes() {
		mux.Handle(path, h.Site.Resource(methods))
	}
	mux.Handle("/livez", h.Site.Resource(httpx.Methods{http.MethodGet: live}))
	mux.Handle("/readyz", h.Site.Resource(httpx.Methods{http.MethodGet: h.ready}))
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
