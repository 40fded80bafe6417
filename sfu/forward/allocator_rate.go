package forward

import (
	"time"

	"github.com/freshet-live/freshet/sfu/media"
)

// measure follows the bitrates of the Layers that send. Of one that does not,
// what it took last is remembered.
func (a *Allocator) measure(now time.Time, d *Demand, n int) {
	elapsed := max(0, now.Sub(a.seen)).Seconds()
	for i := range a.rates {
		if i >= n {
			a.rates[i], a.since[i] = 0, time.Time{}
			continue
		}
		if !sends(d, i) {
			a.since[i] = time.Time{}
			continue
		}
		if a.since[i].IsZero() {
			a.since[i] = now
			if a.seen.IsZero() || a.rates[i] > 0 { // it was there before us, or is back
				a.since[i] = now.Add(-newLayer)
			}
		}
		rate := float64(d.Layers[i].Status().Bitrate)
		follow := elapsed / fallTime.Seconds()
		if rate > a.rates[i] {
			follow = elapsed / riseTime.Seconds()
		}
		if a.seen.IsZero() || a.rates[i] == 0 {
			follow = 1
		}
		a.rates[i] += (rate - a.rates[i]) * min(1, follow)
	}
	a.seen = now
}

// need is what a Layer takes of a path, in bit/s.
func (a *Allocator) need(i int) float64 {
	if i < 0 {
		return 0
	}
	return a.rates[i] * allocOverhead
}

// least is what so many temporal layers of a Layer take at the least, in bit/s:
// what was measured of it falls slowly, from a beginning with a keyframe, and
// would stop a picture that has long fitted.
func (a *Allocator) least(l *media.Layer, i, temporal int) float64 {
	s := l.Status()
	_, part := s.Temporal(temporal)
	return min(a.need(i)*float64(part)/float64(max(1, s.Bitrate)), float64(part)*allocOverhead)
}

func (a *Allocator) wanted(d *Demand, i int) uint64 {
	return uint64(a.need(i)*upMargin) + d.Audio
}

// thin returns how many temporal layers of the chosen Layer to send, 0 for all.
// Only the lowest Layer is thinned: a smaller picture that moves as fast is
// better than a large one that does not.
func (a *Allocator) thin(now time.Time, d *Demand, budget float64, was, at, lowest int) int {
	l := d.Layers[at]
	status := l.Status()
	all, _ := status.Temporal(0)
	if at != lowest || all == 1 || status.Bitrate == 0 {
		return 0
	}
	has := all
	if at == was && a.temporal != 0 {
		has = min(a.temporal, all)
	}
	fits := all
	for ; fits > 1; fits-- {
		margin := 1.0
		switch {
		case fits > has:
			margin = upMargin
		case fits == has:
			margin = 1 / keepMargin
		}
		if a.least(l, at, fits)*margin <= budget {
			break
		}
	}
	if fits > has && now.Before(a.upAfter) {
		fits = has
	}
	switch {
	case fits < has:
		a.lowered(now)
	case fits > has:
		a.raisedAt = now
	}
	if fits == all {
		return 0
	}
	return fits
}

// lowered notes a step down, after which the next one up has to wait.
func (a *Allocator) lowered(now time.Time) {
	if now.Sub(a.raisedAt) < upProof {
		a.wait = min(max(2*a.wait, upWait), upWaitMost)
	} else {
		a.wait = upWait
	}
	a.upAfter = now.Add(a.wait)
}
