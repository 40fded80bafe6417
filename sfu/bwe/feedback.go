package bwe

import (
	"time"

	"github.com/pion/rtcp"
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

// Feedback takes a transport-cc message
// (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1). What it says
// of packets that were never sent, or not lately, is ignored; a message that
// contradicts itself is used up to there. Both count as absurd.
func (e *Estimator) Feedback(now time.Time, fb *rtcp.TransportLayerCC) {
	us := e.micros(now)
	if fb == nil || e.history.head < 0 || fb.PacketStatusCount == 0 || fb.PacketStatusCount > maxStatus {
		e.absurd++
		return
	}
	base := e.history.extend(fb.BaseSequenceNumber)
	if base > e.history.head || base+int64(fb.PacketStatusCount) > e.history.head+1 {
		e.absurd++
		return
	}
	recv, steady := e.clock.read(fb.ReferenceTime, us)
	if !steady {
		e.absurd++
		e.void()
	}
	m := message{e: e, now: us, base: base, left: int64(fb.PacketStatusCount), ext: base, ref: recv, recv: recv, deltas: fb.RecvDeltas}
	e.recover(base)
	if !m.walk(fb.PacketChunks) {
		e.absurd++
	}
	if m.heard == 0 {
		return
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
	left      int64 // packets still to be told of
	ref, recv int64 // µs by the viewer's clock: of the message, of the packet at hand
	deltas    []*rtcp.RecvDelta
	heard     int   // packets that were in flight
	newest    int64 // µs: when the newest packet that arrived was sent
}

// walk returns false when the message ends before it has told everything.
func (m *message) walk(chunks []rtcp.PacketStatusChunk) bool {
	for _, c := range chunks {
		if m.left == 0 {
			return true
		}
		switch c := c.(type) {
		case *rtcp.RunLengthChunk:
			if c == nil {
				return false
			}
			for n := min(int64(c.RunLength), m.left); n > 0; n-- {
				if !m.packet(c.PacketStatusSymbol) {
					return false
				}
			}
		case *rtcp.StatusVectorChunk:
			if c == nil {
				return false
			}
			for _, s := range c.SymbolList[:min(int64(len(c.SymbolList)), m.left)] {
				if !m.packet(s) {
					return false
				}
			}
		default:
			return false
		}
	}
	return m.left == 0
}

// packet takes the next packet's status; false when its time is missing or absurd.
func (m *message) packet(status uint16) bool {
	p := m.e.history.at(m.ext)
	ext := m.ext
	m.ext++
	m.left--
	switch status {
	case rtcp.TypeTCCPacketReceivedSmallDelta, rtcp.TypeTCCPacketReceivedLargeDelta:
		if len(m.deltas) == 0 || m.deltas[0] == nil {
			return false
		}
		m.recv += m.deltas[0].Delta
		m.deltas = m.deltas[1:]
		if d := m.recv - m.ref; d > maxJump || d < -maxJump {
			return false
		}
		if p != nil {
			m.arrived(p, ext)
		}
	case rtcp.TypeTCCPacketNotReceived:
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
