package frames

// vp8Unpacker takes apart VP8 (RFC 7741): a Frame is one unit.
type vp8Unpacker struct{}

func (vp8Unpacker) unpack(u *units, payload []byte) bool {
	_, n, ok := vp8Descriptor(payload)
	if !ok || n >= len(payload) {
		return false
	}
	// S with partition 0 is the beginning of a Frame and of nothing else
	// (section 4.2).
	if begins := payload[0]&0x10 != 0 && payload[0]&0x07 == 0; begins != (len(u.list) == 0) {
		return false
	}
	if len(u.list) == 0 {
		u.begin([2]byte{}, 0)
		u.picture = true
		u.key = payload[n]&0x01 == 0 // P, the inverse key frame flag (section 4.3)
	}
	u.add(payload[n:])
	return true
}

// vp9Unpacker takes apart VP9 (RFC 9628): a Frame is one unit, the frames of
// its spatial layers one after the other.
type vp9Unpacker struct{}

func (vp9Unpacker) unpack(u *units, payload []byte) bool {
	d, n, ok := readVP9Descriptor(payload)
	if !ok || n >= len(payload) {
		return false
	}
	frame := payload[n:]
	if payload[0]&vp9B == 0 {
		if len(u.list) == 0 {
			return false
		}
	} else {
		if len(u.list) == 0 {
			u.begin([2]byte{}, 0)
			u.picture = true
			u.key = d.spatial == 0 && payload[0]&vp9P == 0 && vp9KeyFrame(frame)
		}
		if len(u.sizes) == vp9MaxFrames {
			return false
		}
		u.sizes = append(u.sizes, 0)
	}
	u.sizes[len(u.sizes)-1] += len(frame)
	u.add(frame)
	return true
}

// vp9KeyFrame reads the beginning of an uncompressed header (VP9 bitstream
// specification, section 6.2): frame marker, profile, show_existing_frame,
// frame_type.
func vp9KeyFrame(frame []byte) bool {
	b := frame[0]
	if b>>6 != 0b10 {
		return false
	}
	if b>>4&0b11 == 0b11 { // profile 3 has a reserved bit
		b <<= 1
	}
	return b&0b1100 == 0
}

const (
	// vp9MaxFrames is how many frames a superframe may have.
	vp9MaxFrames = 8
	// vp9MaxIndex is the size of the longest index.
	vp9MaxIndex = 2 + vp9MaxFrames*4
)

// indexVP9 makes a superframe of several frames: their sizes follow, between
// two equal markers (VP9 bitstream specification, annex B). By RTP the frames
// are told apart by their descriptors, in a file by nothing else.
func (u *units) indexVP9() {
	if len(u.sizes) < 2 {
		return
	}
	largest := 0
	for _, size := range u.sizes {
		largest = max(largest, size)
	}
	width := 1
	for largest>>(8*width) != 0 {
		width++
	}
	marker := byte(0b110<<5 | (width-1)<<3 | (len(u.sizes) - 1))
	index := append(u.index[:0], marker)
	for _, size := range u.sizes {
		for i := range width {
			index = append(index, byte(size>>(8*i))) // little-endian
		}
	}
	u.add(append(index, marker))
}
