package session

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/sdp"
)

// Media types of WHIP and WHEP.
const (
	TypeSDP      = "application/sdp"
	TypeFragment = "application/trickle-ice-sdpfrag"
)

// ErrDeleted ends a Peer whose client deleted the session.
var ErrDeleted = errors.New("the client has ended the session")

// deleteWait bounds how long a DELETE waits for the Peer's end, after which
// the stream's name is free for the next publisher.
const deleteWait = 2 * time.Second

// Endpoint serves the sessions of WHIP or of WHEP.
type Endpoint[P Peer] struct {
	Site *httpx.Site
	// Path is what session URLs begin with: "/whip/" or "/whep/".
	Path     string
	Sessions *Table[P]
	// Authorize checks the request's token for a Stream.
	Authorize func(r *http.Request, stream string) (auth.Grant, error)
	// Ask asks whoever else has a say before a session is made; nil: nobody
	// has.
	Ask func(r *http.Request, g auth.Grant) error
	// Candidates returns the values of the server's a=candidate lines.
	Candidates func() []string
	// ICEServers returns the servers that clients are told of; nil: none.
	ICEServers func() []ICEServer
}

// RegisterSessions puts the session resource into a mux.
func (e *Endpoint[P]) RegisterSessions(mux *http.ServeMux) {
	mux.Handle(e.Path+"{stream}/{session}", e.Site.Resource(httpx.Methods{
		http.MethodPatch: e.patch, http.MethodDelete: e.delete,
		http.MethodGet: e.getSession, http.MethodOptions: e.optionsSession,
	}))
}

// URL returns a session's path.
func (e *Endpoint[P]) URL(s *Session[P]) string { return e.Path + s.Stream + "/" + s.ID }

// Admit does what comes before the SDP (W4, W38): the stream's name, the
// token, the media type, the body, and what others have to say.
func (e *Endpoint[P]) Admit(w http.ResponseWriter, r *http.Request) (stream string, g auth.Grant, body []byte, err error) {
	if stream, err = httpx.StreamName(r); err != nil {
		return "", g, nil, err
	}
	if g, err = e.Authorize(r, stream); err != nil {
		return "", g, nil, err
	}
	if err = httpx.RequireType(r, TypeSDP); err != nil {
		return "", g, nil, err
	}
	if body, err = httpx.ReadBody(w, r, httpx.MaxSDP); err != nil {
		return "", g, nil, err
	}
	g.Stream = stream
	if e.Ask != nil {
		err = e.Ask(r, g)
	}
	return stream, g, body, err
}

// Describe takes from an offer what the session keeps.
func Describe(o *sdp.Offer) Offer {
	kept := Offer{Ufrag: o.Ufrag, Pwd: o.Pwd}
	for _, m := range o.Media {
		kept.MIDs = append(kept.MIDs, m.MID)
	}
	return kept
}

// Created writes the 201 with the answer (W1, W3, W17, W35, W49). The caller
// has added its extension links.
func (e *Endpoint[P]) Created(w http.ResponseWriter, s *Session[P], answer string) {
	h := w.Header()
	h.Set("Content-Type", TypeSDP)
	h.Set("Location", e.URL(s))
	h.Set("ETag", s.ETag())
	h.Set("Accept-Patch", TypeFragment)
	h.Set("Cache-Control", "no-store")
	e.addICELinks(h)
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write([]byte(answer)) // a client that is gone never connects
}

func (e *Endpoint[P]) addICELinks(h http.Header) {
	if e.ICEServers != nil {
		addICELinks(h, e.ICEServers())
	}
}

// Get answers GET and HEAD on the endpoint without content (W8).
func (e *Endpoint[P]) Get(w http.ResponseWriter, r *http.Request) error {
	if _, err := httpx.StreamName(r); err != nil {
		return err
	}
	w.Header().Set("Accept-Post", TypeSDP)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// Options answers a plain OPTIONS on the endpoint (W11); unlike a preflight it
// may name the ICE servers (W36), to those who may use them.
func (e *Endpoint[P]) Options(w http.ResponseWriter, r *http.Request) error {
	stream, err := httpx.StreamName(r)
	if err != nil {
		return err
	}
	w.Header().Set("Accept-Post", TypeSDP)
	if _, err := e.Authorize(r, stream); err == nil {
		e.addICELinks(w.Header())
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// Find returns the session that a request names, once its token has proved to
// be the owner's (H7). The token comes first, so that nobody can probe which
// sessions exist.
func (e *Endpoint[P]) Find(r *http.Request) (*Session[P], error) {
	stream, err := httpx.StreamName(r)
	if err != nil {
		return nil, err
	}
	g, err := e.Authorize(r, stream)
	if err != nil {
		return nil, err
	}
	s := e.Sessions.Get(stream, r.PathValue("session"))
	if s == nil {
		return nil, httpx.Fail(http.StatusNotFound, "there is no such session; it may have ended")
	}
	if !g.Open && g.Identity != s.Identity {
		return nil, httpx.Fail(http.StatusForbidden, "the session belongs to another token")
	}
	return s, nil
}

// getSession answers GET and HEAD on a session without content (W8).
func (e *Endpoint[P]) getSession(w http.ResponseWriter, r *http.Request) error {
	if _, err := e.Find(r); err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// optionsSession answers a plain OPTIONS on a session.
func (e *Endpoint[P]) optionsSession(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Accept-Patch", TypeFragment)
	w.WriteHeader(http.StatusOK)
	return nil
}

// delete ends a session (W9, W26) and waits until its resources are free.
func (e *Endpoint[P]) delete(w http.ResponseWriter, r *http.Request) error {
	s, err := e.Find(r)
	if err != nil {
		return err
	}
	if !e.Sessions.Remove(s) {
		return httpx.Fail(http.StatusNotFound, "the session has just ended")
	}
	s.Peer.Close(ErrDeleted)
	ctx, cancel := context.WithTimeout(r.Context(), deleteWait)
	defer cancel()
	select {
	case <-s.Peer.Done():
	case <-ctx.Done():
	}
	w.WriteHeader(http.StatusOK)
	return nil
}
