package frames

import (
	"bytes"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
)

// NAL unit types of RFC 7798 section 1.1.4 and ITU-T H.265 table 7-1.
const (
	h265LastSlice = 31
	h265FirstIRAP = 16
	h265LastIRAP  = 21
	h265VPS       = 32
	h265SPS       = 33
	h265PPS       = 34
	h265AUD       = 35
	h265SEI       = 39
	h265AP        = 48
	h265FU        = 49
	h265Header    = 2 // bytes of a NAL unit's header
)

// h265Parser reads RTP payloads of H265 without decoding order numbers (RFC
// 7798 section 4.4, sprop-max-don-diff 0).
type h265Parser struct {
	sps           []byte
	width, height int
}

func h265Type(b byte) int { return int(b>>1) & 0x3f }

func (h *h265Parser) parse(payload []byte) (finding, bool) {
	if len(payload) < h265Header || payload[0]&0x80 != 0 { // forbidden_zero_bit
		return finding{}, false
	}
	switch t := h265Type(payload[0]); {
	case t < h265AP:
		return h.unit(t, payload, payload[h265Header:]), true
	case t == h265AP:
		return h.aggregate(payload[h265Header:])
	case t == h265FU:
		return h.fragment(payload[h265Header:])
	default:
		return finding{}, false
	}
}

// unit reads a NAL unit of a type: the whole of it, nil when it is fragmented,
// and its body or the beginning of that.
func (h *h265Parser) unit(t int, nal, body []byte) finding {
	var f finding
	switch {
	case t <= h265LastSlice:
		// first_slice_segment_in_pic_flag (ITU-T H.265 section 7.3.6.1).
		f.start = firstSlice(body)
		f.key = f.start && t >= h265FirstIRAP && t <= h265LastIRAP
	case t == h265VPS:
		f.start, f.key = true, true
	case t == h265SPS:
		f.start, f.key = true, true
		if nal != nil {
			f.width, f.height = h.measure(nal)
		}
	case t == h265PPS, t == h265AUD, t == h265SEI:
		f.start = true
	}
	return f
}

// aggregate reads an AP (RFC 7798 section 4.4.2).
func (h *h265Parser) aggregate(rest []byte) (finding, bool) {
	var all finding
	for n := 0; len(rest) > 0; n++ {
		nal, tail, ok := cutNAL(rest)
		if !ok || len(nal) < h265Header || nal[0]&0x80 != 0 {
			return finding{}, false
		}
		all.add(h.unit(h265Type(nal[0]), nal, nal[h265Header:]), n == 0)
		rest = tail
	}
	return all, true
}

// fragment reads a FU (RFC 7798 section 4.4.3).
func (h *h265Parser) fragment(fu []byte) (finding, bool) {
	if len(fu) < 2 || fu[0]&0xc0 == 0xc0 { // start and end at once
		return finding{}, false
	}
	if fu[0]&0x80 == 0 {
		return finding{}, true
	}
	return h.unit(int(fu[0]&0x3f), nil, fu[1:]), true
}

// measure returns the size that a SPS gives.
func (h *h265Parser) measure(nal []byte) (width, height int) {
	if bytes.Equal(nal, h.sps) {
		return h.width, h.height
	}
	var sps h265.SPS
	if sps.Unmarshal(nal) != nil {
		return 0, 0
	}
	h.sps = append(h.sps[:0], nal...)
	h.width, h.height = size(sps.Width(), sps.Height())
	return h.width, h.height
}
