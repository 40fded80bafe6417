package frames

import (
	"encoding/binary"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/vp9"
	"github.com/freshet-live/freshet/sfu/media"
)

// vp9Parser reads RTP payloads of VP9 (RFC 9628). All spatial layers of a
// stream are forwarded together, as one Layer.
type vp9Parser struct{}

// Bits of the first octet of the payload descriptor (RFC 9628 section 4.2).
const (
	vp9I = 0x80 // picture id present
	vp9P = 0x40 // inter-picture predicted
	vp9L = 0x20 // layer indices present
	vp9F = 0x10 // flexible mode
	vp9B = 0x08 // start of a frame
	vp9V = 0x02 // scalability structure present
)

// vp9Descriptor is a payload descriptor as far as it matters here.
type vp9Descriptor struct {
	media.Descriptor
	spatial       int
	width, height int // of the highest spatial layer, from the scalability structure
}

func (vp9Parser) parse(payload []byte) (finding, bool) {
	d, n, ok := readVP9Descriptor(payload)
	if !ok || n >= len(payload) {
		return finding{}, false
	}
	f := finding{desc: d.Descriptor, width: d.width, height: d.height}
	f.start = payload[0]&vp9B != 0 && d.spatial == 0
	if !f.start || payload[0]&vp9P != 0 {
		return f, true
	}
	// Not predicted from other pictures may still be intra-only, with which a
	// decoder cannot start.
	var h vp9.Header
	if h.Unmarshal(payload[n:]) != nil {
		return finding{}, false
	}
	if f.key = !h.NonKeyFrame && !h.ShowExistingFrame; f.key && f.width == 0 {
		f.width, f.height = size(h.Width(), h.Height())
	}
	return f, true
}

// readVP9Descriptor reads the payload descriptor and returns its length.
func readVP9Descriptor(b []byte) (d vp9Descriptor, n int, ok bool) {
	flags := b[0]
	n = 1
	if flags&vp9I != 0 {
		if n, ok = pictureID(&d.Descriptor, b, n); !ok {
			return d, 0, false
		}
	}
	if flags&vp9L != 0 {
		if n, ok = d.layerIndices(b, n, flags&vp9F != 0); !ok {
			return d, 0, false
		}
	}
	if flags&vp9F != 0 && flags&vp9P != 0 {
		if n, ok = skipReferences(b, n); !ok {
			return d, 0, false
		}
	}
	if flags&vp9V != 0 {
		if n, ok = d.structure(b, n); !ok {
			return d, 0, false
		}
	}
	return d, n, true
}

func (d *vp9Descriptor) layerIndices(b []byte, n int, flexible bool) (next int, ok bool) {
	if n >= len(b) {
		return 0, false
	}
	d.TemporalID = b[n] >> 5
	d.spatial = int(b[n]>>1) & 0x07
	n++
	if flexible {
		return n, true
	}
	if n >= len(b) {
		return 0, false
	}
	d.TL0PicIdx, d.TL0PicIdxPos = b[n], uint8(n) // at most 4
	return n + 1, true
}

// skipReferences passes over up to three reference indices (P_DIFF, N).
func skipReferences(b []byte, n int) (next int, ok bool) {
	for range 3 {
		if n >= len(b) {
			return 0, false
		}
		more := b[n]&0x01 != 0
		n++
		if !more {
			return n, true
		}
	}
	return 0, false // a fourth one is not allowed
}

// structure reads the scalability structure (RFC 9628 section 4.2.1).
func (d *vp9Descriptor) structure(b []byte, n int) (next int, ok bool) {
	if n >= len(b) {
		return 0, false
	}
	layers, sizes, group := int(b[n]>>5)+1, b[n]&0x10 != 0, b[n]&0x08 != 0
	n++
	if sizes {
		if n+4*layers > len(b) {
			return 0, false
		}
		n += 4 * layers
		d.width, d.height = size(int(binary.BigEndian.Uint16(b[n-4:])), int(binary.BigEndian.Uint16(b[n-2:])))
	}
	if !group {
		return n, true
	}
	if n >= len(b) {
		return 0, false
	}
	pictures := int(b[n])
	n++
	for range pictures {
		if n >= len(b) {
			return 0, false
		}
		n += 1 + int(b[n]>>2)&0x03 // its references follow
	}
	return n, n <= len(b)
}
