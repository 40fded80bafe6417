// Package whep serves WHEP (draft-ietf-wish-whep) with its event and layer
// extensions (draft-ietf-wish-webrtc-http-egress-events): viewers POST an SDP
// offer and get an answer and a session URL. Viewers of a Stream that nobody
// publishes are admitted and wait (E51).
package whep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/sfu/fanout"
	"github.com/freshet-live/freshet/sfu/fanout/seats"
	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/sdp"
	"github.com/freshet-live/freshet/signaling/session"
)

// Authorizer decides who may watch.
type Authorizer interface {
	Play(r *http.Request, stream string) (auth.Grant, error)
}

// Streams tells what is live.
type Streams interface {
	// Stream returns nil for a name that is not in use.
	Stream(name string) *media.Snapshot
}

// Config is what a Handler works with.
type Config struct {
	Site    *httpx.Site
	Auth    Authorizer
	Engine  Engine
	Streams Streams
	// Ask asks whoever else has a say about a new session; nil: nobody has.
	Ask func(r *http.Request, g auth.Grant) error
	// Candidates returns the values of the server's a=candidate lines.
	Candidates func() []string
	// ICEServers returns the STUN and TURN servers for clients; nil: none.
	ICEServers func() []session.ICEServer
	// Playlist returns the path of a Stream's HLS playlist, which every viewer
	// is told of, also one for whom there is no seat; nil: there is no HLS.
	Playlist func(stream string) string
	Log      *slog.Logger
}

// Handler serves /whep/.
type Handler struct {
	session.Endpoint[*peer]
	engine   Engine
	streams  Streams
	playlist func(stream string) string
	log      *slog.Logger
}

// New returns a Handler. Run must be called for it to forget sessions that
// have ended.
func New(cfg Config) *Handler {
	sessions := session.NewTable[*peer]()
	sessions.Connected = func(p *peer) bool { return p.Stats().Connected }
	return &Handler{
		Endpoint: session.Endpoint[*peer]{
			Site: cfg.Site, Path: "/whep/", Sessions: sessions,
			Authorize: cfg.Auth.Play, Ask: cfg.Ask, Candidates: cfg.Candidates, ICEServers: cfg.ICEServers,
		},
		engine: cfg.Engine, streams: cfg.Streams, playlist: cfg.Playlist, log: cfg.Log,
	}
}

// Run keeps the session table until ctx ends.
func (h *Handler) Run(ctx context.Context) error { return h.Sessions.Run(ctx) }

// Register puts the resources into a mux.
func (h *Handler) Register(mux *http.ServeMux) {
	mux.Handle("/whep/{stream}", h.Site.Resource(httpx.Methods{
		http.MethodPost: h.post, http.MethodHead: h.head, http.MethodGet: h.Get, http.MethodOptions: h.Options,
	}))
	h.RegisterSessions(mux)
	mux.Handle("/whep/{stream}/{session}/sse", h.Site.Resource(httpx.Methods{http.MethodPost: h.postEvents}))
	mux.Handle("/whep/{stream}/{session}/sse/{events}", h.Site.Resource(httpx.Methods{
		http.MethodGet: h.getEvents, http.MethodDelete: h.deleteEvents,
	}))
	mux.Handle("/whep/{stream}/{session}/layer", h.Site.Resource(httpx.Methods{http.MethodPost: h.postLayer}))
}

// head tells players that this is a WHEP endpoint (E52).
func (h *Handler) head(w http.ResponseWriter, r *http.Request) error {
	if _, err := httpx.StreamName(r); err != nil {
		return err
	}
	w.Header().Set("Accept-Post", session.TypeSDP)
	w.Header().Set("Content-Type", session.TypeSDP)
	w.WriteHeader(http.StatusOK)
	return nil
}

// post makes a session (E1 to E7, E27 to E32, E51, E53).
func (h *Handler) post(w http.ResponseWriter, r *http.Request) error {
	stream, grant, body, err := h.Admit(w, r)
	if err != nil {
		return err
	}
	offer, err := sdp.ParseOffer(body)
	if err != nil {
		return err
	}
	if err := offer.CheckPlay(); err != nil {
		return err
	}
	live := h.streams.Stream(stream)
	if err := checkDecodable(offer, live); err != nil {
		return err
	}
	viewer, local, err := h.engine.Add(stream, params(offer))
	if err != nil {
		return h.turnedAway(w, stream, err)
	}
	answer, err := offer.PlayAnswer(sdp.AnswerParams{
		Ufrag: local.Ufrag, Pwd: local.Pwd, Fingerprint: local.Fingerprint,
		Candidates: h.Candidates(), CNAME: local.CNAME, StreamID: stream,
		Preferred: videoCodec(live), Audio: local.Audio, Video: local.Video,
	})
	if err != nil {
		viewer.Close(err)
		return fmt.Errorf("answer to a viewer: %w", err)
	}
	s := h.Sessions.Add(r, grant, newPeer(viewer, offer), session.Describe(offer))
	url := h.URL(s)
	session.AddExtensionLink(w.Header(), url+"/sse", relEvents, `events="`+eventList+`"`)
	session.AddExtensionLink(w.Header(), url+"/layer", relLayer)
	h.linkPlaylist(w, stream)
	h.Created(w, s, answer)
	h.log.DebugContext(r.Context(), "viewer has come", "stream", stream, "session", s.ID, "remote", r.RemoteAddr,
		"agent", r.UserAgent())
	return nil
}

// turnedAway tells a viewer for whom there is no seat when to ask again and
// where to watch meanwhile.
func (h *Handler) turnedAway(w http.ResponseWriter, stream string, err error) error {
	if !errors.Is(err, fanout.ErrBusy) {
		return err
	}
	h.linkPlaylist(w, stream)
	if r := (*seats.Refusal)(nil); errors.As(err, &r) {
		return &httpx.Problem{Status: http.StatusServiceUnavailable, Detail: r.Error(), RetryAfter: r.RetryAfter}
	}
	return err
}

// linkPlaylist adds the Link (RFC 8288) to the same Stream by HLS.
func (h *Handler) linkPlaylist(w http.ResponseWriter, stream string) {
	if h.playlist != nil {
		session.AddExtensionLink(w.Header(), h.playlist(stream), "alternate", `type="application/vnd.apple.mpegurl"`)
	}
}

// Infos returns who watches a Stream, longest here first.
func (h *Handler) Infos(stream string) []session.Info { return h.Sessions.Infos(stream) }

// Stats returns the statistics of a session of a Stream, false when there is
// none of this ID.
func (h *Handler) Stats(stream, id string) (fanout.ViewerStats, bool) {
	if s := h.Sessions.Get(stream, id); s != nil {
		return s.Peer.Stats(), true
	}
	return fanout.ViewerStats{}, false
}

// End ends the sessions that match and returns how many there were.
func (h *Handler) End(match func(session.Info) bool, reason error) int {
	return h.Sessions.End(match, reason)
}

// EachViewer calls f with the statistics of a Stream's viewers, longest here
// first.
func (h *Handler) EachViewer(stream string, f func(since time.Time, stats fanout.ViewerStats)) {
	for _, s := range h.Sessions.Of(stream) {
		f(s.Created, s.Peer.Stats())
	}
}

var _ Engine = engine{}

// FanOut makes an Engine of a fanout.Engine.
func FanOut(e *fanout.Engine) Engine { return engine{e} }
