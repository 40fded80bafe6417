package frames

// h264Unpacker takes apart single NAL units, STAP-A and FU-A (RFC 6184
// sections 5.6 to 5.8, R9).
type h264Unpacker struct{}

func (h264Unpacker) unpack(u *units, payload []byte) bool {
	if payload[0]&0x80 != 0 { // forbidden_zero_bit
		return false
	}
	t := payload[0] & h264TypeMask
	if u.open && t != h264FUA {
		return false
	}
	switch {
	case t >= h264Slice && t <= h264LastNAL:
		u.noteH264(t)
		u.unit(payload)
		return true
	case t == h264STAPA:
		return u.aggregateH264(payload[1:])
	case t == h264FUA:
		return u.fragmentH264(payload)
	default:
		return false
	}
}

// noteH264 takes notice of parameter sets and of the types 1 to 5, which are
// slices (ITU-T H.264 table 7-1).
func (u *units) noteH264(t byte) {
	u.picture = u.picture || t >= h264Slice && t <= h264IDR
	u.key = u.key || t == h264IDR
	u.parameters = u.parameters || t == h264SPS
}

func (u *units) aggregateH264(rest []byte) bool {
	for len(rest) > 0 {
		nal, tail, ok := cutNAL(rest)
		if !ok || nal[0]&0x80 != 0 {
			return false
		}
		u.noteH264(nal[0] & h264TypeMask)
		u.unit(nal)
		rest = tail
	}
	return true
}

// fragmentH264 adds a FU-A: indicator, header, and a piece of the NAL unit
// without its header (RFC 6184 section 5.8).
func (u *units) fragmentH264(payload []byte) bool {
	if len(payload) < 3 {
		return false
	}
	t := payload[1] & h264TypeMask
	if !u.fragment(payload[1], [2]byte{payload[0]&^h264TypeMask | t}, 1, payload[2:]) {
		return false
	}
	u.noteH264(t)
	return true
}

// fragment adds a fragment in the form that H264 and H265 share: flags tells
// the first by its highest bit and the last by the next one.
func (u *units) fragment(flags byte, header [2]byte, n int, piece []byte) bool {
	start, end := flags&0x80 != 0, flags&0x40 != 0
	if start == u.open || start && end {
		return false
	}
	if start {
		u.begin(header, n)
	} else if u.current().header != header {
		return false // another NAL unit's
	}
	u.add(piece)
	u.open = !end
	return true
}

// h265Unpacker takes apart single NAL units, AP and FU without decoding order
// numbers (RFC 7798 section 4.4).
type h265Unpacker struct{}

func (h265Unpacker) unpack(u *units, payload []byte) bool {
	if len(payload) <= h265Header || payload[0]&0x80 != 0 { // forbidden_zero_bit
		return false
	}
	t := h265Type(payload[0])
	if u.open && t != h265FU {
		return false
	}
	switch {
	case t < h265AP:
		u.noteH265(t)
		u.unit(payload)
		return true
	case t == h265AP:
		return u.aggregateH265(payload[h265Header:])
	case t == h265FU:
		return u.fragmentH265(payload)
	default:
		return false
	}
}

// noteH265 takes notice of parameter sets, of the types up to 31, which are
// slice segments, and of those a decoder can begin with (ITU-T H.265 table
// 7-1).
func (u *units) noteH265(t int) {
	u.picture = u.picture || t <= h265LastSlice
	u.key = u.key || t >= h265FirstIRAP && t <= h265LastIRAP
	u.parameters = u.parameters || t == h265VPS // the first of them
}

func (u *units) aggregateH265(rest []byte) bool {
	for len(rest) > 0 {
		nal, tail, ok := cutNAL(rest)
		if !ok || len(nal) <= h265Header || nal[0]&0x80 != 0 {
			return false
		}
		u.noteH265(h265Type(nal[0]))
		u.unit(nal)
		rest = tail
	}
	return true
}

// fragmentH265 adds a FU: payload header, FU header, and a piece of the NAL
// unit without its header (RFC 7798 section 4.4.3).
func (u *units) fragmentH265(payload []byte) bool {
	if len(payload) < h265Header+2 {
		return false
	}
	flags := payload[h265Header]
	t := flags & 0x3f
	header := [2]byte{payload[0]&0x81 | t<<1, payload[1]}
	if !u.fragment(flags, header, h265Header, payload[h265Header+1:]) {
		return false
	}
	u.noteH265(int(t))
	return true
}
