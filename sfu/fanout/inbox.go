package fanout

import (
	"bytes"
	"sync"
	"sync/atomic"
	"time"

	"github.com/freshet-live/freshet/sfu/media"
)

const (
	// maxQueued bounds the packets that wait for a worker: about a second of
	// thirty busy Streams.
	maxQueued = 16384
	// maxWaiting bounds how long they wait. A worker that is that late has more
	// viewers than processor, and a longer queue would only make it later.
	maxWaiting = 500 * time.Millisecond
	// maxFeedback bounds the RTCP datagrams that wait, in all and per viewer.
	maxFeedback          = 4096
	maxFeedbackPerViewer = 16
	// idleFeedback of what does not wake the worker may wait for it.
	idleFeedback = 256
)

// queued is one Packet for the viewers of one group.
type queued struct {
	group  *group
	layer  *media.Layer
	packet *media.Packet
}

// received is one RTCP datagram from a viewer, still encrypted.
type received struct {
	viewer *Viewer
	data   []byte
	at     time.Time
}

// work is what a worker takes from its inbox at once.
type work struct {
	packets  []queued
	feedback []received
	events   []func(now time.Time)
}

// inbox is where everybody else leaves work for a worker. Nobody waits: a full
// inbox drops.
type inbox struct {
	mu      sync.Mutex
	work    work
	urgent  bool // there is more than the beginning of a Frame
	closed  bool
	dropped atomic.Uint64 // packets that found no room
	refused atomic.Uint64 // RTCP datagrams that found none
	// wake has a token when the worker should look.
	wake chan struct{}
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

func (in *inbox) signal() {
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// hurryLocked makes the worker take what there is without waiting for more.
func (in *inbox) hurryLocked() {
	if !in.urgent {
		in.urgent = true
		in.signal()
	}
}

// write queues a Packet. When there is no room, it and the rest of its Frame
// are dropped: the publisher is never held up.
func (in *inbox) write(q queued) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed || q.group.dropLocked(q.layer, q.packet, in.fullLocked(q.packet)) {
		return
	}
	in.work.packets = append(in.work.packets, q)
	if q.packet.Marker || q.layer.Kind == media.Audio {
		in.hurryLocked()
	} else if len(in.work.packets) == 1 {
		in.signal()
	}
}

// fullLocked reports whether there is no room for a Packet: too many wait, or
// the first of them for too long.
func (in *inbox) fullLocked(p *media.Packet) bool {
	waiting := in.work.packets
	return len(waiting) >= maxQueued || len(waiting) > 0 && p.Arrival.Sub(waiting[0].packet.Arrival) > maxWaiting
}

// post queues an event. Events are few and never dropped; after the worker has
// ended they are of no use to anybody.
func (in *inbox) post(event func(now time.Time)) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return
	}
	in.work.events = append(in.work.events, event)
	in.hurryLocked()
}

// feed queues an RTCP datagram and reports whether there was room. One that
// only measures the path waits for the next media, or the next tick: most are
// of that kind, and to wake the worker costs more than to read them.
func (in *inbox) feed(v *Viewer, data []byte) bool {
	if v.feedback.Add(1) > maxFeedbackPerViewer {
		v.feedback.Add(-1)
		in.refused.Add(1)
		return false
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed || len(in.work.feedback) >= maxFeedback {
		v.feedback.Add(-1)
		in.refused.Add(1)
		return false
	}
	in.work.feedback = append(in.work.feedback, received{viewer: v, data: bytes.Clone(data), at: time.Now()})
	if !isTransportCC(data) || len(in.work.feedback) == idleFeedback {
		in.signal() // without hurry: it must not tear a Frame's train apart
	}
	return true
}

// isUrgent reports whether the worker need not wait for the rest of a Frame.
func (in *inbox) isUrgent() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.urgent
}

// take swaps the queued work for an empty one, so that both keep their memory.
func (in *inbox) take(empty work) work {
	in.mu.Lock()
	defer in.mu.Unlock()
	full := in.work
	in.work, in.urgent = empty, false
	return full
}

// close makes the inbox refuse work and returns what is left in it.
func (in *inbox) close() work {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	full := in.work
	in.work = work{}
	return full
}

// reset empties work for its next use and lets the garbage collector have what
// it pointed to.
func (k *work) reset() {
	clear(k.packets)
	clear(k.feedback)
	clear(k.events)
	k.packets, k.feedback, k.events = k.packets[:0], k.feedback[:0], k.events[:0]
}
