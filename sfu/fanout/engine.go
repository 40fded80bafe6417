package fanout

import (
	"context"
	crand "crypto/rand"
	"errors"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/freshet-live/freshet/sfu/fanout/icelite"
	"github.com/freshet-live/freshet/sfu/fanout/wire"
	"github.com/freshet-live/freshet/sfu/hub"
	"github.com/freshet-live/freshet/sfu/media"
)

var _ wire.Handler = (*Engine)(nil)

// Engine serves the viewers of a hub's Streams.
type Engine struct {
	cfg      Config
	hub      *hub.Hub
	log      *slog.Logger
	wire     *wire.Wire
	registry *registry
	metrics  *metrics
	workers  []*worker

	sent        atomic.Uint64 // bits to viewers, as they are counted
	dtlsOptions []dtls.Option
	fingerprint string

	mu     sync.Mutex
	sealed bool // no more tasks
	tasks  sync.WaitGroup
}

// New opens the media sockets and makes the certificate of this process. Run
// must follow; it, or Wire.Close, gives the sockets back. The error wraps wire.ErrListen
// when a socket cannot be opened.
func New(cfg Config, h *hub.Hub, log *slog.Logger, reg prometheus.Registerer) (*Engine, error) {
	cfg = cfg.withDefaults()
	if cfg.CNAME == "" {
		cfg.CNAME = crand.Text()[:16]
	}
	e := &Engine{cfg: cfg, hub: h, log: log, registry: newRegistry(cfg)}
	var err error
	if err = e.certify(); err != nil {
		return nil, err
	}
	if e.wire, err = wire.Listen(cfg.Wire, log); err != nil {
		return nil, err
	}
	if err = e.measure(reg); err != nil {
		return nil, errors.Join(err, e.wire.Close())
	}
	n := cfg.Workers
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	for i := range n {
		e.workers = append(e.workers, newWorker(e, i))
	}
	return e, nil
}

// measure registers the engine's metrics and those of its sockets.
func (e *Engine) measure(reg prometheus.Registerer) (err error) {
	if e.metrics, err = newMetrics(reg); err != nil || reg == nil {
		return err
	}
	return e.wire.Register(reg)
}

// Run serves until ctx ends; then every viewer is told goodbye and closed, and
// all goroutines and sockets of the engine are gone. Call it once.
func (e *Engine) Run(ctx context.Context) error {
	group, groupCtx := errgroup.WithContext(ctx)
	// Both outlive ctx: goodbyes need workers and sockets.
	workCtx, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	wireCtx, closeWire := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	defer closeWire()

	var workers sync.WaitGroup
	for _, w := range e.workers {
		workers.Go(func() { w.run(workCtx) })
	}
	group.Go(func() error { return e.wire.Run(wireCtx, e) })
	group.Go(func() error { return e.weigh(groupCtx) })
	group.Go(func() error {
		<-groupCtx.Done()
		for _, v := range e.registry.close() {
			v.Close(ErrClosed)
		}
		stopWork()
		workers.Wait()
		e.seal()
		e.tasks.Wait()
		closeWire()
		return nil
	})
	return group.Wait()
}

// spawn runs a task that Run waits for, and returns false when it is too late
// for that. Viewers' tasks end with their viewers.
func (e *Engine) spawn(task func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.sealed {
		return false
	}
	e.tasks.Go(task)
	return true
}

func (e *Engine) seal() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sealed = true
}

// Wire returns the sockets, whose other half belongs to the publishers.
func (e *Engine) Wire() *wire.Wire { return e.wire }

// Fingerprint returns the hash of this process's certificate in the form that
// SDP's a=fingerprint takes: "sha-256 AA:BB:…".
func (e *Engine) Fingerprint() string { return e.fingerprint }

// Add admits a viewer to a Stream, live or not: it connects, and waits for a
// publisher if need be. It returns ErrBusy when there is no room, mostly with a
// *seats.Refusal, ErrParams
// for parameters that cannot work, ErrClosed once Run has ended, and the hub's
// errors.
func (e *Engine) Add(stream string, p Params) (*Viewer, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	now := time.Now()
	v := &Viewer{
		engine: e, params: p, created: now, done: make(chan struct{}),
		log: e.log.With("stream", stream), index: -1, place: -1,
	}
	v.life, v.end = context.WithCancelCause(context.Background())
	v.session = &session{viewer: v}
	ssrc := rand.Uint32N(1<<32 - 8)
	v.audio = newTrack(media.Audio, p.Audio, ssrc+1)
	v.video = newTrack(media.Video, p.Video, ssrc+3)
	if v.audio != nil && v.video != nil {
		v.audio.uncounted = !p.Video.usesTransportCC()
	}
	v.ufrag, v.pwd = icelite.NewCredentials()
	v.ufrags = []string{v.ufrag}
	v.agent = icelite.NewAgent(v.ufrag, v.pwd, p.RemoteUfrag, p.RemotePwd, now)
	if err := e.registry.reserve(v, stream, expected(e.hub.Stream(stream)), e.workers); err != nil {
		e.metrics.turnedAway(err)
		return nil, err
	}
	sub, err := e.hub.Subscribe(stream, v.group, false)
	if err != nil {
		v.Close(err)
		return nil, err
	}
	v.mu.Lock()
	v.subscription = sub
	v.mu.Unlock()
	if v.isClosing() || !e.registry.bindUfrag(v.ufrag, v) {
		sub.Close()
		return nil, ErrClosed
	}
	v.worker.inbox.post(func(time.Time) { v.worker.admit(v) })
	return v, nil
}

// HandleDatagram takes a datagram if it is from a viewer.
func (e *Engine) HandleDatagram(from wire.Route, data []byte) bool {
	if len(data) == 0 {
		return false
	}
	if icelite.IsSTUN(data) {
		if local, _, ok := icelite.Username(data); ok {
			v := e.registry.byUfrag(local)
			if v == nil {
				return false
			}
			v.handleSTUN(from, data)
			return true
		}
		return e.registry.byRoute(from) != nil
	}
	v := e.registry.byRoute(from)
	if v == nil {
		return false
	}
	switch {
	case icelite.IsDTLS(data):
		// Before the nomination, answers go where the question came from.
		if v.route.Load() == nil {
			first := from
			v.route.CompareAndSwap(nil, &first)
		}
		v.session.take(data)
	case icelite.IsRTP(data) && isRTCP(data):
		v.worker.inbox.feed(v, data)
	}
	return true
}

// HandleClosed takes notice of a TCP connection's end.
func (e *Engine) HandleClosed(from wire.Route) {
	if v := e.registry.byRoute(from); v != nil {
		v.routeClosed(from)
	}
}
