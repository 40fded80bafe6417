package webhook

import (
	"cmp"
	"container/heap"
	"container/list"
	"slices"
	"strconv"
	"time"
)

// item is one Event on its way to one receiver.
type item struct {
	id, name, stream string
	body             []byte
	// minor Events (batches of viewers) are dropped first.
	minor  bool
	queued time.Time
	tries  int
	// reason is why it has not been taken so far.
	reason string

	seq    uint64 // the order of arrival
	lane   *lane
	place  *list.Element
	flying bool // on the wire now
}

// lane holds the items of one Stream, which keep their order: only its first
// is ever on the wire.
type lane struct {
	stream string
	items  []*item
	ready  time.Time // when the first may be sent
	index  int       // in the heap; -1: not in it
}

// limits of one receiver's queue.
type limits struct {
	// Items and Bytes bound what waits.
	Items, Bytes int
	// Flying is how many requests are on the wire at once.
	Flying int
	// GiveUp is the age at which an item goes to the dead letters.
	GiveUp time.Duration
	// First and Longest bound the time between two tries, which doubles.
	First, Longest time.Duration
}

const (
	// calmAfter is after how many failures in a row the receiver as a whole is
	// taken to be in trouble; then it gets one request at a time, with pauses
	// that grow to calmLongest.
	calmAfter   = 4
	calmLongest = 10 * time.Second
)

// queue is what one receiver has yet to get. It is pure, and for one goroutine
// at a time.
type queue struct {
	limits limits
	// jitter spreads a pause over its surroundings.
	jitter func(time.Duration) time.Duration

	lanes        map[string]*lane
	heap         laneHeap   // lanes whose first item waits
	minor, major *list.List // of *item, in order of arrival
	bytes        int
	seq          uint64
	flying       int
	failures     int       // in a row
	pause        time.Time // nothing is sent before, while failures go on
	asked        time.Time // nothing is sent before, as the receiver has asked
	dropped      int       // since an item last told of it
}

func newQueue(l limits, jitter func(time.Duration) time.Duration) *queue {
	return &queue{limits: l, jitter: jitter, lanes: map[string]*lane{}, minor: list.New(), major: list.New()}
}

func (q *queue) len() int { return q.minor.Len() + q.major.Len() }

// push adds an item. What has to make way is returned, minor ones apart: those
// are only counted.
func (q *queue) push(now time.Time, it *item) (lost []*item, dropped int) {
	q.seq++
	it.seq = q.seq
	if it.minor {
		it.place = q.minor.PushBack(it)
	} else {
		it.place = q.major.PushBack(it)
	}
	q.bytes += len(it.body)
	l := q.lanes[it.stream]
	if l == nil {
		l = &lane{stream: it.stream, index: -1}
		q.lanes[it.stream] = l
	}
	it.lane = l
	l.items = append(l.items, it)
	if len(l.items) == 1 {
		l.ready = now
		heap.Push(&q.heap, l)
	}
	for q.len() > q.limits.Items || q.bytes > q.limits.Bytes {
		victim := oldest(q.minor)
		if victim == nil {
			victim = oldest(q.major)
		}
		if victim == nil {
			break // all of it is on the wire
		}
		q.remove(now, victim)
		if victim.minor {
			q.dropped++
			dropped++
			continue
		}
		victim.reason = "too much was waiting for this receiver"
		lost = append(lost, victim)
	}
	return lost, dropped
}

func oldest(l *list.List) *item {
	for e := l.Front(); e != nil; e = e.Next() {
		if it := e.Value.(*item); !it.flying {
			return it
		}
	}
	return nil
}

// next returns an item to send now, one that is given up, or else when to ask
// again; zero is when something has changed.
func (q *queue) next(now time.Time) (send, dead *item, again time.Time) {
	if len(q.heap) == 0 {
		return nil, nil, time.Time{}
	}
	l := q.heap[0]
	it := l.items[0]
	if now.Sub(it.queued) >= q.limits.GiveUp && (it.tries > 0 || q.failures >= calmAfter) {
		q.remove(now, it)
		return nil, it, time.Time{}
	}
	if at := later(l.ready, later(q.pause, q.asked)); at.After(now) {
		return nil, nil, at
	}
	if q.flying >= q.limits.Flying || q.failures >= calmAfter && q.flying > 0 {
		return nil, nil, time.Time{}
	}
	heap.Pop(&q.heap)
	it.flying = true
	it.tries++
	q.flying++
	if it.tries == 1 && q.dropped > 0 {
		q.bytes -= len(it.body)
		it.body = withDropped(it.body, q.dropped)
		q.bytes += len(it.body)
		q.dropped = 0
	}
	return it, nil, time.Time{}
}

// withDropped adds LiveKit's field for how many Events are missing before this
// one.
func withDropped(body []byte, n int) []byte {
	if len(body) < 2 || body[len(body)-1] != '}' {
		return body
	}
	out := append(slices.Clip(body[:len(body)-1]), `,"numDropped":`...)
	return append(strconv.AppendInt(out, int64(n), 10), '}')
}

// outcome is how a try has ended.
type outcome int

const (
	taken   outcome = iota // the receiver has it
	failed                 // try again
	refused                // the receiver will never take it
)

// done ends a try. An item that will not be tried again is returned with the
// reason in it, but for one that was taken. After is when the receiver asked to
// be left alone until; zero: it did not.
func (q *queue) done(now time.Time, it *item, o outcome, reason string, after time.Time) (dead *item) {
	it.flying = false
	q.flying--
	it.reason = reason
	if o == failed {
		q.trouble(now, after)
		if now.Sub(it.queued) >= q.limits.GiveUp {
			q.remove(now, it)
			return it
		}
		it.lane.ready = now.Add(q.jitter(doubling(q.limits.First, q.limits.Longest, it.tries-1)))
		heap.Push(&q.heap, it.lane)
		return nil
	}
	q.fine(now)
	q.remove(now, it)
	if o == taken {
		return nil
	}
	return it
}

// trouble notes a failure, and puts the receiver as a whole on a pause when it
// is one of many.
func (q *queue) trouble(now, after time.Time) {
	q.failures++
	if q.failures >= calmAfter {
		q.pause = now.Add(q.jitter(doubling(q.limits.First, calmLongest, q.failures-calmAfter)))
	}
	q.asked = later(q.asked, after)
}

// fine notes that the receiver works. What waited for that goes on at once.
func (q *queue) fine(now time.Time) {
	if q.failures >= calmAfter {
		for _, l := range q.heap {
			l.ready = now
		}
		heap.Init(&q.heap)
	}
	q.failures, q.pause = 0, time.Time{}
}

// remove takes an item out; its lane goes on with the next.
func (q *queue) remove(now time.Time, it *item) {
	if it.minor {
		q.minor.Remove(it.place)
	} else {
		q.major.Remove(it.place)
	}
	q.bytes -= len(it.body)
	l := it.lane
	i := slices.Index(l.items, it)
	l.items = slices.Delete(l.items, i, i+1)
	if i > 0 {
		return
	}
	if l.index >= 0 {
		heap.Remove(&q.heap, l.index)
	}
	if len(l.items) == 0 {
		delete(q.lanes, l.stream)
		return
	}
	l.ready = now
	heap.Push(&q.heap, l)
}

// rest returns all that waits, in order of arrival.
func (q *queue) rest() []*item {
	all := make([]*item, 0, q.len())
	for _, l := range []*list.List{q.minor, q.major} {
		for e := l.Front(); e != nil; e = e.Next() {
			all = append(all, e.Value.(*item))
		}
	}
	slices.SortFunc(all, func(a, b *item) int { return cmp.Compare(a.seq, b.seq) })
	return all
}

// doubling returns first times 2^n, longest at most.
func doubling(first, longest time.Duration, n int) time.Duration {
	for range n {
		if first *= 2; first >= longest {
			return longest
		}
	}
	return first
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// laneHeap orders lanes by when they are ready, then by who waits longer.
type laneHeap []*lane

// Len, Less, Swap, Push and Pop make it a heap.Interface.
func (h laneHeap) Len() int { return len(h) }

// Less is the order.
func (h laneHeap) Less(i, j int) bool {
	if c := h[i].ready.Compare(h[j].ready); c != 0 {
		return c < 0
	}
	return h[i].items[0].seq < h[j].items[0].seq
}

// Swap keeps the lanes' places.
func (h laneHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push appends a *lane.
func (h *laneHeap) Push(x any) {
	l := x.(*lane)
	l.index = len(*h)
	*h = append(*h, l)
}

// Pop takes the last lane.
func (h *laneHeap) Pop() any {
	old := *h
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	l.index = -1
	return l
}
