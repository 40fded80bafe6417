package frames

import (
	"bytes"
	"encoding/binary"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
)

// NAL unit types of RFC 6184 section 5.2 and ITU-T H.264 table 7-1.
const (
	h264Slice    = 1
	h264DataA    = 2
	h264IDR      = 5
	h264SEI      = 6
	h264SPS      = 7
	h264PPS      = 8
	h264AUD      = 9
	h264Prefix   = 14
	h264LastNAL  = 23
	h264STAPA    = 24
	h264FUA      = 28
	h264TypeMask = 0x1f
)

// h264Parser reads RTP payloads of H264 in packetization mode 0 or 1 (RFC 6184
// section 5.4, R9).
type h264Parser struct {
	sps           []byte // the last one parsed; encoders repeat it
	width, height int
}

func (h *h264Parser) parse(payload []byte) (finding, bool) {
	if payload[0]&0x80 != 0 { // forbidden_zero_bit
		return finding{}, false
	}
	switch t := payload[0] & h264TypeMask; {
	case t >= h264Slice && t <= h264LastNAL:
		return h.unit(payload), true
	case t == h264STAPA:
		return h.aggregate(payload[1:])
	case t == h264FUA:
		return h.fragment(payload)
	default:
		return finding{}, false
	}
}

// unit reads one whole NAL unit.
func (h *h264Parser) unit(nal []byte) finding {
	var f finding
	switch t := nal[0] & h264TypeMask; t {
	case h264Slice, h264DataA:
		f.start = firstSlice(nal[1:])
		f.b = f.start && bSlice(nal[1:])
	case h264IDR:
		f.start = firstSlice(nal[1:])
		f.key = f.start
	case h264SPS:
		f.start, f.key = true, true
		f.width, f.height = h.measure(nal)
	case h264SEI, h264PPS, h264AUD, h264Prefix:
		f.start = true
	}
	return f
}

// firstSlice reports whether a slice is the first of its picture: its header
// begins with first_mb_in_slice, where a single 1 bit is a zero (ITU-T H.264
// section 7.3.3). H.265 has a flag in the same place.
func firstSlice(slice []byte) bool { return len(slice) > 0 && slice[0]&0x80 != 0 }

// bSlice reports whether a picture's first slice is a B slice: slice_type, the
// Exp-Golomb code after first_mb_in_slice, is 1 or 6 (ITU-T H.264 table 7-6).
func bSlice(slice []byte) bool {
	return slice[0]>>4&7 == 0b010 || slice[0]>>2&0x1f == 0b00111
}

// aggregate reads a STAP-A (RFC 6184 section 5.7.1).
func (h *h264Parser) aggregate(rest []byte) (finding, bool) {
	var all finding
	for n := 0; len(rest) > 0; n++ {
		nal, tail, ok := cutNAL(rest)
		if !ok || nal[0]&0x80 != 0 {
			return finding{}, false
		}
		all.add(h.unit(nal), n == 0)
		rest = tail
	}
	return all, true
}

// cutNAL takes a NAL unit with its 16-bit size from an aggregation packet.
func cutNAL(b []byte) (nal, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if n == 0 || len(b) < 2+n {
		return nil, nil, false
	}
	return b[2 : 2+n], b[2+n:], true
}

// add takes in what the next unit of an aggregation packet tells.
func (f *finding) add(unit finding, first bool) {
	f.start = f.start || first && unit.start
	f.key = f.key || unit.key
	f.b = f.b || unit.b
	if unit.width != 0 {
		f.width, f.height = unit.width, unit.height
	}
}

// fragment reads a FU-A (RFC 6184 section 5.8).
func (h *h264Parser) fragment(payload []byte) (finding, bool) {
	if len(payload) < 3 || payload[1]&0xc0 == 0xc0 { // start and end at once
		return finding{}, false
	}
	if payload[1]&0x80 == 0 {
		return finding{}, true
	}
	switch payload[1] & h264TypeMask {
	case h264Slice, h264DataA:
		first := firstSlice(payload[2:])
		return finding{start: first, b: first && bSlice(payload[2:])}, true
	case h264IDR:
		first := firstSlice(payload[2:])
		return finding{start: first, key: first}, true
	case h264SPS: // too large for one packet; its size stays unknown
		return finding{start: true, key: true}, true
	default:
		return finding{start: true}, true
	}
}

// measure returns the size that a SPS gives.
func (h *h264Parser) measure(nal []byte) (width, height int) {
	if bytes.Equal(nal, h.sps) {
		return h.width, h.height
	}
	var sps h264.SPS
	if sps.Unmarshal(nal) != nil {
		return 0, 0
	}
	h.sps = append(h.sps[:0], nal...)
	h.width, h.height = size(sps.Width(), sps.Height())
	return h.width, h.height
}
