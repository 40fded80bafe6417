package whip

import (
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/sfu/health"
	"github.com/freshet-live/freshet/signaling/session"
)

const (
	// relEvents is an extension of our own, and so a URI of our own (RFC 8288
	// section 2.1.2).
	relEvents = "https://github.com/freshet-live/freshet#publisher-events"

	maxReaders = 4 // per session
	eventTick  = time.Second

	eventUnwatched = "unwatched"
	eventHealth    = "health"
)

// peer is a publisher with what the event stream needs.
type peer struct {
	Peer
	readers atomic.Int32
}

// getEvents tells the publisher what it could not know: which of its encodings
// nobody watches, which it may pause, and how it does. It streams until the
// client leaves or the session ends.
func (h *Handler) getEvents(w http.ResponseWriter, r *http.Request) error {
	s, err := h.Find(r)
	if err != nil {
		return err
	}
	if r.Method == http.MethodHead {
		_, _ = session.StreamEvents(w) // it says what a GET would
		return nil
	}
	defer s.Peer.readers.Add(-1)
	if s.Peer.readers.Add(1) > maxReaders {
		return &httpx.Problem{
			Status: http.StatusTooManyRequests, RetryAfter: session.KeepAlive,
			Detail: "the session has as many event streams as it may",
		}
	}
	out, err := session.StreamEvents(w)
	if err != nil {
		return nil // the client is gone
	}
	tick := time.NewTicker(eventTick)
	defer tick.Stop()
	f := &feed{}
	for {
		rids, changed := s.Peer.Unwatched()
		if err := out.Send(time.Now(), f.next(rids, s.Peer.Stats().Health)...); err != nil {
			return nil // the client is gone
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-r.Context().Done():
			return nil
		case <-s.Peer.Done():
			return nil
		}
	}
}

// feed makes events of what has changed since the last look. It is pure.
type feed struct {
	begun     bool
	unwatched []string
	health    []health.Verdict
}

// unwatchedData names the encodings that nobody has a use for.
type unwatchedData struct {
	RIDs []string `json:"rids"`
}

// next returns the events that are due. The first call returns both.
func (f *feed) next(unwatched []string, verdicts []health.Verdict) (out []session.Event) {
	if !f.begun || !slices.Equal(f.unwatched, unwatched) {
		f.unwatched = append([]string{}, unwatched...)
		out = append(out, session.Event{Name: eventUnwatched, Data: unwatchedData{f.unwatched}})
	}
	if !f.begun || !slices.Equal(f.health, verdicts) {
		f.health = append([]health.Verdict{}, verdicts...)
		out = append(out, session.Event{Name: eventHealth, Data: f.health})
	}
	f.begun = true
	return out
}
