package fanout

import "time"

const (
	// slot is how often what is paced goes on: long enough that a slot's worth
	// leaves as one train, short against the queues of slow links.
	slot = 4 * time.Millisecond
	// defaultPace is the rate while nothing is known of the path, replayPace
	// that of a replay at most, in bit/s. A replay is long, and beyond half a
	// megabyte at once sockets overflow.
	defaultPace = 40_000_000
	replayPace  = 20_000_000
	// What may leave at once, in bytes: the budget of burstTime, and at least a
	// small Frame.
	burstTime = 12 * time.Millisecond
	minBurst  = 6 << 10
)

// pacer is one viewer's token bucket. Everything sent is taken from it; media
// that can wait does when it is empty, audio goes past it.
type pacer struct {
	budget float64 // bytes; negative after what did not wait
	filled time.Time
}

// refill adds what has accrued at a rate in bit/s.
func (p *pacer) refill(now time.Time, rate uint64) {
	elapsed := now.Sub(p.filled)
	if elapsed <= 0 && !p.filled.IsZero() {
		return
	}
	p.filled = now
	perSecond := float64(rate) / 8
	burst := max(minBurst, perSecond*burstTime.Seconds())
	if elapsed > time.Second {
		p.budget = burst
		return
	}
	p.budget = min(burst, p.budget+perSecond*elapsed.Seconds())
}

// empty reports whether what can wait has to.
func (p *pacer) empty() bool { return p.budget <= 0 }

// take books bytes that leave.
func (p *pacer) take(bytes int) { p.budget -= float64(bytes) }
