package hlsegress

import (
	"slices"
	"time"

	"github.com/freshet-live/freshet/hls-egress/segment"
)

// Info is a Stream as LL-HLS at one instant. It is immutable.
type Info struct {
	// Part and Segment are PART-TARGET and TARGETDURATION.
	Part, Segment time.Duration
	// Skew is how far apart the Layers' keyframes were at the last cut.
	Skew time.Duration
	// Used is when somebody last asked for a playlist, zero when nobody has.
	Used time.Time
	// Renditions are there, OnDemand could be.
	Renditions, OnDemand []segment.Rendition
}

// Info returns what is known of a Stream, nil when it is not served.
func (b *Bridge) Info(stream string) *Info {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.packagers[stream]; p != nil {
		return p.info.Load()
	}
	return nil
}

// tell renews what Info returns, and the metrics.
func (p *packager) tell() {
	stats := p.ladder.Stats()
	p.metrics.count(p.told, stats)
	p.told = stats
	part, target := p.ladder.Target()
	here := func(r segment.Rendition) bool {
		return slices.ContainsFunc(p.renditions, func(o segment.Rendition) bool { return o.Name == r.Name })
	}
	p.info.Store(&Info{
		Part: part, Segment: target, Skew: stats.Skew, Used: p.out.Used(), Renditions: p.renditions,
		OnDemand: slices.DeleteFunc(slices.Clone(p.offered), here),
	})
}
