package frames

import (
	"encoding/binary"

	"github.com/freshet-live/freshet/sfu/media"
)

// vp8Parser reads RTP payloads of VP8 (RFC 7741).
type vp8Parser struct{}

func (vp8Parser) parse(payload []byte) (finding, bool) {
	desc, n, ok := vp8Descriptor(payload)
	if !ok || n >= len(payload) { // a descriptor with nothing behind it
		return finding{}, false
	}
	f := finding{desc: desc}
	// The first packet of the first partition begins the Frame (section 4.2:
	// S is 1 and PID is 0).
	if payload[0]&0x10 == 0 || payload[0]&0x07 != 0 {
		return f, true
	}
	f.start = true
	if frame := payload[n:]; frame[0]&0x01 == 0 { // P, the inverse key frame flag (section 4.3)
		if f.width, f.height, ok = vp8Size(frame); !ok {
			return finding{}, false
		}
		f.key = true
	}
	return f, true
}

// vp8Descriptor reads the payload descriptor (RFC 7741 section 4.2) and
// returns its length.
func vp8Descriptor(b []byte) (d media.Descriptor, n int, ok bool) {
	n = 1
	if b[0]&0x80 == 0 { // X
		return d, n, true
	}
	if len(b) < 2 {
		return d, 0, false
	}
	ext := b[1]
	n = 2
	if ext&0x80 != 0 { // I
		if n, ok = pictureID(&d, b, n); !ok {
			return d, 0, false
		}
	}
	if ext&0x40 != 0 { // L
		if n >= len(b) {
			return d, 0, false
		}
		d.TL0PicIdx, d.TL0PicIdxPos = b[n], uint8(n) // at most 4
		n++
	}
	if ext&0x30 != 0 { // T or K
		if n >= len(b) {
			return d, 0, false
		}
		if ext&0x20 != 0 {
			d.TemporalID, d.Sync = b[n]>>6, b[n]&0x20 != 0 // TID, Y
		}
		n++
	}
	return d, n, true
}

// pictureID reads a picture id at an offset, in the form that VP8 and VP9
// share, and returns the offset behind it.
func pictureID(d *media.Descriptor, b []byte, at int) (next int, ok bool) {
	if at >= len(b) {
		return 0, false
	}
	d.PictureIDPos = uint8(at) // 1 or 2
	if b[at]&0x80 == 0 {       // M
		d.PictureID, d.PictureIDLen = uint16(b[at]), 1
		return at + 1, true
	}
	if at+2 > len(b) {
		return 0, false
	}
	d.PictureID, d.PictureIDLen = binary.BigEndian.Uint16(b[at:])&0x7fff, 2
	return at + 2, true
}

// vp8Size reads a keyframe's header (RFC 6386 section 9.1).
func vp8Size(frame []byte) (width, height int, ok bool) {
	if len(frame) < 10 || frame[3] != 0x9d || frame[4] != 0x01 || frame[5] != 0x2a {
		return 0, 0, false
	}
	w := binary.LittleEndian.Uint16(frame[6:]) & 0x3fff
	h := binary.LittleEndian.Uint16(frame[8:]) & 0x3fff
	width, height = size(int(w), int(h))
	return width, height, true
}
