package forward

import (
	"time"

	"github.com/freshet-live/freshet/sfu/media"
)

const (
	// allocOverhead is what headers, encryption and repairs add to payload.
	allocOverhead = 1.06
	// upMargin is the room that a better Layer must leave, keepMargin how far
	// the present one may exceed the budget before it is left.
	upMargin   = 1.15
	keepMargin = 1.05
	// pauseMargin and pauseAfter say when the lowest Layer is too much: a short
	// fright must not stop the picture, nor soon an estimate that is merely low
	// while what is sent does arrive.
	pauseMargin    = 1.2
	pauseAfter     = 2 * time.Second
	pauseAfterCalm = 10 * time.Second
	// pauseLeast is how long a pause lasts at least. Little is sent meanwhile
	// from which to learn that the path is free again, so after pauseMost it is
	// tried where no queue stands, and after twice as long each time in vain.
	pauseLeast  = time.Second
	pauseMost   = 2 * time.Second
	pauseLonger = 16 * time.Second
	// After a step down the next step up waits for upWait, twice as long each
	// time that a step up did not hold for upProof, upWaitMost at most.
	upWait     = time.Second
	upWaitMost = 16 * time.Second
	upProof    = 5 * time.Second
	// emergency is how far over the budget a Layer is stopped at once, without
	// waiting for the lower one's keyframe: all of it would only fill a queue.
	emergency = 1.5
	// A Layer's bitrate is followed up within a second, so that one keyframe
	// does not count for much, and down slowly: a picture that stands still for
	// a moment is no reason to climb.
	riseTime = time.Second
	fallTime = 4 * time.Second
	// newLayer is how long a Layer must have been sending before it is climbed
	// to, for its bitrate is measured over about a second.
	newLayer = time.Second

	maxLayers = 8
)

// Demand is what an Allocator decides on.
type Demand struct {
	// Layers are those of the video Track that the viewer can decode, lowest
	// first, and Active which of them send, as in Selector.SetLayers.
	Layers []*media.Layer
	Active []bool
	// Best is the index of the Layer that the viewer gets where the path does
	// not bound it, -1 for none.
	Best int
	// Budget is what the path carries in bit/s, 0 while unknown, and Audio what
	// the audio Track takes of it, which comes first.
	Budget, Audio uint64
	// Congested is set while a queue stands or grows on the path.
	Congested bool
}

// Allocation is an Allocator's decision.
type Allocation struct {
	// Index is that of the highest Layer to send, -1 for none.
	Index int
	// Paused: not even the lowest Layer fits beside the audio.
	Paused bool
	// Emergency: the Layer that was sent is far too much, and is to stop before
	// the lower one can begin.
	Emergency bool
	// Temporal is how many temporal layers of it to send, 0 for all: the frame
	// rate is the last to go.
	Temporal int
	// Wanted is the budget in bit/s with which the viewer would get more, 0
	// when it has all it may have.
	Wanted uint64
}

// Allocator picks the video Layer for what one viewer's path carries: down at
// once, up with care. The zero value is ready. It is not safe for concurrent
// use.
type Allocator struct {
	current  *media.Layer
	paused   bool
	rates    [maxLayers]float64
	since    [maxLayers]time.Time // since when the Layer has been sending
	seen     time.Time
	tight    time.Time // since when the lowest Layer has been too much
	pausedAt time.Time
	patience time.Duration // until a paused picture is tried again
	raisedAt time.Time
	upAfter  time.Time
	wait     time.Duration
	temporal int // temporal layers of the current Layer; 0: all
}

// Decide takes the newest Demand. Layers beyond the eighth are not used.
func (a *Allocator) Decide(now time.Time, d Demand) Allocation {
	n := min(len(d.Layers), maxLayers)
	a.measure(now, &d, n)
	best := min(d.Best, n-1)
	if best < 0 {
		a.current, a.paused = nil, false
		return Allocation{Index: -1}
	}
	if d.Budget == 0 {
		a.take(now, d.Layers[best], best, best)
		a.temporal = 0
		return Allocation{Index: best}
	}
	budget := max(0, float64(d.Budget)-float64(d.Audio))
	lowest := a.lowest(&d, best)
	if a.pause(now, &d, budget, a.least(d.Layers[lowest], lowest, 1)) {
		a.current = nil
		return Allocation{Index: -1, Paused: true, Wanted: a.wanted(&d, lowest)}
	}
	was := a.index(d.Layers[:n])
	at := a.choose(now, &d, budget, min(was, best), best, lowest)
	out := Allocation{Index: at, Emergency: was > at && a.need(was) > emergency*budget}
	a.temporal = a.thin(now, &d, budget, was, at, lowest)
	a.take(now, d.Layers[at], was, at)
	if out.Temporal = a.temporal; out.Temporal != 0 {
		out.Wanted = a.wanted(&d, at)
		return out
	}
	for i := at + 1; i <= best; i++ {
		if sends(&d, i) {
			out.Wanted = a.wanted(&d, i)
			break
		}
	}
	return out
}

func sends(d *Demand, i int) bool { return i >= len(d.Active) || d.Active[i] }

// lowest returns the lowest Layer that sends, or else the best.
func (a *Allocator) lowest(d *Demand, best int) int {
	for i := range best {
		if sends(d, i) {
			return i
		}
	}
	return best
}

func (a *Allocator) index(layers []*media.Layer) int {
	for i, l := range layers {
		if l == a.current {
			return i
		}
	}
	return -1
}

// pause decides whether video stops, or goes on again.
func (a *Allocator) pause(now time.Time, d *Demand, budget, least float64) bool {
	if a.paused {
		since := now.Sub(a.pausedAt)
		fits := least*keepMargin <= budget
		if since < pauseLeast || !fits && (d.Congested || since < a.patience) {
			return true
		}
		if !fits {
			a.patience = min(2*a.patience, pauseLonger)
		}
		a.paused, a.tight = false, time.Time{}
		return false
	}
	if least <= budget*pauseMargin {
		a.tight = time.Time{}
		if least <= budget {
			a.patience = pauseMost
		}
		return false
	}
	if a.tight.IsZero() {
		a.tight = now
	}
	after := pauseAfter
	if !d.Congested {
		after = pauseAfterCalm
	}
	if now.Sub(a.tight) >= after {
		a.paused, a.pausedAt = true, now
		a.patience = max(a.patience, pauseMost)
	}
	return a.paused
}

// choose returns the index of the Layer for a budget.
func (a *Allocator) choose(now time.Time, d *Demand, budget float64, was, best, lowest int) int {
	fits := lowest
	for i := lowest; i <= best; i++ {
		margin := 1.0
		switch {
		case was >= 0 && i > was:
			margin = upMargin
		case i == was:
			margin = 1 / keepMargin
		}
		if was >= 0 && i > was && now.Sub(a.since[i]) < newLayer {
			continue // nobody knows yet what it takes
		}
		if sends(d, i) && a.need(i)*margin <= budget {
			fits = i
		}
	}
	if was >= 0 && fits > was && sends(d, was) && now.Before(a.upAfter) {
		return was
	}
	return fits
}

// take notes the decision, and how long the next step up has to wait.
func (a *Allocator) take(now time.Time, l *media.Layer, was, at int) {
	switch {
	case was >= 0 && at < was:
		a.lowered(now)
		a.tight = time.Time{} // the queue of the better Layer drains first
	case was >= 0 && at > was:
		a.raisedAt = now
	}
	a.current = l
}
