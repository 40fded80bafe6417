package frames

import "github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"

// More OBU types of the AV1 specification, section 6.2.2. Temporal delimiters,
// tile lists and padding have no place in a Frame.
const (
	av1TemporalDelimiter = 2
	av1FrameHeader       = 3
	av1TileList          = 8
	av1Padding           = 15
)

// Bits of an OBU's header (AV1 specification, section 5.3.2).
const (
	av1Extension = 0x04
	av1HasSize   = 0x02
)

// av1Unpacker takes apart OBU elements (RTP Payload Format for AV1, sections
// 4.3 and 4.4).
type av1Unpacker struct{}

func (av1Unpacker) unpack(u *units, payload []byte) bool {
	header, rest := payload[0], payload[1:]
	continues := header&av1Z != 0
	if continues != u.open || len(rest) == 0 {
		return false
	}
	count := int(header>>4) & 0x03
	for n := 1; len(rest) > 0; n++ {
		if count != 0 && n > count {
			return false
		}
		element, tail, ok := cutOBU(rest, n == count)
		if !ok {
			return false
		}
		rest = tail
		switch goesOn := len(rest) == 0 && header&av1Y != 0; {
		case n == 1 && continues:
			u.add(element)
			u.open = goesOn
		case len(element) == 0:
			if goesOn {
				return false
			}
		case !u.beginOBU(element):
			return false
		default:
			u.open = goesOn
		}
	}
	return true
}

// beginOBU adds an OBU or its first fragment. A size field goes: it would not
// be true of what a container wraps, and is left out by the payload format,
// too (section 4.5).
func (u *units) beginOBU(b []byte) bool {
	if b[0]&0x80 != 0 { // obu_forbidden_bit
		return false
	}
	n := 1
	if b[0]&av1Extension != 0 {
		n = 2
	}
	if len(b) < n {
		return false
	}
	body := b[n:]
	if b[0]&av1HasSize == 0 {
		u.begin([2]byte{}, 0)
		u.add(b)
	} else {
		var size av1.LEB128
		length, err := size.Unmarshal(body)
		if err != nil || uint64(size) > maxFrameBytes {
			return false
		}
		body = body[length:]
		header := [2]byte{b[0] &^ av1HasSize}
		copy(header[1:], b[1:n])
		u.begin(header, n)
		u.current().declared = n + int(size)
		u.add(body)
	}
	t := b[0] >> 3 & 0x0f
	u.current().useless = t == av1TemporalDelimiter || t == av1TileList || t == av1Padding
	u.noteAV1(t, body)
	return true
}

// noteAV1 takes notice of what begins with a body: decoding can begin with a
// key frame behind a sequence header.
func (u *units) noteAV1(t byte, body []byte) {
	switch t {
	case av1SequenceHeader:
		u.parameters = true
	case av1FrameHeader, av1Frame:
		// show_existing_frame and frame_type, 0 for a key frame (section
		// 5.9.2), come first in all but still pictures.
		if !u.picture {
			u.key = u.parameters && len(body) > 0 && body[0]&0xe0 == 0
		}
		u.picture = true
	}
}
