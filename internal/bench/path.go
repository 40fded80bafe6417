package bench

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// PathOptions is the network between the server and each viewer. The zero
// value is a perfect one.
type PathOptions struct {
	// Loss is the part of media packets, 0 to 1, that is lost at random.
	Loss float64
	// Rate limits what comes to the viewer, in bit/s, behind a queue of 300 ms;
	// 0: not.
	Rate Bits
	// Delay is that of media and reports in each direction. Jitter is added to
	// it towards the viewer, evenly spread between 0 and Jitter, in order.
	Delay, Jitter time.Duration
	// Rate holds from LimitAt after the beginning of the measurement on for
	// LimitFor, or all the time where LimitFor is 0.
	LimitAt, LimitFor time.Duration
	// Outage is how long nothing passes, from LimitAt on; 0: none.
	Outage time.Duration
}

func (o *PathOptions) check(duration time.Duration) error {
	_, to, ok := o.event()
	switch {
	case o.Loss < 0 || o.Loss >= 1:
		return fmt.Errorf("%w: loss must be at least 0 %% and below 100 %%", ErrOptions)
	case o.Delay < 0 || o.Jitter < 0 || o.LimitAt < 0 || o.LimitFor < 0 || o.Outage < 0:
		return fmt.Errorf("%w: times must not be negative", ErrOptions)
	case o.LimitFor > 0 && o.Rate == 0:
		return fmt.Errorf("%w: a limit in time needs a rate", ErrOptions)
	case ok && to >= duration:
		return fmt.Errorf("%w: the limit or the outage must end before the duration of %v does", ErrOptions, duration)
	}
	return nil
}

// event returns when something comes over the path and goes again, since the
// beginning of the measurement; false where the path stays as it is.
func (o *PathOptions) event() (from, to time.Duration, ok bool) {
	length := max(o.LimitFor, o.Outage)
	return o.LimitAt, o.LimitAt + length, length > 0
}

// state is what the path is like at one instant.
type state struct {
	rate          Bits
	delay, jitter time.Duration
	loss          float64
	down          bool
}

// at returns the path's state at an instant since the beginning of the
// measurement, which is negative before.
func (o *PathOptions) at(t time.Duration) state {
	s := state{rate: o.Rate, delay: o.Delay, jitter: o.Jitter, loss: o.Loss}
	within := func(length time.Duration) bool { return t >= o.LimitAt && t < o.LimitAt+length }
	if o.LimitFor > 0 && !within(o.LimitFor) {
		s.rate = 0
	}
	s.down = o.Outage > 0 && within(o.Outage)
	return s
}

// path is one viewer's downlink. It is a value without clock; chance aside it
// is deterministic.
type path struct {
	free time.Duration // when the limited line is free again
	last time.Duration // nothing overtakes
}

// pass returns when a packet of so many bytes that enters the path now comes
// out of it, and false when it never does.
func (p *path) pass(now time.Duration, size int, s state) (due time.Duration, ok bool) {
	if s.down || s.loss > 0 && rand.Float64() < s.loss {
		return 0, false
	}
	due = now
	if s.rate > 0 {
		free := max(p.free, now) + time.Duration(float64(8*size)/float64(s.rate)*float64(time.Second))
		if free-now > queueTime {
			return 0, false
		}
		p.free, due = free, free
	}
	due += s.delay
	if s.jitter > 0 {
		due += rand.N(s.jitter)
	}
	p.last = max(p.last, due)
	return p.last, true
}
