package forward

import (
	"time"

	"github.com/freshet-live/freshet/sfu/media"
)

const (
	// keptSegments is how many turns of Layers a NACK can reach back over.
	keptSegments = 4
	// clockTrust is how far the distance by two Layers' Clocks may differ from
	// the distance by arrival before it is taken for wrong.
	clockTrust = time.Second
	// maxPause bounds the step over a pause, well below half the range of a
	// 90 kHz timestamp (6.6 hours), where forwards would turn into backwards.
	maxPause = time.Hour
	// reorderedFrames is how far the timestamps of one Layer may run backwards
	// for B-frames, in seconds; what runs back further is a new beginning.
	reorderedFrames = 1

	defaultClockRate = 90000
)

// Out holds the numbers under which a viewer gets a Packet.
type Out struct {
	// Seq is the outgoing sequence number, extended to 64 bits: its upper bits
	// are the rollover counter of SRTP (RFC 3711 section 3.3.1).
	Seq uint64
	// Timestamp is the outgoing RTP timestamp.
	Timestamp uint32
	Picture
}

// Picture is the part of Out that concerns the payload. (It is a struct of its
// own because the compiler keeps no more than four fields in registers.)
type Picture struct {
	// PictureID and TL0PicIdx belong where Packet.Descriptor has positions.
	// PictureID fits the width that the descriptor has there.
	PictureID uint16
	TL0PicIdx uint8
	// Empty: only the header goes out, without marker. The Packet is of no use
	// to the viewer, but its number was given away before that was known.
	Empty bool
}

// segment is one Layer's turn. Within it, all numbers keep a constant distance
// to those of the Source, so that a Packet that was lost and repaired finds its
// own place and a NACK finds its Packet. Where temporal layers are removed, the
// distance of sequence and picture numbers grows from piece to piece.
type segment struct {
	layer     *media.Layer
	first     uint64 // the Source's sequence number of the first Packet
	outFirst  uint64 // the outgoing one
	timestamp uint32
	pictureID uint16
	tl0       uint8
	replay    replay
	thinning  *thinning // nil while nothing was removed
}

// out returns the numbers of a Packet that was not removed.
func (g *segment) out(p *media.Packet) Out {
	o := Out{Seq: p.Seq - g.first + g.outFirst, Timestamp: g.replay.move(p) + g.timestamp}
	d := &p.Descriptor
	if d.PictureIDPos != 0 {
		o.PictureID = (d.PictureID + g.pictureID) & pictureMask(d)
	}
	if d.TL0PicIdxPos != 0 {
		o.TL0PicIdx = d.TL0PicIdx + g.tl0
	}
	if g.thinning != nil {
		o = g.thinning.close(p, o)
	}
	return o
}

// pictureMask holds the bits that a picture id has (RFC 7741 section 4.2).
func pictureMask(d *media.Descriptor) uint16 {
	if d.PictureIDLen == 1 {
		return 0x7f
	}
	return 0x7fff
}

// Munger keeps one viewer's Track continuous over all changes of Layer: its
// sequence numbers, timestamps and the picture numbers of VP8 and VP9. It is
// a value; it is not safe for concurrent use.
type Munger struct {
	// segments is a ring; the newest is at (turns-1) % keptSegments.
	segments [keptSegments]segment
	turns    int
	layers   uint8 // temporal layers that are to go out; 0: all

	highest     uint64       // highest outgoing sequence number so far
	lastLayer   *media.Layer // of the latest Frame sent
	lastSource  uint32       // its timestamp by the Source
	lastOffset  uint32       // what its turn adds to that
	lastOut     uint32       // the outgoing timestamp
	lastArrival time.Time
	lastPicture uint16
	lastTL0     uint8
	hasPicture  bool
	hasTL0      bool
}

// NewMunger returns a Munger whose first Packet gets the sequence number
// firstSeq. Below 2^15 the peer can place the first packets even when some are
// lost (RFC 3711 section 3.3.1).
func NewMunger(firstSeq uint16) Munger {
	return Munger{highest: uint64(firstSeq) - 1} // may wrap below zero until the first Packet
}

// Started reports whether there was a first Packet.
func (m *Munger) Started() bool { return m.turns > 0 }

// TimestampOffset is the outgoing minus the Source's timestamp in the current
// Layer, so that a sender report follows from Layer.Clock (RFC 3550 section
// 6.4.1).
func (m *Munger) TimestampOffset() uint32 {
	if m.turns == 0 {
		return 0
	}
	return m.segment().timestamp
}

// LastTimestamp is the outgoing timestamp of the latest Frame.
func (m *Munger) LastTimestamp() uint32 { return m.lastOut }

// NextSeq is the extended sequence number that follows the highest sent.
func (m *Munger) NextSeq() uint64 { return m.highest + 1 }

func (m *Munger) segment() *segment { return &m.segments[(m.turns-1)%keptSegments] }

// Switch begins the turn of a Layer with its first Packet, which Munge then
// takes. Its number follows the highest one sent, its timestamp is later by
// the time between the captures (R13, R19).
func (m *Munger) Switch(l *media.Layer, p *media.Packet) {
	next := m.next(l, p)
	next.timestamp = m.offset(l, p)
	m.begin(next)
	m.note(p, next.out(p))
}

// Ahead reports whether a Packet of the current Layer comes after all that
// were sent.
func (m *Munger) Ahead(p *media.Packet) bool {
	g := m.segment()
	if g.thinning != nil {
		at, ok := g.thinning.find(p.Seq)
		return ok && m.ahead(g.number(p.Seq, &at))
	}
	return m.ahead(p.Seq - g.first + g.outFirst)
}

// ahead compares outgoing numbers; before the first, highest may be below zero.
func (m *Munger) ahead(seq uint64) bool { return int64(seq-m.highest) > 0 } //nolint:gosec // wraps by design

// next returns a turn that begins with a Packet, its timestamps not yet moved.
func (m *Munger) next(l *media.Layer, p *media.Packet) segment {
	next := segment{layer: l, first: p.Seq, outFirst: m.highest + 1}
	if d := &p.Descriptor; d.PictureIDPos != 0 && m.hasPicture {
		next.pictureID = m.lastPicture + 1 - d.PictureID
	}
	if d := &p.Descriptor; d.TL0PicIdxPos != 0 && m.hasTL0 {
		next.tl0 = m.lastTL0 + 1 - d.TL0PicIdx
	}
	return next
}

// offset returns how to move timestamps so that Packet live is as far from
// what was sent as it was captured later.
func (m *Munger) offset(l *media.Layer, live *media.Packet) uint32 {
	if m.lastLayer == nil {
		return 0
	}
	at := m.lastSource + m.lastOffset + m.distance(l, live)
	if int32(at-m.lastOut) < 1 { // signed distance modulo 2^32
		at = m.lastOut + 1
	}
	return at - live.Timestamp
}

func (m *Munger) begin(next segment) {
	if m.turns == 0 || m.segment().outFirst != next.outFirst {
		m.turns++
	} // else nothing was sent of the last turn, and its number is free
	g := m.segment()
	kept := g.thinning
	*g = next
	m.beginThinning(g, kept)
}

// distance returns the ticks from the capture of the latest Frame sent to that
// of a new Layer's Packet, modulo 2^32.
func (m *Munger) distance(l *media.Layer, p *media.Packet) uint32 {
	d := p.Arrival.Sub(m.lastArrival)
	old, okOld := m.lastLayer.Clock()
	now, okNow := l.Clock()
	if okOld && okNow && old.Rate > 0 && now.Rate > 0 {
		byClock := now.Time(p.Timestamp).Sub(old.Time(m.lastSource))
		if (byClock - d).Abs() <= clockTrust {
			d = byClock
		}
	}
	d = max(-maxPause, min(d, maxPause))
	return uint32(int64(d) * clockRate(l) / int64(time.Second)) // wraps by design
}

func clockRate(l *media.Layer) int64 {
	if l.Codec.ClockRate == 0 {
		return defaultClockRate
	}
	return int64(l.Codec.ClockRate)
}

// note remembers the Packet with the highest number so far.
func (m *Munger) note(p *media.Packet, o Out) {
	m.highest = o.Seq
	m.lastLayer, m.lastOffset = m.segment().layer, m.segment().timestamp
	m.lastSource, m.lastArrival, m.lastOut = p.Timestamp, p.Arrival, o.Timestamp
	if p.Descriptor.PictureIDPos != 0 && !o.Empty {
		m.lastPicture, m.hasPicture = o.PictureID, true
	}
	if p.Descriptor.TL0PicIdxPos != 0 && !o.Empty {
		m.lastTL0, m.hasTL0 = o.TL0PicIdx, true
	}
}

// Munge returns the numbers for a Packet. It returns false for one that must
// not be sent: it belongs to an earlier turn or precedes the first Packet of
// this one. It does not look for duplicates, which the hub has dropped.
func (m *Munger) Munge(l *media.Layer, p *media.Packet) (Out, bool) {
	if m.turns == 0 {
		return Out{}, false
	}
	g := m.segment()
	if g.layer != l || p.Seq < g.first {
		return Out{}, false
	}
	if (g.thinning != nil || m.layers != 0) && m.removes(g, p) {
		return Out{}, false
	}
	o := g.out(p)
	if m.ahead(o.Seq) {
		m.advance(p, o)
	}
	return o, true
}

// advance notes a Packet that is newer than all before.
func (m *Munger) advance(p *media.Packet, o Out) {
	source, arrival, out := m.lastSource, m.lastArrival, m.lastOut
	m.note(p, o)
	m.segment().replay.reach(p)
	back := int64(int32(out - o.Timestamp)) // signed distance modulo 2^32
	if back > 0 && back < reorderedFrames*clockRate(m.segment().layer) {
		// A B-frame: what comes after the turn must pass the later Frame.
		m.lastSource, m.lastArrival, m.lastOut = source, arrival, out
	}
}

// Source finds what went out under a 16-bit sequence number, for a NACK (RFC
// 4585 section 6.2.1). The Packet is nil when the number was not used, or its
// turn is too long ago, or the Layer's History has forgotten it.
func (m *Munger) Source(seq uint16) (l *media.Layer, p *media.Packet, out Out) {
	if m.lastLayer == nil {
		return nil, nil, Out{}
	}
	age := uint64(uint16(m.highest) - seq) // distance modulo 2^16
	if age >= 1<<15 || age > m.highest {
		return nil, nil, Out{}
	}
	ext := m.highest - age
	for turn := m.turns; turn > max(0, m.turns-keptSegments); turn-- {
		g := &m.segments[(turn-1)%keptSegments]
		if ext < g.outFirst {
			continue
		}
		if g.layer.History == nil {
			break
		}
		at, ok := ext-g.outFirst+g.first, true
		if g.thinning != nil {
			at, ok = g.thinning.source(g.first, ext-g.outFirst)
		}
		if !ok {
			break
		}
		if p = g.layer.History.Packet(at); p == nil {
			break
		}
		return g.layer, p, g.out(p)
	}
	return nil, nil, Out{}
}
