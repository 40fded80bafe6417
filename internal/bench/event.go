package bench

import (
	"slices"
	"time"
)

// timeline is when frames were shown, and of which layer: what a viewer saw of
// an event on its path. It is kept only where there is one.
type timeline struct {
	on    bool
	shown []sight
}

type sight struct {
	at   time.Duration
	rank int8
}

func (t *timeline) add(at time.Duration, rank int8) {
	if t.on {
		t.shown = append(t.shown, sight{at, rank})
	}
}

// between returns the time without a new picture, in pauses of more than
// freezeTime, and the pictures per second.
func (t *timeline) between(from, to time.Duration) (frozen time.Duration, perSecond float64) {
	last, n := from, 0
	pause := func(until time.Duration) {
		if d := until - last; d > freezeTime {
			frozen += d
		}
	}
	for _, s := range t.shown {
		if s.at <= from || s.at > to {
			continue
		}
		pause(s.at)
		last = s.at
		n++
	}
	pause(to)
	return frozen, float64(n) / max((to-from).Seconds(), 1e-9)
}

// top is the highest layer shown before an instant.
func (t *timeline) top(before time.Duration) (rank int8) {
	for _, s := range t.shown {
		if s.at < before {
			rank = max(rank, s.rank)
		}
	}
	return rank
}

// first returns how long after an instant the first frame was shown that fits.
func (t *timeline) first(after time.Duration, fits func(rank int8) bool) (time.Duration, bool) {
	for _, s := range t.shown {
		if s.at > after && fits(s.rank) {
			return s.at - after, true
		}
	}
	return 0, false
}

// EventReport is what viewers saw of a limit in time, or of an outage.
type EventReport struct {
	// From and To are when it came and went, in seconds since the beginning of
	// the measurement.
	From float64 `json:"from_seconds"`
	To   float64 `json:"to_seconds"`
	// Frozen is how long each viewer's picture stood still, in pauses of more
	// than 200 ms, from then to the end of the measurement; FrozenAfter counts
	// only from two seconds after the event.
	Frozen      Spread `json:"frozen"`
	FrozenAfter Spread `json:"frozen_after"`
	// FrameRate is the pictures per second during the event, of the viewer in
	// the middle and of the worst.
	FrameRate      float64 `json:"frame_rate"`
	FrameRateLeast float64 `json:"frame_rate_least"`
	// OffTop is the time until the first picture of a lower layer, BackOnTop the
	// time from the end to the first one of the best layer again. StayedOnTop and
	// NeverBack count the viewers of which there was none.
	OffTop      Spread `json:"off_top"`
	BackOnTop   Spread `json:"back_on_top"`
	StayedOnTop int    `json:"stayed_on_top"`
	NeverBack   int    `json:"never_back"`
}

// reportEvent sums up what viewers saw of an event between two instants, up to
// the end of the measurement; simulcast says that there are layers to tell of.
func reportEvent(seen []*timeline, from, to, end time.Duration, simulcast bool) *EventReport {
	rep := &EventReport{}
	var frozen, after, off, back []time.Duration
	var rates []float64
	for _, t := range seen {
		d, _ := t.between(from, end)
		frozen = append(frozen, d)
		d, _ = t.between(min(to+2*time.Second, end), end)
		after = append(after, d)
		_, rate := t.between(from, to)
		rates = append(rates, rate)
		top := t.top(from)
		if !simulcast || top == 0 {
			continue
		}
		d, left := t.first(from, func(rank int8) bool { return rank < top })
		if !left || d > to-from {
			rep.StayedOnTop++
			continue
		}
		off = append(off, d)
		if d, ok := t.first(to, func(rank int8) bool { return rank >= top }); ok {
			back = append(back, d)
		} else {
			rep.NeverBack++
		}
	}
	slices.Sort(rates)
	if len(rates) > 0 {
		rep.FrameRate, rep.FrameRateLeast = rates[len(rates)/2], rates[0]
	}
	rep.Frozen, rep.FrozenAfter, rep.OffTop, rep.BackOnTop = spreadOf(frozen), spreadOf(after), spreadOf(off), spreadOf(back)
	return rep
}
