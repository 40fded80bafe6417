package rtc

import "encoding/binary"

// rtpPacket is a received packet, cut where its parts begin. The payload
// shares the bytes it was read from.
type rtpPacket struct {
	payloadType uint8
	marker      bool
	seq         uint16
	timestamp   uint32
	ssrc        uint32
	payload     []byte // without padding; empty when there is nothing else
}

// parseRTP reads a packet (RFC 3550 section 5.1). Header extensions are
// skipped: those that matter were read on the way here.
func parseRTP(b []byte) (p rtpPacket, ok bool) {
	const fixed = 12
	if len(b) < fixed || b[0]>>6 != 2 {
		return p, false
	}
	start := fixed + 4*int(b[0]&0x0f)
	if b[0]&0x10 != 0 {
		if len(b) < start+4 {
			return p, false
		}
		start += 4 + 4*int(binary.BigEndian.Uint16(b[start+2:]))
	}
	end := len(b)
	if b[0]&0x20 != 0 {
		end -= int(b[len(b)-1])
	}
	if start > end || start > len(b) {
		return p, false
	}
	return rtpPacket{
		payloadType: b[1] & 0x7f, marker: b[1]&0x80 != 0,
		seq: binary.BigEndian.Uint16(b[2:]), timestamp: binary.BigEndian.Uint32(b[4:]),
		ssrc: binary.BigEndian.Uint32(b[8:]), payload: b[start:end:end],
	}, true
}

// unwrapper extends 16-bit sequence numbers. The first one starts above zero,
// so that there is room below.
type unwrapper struct {
	highest uint64
	first   uint64
}

// unwrap returns the extended number next to the highest so far, and false for
// one from before the first.
func (u *unwrapper) unwrap(seq uint16) (uint64, bool) {
	if u.first == 0 {
		u.first = 1<<16 + uint64(seq)
		u.highest = u.first
		return u.first, true
	}
	diff := int64(int16(seq - uint16(u.highest))) // signed distance modulo 2^16
	ext := uint64(int64(u.highest) + diff)        // highest is at least 2^16
	if ext < u.first {
		return 0, false
	}
	u.highest = max(u.highest, ext)
	return ext, true
}
