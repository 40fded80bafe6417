package frames

import (
	"bytes"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
)

// av1Parser reads RTP payloads of AV1 (RTP Payload Format for AV1, section
// 4.3 and 4.4). All spatial layers of a stream are one Layer.
type av1Parser struct {
	sequence      []byte // the last sequence header parsed
	width, height int
}

// Bits of the aggregation header (section 4.4).
const (
	av1Z = 0x80 // the first OBU element continues one of the packet before
	av1Y = 0x40 // the last OBU element goes on in the next packet
	av1N = 0x08 // first packet of a coded video sequence
)

// OBU types of the AV1 specification, section 6.2.2. A Frame may begin with
// any from 1 to 6 but a tile group.
const (
	av1SequenceHeader = 1
	av1TileGroup      = 4
	av1Frame          = 6
)

func (a *av1Parser) parse(payload []byte) (finding, bool) {
	header, rest := payload[0], payload[1:]
	if header&av1Z != 0 {
		return finding{}, header&av1N == 0 && len(rest) > 0 // Z with N is not allowed
	}
	f := finding{key: header&av1N != 0}
	count := int(header>>4) & 0x03
	if len(rest) == 0 {
		return finding{}, false
	}
	for n := 1; len(rest) > 0; n++ {
		element, tail, ok := cutOBU(rest, n == count)
		if !ok || count != 0 && n > count {
			return finding{}, false
		}
		rest = tail
		if len(element) == 0 {
			continue
		}
		t := element[0] >> 3 & 0x0f
		if n == 1 {
			f.start = f.key || t >= av1SequenceHeader && t <= av1Frame && t != av1TileGroup && !upperLayer(element)
		}
		whole := len(tail) > 0 || header&av1Y == 0
		if whole && t == av1SequenceHeader {
			f.width, f.height = a.measure(element)
		}
	}
	return f, true
}

// cutOBU takes an OBU element: sized, but for the last one where the
// aggregation header counts them.
func cutOBU(b []byte, last bool) (element, rest []byte, ok bool) {
	if last {
		return b, nil, true
	}
	var length av1.LEB128
	n, err := length.Unmarshal(b)
	if err != nil || uint64(length) > uint64(len(b)-n) {
		return nil, nil, false
	}
	end := n + int(length)
	return b[n:end], b[end:], true
}

// measure returns the size that a sequence header gives.
func (a *av1Parser) measure(obu []byte) (width, height int) {
	if bytes.Equal(obu, a.sequence) {
		return a.width, a.height
	}
	var h av1.SequenceHeader
	if h.Unmarshal(obu) != nil {
		return 0, 0
	}
	a.sequence = append(a.sequence[:0], obu...)
	a.width, a.height = size(h.Width(), h.Height())
	return a.width, a.height
}

// upperLayer reports whether an OBU is of an upper spatial layer (AV1
// specification, section 5.3.3); the lowest one's comes before.
func upperLayer(obu []byte) bool {
	return obu[0]&av1Extension != 0 && len(obu) > 1 && obu[1]>>3&0x03 != 0
}
