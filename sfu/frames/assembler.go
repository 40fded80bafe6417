package frames

import (
	"time"

	"github.com/freshet-live/freshet/sfu/media"
)

const (
	// defaultWait is how long a missing Packet is waited for. A repair takes
	// a round trip to the publisher and a little more.
	defaultWait = 150 * time.Millisecond
	// maxWaiting bounds the sequence numbers, a power of two, and
	// maxWaitingBytes the payload that wait behind a missing Packet.
	maxWaiting      = 2048
	maxWaitingBytes = 8 << 20
	// maxFramePackets and maxFrameBytes bound one Frame.
	maxFramePackets = 8192
	maxFrameBytes   = 8 << 20
	// maxCarried bounds the Packets that hold no picture, such as parameter
	// sets, and wait for one.
	maxCarried = 64
	// restartRun is how many Packets in a row with numbers from long ago mean
	// that the publisher has begun to count anew.
	restartRun = 16
)

// AssemblerConfig sets how an Assembler waits. The zero value means the
// defaults.
type AssemblerConfig struct {
	// Wait is how long a missing Packet is waited for, from the arrival of
	// the first one behind it: 150 ms.
	Wait time.Duration
}

// AssemblerStats counts since the Assembler began.
type AssemblerStats struct {
	// Frames were handed on.
	Frames uint64
	// Dropped Frames began and were not whole, or could not be read.
	Dropped uint64
	// Missing Packets were given up on.
	Missing uint64
}

// Assembler makes Frames of one Layer's Packets. It puts them in order, waits
// a bounded time for what is missing, and drops whole what stays incomplete.
// It is not safe for concurrent use.
type Assembler struct {
	layer *media.Layer
	wait  time.Duration
	stats AssemblerStats
	out   []*media.Frame

	// What waits: the Packets from number next on, by their lowest bits.
	began   bool
	next    uint64
	slots   [maxWaiting]*media.Packet
	waiting int
	bytes   int
	seen    time.Time // when the gap at next showed; zero: not looked up yet
	newest  time.Time // the latest arrival
	stale   uint64    // the number that would continue a run of stale ones
	run     int       // the length of that run

	frame framer
}

// NewAssembler returns an Assembler for a Layer. A Layer of a codec that
// Freshet does not forward gives no Frames.
func NewAssembler(l *media.Layer, cfg AssemblerConfig) *Assembler {
	a := &Assembler{layer: l, wait: cfg.Wait}
	if a.wait <= 0 {
		a.wait = defaultWait
	}
	a.frame = newFramer(l.Codec)
	return a
}

// Push takes a Packet, in any order; duplicates and those that come too late
// change nothing. It returns the Frames that are whole now, in the order of
// decoding. The slice is the Assembler's until the next call, the Frames are
// the caller's. The units of a Frame may share the Packets' payloads.
//
// Packets may come from the Layer's History first and live then: what is
// missing among old ones is not waited for.
func (a *Assembler) Push(now time.Time, p *media.Packet) []*media.Frame {
	a.reset()
	a.put(p)
	a.drain(now)
	return a.out
}

// Tick gives up on what is missing for too long; call it every 10 ms or so.
// The result is as Push's.
func (a *Assembler) Tick(now time.Time) []*media.Frame {
	a.reset()
	a.drain(now)
	return a.out
}

// Stats returns the counts.
func (a *Assembler) Stats() AssemblerStats { return a.stats }

func (a *Assembler) reset() {
	clear(a.out)
	a.out = a.out[:0]
}

// slot returns where the Packet of a number waits.
func (a *Assembler) slot(seq uint64) **media.Packet { return &a.slots[seq%maxWaiting] }

// put keeps a Packet until its turn comes.
func (a *Assembler) put(p *media.Packet) {
	switch {
	case !a.began:
		a.began, a.next = true, p.Seq
	case p.Seq < a.next:
		if !a.restarted(p) {
			return
		}
		a.abandon()
		a.next, a.frame.gap = p.Seq, true
	}
	for p.Seq-a.next >= maxWaiting {
		if a.waiting == 0 {
			a.skip(p.Seq)
			break
		}
		a.giveUp()
		a.take()
	}
	s := a.slot(p.Seq)
	if *s != nil {
		return
	}
	*s = p
	a.waiting++
	a.bytes += len(p.Payload)
	a.run = 0
	if p.Arrival.After(a.newest) {
		a.newest = p.Arrival
	}
	if p.Arrival.Before(a.seen) {
		a.seen = p.Arrival
	}
}

// restarted reports whether a Packet from before what was handled already is
// one of a publisher that counts anew. Late repairs and Packets of the History
// are not: their timestamps or arrivals are old as well.
func (a *Assembler) restarted(p *media.Packet) bool {
	old := int32(p.Timestamp-a.frame.timestamp) <= 0 // signed distance modulo 2^32
	if !p.Arrival.After(a.newest) || old && a.next-p.Seq <= maxWaiting {
		return false
	}
	if a.run == 0 || p.Seq != a.stale {
		a.run = 0
	}
	a.run++
	a.stale = p.Seq + 1
	return a.run >= restartRun
}

// abandon forgets all that waits.
func (a *Assembler) abandon() {
	clear(a.slots[:])
	a.waiting, a.bytes, a.run, a.seen = 0, 0, 0, time.Time{}
}

// drain takes what is complete, and gives up on gaps that are too old.
func (a *Assembler) drain(now time.Time) {
	for {
		a.take()
		if a.waiting == 0 {
			return
		}
		if a.seen.IsZero() {
			a.seen = a.earliest()
		}
		if now.Sub(a.seen) < a.wait && a.bytes <= maxWaitingBytes {
			return
		}
		a.giveUp()
	}
}

// take hands on the Packets up to the next gap.
func (a *Assembler) take() {
	for a.waiting > 0 {
		s := a.slot(a.next)
		p := *s
		if p == nil {
			return
		}
		*s = nil
		a.waiting--
		a.bytes -= len(p.Payload)
		a.next++
		a.seen = time.Time{}
		a.consume(p)
	}
}

// earliest returns the first arrival of what waits, which is when the gap
// before it showed.
func (a *Assembler) earliest() time.Time {
	var first time.Time
	for left, seq := a.waiting, a.next; left > 0; seq++ {
		p := *a.slot(seq)
		if p == nil {
			continue
		}
		left--
		if first.IsZero() || p.Arrival.Before(first) {
			first = p.Arrival
		}
	}
	return first
}

// giveUp passes over the gap before what waits.
func (a *Assembler) giveUp() {
	seq := a.next
	for *a.slot(seq) == nil {
		seq++
	}
	a.skip(seq)
}

// skip goes on at a number.
func (a *Assembler) skip(seq uint64) {
	a.stats.Missing += seq - a.next
	a.next, a.seen = seq, time.Time{}
	a.frame.gap = true
}

// consume takes the next Packet in order.
func (a *Assembler) consume(p *media.Packet) {
	if len(p.Payload) == 0 {
		return // only padding
	}
	if a.frame.closes(p) {
		a.emit()
	}
	if a.frame.add(p) {
		a.emit()
	}
	a.stats.Dropped += a.frame.takeDropped()
}

// emit hands on the Frame that has come together, if there is a picture in it.
func (a *Assembler) emit() {
	f := a.frame.finish()
	if f == nil {
		return
	}
	f.Layer = a.layer
	f.Wall = f.Arrival
	if clock, ok := a.layer.Clock(); ok && clock.Rate != 0 {
		f.Wall = clock.Time(uint32(f.Ticks)) // the timestamp's own 32 bits
	}
	a.stats.Frames++
	a.out = append(a.out, f)
}
