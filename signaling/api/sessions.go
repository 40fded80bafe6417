package api

import (
	"net/http"
	"slices"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/session"
)

// The kinds of sessions.
const (
	kindPublisher = "publisher"
	kindViewer    = "viewer"
)

// Sessions is the body of GET /api/v1/streams/{stream}/sessions.
type Sessions struct {
	Sessions []Session `json:"sessions"`
	Next     *string   `json:"next,omitempty"`
}

// holder is a session as the tables know it.
type holder struct {
	session.Info
	kind string
}

func (o holder) key() string { return timeKey(o.Created, o.ID) }

// holders returns the sessions of a Stream, longest here first.
func (h *Handler) holders(stream, kind string) []holder {
	var all []holder
	add := func(infos []session.Info, k string) {
		for _, i := range infos {
			all = append(all, holder{i, k})
		}
	}
	if kind != kindViewer {
		add(h.Publishers.Infos(stream), kindPublisher)
	}
	if kind != kindPublisher {
		add(h.Viewers.Infos(stream), kindViewer)
	}
	slices.SortFunc(all, func(a, b holder) int { return session.Compare(a.Info, b.Info) })
	return all
}

// describe adds a session's live statistics to what is known of it.
func (h *Handler) describe(o holder) Session {
	s := Session{
		ID: o.ID, Kind: o.kind, Stream: o.Stream, Identity: o.Identity, Name: o.Name, TokenID: o.TokenID,
		Agent: o.Agent, Since: o.Created.UTC(),
	}
	if o.Address.IsValid() {
		s.Address = o.Address.String()
	}
	if !o.Expires.IsZero() {
		expires := o.Expires.UTC()
		s.Expires = &expires
	}
	switch o.kind {
	case kindPublisher:
		if stats, ok := h.Publishers.Stats(o.Stream, o.ID); ok {
			s.Publisher = describePublisher(s.Since, stats)
		}
	case kindViewer:
		if stats, ok := h.Viewers.Stats(o.Stream, o.ID); ok {
			v := describeViewer(s.Since, stats)
			s.Viewer = &v
		}
	}
	return s
}

func (h *Handler) listSessions(w http.ResponseWriter, r *http.Request) error {
	stream, err := httpx.StreamName(r)
	if err != nil {
		return err
	}
	if _, err := h.Auth.Operate(r); err != nil {
		return err
	}
	q, err := query(r, "kind", "limit", "cursor")
	if err != nil {
		return err
	}
	kind := q.Get("kind")
	if q.Has("kind") && kind != kindPublisher && kind != kindViewer {
		return problem(http.StatusBadRequest, codeBadParameter, "kind is neither publisher nor viewer")
	}
	win, err := windowOf(q, "sessions")
	if err != nil {
		return err
	}
	if h.Streams.Stream(stream) == nil {
		return problem(http.StatusNotFound, codeNoStream, "nobody publishes or watches a stream of this name")
	}
	page, next := cut(h.holders(stream, kind), holder.key, win, "sessions")
	list := Sessions{Sessions: make([]Session, 0, len(page)), Next: next}
	for _, o := range page {
		list.Sessions = append(list.Sessions, h.describe(o))
	}
	return httpx.WriteJSON(w, http.StatusOK, list)
}

// find returns the session that a request names.
func (h *Handler) find(r *http.Request) (holder, auth.Grant, error) {
	stream, err := httpx.StreamName(r)
	if err != nil {
		return holder{}, auth.Grant{}, err
	}
	grant, err := h.operates(r)
	if err != nil {
		return holder{}, auth.Grant{}, err
	}
	for _, o := range h.holders(stream, "") {
		if o.ID == r.PathValue("session") {
			return o, grant, nil
		}
	}
	return holder{}, auth.Grant{}, problem(http.StatusNotFound, codeNoSession, "there is no such session; it may have ended")
}

func (h *Handler) getSession(w http.ResponseWriter, r *http.Request) error {
	o, _, err := h.find(r)
	if err != nil {
		return err
	}
	if _, err := query(r); err != nil {
		return err
	}
	return httpx.WriteJSON(w, http.StatusOK, h.describe(o))
}

// kick ends a session, and keeps who held it out for a while where the request
// says so.
func (h *Handler) kick(w http.ResponseWriter, r *http.Request) error {
	o, grant, err := h.find(r)
	if err != nil {
		return err
	}
	block, err := blockTime(r)
	if err != nil {
		return err
	}
	var out Ended
	if block > 0 {
		bar := auth.Bar{Stream: o.Stream, Identity: o.Identity, Reason: "kicked"}
		if o.Identity == "" {
			bar.Address = o.Address // on an open server, by somebody without a token
		}
		if bar, err = h.bar(bar, block); err != nil {
			return err
		}
		out.Revocation = &bar
	}
	match := func(i session.Info) bool { return i.ID == o.ID }
	out.Sessions = h.Publishers.End(match, errKicked) + h.Viewers.End(match, errKicked)
	if out.Revocation != nil {
		n, err := h.expel(r.Context(), out.Revocation)
		if err != nil {
			return err
		}
		out.Sessions += n
	}
	h.Log.InfoContext(r.Context(), "session was ended by the API", "stream", o.Stream, "session", o.ID, "by", grant.Identity)
	return httpx.WriteJSON(w, http.StatusOK, out)
}
