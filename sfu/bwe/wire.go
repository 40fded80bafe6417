package bwe

import "encoding/binary"

// The symbols of draft-holmer-rmcat-transport-wide-cc-extensions-01 section
// 3.1.1; 3 is reserved.
const (
	notReceived = iota
	smallDelta
	largeDelta
)

const (
	feedbackHeader = 20 // RTCP header, two SSRCs and what is fixed of the message, in bytes
	chunkSize      = 2
	deltaUnit      = 250 // µs
)

// chunk is one packet status chunk (sections 3.1.3 and 3.1.4).
type chunk uint16

// length is how many packets it tells of.
func (c chunk) length() int {
	switch {
	case c>>15 == 0:
		return int(c & 0x1fff)
	case c>>14&1 == 0:
		return 14
	default:
		return 7
	}
}

func (c chunk) symbol(i int) uint8 {
	switch {
	case c>>15 == 0:
		return uint8(c >> 13 & 3)
	case c>>14&1 == 0:
		return uint8(c >> (13 - i) & 1)
	default:
		return uint8(c >> (12 - 2*i) & 3)
	}
}

// deltaBytes is how much room the receive deltas of its first n packets take.
func (c chunk) deltaBytes(n int) (size int) {
	if c>>15 == 0 {
		return n * deltaBytes(c.symbol(0))
	}
	for i := range n {
		size += deltaBytes(c.symbol(i))
	}
	return size
}

func deltaBytes(symbol uint8) int {
	switch symbol {
	case smallDelta:
		return 1
	case largeDelta:
		return 2
	default:
		return 0
	}
}

// feedback is one transport-cc message (section 3.1). Its parts are slices of
// what came in.
type feedback struct {
	base      uint16
	count     int // packets that it tells of
	reference uint32
	chunks    []byte // as many as the packets take
	deltas    []byte // as many as the chunks promise
}

// parseFeedback takes a whole RTCP packet. It returns false for one that does
// not hold what it promises, or tells of none or of more packets than could be
// in flight. It allocates nothing, and looks at no more than the packet's own
// bytes.
func parseFeedback(packet []byte) (f feedback, ok bool) {
	if len(packet) < feedbackHeader {
		return f, false
	}
	if packet[0]&(1<<5) != 0 { // RFC 3550 section 6.4.1: padding
		padding := int(packet[len(packet)-1])
		if padding == 0 || padding > len(packet)-feedbackHeader {
			return f, false
		}
		packet = packet[:len(packet)-padding]
	}
	f.base = binary.BigEndian.Uint16(packet[12:])
	f.count = int(binary.BigEndian.Uint16(packet[14:]))
	f.reference = binary.BigEndian.Uint32(packet[16:]) >> 8
	if f.count == 0 || f.count > maxStatus {
		return f, false
	}
	rest, deltas := packet[feedbackHeader:], 0
	size := 0
	for left := f.count; left > 0; size += chunkSize {
		if len(rest) < size+chunkSize {
			return f, false
		}
		c := chunk(binary.BigEndian.Uint16(rest[size:]))
		n := min(c.length(), left)
		if n == 0 {
			return f, false
		}
		deltas += c.deltaBytes(n)
		left -= n
	}
	if len(rest)-size < deltas {
		return f, false
	}
	f.chunks, f.deltas = rest[:size], rest[size:size+deltas]
	return f, true
}
