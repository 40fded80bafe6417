package bwe

import (
	"encoding/binary"
	"time"
)

const (
	tick       = 64_000     // µs of a reference time
	maxStatus  = 2048       // packets that one message may tell of
	maxJump    = 10_000_000 // µs by which the two clocks may disagree from one message to the next
	reportsFor = 10_000_000 // µs for which a receiver report's round trip is the better one
)

// clock unwraps the 24-bit reference times of a viewer.
type clock struct {
	ref    uint32
	wide   int64 // ticks
	offset int64 // µs: viewer's time less ours at the last message
	on     bool
}

// read returns a message's reference time in µs, and false when it has jumped:
// what was known by the viewer's clock is void then.
func (c *clock) read(ref uint32, now int64) (us int64, steady bool) {
	ref &= 1<<24 - 1
	if !c.on {
		*c = clock{ref: ref, wide: int64(ref), on: true}
		c.offset = c.wide*tick - now
		return c.wide * tick, true
	}
	c.wide += int64(int32((ref-c.ref)<<8) >> 8)
	c.ref = ref
	us = c.wide * tick
	jump := us - now - c.offset
	c.offset = us - now
	return us, jump < maxJump && jump > -maxJump
}

// Feedback takes a transport-cc message, a whole RTCP packet
// (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1). One that
// tells of packets that were never sent, or not lately, or does not hold what
// it promises, is refused. Of one whose times are absurd, the rest is not used.
// Both count as absurd, and it returns false.
func (e *Estimator) Feedback(now time.Time, packet []byte) (ok bool) {
	us := e.micros(now)
	fb, ok := parseFeedback(packet)
	if !ok || e.history.head < 0 {
		e.absurd++
		return false
	}
	base := e.history.extend(fb.base)
	if base > e.history.head || base+int64(fb.count) > e.history.head+1 {
		e.absurd++
		return false
	}
	recv, steady := e.clock.read(fb.reference, us)
	if !steady {
		e.absurd++
		e.void()
	}
	m := message{e: e, now: us, base: base, left: fb.count, ext: base, ref: recv, recv: recv, deltas: fb.deltas}
	e.recover(base)
	if ok = m.walk(fb.chunks); !ok {
		e.absurd++
	}
	if m.heard == 0 {
		return ok
	}
	e.signal, e.lastCC, e.owed = TransportCC, us, 0
	e.next = max(e.next, m.ext)
	if m.newest != 0 && (e.reported == 0 || us-e.reported > reportsFor) {
		if rtt := us - m.newest; rtt >= 0 && rtt < maxRTT.Microseconds() {
			e.smoothRTT(rtt)
		}
	}
	e.closeCluster(us)
	e.control(us)
	return ok
}

// void forgets what was measured by the viewer's clock.
func (e *Estimator) void() {
	e.acked, e.queue = meter{}, queue{}
	e.trend = trend{}
	e.cluster = cluster{}
}

// recover counts packets before base that no message told of as arrived: the
// message got lost, and most of what it told of arrived. Their times are unknown.
func (e *Estimator) recover(base int64) {
	if e.next == 0 || !e.acked.on {
		return
	}
	for s := max(e.next, e.history.head-int64(len(e.history.ring))); s < base; s++ {
		if p := e.history.at(s); p != nil && p.fate == inFlight {
			p.fate = forgotten
			e.acked.add(e.acked.last, int(p.size))
			e.queue.untimed(int(p.size))
		}
	}
}

// message walks over one feedback message.
type message struct {
	e         *Estimator
	now       int64 // µs
	base, ext int64 // extended number of the first packet, of the one at hand
	left      int   // packets still to be told of
	ref, recv int64 // µs by the viewer's clock: of the message, of the packet at hand
	deltas    []byte
	heard     int   // packets that were in flight
	newest    int64 // µs: when the newest packet that arrived was sent
}

// walk returns false where the message's times are absurd.
func (m *message) walk(chunks []byte) bool {
	for ; m.left > 0; chunks = chunks[chunkSize:] {
		c := chunk(binary.BigEndian.Uint16(chunks))
		for i := range min(c.length(), m.left) {
			if !m.packet(c.symbol(i)) {
				return false
			}
			m.left--
		}
	}
	return true
}

// packet takes the next packet's status; false when its time is absurd.
func (m *message) packet(status uint8) bool {
	p, ext := m.e.history.at(m.ext), m.ext
	m.ext++
	switch status {
	case smallDelta, largeDelta:
		m.recv += m.delta(status)
		if d := m.recv - m.ref; d > maxJump || d < -maxJump {
			return false
		}
		if p != nil {
			m.arrived(p, ext)
		}
	case notReceived:
		if p != nil && p.fate == inFlight {
			p.fate = missing
			m.heard++
			m.e.losses.count(0, 1)
		}
	default: // received at a time unknown
		if p != nil && p.fate == inFlight {
			p.fate = forgotten
			m.heard++
			m.e.losses.count(1, 0)
		}
	}
	return true
}

// delta takes the next receive delta (section 3.1.5), in µs.
func (m *message) delta(status uint8) (us int64) {
	if status == smallDelta {
		us = int64(m.deltas[0])
	} else {
		us = int64(int16(binary.BigEndian.Uint16(m.deltas))) //nolint:gosec // it is signed
	}
	m.deltas = m.deltas[deltaBytes(status):]
	return us * deltaUnit
}

func (m *message) arrived(p *entry, ext int64) {
	e := m.e
	was := p.fate
	if was == arrived {
		return
	}
	m.heard++
	sent := since(m.now, p.sent)
	p.fate, p.recv = arrived, uint32(m.recv)
	if was == missing {
		e.losses.count(1, -1)
	} else {
		e.losses.count(1, 0)
	}
	if was != forgotten {
		e.acked.add(m.recv, int(p.size))
	}
	e.queue.packet(m.recv, m.recv-sent, int(p.size))
	if e.cluster.covers(ext, sent) {
		e.trend.cut()
	} else {
		e.trend.packet(sent, m.recv)
	}
	m.newest = max(m.newest, sent)
}
