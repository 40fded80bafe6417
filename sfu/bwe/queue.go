package bwe

import "math"

const (
	baseSpan      = 15_000_000 // µs: the least delay of one to two of these is an empty queue
	nearSpan      = 50_000     // µs: the least delay of one to two of these is the queue now
	floorSpan     = 1_200_000  // µs: the least delay of one to two of these is the queue between bursts
	busyLeave     = 5_000      // µs of queue at which the bottleneck is idle again; it is busy at twice that
	busyLeast     = 80_000     // µs: a shorter busy period is a burst, and its throughput means nothing
	busyEnough    = 250_000    // µs: no burst is longer
	busyJitters   = 6          // a burst is no longer than so many times the jitter
	busyMost      = 400_000    // µs after which the plain window measures it as well
	jitterPackets = 64         // that the average rests on
	flatFor       = 2_500_000  // µs for which a delay stays the same before it is the path's own
	flatWithin    = 6_000      // µs, or an eighth of it
	gateLeast     = 12_000     // µs
	gateMost      = 50_000     // µs: shallower queues than this show as loss
)

// least is a minimum over the last one to two spans.
type least struct {
	cur, prev int64
	since     int64
	on        bool
}

func (l *least) add(us, span, v int64) {
	switch {
	case !l.on || us-l.since >= 2*span || us < l.since-span:
		*l = least{cur: v, prev: v, since: us, on: true}
	case us-l.since >= span:
		l.prev, l.cur, l.since = l.cur, v, us
	default:
		l.cur = min(l.cur, v)
	}
}

func (l *least) value() int64 { return min(l.cur, l.prev) }

// queue separates the bottleneck's queue from jitter by the least delay of the
// last moments: jitter spares some packets, a queue none.
type queue struct {
	base      least   // an empty queue
	near      least   // the queue now
	floor     least   // the queue between bursts
	last      int64   // µs: the newest arrival
	jitter    float64 // µs above the least, on average
	packets   int     // that jitter rests on
	busySince int64   // µs
	busyLast  int64   // µs
	busyBytes int64   // after the first packet
	busy      bool
	busyAt    int64 // µs of queue when the busy period began
	flat      int64 // µs of queue between bursts
	flatSince int64 // µs: since when it has stayed about there
}

// packet takes a packet's arrival and one-way delay, which has an unknown but
// constant offset, in µs.
func (q *queue) packet(recv, delay int64, size int) {
	q.base.add(recv, baseSpan, delay)
	q.near.add(recv, nearSpan, delay)
	q.packets = min(q.packets+1, jitterPackets)
	q.jitter += (float64(delay-q.near.value()) - q.jitter) / float64(q.packets)
	idle := max(busyLeave, int64(q.jitter)/2)
	switch long := q.delay(); {
	case long < idle:
		q.busy = false
	case q.busy:
		q.busyBytes += int64(size)
		q.busyLast = max(q.busyLast, recv)
	case long >= 2*idle:
		q.busy, q.busySince, q.busyLast, q.busyBytes = true, recv, recv, 0
		q.busyAt = long
	}
	q.floor.add(recv, floorSpan, delay)
	if !near(q.floor.value()-q.base.value(), q.flat) {
		q.flat, q.flatSince = q.floor.value()-q.base.value(), recv
	}
	q.last = recv
}

// near tells whether two delays are about the same.
func near(a, b int64) bool { return max(a-b, b-a) <= max(flatWithin, b/8) }

// growing tells a queue that fills from a path that has become longer: that
// happens in one jump.
func (q *queue) growing() bool { return q.delay() > q.busyAt+max(flatWithin/2, q.busyAt/8) }

// settle takes a delay that has stayed the same for long as the path's own. The
// caller knows that no queue of its own making would stay so.
func (q *queue) settle() {
	if q.flat > 2*busyLeave && q.last-q.flatSince > flatFor {
		q.base, q.busy = q.floor, false
	}
}

// untimed counts bytes that arrived in a busy period at a time unknown.
func (q *queue) untimed(size int) {
	if q.busy {
		q.busyBytes += int64(size)
	}
}

// delay is how long the queue is, in µs.
func (q *queue) delay() int64 { return q.near.value() - q.base.value() }

// gate is the queue in µs below which a rising delay is taken for noise.
func (q *queue) gate() int64 {
	return min(max(int64(math.Round(q.jitter)), gateLeast), gateMost)
}

// busyFor is how long the bottleneck has been busy, in µs.
func (q *queue) busyFor() int64 {
	if !q.busy {
		return 0
	}
	return q.busyLast - q.busySince
}

// bursting is how long the bottleneck has to be busy before that is more than a
// burst, and its throughput more than jitter, in µs.
func (q *queue) bursting() int64 {
	return min(max(busyJitters*int64(q.jitter), busyLeast), busyEnough)
}

// throughput is what the bottleneck let through while it was busy, in bit/s:
// its capacity, however little was sent before. 0 while unknown.
func (q *queue) throughput() uint64 {
	span := q.busyFor()
	if span < q.bursting() || span > busyMost {
		return 0
	}
	return uint64(q.busyBytes) * 8 * 1e6 / uint64(span)
}
