package media

import "time"

// Packet is one RTP packet. It is immutable once it was handed to a Layer and
// is shared by all Sinks and the Layer's History; nobody writes to it again.
// The garbage collector owns it: a Sink may keep it as long as it likes.
type Packet struct {
	// Seq is the sequence number that the Source gave it, extended to 64 bits
	// so that it never wraps. Gaps are packets lost on the way in; a packet
	// that was repaired comes late, out of order.
	Seq uint64
	// Timestamp is the RTP timestamp that the Source gave it.
	Timestamp uint32
	// Arrival is when the packet came in, on this Node's monotonic clock.
	Arrival time.Time
	// Marker is the RTP marker bit: for video, the last packet of a Frame.
	Marker bool
	// FrameStart is set on the first packet of a video Frame and on every
	// audio packet.
	FrameStart bool
	// Keyframe is set on the packet from which a decoder can start: the first
	// packet of a video keyframe (for H264 and H265 the parameter sets before
	// it) and every audio packet.
	Keyframe bool
	// Descriptor holds the fields of a VP8 or VP9 payload descriptor that have
	// to stay continuous for a viewer across Layer switches.
	Descriptor Descriptor
	// Payload is the RTP payload without padding.
	Payload []byte
}

// Descriptor tells where in a payload the numbers lie that a forwarder has to
// rewrite (RFC 7741 section 4.2 for VP8, RFC 9628 section 4.2 for VP9). The
// zero value means that there is nothing to rewrite.
type Descriptor struct {
	// PictureID is the picture's number, 7 or 15 bits wide.
	PictureID uint16
	// PictureIDPos is the offset of the picture id in the payload; 0: none.
	PictureIDPos uint8
	// PictureIDLen is its size in bytes: 1 (7 bits) or 2 (15 bits).
	PictureIDLen uint8
	// TL0PicIdx is the running index of temporal base layer pictures.
	TL0PicIdx uint8
	// TL0PicIdxPos is the offset of TL0PICIDX in the payload; 0: none.
	TL0PicIdxPos uint8
	// TemporalID is the picture's temporal layer, 0 for the base.
	TemporalID uint8
	// Sync is set when a VP8 picture of an upper temporal layer depends on the
	// base layer only (Y).
	Sync bool
}
