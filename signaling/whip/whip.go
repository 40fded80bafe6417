// Package whip serves WHIP (RFC 9725): publishers POST an SDP offer and get an
// answer and a session URL.
package whip

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/sfu/rtc"
	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/sdp"
	"github.com/freshet-live/freshet/signaling/session"
)

// Peer is a publisher's connection, as *rtc.Session is.
type Peer interface {
	session.Peer
	Stats() rtc.SessionStats
	// Unwatched returns the encodings that nobody has a use for at present, and
	// a channel that closes when that may have changed.
	Unwatched() (rids []string, changed <-chan struct{})
}

// Publisher answers offers that were checked and normalised.
type Publisher interface {
	// Publish takes owner as the identity for the take-over rule: the same one
	// replaces its own publication, another gets hub.ErrPublisherExists.
	Publish(ctx context.Context, stream, owner, offer string) (Peer, string, error)
}

// Authorizer decides who may publish.
type Authorizer interface {
	Publish(r *http.Request, stream string) (auth.Grant, error)
}

// Server makes a Publisher of an rtc.Server.
func Server(s *rtc.Server) Publisher { return server{s} }

type server struct{ *rtc.Server }

func (s server) Publish(ctx context.Context, stream, owner, offer string) (Peer, string, error) {
	p, answer, err := s.Server.Publish(ctx, stream, owner, offer)
	if err != nil {
		return nil, "", err
	}
	return p, answer, nil
}

// Config is what a Handler works with.
type Config struct {
	Site      *httpx.Site
	Auth      Authorizer
	Publisher Publisher
	// Ask asks whoever else has a say about a new session; nil: nobody has.
	Ask func(r *http.Request, g auth.Grant) error
	// Candidates returns the values of the server's a=candidate lines.
	Candidates func() []string
	// ICEServers returns the STUN and TURN servers for clients; nil: none.
	ICEServers func() []session.ICEServer
	Log        *slog.Logger
}

// Handler serves /whip/.
type Handler struct {
	session.Endpoint[*peer]
	publisher Publisher
	log       *slog.Logger
}

// New returns a Handler. Run must be called for it to forget sessions that
// have ended.
func New(cfg Config) *Handler {
	sessions := session.NewTable[*peer]()
	sessions.Connected = func(p *peer) bool { return p.Stats().Connected }
	return &Handler{
		Endpoint: session.Endpoint[*peer]{
			Site: cfg.Site, Path: "/whip/", Sessions: sessions,
			Authorize: cfg.Auth.Publish, Ask: cfg.Ask, Candidates: cfg.Candidates, ICEServers: cfg.ICEServers,
		},
		publisher: cfg.Publisher, log: cfg.Log,
	}
}

// Run keeps the session table until ctx ends.
func (h *Handler) Run(ctx context.Context) error { return h.Sessions.Run(ctx) }

// Register puts the resources into a mux.
func (h *Handler) Register(mux *http.ServeMux) {
	mux.Handle("/whip/{stream}", h.Site.Resource(httpx.Methods{
		http.MethodPost: h.post, http.MethodGet: h.Get, http.MethodOptions: h.Options,
	}))
	h.RegisterSessions(mux)
	mux.Handle("/whip/{stream}/{session}/events", h.Site.Resource(httpx.Methods{http.MethodGet: h.getEvents}))
}

// post makes a session (W1 to W7, W27 to W32, W43).
func (h *Handler) post(w http.ResponseWriter, r *http.Request) error {
	stream, grant, body, err := h.Admit(w, r)
	if err != nil {
		return err
	}
	offer, err := sdp.ParseOffer(body)
	if err != nil {
		return err
	}
	if err := offer.CheckPublish(); err != nil {
		return err
	}
	conn, answer, err := h.publisher.Publish(r.Context(), stream, grant.Identity, offer.PublishOffer())
	if err != nil {
		return err
	}
	answer, err = sdp.SetCandidates(answer, h.Candidates())
	if err != nil {
		conn.Close(err)
		return errors.New("our own answer is no good: " + err.Error()) // a 500: not the client's fault
	}
	s := h.Sessions.Add(r, grant, &peer{Peer: conn}, session.Describe(offer))
	session.AddExtensionLink(w.Header(), h.URL(s)+"/events", relEvents)
	h.Created(w, s, answer)
	h.log.InfoContext(r.Context(), "publisher has come", "stream", stream, "session", s.ID, "remote", r.RemoteAddr,
		"agent", r.UserAgent())
	return nil
}

// Infos returns who publishes to a Stream, or is about to, longest here first.
func (h *Handler) Infos(stream string) []session.Info { return h.Sessions.Infos(stream) }

// Stats returns the statistics of a session of a Stream, false when there is
// none of this ID.
func (h *Handler) Stats(stream, id string) (rtc.SessionStats, bool) {
	if s := h.Sessions.Get(stream, id); s != nil {
		return s.Peer.Stats(), true
	}
	return rtc.SessionStats{}, false
}

// End ends the sessions that match and returns how many there were.
func (h *Handler) End(match func(session.Info) bool, reason error) int {
	return h.Sessions.End(match, reason)
}

// Publisher returns when the session that sends to a Stream was made, and its
// statistics; ok is false when there is none. Of several the connected one
// counts, then the newest.
func (h *Handler) Publisher(stream string) (since time.Time, stats rtc.SessionStats, ok bool) {
	for _, s := range h.Sessions.Of(stream) {
		st := s.Peer.Stats()
		better := st.Connected && !stats.Connected || st.Connected == stats.Connected && s.Created.After(since)
		if !ok || better {
			since, stats, ok = s.Created, st, true
		}
	}
	return since, stats, ok
}
