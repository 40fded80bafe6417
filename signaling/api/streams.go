package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/sfu/fanout"
	"github.com/freshet-live/freshet/sfu/hub"
	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/signaling/auth"
)

// errKicked ends the sessions that an operator does not want any more.
var errKicked = errors.New("the operator has ended the session")

func (h *Handler) list(w http.ResponseWriter, r *http.Request) error {
	if _, err := h.Auth.Admin(r); err != nil {
		return err
	}
	q, err := query(r, "limit", "cursor")
	if err != nil {
		return err
	}
	win, err := windowOf(q, "streams")
	if err != nil {
		return err
	}
	page, next := cut(h.Streams.Streams(), func(s *media.Snapshot) string { return s.Name }, win, "streams")
	list := List{Streams: make([]Stream, 0, len(page)), Next: next}
	for _, snap := range page {
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
	if _, err := query(r); err != nil {
		return err
	}
	snap := h.Streams.Stream(name)
	if snap == nil {
		return problem(http.StatusNotFound, codeNoStream, "nobody publishes or watches a stream of this name")
	}
	d := Detail{Stream: h.stream(snap), ViewerSessions: []Viewer{}}
	h.Viewers.EachViewer(name, func(since time.Time, stats fanout.ViewerStats) {
		if len(d.ViewerSessions) < maxLimit {
			d.ViewerSessions = append(d.ViewerSessions, describeViewer(since, stats))
		}
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

// endStream ends a Stream, and keeps publishers out for a while where the
// request says so: encoders come back by themselves.
func (h *Handler) endStream(w http.ResponseWriter, r *http.Request) error {
	name, err := httpx.StreamName(r)
	if err != nil {
		return err
	}
	grant, err := h.operates(r)
	if err != nil {
		return err
	}
	block, err := blockTime(r)
	if err != nil {
		return err
	}
	var out Ended
	if block > 0 {
		bar, err := h.bar(auth.Bar{Stream: name, Publish: true, Reason: "the stream was ended"}, block)
		if err != nil {
			return err
		}
		out.Revocation = &bar
	}
	publishers := len(h.Publishers.Infos(name))
	if !h.Streams.End(name, hub.ErrEnded) && block == 0 {
		return problem(http.StatusNotFound, codeNotLive, "nobody publishes a stream of this name")
	}
	out.Sessions = publishers
	h.Log.InfoContext(r.Context(), "stream was ended by the API", "stream", name, "by", grant.Identity)
	return httpx.WriteJSON(w, http.StatusOK, out)
}

// bar keeps somebody out for a time; 0 is for good.
func (h *Handler) bar(bar auth.Bar, lasts time.Duration) (auth.Bar, error) {
	now := time.Now()
	if lasts > 0 {
		bar.Until = now.Add(lasts)
	}
	bar, err := h.Bars.Add(bar, now)
	if errors.Is(err, auth.ErrTooManyBars) {
		return bar, problem(http.StatusConflict, codeTooMany, "%v", err)
	}
	return bar, err
}
