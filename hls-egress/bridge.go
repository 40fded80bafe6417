package hlsegress

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/freshet-live/freshet/hls-egress/origin"
	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/hls-egress/transcode"
	"github.com/freshet-live/freshet/sfu/hub"
	"github.com/freshet-live/freshet/sfu/media"
)

// Audio is what the audio rendition is made of.
type Audio string

// The choices of audio.
const (
	// AudioAuto is AAC, which every player knows, or Opus as it comes where
	// there is no ffmpeg.
	AudioAuto Audio = "auto"
	// AudioAAC is AAC or none.
	AudioAAC Audio = "aac"
	// AudioOpus is Opus as it comes.
	AudioOpus Audio = "opus"
)

// Config sets what the Bridge makes of a Stream. The zero value means the
// defaults.
type Config struct {
	Segment segment.Config
	// Audio is AudioAuto unless set.
	Audio Audio
	// NoRungs keeps ffmpeg from making smaller pictures.
	NoRungs bool
	// IdleAfter is how long after the last request the Bridge has no more use
	// for the higher Layers, and stops what was made on demand; 30 s.
	IdleAfter time.Duration
}

// Bridge serves every live Stream of a Hub as LL-HLS.
type Bridge struct {
	cfg     Config
	hub     *hub.Hub
	origin  *origin.Origin
	ffmpeg  *transcode.Supervisor
	log     *slog.Logger
	metrics *metrics

	mu        sync.Mutex
	packagers map[string]*packager
}

// New returns a Bridge. It brings Origin and Supervisor to life in its Run.
func New(cfg Config, h *hub.Hub, o *origin.Origin, t *transcode.Supervisor, log *slog.Logger, reg prometheus.Registerer) (*Bridge, error) {
	if cfg.Audio == "" {
		cfg.Audio = AudioAuto
	}
	if cfg.IdleAfter <= 0 {
		cfg.IdleAfter = 30 * time.Second
	}
	m, err := newMetrics(reg)
	if err != nil {
		return nil, fmt.Errorf("hls-egress: %w", err)
	}
	return &Bridge{cfg: cfg, hub: h, origin: o, ffmpeg: t, log: log, metrics: m, packagers: map[string]*packager{}}, nil
}

// Run packages live Streams until ctx ends.
func (b *Bridge) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return b.origin.Run(ctx) })
	g.Go(func() error { return b.ffmpeg.Run(ctx) })
	g.Go(func() error {
		b.follow(ctx, g)
		return nil
	})
	return g.Wait()
}

// follow keeps one packager for each live Stream.
func (b *Bridge) follow(ctx context.Context, g *errgroup.Group) {
	ended := make(chan struct{}, 1)
	for {
		live := b.hub.Live()
		for _, s := range b.hub.Streams() {
			if s.State != media.Live || b.packaged(s.Name) {
				continue
			}
			p, err := b.newPackager(s.Name)
			if err != nil {
				b.log.Error("no HLS for this stream", "stream", s.Name, "err", err)
				continue
			}
			b.set(s.Name, p)
			g.Go(func() error {
				p.run(ctx)
				b.set(p.name, nil)
				select {
				case ended <- struct{}{}: // it may be live again already
				default:
				}
				return nil
			})
		}
		select {
		case <-ctx.Done():
			return
		case <-ended:
		case <-live:
		}
	}
}

// packaged reports whether a Stream is served, or about to be.
func (b *Bridge) packaged(stream string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.packagers[stream] != nil
}

func (b *Bridge) set(stream string, p *packager) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p == nil {
		delete(b.packagers, stream)
		return
	}
	b.packagers[stream] = p
}
