// Package hub knows who publishes what and who consumes it: Streams, their
// Publications and Subscriptions. Packets pass through it without a lock, from
// the Source's goroutine to every Sink.
//
// Lock order: Hub.mu before Stream.mu. Sinks are updated under Stream.mu, so
// that they see Snapshots in order; a Sink never calls back into the hub.
// Sources are told of an end after the locks are released.
package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/freshet-live/freshet/sfu/media"
)

// Errors that the hub reports.
var (
	// ErrPublisherExists: somebody else publishes this Stream.
	ErrPublisherExists = errors.New("the stream has another publisher")
	// ErrReplaced ends a Publication whose owner has published anew.
	ErrReplaced = errors.New("replaced by a newer session of the same publisher")
	// ErrPublicationOver: the Publication has ended.
	ErrPublicationOver = errors.New("the publication is over")
	// ErrTooManyStreams: the hub holds as many Streams as it may.
	ErrTooManyStreams = errors.New("too many streams")
	// ErrEnded ends the Publications of a Stream that an operator has ended.
	ErrEnded = errors.New("the operator has ended the stream")
	// ErrClosed: the hub has stopped and takes no more publishers.
	ErrClosed = errors.New("the hub is closed")
)

// Config sets the hub's limits. The zero value means the defaults.
type Config struct {
	// ReconnectWindow is how long a Stream waits for its publisher to come
	// back before it ends.
	ReconnectWindow time.Duration
	// KeyframeInterval is the least time between keyframe requests to a
	// publisher, per Layer.
	KeyframeInterval time.Duration
	// MaxStreams bounds the number of Streams, live or waited for.
	MaxStreams int
	// OnChange is told of each new Snapshot of any Stream, in the order of the
	// Stream, under its lock: it must neither block nor call the hub. Nil: nobody
	// is.
	OnChange func(*media.Snapshot)
}

const (
	defaultReconnectWindow  = 30 * time.Second
	defaultKeyframeInterval = 500 * time.Millisecond
	defaultMaxStreams       = 10_000
	tick                    = 250 * time.Millisecond
	maxPending              = 32
	// A video Layer's Cache can hold a GOP of 30 s at 2.5 Mbit/s by number;
	// its bounds in bytes and time come first mostly.
	videoCacheSize = 8192
	audioCacheSize = 256
)

// Hub holds all Streams of this Node.
type Hub struct {
	cfg Config
	log *slog.Logger

	mu      sync.Mutex
	streams map[string]*Stream
	closed  bool

	live signal
}

// signal tells any number of waiters that something has happened.
type signal struct {
	mu sync.Mutex
	ch chan struct{}
}

// wait returns a channel that closes at the next raise.
func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) raise() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}

// Live returns a channel that closes when the next Publication goes live. Who
// serves every live Stream takes the channel first and looks at Streams then,
// so that it misses none.
func (h *Hub) Live() <-chan struct{} { return h.live.wait() }

// New returns a Hub. Run must be called for its Streams to end in time.
func New(cfg Config, log *slog.Logger) *Hub {
	if cfg.ReconnectWindow <= 0 {
		cfg.ReconnectWindow = defaultReconnectWindow
	}
	if cfg.KeyframeInterval <= 0 {
		cfg.KeyframeInterval = defaultKeyframeInterval
	}
	if cfg.MaxStreams <= 0 {
		cfg.MaxStreams = defaultMaxStreams
	}
	return &Hub{cfg: cfg, log: log, streams: map[string]*Stream{}}
}

// Run measures Layers, ends Streams whose reconnect window has closed and
// forgets Streams that nobody needs, until ctx ends. It then ends every
// Publication.
func (h *Hub) Run(ctx context.Context) error {
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			h.endAll(context.Cause(ctx))
			return nil
		case now := <-t.C:
			h.housekeep(now)
		}
	}
}

func (h *Hub) housekeep(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, s := range h.streams {
		s.mu.Lock()
		s.tickLocked(now)
		if s.unusedLocked() {
			delete(h.streams, name)
		}
		s.mu.Unlock()
	}
}

func (h *Hub) endAll(reason error) {
	h.mu.Lock()
	h.closed = true
	var all []*Publication
	for _, s := range h.streams {
		s.mu.Lock()
		all = append(all, s.pending...)
		if s.current != nil {
			all = append(all, s.current)
		}
		s.mu.Unlock()
	}
	h.mu.Unlock()
	for _, p := range all {
		p.source.End(reason)
	}
}

// lock returns the Stream of a name with its lock held, created when new.
func (h *Hub) lock(name string) (*Stream, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, ErrClosed
	}
	s := h.streams[name]
	if s == nil {
		if len(h.streams) >= h.cfg.MaxStreams {
			return nil, fmt.Errorf("%w: %d", ErrTooManyStreams, len(h.streams))
		}
		s = newStream(name, h.cfg, h.log.With("stream", name))
		s.live = &h.live
		h.streams[name] = s
	}
	s.mu.Lock()
	return s, nil
}

// Publish reserves a Stream for a Source. The Publication does nothing to the
// Stream until Start; until then a live one of the same owner goes on. Owner
// is the identity behind the publisher: a Stream that has a publisher, live or
// pending, of another owner gives ErrPublisherExists. It may also return
// ErrTooManyStreams, and ErrClosed after Run has ended.
func (h *Hub) Publish(name, owner string, src media.Source) (*Publication, error) {
	s, err := h.lock(name)
	if err != nil {
		return nil, err
	}
	p := &Publication{stream: s, owner: owner, source: src}
	evicted, err := s.reserveLocked(p)
	s.mu.Unlock()
	if evicted != nil {
		evicted.source.End(ErrReplaced)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Subscribe connects a Sink to a Stream, whether or not it is live. The same
// Sink may subscribe many times, once for each viewer it serves: it still gets
// each Packet once. With viewer set, the Subscription counts in
// Snapshot.Viewers. It may return ErrTooManyStreams, and ErrClosed after Run
// has ended.
func (h *Hub) Subscribe(name string, sink media.Sink, viewer bool) (*Subscription, error) {
	s, err := h.lock(name)
	if err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	return s.subscribeLocked(sink, viewer), nil
}

// End ends a Stream at once, without waiting for its publisher to come back,
// and its Publications with a reason. It reports whether there was anything to
// end. Who publishes afterwards begins anew.
func (h *Hub) End(name string, reason error) bool {
	h.mu.Lock()
	s := h.streams[name]
	if s == nil {
		h.mu.Unlock()
		return false
	}
	s.mu.Lock()
	h.mu.Unlock()
	ended, over := s.endLocked()
	s.mu.Unlock()
	for _, p := range over {
		p.source.End(reason)
	}
	return ended
}

// Stream returns a Stream's present Snapshot, nil when nobody publishes or
// watches under that name.
func (h *Hub) Stream(name string) *media.Snapshot {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.streams[name]; s != nil {
		return s.snapshot.Load()
	}
	return nil
}

// Streams returns the Snapshots of all Streams, sorted by name.
func (h *Hub) Streams() []*media.Snapshot {
	h.mu.Lock()
	all := make([]*media.Snapshot, 0, len(h.streams))
	for _, s := range h.streams {
		all = append(all, s.snapshot.Load())
	}
	h.mu.Unlock()
	slices.SortFunc(all, func(a, b *media.Snapshot) int { return strings.Compare(a.Name, b.Name) })
	return all
}
