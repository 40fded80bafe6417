package origin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-live/freshet/hls-egress/playlist"
	"github.com/freshet-live/freshet/internal/httpx"
)

const (
	defaultWindow     = time.Minute
	defaultMaxBlocked = 50_000
	defaultStartWait  = 8 * time.Second
	sweepEvery        = time.Second
)

// Access decides who may watch. It is asked at each request, so that it may
// change its mind.
type Access interface {
	// View returns who asks, if a request shows that it may watch a Stream: an
	// identity as in Config.Barred.
	View(r *http.Request, stream string) (identity string, err error)
	// Secrets returns keys for signing addresses, the one to sign with first;
	// none: everybody may watch everything.
	Secrets() [][]byte
}

// Config is what an Origin works with.
type Config struct {
	Site *httpx.Site
	// Access is nil for a server that is open to everybody.
	Access Access
	// Barred reports whether somebody may no longer watch a Stream, though a
	// token or an address that was given out says so; nil: nobody is. It is
	// asked at each request and must be quick. The identity is "" where an
	// address is the same for all viewers, and where nobody has to show
	// anything; addr is the peer's, which may be a cache's.
	Barred func(stream, identity string, addr netip.Addr) bool
	// PerViewer gives each identity playlists under addresses of its own, so
	// that Barred is told of it. Media stays under addresses that all viewers
	// share; playlists then pass every cache.
	PerViewer bool
	// Live reports whether somebody publishes a Stream, so that its playlist
	// is worth waiting for; nil: nobody ever does.
	Live func(stream string) bool
	// Window is how far back viewers can go; 0: one minute.
	Window time.Duration
	// Dir is where segments go that are behind the live edge; it is made when
	// it is needed. "": they stay in memory.
	Dir string
	// MaxBlocked bounds how many requests may wait at once; 0: 50,000.
	MaxBlocked int
	// StartWait is how long a request waits for a Stream or a rendition that
	// is about to start; 0: 8 s, within which players have patience.
	StartWait time.Duration
}

// Origin serves the Streams that are opened with it.
type Origin struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	disk    *disk
	blocked atomic.Int64
	// changed fires when a Stream opens or gets its first renditions.
	changed signal

	mu   sync.RWMutex
	runs map[string][]*Stream // newest last
}

// New returns an Origin. Run must be called for it to keep its windows.
func New(cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Origin, error) {
	if cfg.Site == nil {
		return nil, errors.New("origin: a site is needed")
	}
	if cfg.Window <= 0 {
		cfg.Window = defaultWindow
	}
	if cfg.MaxBlocked <= 0 {
		cfg.MaxBlocked = defaultMaxBlocked
	}
	if cfg.StartWait <= 0 {
		cfg.StartWait = defaultStartWait
	}
	if cfg.Live == nil {
		cfg.Live = func(string) bool { return false }
	}
	m, err := newMetrics(reg)
	if err != nil {
		return nil, fmt.Errorf("origin: %w", err)
	}
	return &Origin{
		cfg: cfg, log: log, metrics: m, disk: &disk{parent: cfg.Dir}, runs: map[string][]*Stream{},
	}, nil
}

// Run moves what is behind the live edge to the disk and forgets what has left
// the windows, until ctx ends. Then it removes its files.
func (o *Origin) Run(ctx context.Context) error {
	if err := o.disk.clean(); err != nil {
		o.log.Warn("old segments not removed", "err", err)
	}
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return o.disk.close()
		case now := <-tick.C:
			o.sweep(now)
		}
	}
}

// Open begins a new run of a Stream. Part and segment are PART-TARGET and
// TARGETDURATION. An older run that has not ended does so now; its segments
// can be had for as long as players may want them.
func (o *Origin) Open(name string, part, segment time.Duration) *Stream {
	s := newStream(o, name, playlist.Format{Part: part, Target: segment.Round(time.Second)})
	o.mu.Lock()
	older := o.runs[name]
	o.runs[name] = append(older[:len(older):len(older)], s)
	o.mu.Unlock()
	for _, old := range older {
		old.End()
	}
	o.changed.fire()
	return s
}

// stream returns the newest run of a Stream, nil when there is none.
func (o *Origin) stream(name string) *Stream {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if runs := o.runs[name]; len(runs) > 0 {
		return runs[len(runs)-1]
	}
	return nil
}

// run returns one run of a Stream, nil when it is not there.
func (o *Origin) run(name, run string) *Stream {
	o.mu.RLock()
	defer o.mu.RUnlock()
	for _, s := range o.runs[name] {
		if s.run == run {
			return s
		}
	}
	return nil
}

// sweep does the housekeeping of all Streams. Files are written and removed
// without a lock held.
func (o *Origin) sweep(now time.Time) {
	var todo chores
	o.mu.Lock()
	for name, runs := range o.runs {
		kept := make([]*Stream, 0, len(runs))
		for _, s := range runs {
			if s.sweep(now, &todo) {
				kept = append(kept, s)
			}
		}
		if len(kept) == 0 {
			delete(o.runs, name)
			continue
		}
		o.runs[name] = kept
	}
	o.mu.Unlock()
	o.metrics.memory.Set(float64(todo.memory))
	o.metrics.stored.Set(float64(todo.stored))
	for _, path := range todo.remove {
		if err := o.disk.remove(path); err != nil {
			o.log.Warn("segment not removed", "err", err)
		}
	}
	for _, s := range todo.spill {
		if err := o.disk.write(s); err != nil {
			// It stays in memory, and will be tried again.
			o.log.Warn("segment not written to the disk", "err", err)
			return
		}
	}
}

// signal wakes everybody who waits for it.
type signal struct{ ch atomic.Pointer[chan struct{}] }

// wait returns a channel that closes the next time that the signal fires.
func (s *signal) wait() <-chan struct{} {
	for {
		if ch := s.ch.Load(); ch != nil {
			return *ch
		}
		ch := make(chan struct{})
		if s.ch.CompareAndSwap(nil, &ch) {
			return ch
		}
	}
}

func (s *signal) fire() {
	if ch := s.ch.Swap(nil); ch != nil {
		close(*ch)
	}
}
