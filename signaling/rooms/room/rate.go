package room

import "time"

// bucket is a token bucket that holds what is missing, so that a new one is
// full.
type bucket struct {
	missing float64
	at      time.Time
}

// take takes one, or says how long it takes until there is one.
func (b *bucket) take(now time.Time, r Rate) (time.Duration, bool) {
	b.missing = b.left(now, r)
	b.at = now
	if short := b.missing + 1 - float64(r.Burst); short > 0 {
		return time.Duration(short / r.PerSecond * float64(time.Second)), false
	}
	b.missing++
	return 0, true
}

// left returns what is missing by now. A clock that goes back fills nothing.
func (b *bucket) left(now time.Time, r Rate) float64 {
	return max(0, b.missing-max(0, now.Sub(b.at).Seconds())*r.PerSecond)
}
