package fanout

import (
	"context"
	"time"

	"github.com/freshet-live/freshet/sfu/fanout/wire"
)

const (
	// coarse is how often a worker looks after its viewers: consent, sender
	// reports, keyframes that are still missing.
	coarse = 100 * time.Millisecond
	// maxGather is how long the beginning of a Frame may wait for its end, so
	// that a viewer gets it in one train.
	maxGather = 1500 * time.Microsecond
)

// worker is one goroutine and the viewers whose media state it owns.
type worker struct {
	engine *Engine
	inbox  *inbox
	batch  *wire.Batch

	viewers []*Viewer // all, connected or not
	touched []*group  // those with Packets in the present burst
	paced   []*Viewer // those with something to send later
	spare   work      // the other half of the inbox
	total   counters  // since the last tick
	now     time.Time // when the present step began
	pumped  time.Time // when what is paced last went on
	scratch []byte    // for one RTCP datagram in the clear

	more bool // something paced waits for the next slot

	load int // viewers; guarded by the registry's lock
}

// counters are plain numbers on the way to a metric, so that sending costs no
// atomic operation.
type counters struct {
	packets, bytes, retransmitted uint64
	replays                       uint64
	dropped                       [dropReasons]uint64
	feedback                      [feedbackKinds]uint64
	refused                       [refusals]uint64
}

func newWorker(e *Engine, index int) *worker {
	return &worker{engine: e, inbox: newInbox(), batch: e.wire.NewBatch(index), scratch: make([]byte, 0, 2048)}
}

// run works until ctx ends, and then once more, so that what was posted before
// is done.
func (w *worker) run(ctx context.Context) {
	tick := time.NewTicker(coarse)
	defer tick.Stop()
	gather := time.NewTimer(time.Hour)
	defer gather.Stop()
	next := time.NewTimer(time.Hour) // the next slot
	defer next.Stop()
	armed := false
	for {
		if !armed && w.more {
			next.Reset(slot)
			armed = true
		}
		select {
		case <-ctx.Done():
			w.step(w.inbox.close())
			w.flushCounters()
			return
		case <-tick.C:
			w.step(w.inbox.take(w.spare))
			w.tick(time.Now())
			continue
		case <-next.C:
			armed = false
			w.pump(time.Now())
			w.flush()
			continue
		case <-w.inbox.wake:
		}
		if !w.inbox.isUrgent() {
			gather.Reset(maxGather)
			select {
			case <-gather.C:
			case <-w.inbox.wake:
			case <-ctx.Done():
			}
			gather.Stop()
		}
		w.step(w.inbox.take(w.spare))
	}
}

// step does what has come in: events first, as Packets may depend on them.
func (w *worker) step(k work) {
	now := time.Now()
	w.now = now
	for _, event := range k.events {
		event(now)
	}
	for i := range k.packets {
		q := &k.packets[i]
		if len(q.group.batch) == 0 {
			w.touched = append(w.touched, q.group)
		}
		q.group.batch = append(q.group.batch, *q)
	}
	for _, g := range w.touched {
		g.fanOut()
	}
	clear(w.touched)
	w.touched = w.touched[:0]
	if len(k.feedback) > 0 {
		w.flush() // media does not wait for it
	}
	for i := range k.feedback {
		r := &k.feedback[i]
		r.viewer.feedback.Add(-1)
		r.viewer.receive(r.at, r.data)
	}
	if now.Sub(w.pumped) >= slot/2 {
		w.pump(now)
	}
	w.flush()
	k.reset()
	w.spare = k
}

// pace remembers a viewer that has something to send later.
func (w *worker) pace(v *Viewer) {
	w.more = true
	if !v.paced {
		v.paced = true
		w.paced = append(w.paced, v)
	}
}

// pump gives every viewer that is paced its slot's worth.
func (w *worker) pump(now time.Time) {
	w.now, w.pumped, w.more = now, now, false
	kept := w.paced[:0]
	for _, v := range w.paced {
		if v.pump(now) {
			w.more = true
		} else if !v.standsStill() {
			v.paced = false
			continue
		}
		kept = append(kept, v)
	}
	clear(w.paced[len(kept):])
	w.paced = kept
}

func (w *worker) flush() {
	_, dropped := w.batch.Flush()
	w.total.dropped[dropSocket] += uint64(dropped) //nolint:gosec // never negative
}

// tick looks after every viewer.
func (w *worker) tick(now time.Time) {
	w.now = now
	for _, v := range w.viewers {
		v.tick(now)
	}
	w.flush()
	w.flushCounters()
}

func (w *worker) flushCounters() {
	w.total.dropped[dropQueue] += w.inbox.dropped.Swap(0)
	w.total.refused[refusedQueue] += w.inbox.refused.Swap(0)
	w.engine.metrics.add(&w.total)
	w.engine.sent.Add(w.total.bits())
	w.total = counters{}
	connected, connecting := w.engine.registry.count()
	w.engine.metrics.viewers.Set(float64(connected))
	w.engine.metrics.connecting.Set(float64(connecting))
}

// admit takes a new viewer, which may not have connected yet.
func (w *worker) admit(v *Viewer) {
	if v.isClosing() {
		return
	}
	v.index = len(w.viewers)
	w.viewers = append(w.viewers, v)
}

// release forgets a viewer.
func (w *worker) release(v *Viewer) {
	v.group.detach(v)
	if v.index < 0 {
		return
	}
	last := w.viewers[len(w.viewers)-1]
	w.viewers[v.index], last.index = last, v.index
	w.viewers[len(w.viewers)-1] = nil
	w.viewers = w.viewers[:len(w.viewers)-1]
	v.index = -1
}
