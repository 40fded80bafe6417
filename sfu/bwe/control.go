package bwe

import "time"

const (
	cutFactor     = 0.85      // of what arrives, draft-ietf-rmcat-gcc-02 section 5.5
	deepLeast     = 150_000   // µs of queue from which a cut also has to empty it
	deepMost      = 600_000   // µs
	deepFactor    = 0.25      // further down at most
	drains        = 0.95      // of what is let through: sending less empties the queue
	growFar       = 0.08      // per second, far from a known capacity
	growNear      = 0.03      // per second, near to it
	nearCapacity  = 0.15      // distance from the capacity that counts as near
	beyondProof   = 1.25      // growth beyond what arrives, in shares of it
	beyondLeast   = 20_000.0  // bit/s on top
	proven        = 0.95      // of what arrives with no queue is carried for sure
	appLimited    = 0.75      // of the estimate: less sent is the application's choice
	standing      = 5_000_000 // µs after a cut: a queue that still stands is not ours
	standingQueue = 40_000    // µs beyond the gate
	standingLeast = 1_000_000 // µs for which a queue stands before that is congestion
	calmAfterCut  = 1_000_000 // µs
	holdAfterCut  = 500_000   // µs
	cutsApart     = 100_000   // µs, and a round trip more
	silenceAfter  = 600_000   // µs without feedback
	silenceStep   = 300_000   // µs
	silenceOwed   = 10        // packets: a viewer that gets next to nothing has nothing to tell
	silenceCut    = 0.7
	ccLasts       = 3_000_000 // µs for which transport-cc outranks the other signals
)

// control takes one step after a transport-cc message.
func (e *Estimator) control(now int64) {
	dt := float64(min(max(now-e.updated, 0), 500_000)) / 1e6
	e.updated = now
	if loss, ok := e.losses.close(now); ok {
		e.lossStep(now, loss)
	}
	e.settle()
	switch {
	case e.congested(now):
		e.delayCut(now)
	case e.trend.state == Normal && e.quiet(now) && !e.losses.excessive():
		e.grow(now, dt)
	}
}

// quiet tells whether the queue is short, or has outlived a cut for so long that
// somebody else must be filling it.
func (e *Estimator) quiet(now int64) bool {
	after := now - e.cutAt
	return e.queue.delay() <= e.queue.gate() || (after > standing && e.queue.busyFor() > after)
}

// congested tells whether the queue grows, or stands without our having done
// anything about it: slow growth escapes the trend.
func (e *Estimator) congested(now int64) bool {
	delay, busy := e.queue.delay(), e.queue.busyFor()
	if busy > standingLeast && delay > standingQueue+e.queue.gate() && now-e.cutAt > busy && !e.limited() {
		return true
	}
	return e.trend.state == Overusing && e.queue.growing() && delay > e.queue.gate() && busy >= e.queue.bursting()
}

// limited tells whether less is sent than the path is believed to carry.
func (e *Estimator) limited() bool {
	return float64(e.sentRate.rate(wideWindow)) < appLimited*e.estimate
}

// settle lets the queue forget a delay that no traffic of ours explains: all that
// is sent arrives, and yet the delay neither grows nor shrinks.
func (e *Estimator) settle() {
	if sent := float64(e.sentRate.rate(wideWindow)); e.losses.smooth < lossHold+e.losses.own &&
		float64(e.acked.rate(wideWindow)) > proven*sent && (e.limited() || sent < proven*e.capacity) {
		e.queue.settle()
	}
}

func (e *Estimator) calm() bool {
	return e.trend.state != Overusing && e.queue.delay() <= e.queue.gate()+gateLeast &&
		e.losses.bad == 0 && (e.cutAt == 0 || e.updated-e.cutAt > calmAfterCut)
}

// delayCut lowers the estimate below what the bottleneck lets through.
func (e *Estimator) delayCut(now int64) {
	if e.cutAt != 0 && now-e.cutAt < cutsApart+min(e.rtt, 300_000) {
		return
	}
	through := float64(e.queue.throughput())
	if through == 0 {
		through = float64(e.acked.rate(shortWindow))
	}
	if through == 0 {
		through = e.estimate * cutFactor
	}
	factor := cutFactor
	switch deep := float64(e.queue.delay()-deepLeast) / (deepMost - deepLeast); {
	case deep > 0:
		factor -= deepFactor * min(deep, 1)
	case float64(e.sentRate.rate(wideWindow)) < drains*through:
		factor = proven // the queue is one burst's and drains by itself
	}
	if factor*through >= e.estimate {
		return
	}
	e.capacity = through
	e.cut(now, factor*through)
}

func (e *Estimator) cut(now int64, to float64) {
	e.set(to)
	e.cutAt = now
	e.cuts++
}

// grow raises the estimate a little, not far beyond what is proven.
func (e *Estimator) grow(now int64, dt float64) {
	acked := float64(e.acked.rate(longWindow))
	if acked == 0 || (e.cutAt != 0 && now-e.cutAt < holdAfterCut+e.rtt) {
		return
	}
	rate := growFar
	if e.capacity != 0 {
		switch far := e.estimate/e.capacity - 1; {
		case far > nearCapacity:
			e.capacity = 0
		case far > -nearCapacity:
			rate = growNear
		}
	}
	// A cut that had to empty a queue has done so.
	next := max(e.estimate, cutFactor*e.capacity)
	if limit := beyondProof*acked + beyondLeast; next < limit {
		next = min(next*(1+rate*dt)+1000*dt, limit)
	}
	e.set(max(next, proven*acked))
}

// lossStep judges one window of loss.
func (e *Estimator) lossStep(now int64, loss float64) {
	sent := e.sentRate.rate(longWindow)
	if before, ok := e.losses.verdict(now, loss, sent, e.rtt); ok {
		e.set(max(e.estimate, float64(before)))
		return
	}
	if !e.losses.excessive() || (e.cutAt != 0 && now-e.cutAt < holdAfterCut+e.rtt) {
		return
	}
	if acked := float64(e.acked.rate(longWindow)); acked > 0 && proven*acked < e.estimate {
		e.losses.cut(now, loss, sent, e.Estimate())
		e.cut(now, proven*acked)
	}
}

// silent lowers the estimate while feedback is owed and does not come: whatever
// is sent into an outage waits in a queue when it ends.
func (e *Estimator) silent(now int64) {
	e.silence = now + silenceStep
	e.cut(now, e.estimate*silenceCut)
}

// closeCluster evaluates the probe once all of it must have been told of.
func (e *Estimator) closeCluster(now int64) {
	c := &e.cluster
	if !c.on() || now-c.end < clusterSettle {
		return
	}
	if e.next <= c.last && now-c.end < clusterTimeout+2*e.rtt {
		return
	}
	rate, ok := c.evaluate(&e.history)
	e.probed = ProbeResult{ID: c.id, Bitrate: rate, OK: ok}
	e.probes++
	c.id = 0
	if float64(rate) > e.estimate && e.trend.state != Overusing {
		e.set(float64(rate))
		e.capacity = 0
	}
}

// REMB takes the receiver's own estimate in bit/s
// (draft-alvestrand-rmcat-remb-03): the fallback of a viewer without
// transport-cc. It bounds what is sent, but one that is far above what the
// receiver gets, or on its way up, only lags behind it.
func (e *Estimator) REMB(now time.Time, bitrate uint64) {
	us := e.micros(now)
	if e.hasCC(us) {
		return
	}
	e.signal = FromREMB
	told, before := float64(bitrate), float64(e.remb)
	dt := float64(min(max(us-e.rembAt, 0), 1_500_000)) / 1e6
	e.remb, e.rembAt = bitrate, us
	sent := float64(e.sentRate.rate(longWindow))
	switch {
	case told > e.estimate:
		if e.cutAt != 0 && us-e.cutAt < calmAfterCut {
			return // loss has just spoken against it
		}
		e.set(told)
	case told >= rembLimited*sent && told <= rembFurthest*sent:
		e.set(max(e.estimate, min(e.estimate*(1+rembGrow*dt)+1000*dt, reportReach*sent)))
	case before > 0 && told > rembRising*before:
		// It follows what is sent, a few percent a second.
	default:
		e.set(told)
	}
}

const (
	// Between these, in shares of what is sent, a receiver's estimate is at the
	// end of its tether, 1.5 times what arrives (draft-ietf-rmcat-gcc-02 section
	// 5.5), and no bound of the path.
	rembLimited  = 1.15
	rembFurthest = 1.7
	rembGrow     = 0.5 // per second meanwhile; nobody can probe
	// rembRising is how much more than the last one it is when it is no bound
	// yet.
	rembRising = 1.005
)

// Report takes the loss (0..1) and the round trip (0: unknown) of a receiver
// report. Without transport-cc its loss drives the estimate as in
// draft-ietf-rmcat-gcc-02 section 6; under a REMB it can only lower it.
func (e *Estimator) Report(now time.Time, loss float64, rtt time.Duration) {
	us := e.micros(now)
	if rtt > 0 && rtt < maxRTT {
		e.smoothRTT(rtt.Microseconds())
		e.reported = us
	}
	if e.hasCC(us) || !(loss >= 0 && loss <= 1) {
		return
	}
	if e.signal != FromREMB {
		e.signal = Reports
	}
	e.losses.smooth += (loss - e.losses.smooth) / 3
	dt := float64(min(max(us-e.updated, 0), 1_500_000)) / 1e6
	e.updated = us
	sent := float64(e.sentRate.rate(longWindow))
	switch {
	case loss > lossTolerate:
		if us-e.cutAt < holdAfterCut+e.rtt && e.cutAt != 0 {
			return
		}
		if sent > 0 {
			// What was never sent cannot have been lost.
			e.set(min(e.estimate, reportReach*sent))
		}
		e.cut(us, e.estimate*(1-loss/2))
	case loss < lossHold && e.signal == Reports:
		if limit := reportReach * sent; e.estimate < limit {
			e.set(min(e.estimate*(1+growFar*dt)+1000*dt, limit))
		}
	}
}

// reportReach bounds an estimate that only reports support, in shares of what is
// sent: far enough for the next layer, which nobody can probe for.
const reportReach = 4.0

const maxRTT = 10 * time.Second

func (e *Estimator) hasCC(us int64) bool {
	return e.lastCC != 0 && us-e.lastCC < ccLasts
}

func (e *Estimator) smoothRTT(us int64) {
	if e.rtt == 0 {
		e.rtt = us
	}
	e.rtt += (us - e.rtt) / 8
}
