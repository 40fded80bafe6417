package rooms

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/signaling/rooms/room"
)

// Handler serves the Rooms of a Node.
type Handler struct {
	cfg     Config
	store   Store
	log     *slog.Logger
	metrics *metrics
	calm    calm
	seats   *seats
	joins   *httpx.Limiter
	conns   atomic.Uint64 // the last room.Conn
	ready   chan struct{} // closed once Run has begun
	changes changes

	mu     sync.Mutex
	open   map[string]*keeper
	spawn  func(func(ctx context.Context)) // nil before Run and after it
	barred map[string]*barList             // of Rooms that are closed, where there are any
	kept   map[string]bool                 // Rooms whose bans have not been looked at
	// streams has the newest Snapshot of each Stream that is known.
	streams map[string]*media.Snapshot
}

// How often one address may come into Rooms: each time costs the history. A
// proxy on this machine brings everybody, so there loopback counts for many.
const (
	joinsPerSecond = 20
	joinBurst      = 200
	joinsLoopback  = 1000
)

// New returns a Handler that keeps its Rooms in store. The error is that
// another Handler has registered its metrics; reg may be nil.
func New(cfg Config, store Store, log *slog.Logger, reg prometheus.Registerer) (*Handler, error) {
	m, err := newMetrics(reg)
	if err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	return &Handler{
		cfg: cfg, store: store, log: log, metrics: m,
		seats: newSeats(cfg.MaxSockets, cfg.MaxPerAddress),
		joins: httpx.NewLimiter(httpx.LimitConfig{PerSecond: joinsPerSecond, Burst: joinBurst, Loopback: joinsLoopback}), ready: make(chan struct{}),
		open: map[string]*keeper{}, barred: map[string]*barList{}, kept: map[string]bool{}, changes: newChanges(),
		streams: map[string]*media.Snapshot{},
	}, nil
}

// Run serves until ctx ends; then it sends everybody away with their positions,
// and returns when what was accepted is in the Store.
func (h *Handler) Run(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	h.mu.Lock()
	h.spawn = func(f func(context.Context)) {
		g.Go(func() error { f(gctx); return nil })
	}
	h.mu.Unlock()
	h.remember(ctx)
	close(h.ready)
	h.follow(ctx)
	h.mu.Lock()
	h.spawn = nil // nobody may begin anything while we wait
	h.mu.Unlock()
	return g.Wait()
}

// follow passes on how Streams do, until ctx ends.
func (h *Handler) follow(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.changes.wake:
			for _, s := range h.changes.take() {
				h.tell(ctx, s)
			}
		}
	}
}

// start runs f until it returns; its ctx ends with Run. The error is ErrClosed
// before Run and after it.
func (h *Handler) start(f func(ctx context.Context)) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.startLocked(f)
}

func (h *Handler) startLocked(f func(ctx context.Context)) error {
	if h.spawn == nil {
		return ErrClosed
	}
	h.spawn(f)
	return nil
}

// keeper returns that of a Room, which it opens if need be.
func (h *Handler) keeper(name string) (*keeper, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.keeperLocked(name)
}

func (h *Handler) keeperLocked(name string) (*keeper, error) {
	if k := h.open[name]; k != nil {
		return k, nil
	}
	if len(h.open) >= h.cfg.MaxRooms {
		return nil, fmt.Errorf("%w: too many rooms are open", ErrBusy)
	}
	k := newKeeper(h, name)
	err := h.startLocked(func(ctx context.Context) { k.run(ctx) })
	if err != nil {
		return nil, err
	}
	h.open[name] = k
	delete(h.barred, name) // the keeper knows
	delete(h.kept, name)
	h.metrics.rooms.Set(float64(len(h.open)))
	return k, nil
}

// look returns the keeper of a Room that is open, nil if it is not.
func (h *Handler) look(name string) *keeper {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.open[name]
}

// mayRetire reports whether a keeper that has nothing to do may end: nobody has
// just come to it.
func (h *Handler) mayRetire(k *keeper) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	k.retired = len(k.mail) == 0 && h.streams[k.name] == nil // which it may not have been told yet
	return k.retired
}

// forget takes a keeper that has ended out of the house. Until then its Room
// cannot open again; one whose Stream has come meanwhile does at once.
func (h *Handler) forget(k *keeper) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.open, k.name)
	if k.bars.sweep(time.Now()) {
		h.barred[k.name] = &k.bars
	}
	if k.failed != nil {
		h.kept[k.name] = true // nothing is known of it
	}
	h.metrics.rooms.Set(float64(len(h.open)))
	h.metrics.batch(k.name, 0)
	if k.retired && k.failed == nil && h.streams[k.name] != nil {
		_, _ = h.keeperLocked(k.name) // somebody who comes tries again
	}
}

// with calls f in the goroutine of a Room's keeper, which it opens if need be.
func (h *Handler) with(ctx context.Context, name string, f func(k *keeper, now time.Time)) error {
	select {
	case <-h.ready:
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
	}
	ctx, cancel := context.WithTimeout(ctx, mailPatience)
	defer cancel()
	for {
		k, err := h.keeper(name)
		if err != nil {
			return err
		}
		err = k.ask(ctx, func(now time.Time) { f(k, now) })
		if !errors.Is(err, errEnded) {
			return err
		}
		if k.failed != nil {
			return fmt.Errorf("%w: %w", ErrBusy, k.failed)
		}
	}
}

// changes holds the newest Snapshots that Rooms have not been told of.
type changes struct {
	wake chan struct{} // holds one

	mu      sync.Mutex
	streams map[string]*media.Snapshot
}

func newChanges() changes {
	return changes{wake: make(chan struct{}, 1), streams: map[string]*media.Snapshot{}}
}

func (c *changes) put(s *media.Snapshot) {
	c.mu.Lock()
	c.streams[s.Name] = s
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *changes) take() map[string]*media.Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.streams
	c.streams = map[string]*media.Snapshot{}
	return out
}

// StreamChanged takes the newest Snapshot of a Stream, whose Room shows it. It
// never blocks.
func (h *Handler) StreamChanged(s *media.Snapshot) { h.changes.put(s) }

// tell tells a Room how its Stream does. The Room of a Stream that is published
// or watched stays open.
func (h *Handler) tell(ctx context.Context, s *media.Snapshot) {
	known := s.State == media.Live || s.State == media.Reconnecting || s.Viewers > 0
	if h.note(s, known); !known && h.look(s.Name) == nil {
		return
	}
	for {
		k, err := h.keeper(s.Name)
		if err == nil {
			err = k.post(ctx, func(now time.Time) { k.streamChanged(now, s, known) })
		}
		if errors.Is(err, errEnded) && k.failed == nil {
			continue
		}
		if err != nil && ctx.Err() == nil {
			h.calm.Error(time.Now(), h.log, "room not told of its stream", "stream", s.Name, "err", err)
		}
		return
	}
}

// note keeps a Snapshot for the keepers that are yet to come: what one of them
// has been told ends with it.
func (h *Handler) note(s *media.Snapshot, known bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if known {
		h.streams[s.Name] = s
	} else {
		delete(h.streams, s.Name)
	}
}

// stream returns what is known of a Stream, nil for nothing.
func (h *Handler) stream(name string) *media.Snapshot {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.streams[name]
}

func (k *keeper) streamChanged(now time.Time, s *media.Snapshot, known bool) {
	if k.stream = nil; known {
		k.stream = s
	}
	k.room.Stream(now, streamState(s))
}

func streamState(s *media.Snapshot) room.StreamState {
	state := room.StreamState{
		State: string(s.State), Since: s.Since.UnixMilli(), Epoch: s.Epoch, Viewers: s.Viewers,
		Layers: []room.StreamLayer{},
	}
	for i, l := range s.Video {
		status := l.Status()
		state.Layers = append(state.Layers, room.StreamLayer{
			RID: l.RID, Width: status.Width, Height: status.Height, Active: s.ActiveVideo(i),
		})
	}
	return state
}
