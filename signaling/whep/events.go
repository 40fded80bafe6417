package whep

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/signaling/session"
)

const (
	relEvents = "urn:ietf:params:whep:ext:core:server-sent-events"

	maxEventStreams = 8  // per session
	maxEventNames   = 64 // per request
	eventTick       = time.Second
)

// eventStream is one subscription of a viewer to events (E58).
type eventStream struct {
	id    string
	names []string
	gone  chan struct{} // closed by DELETE
	kick  chan struct{} // closed when another GET takes over; nil: nobody reads
}

// postEvents makes an event stream.
func (h *Handler) postEvents(w http.ResponseWriter, r *http.Request) error {
	s, err := h.Find(r)
	if err != nil {
		return err
	}
	if err := httpx.Take(s.Changes, time.Now()); err != nil {
		return err
	}
	var names []string
	if err := httpx.ReadJSON(w, r, &names); err != nil {
		return err
	}
	if err := checkEvents(names); err != nil {
		return err
	}
	es, err := s.Peer.addEvents(names)
	if err != nil {
		return err
	}
	w.Header().Set("Location", h.URL(s)+"/sse/"+es.id)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusCreated)
	return nil
}

// checkEvents refuses what is not advertised (E59).
func checkEvents(names []string) error {
	if len(names) == 0 || len(names) > maxEventNames {
		return httpx.Fail(http.StatusBadRequest, "the body must be an array of these events: %s", eventList)
	}
	known := strings.Split(eventList, ",")
	for _, n := range names {
		if !slices.Contains(known, n) {
			return httpx.Fail(http.StatusBadRequest, "%.40q is none of these events: %s", n, eventList)
		}
	}
	return nil
}

// addEvents makes room for a new stream by dropping the oldest one that nobody
// reads.
func (p *peer) addEvents(names []string) (*eventStream, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.events) >= maxEventStreams {
		i := slices.IndexFunc(p.events, func(e *eventStream) bool { return e.kick == nil })
		if i < 0 {
			return nil, &httpx.Problem{
				Status: http.StatusTooManyRequests, RetryAfter: session.KeepAlive,
				Detail: "the session has as many event streams as it may",
			}
		}
		close(p.events[i].gone)
		p.events = slices.Delete(p.events, i, i+1)
	}
	es := &eventStream{id: rand.Text(), names: names, gone: make(chan struct{})}
	p.events = append(p.events, es)
	return es, nil
}

func (p *peer) findEvents(id string) *eventStream {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, es := range p.events {
		if es.id == id {
			return es
		}
	}
	return nil
}

// attach makes the caller the stream's reader. An earlier one is kicked out:
// most likely its connection is dead and the same client has come back.
func (p *peer) attach(es *eventStream) (kicked <-chan struct{}, detach func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if es.kick != nil {
		close(es.kick)
	}
	mine := make(chan struct{})
	es.kick = mine
	return mine, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if es.kick == mine {
			es.kick = nil
		}
	}
}

func (h *Handler) findEvents(r *http.Request) (*session.Session[*peer], *eventStream, error) {
	s, err := h.Find(r)
	if err != nil {
		return nil, nil, err
	}
	es := s.Peer.findEvents(r.PathValue("events"))
	if es == nil {
		return nil, nil, httpx.Fail(http.StatusNotFound, "there is no such event stream")
	}
	return s, es, nil
}

// deleteEvents ends an event stream (E62).
func (h *Handler) deleteEvents(w http.ResponseWriter, r *http.Request) error {
	s, es, err := h.findEvents(r)
	if err != nil {
		return err
	}
	s.Peer.removeEvents(es)
	w.WriteHeader(http.StatusOK)
	return nil
}

func (p *peer) removeEvents(es *eventStream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.events, es); i >= 0 {
		close(es.gone)
		p.events = slices.Delete(p.events, i, i+1)
	}
}

// getEvents streams events (WHATWG HTML section 9.2) until the client leaves,
// the stream is deleted, or the session ends.
func (h *Handler) getEvents(w http.ResponseWriter, r *http.Request) error {
	s, es, err := h.findEvents(r)
	if err != nil {
		return err
	}
	out, err := session.StreamEvents(w)
	if err != nil || r.Method == http.MethodHead {
		return nil // the client is gone, or does not take the stream from its reader
	}
	kicked, detach := s.Peer.attach(es)
	defer detach()
	f := &feed{wants: map[string]bool{}, videoIndex: s.Peer.videoIndex}
	for _, n := range es.names {
		f.wants[n] = true
	}
	tick := time.NewTicker(eventTick)
	defer tick.Stop()
	for {
		snap, changed := s.Peer.Watch()
		if err := out.Send(time.Now(), f.next(time.Now(), snap)...); err != nil {
			return nil // the client is gone
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-r.Context().Done():
			return nil
		case <-s.Peer.Done():
			return nil
		case <-es.gone:
			return nil
		case <-kicked:
			return nil
		}
	}
}
