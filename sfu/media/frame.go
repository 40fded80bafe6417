package media

import "time"

// Frame is one access unit of a Layer, put together from its Packets: a coded
// picture, or one audio packet. It is immutable once it was handed on.
type Frame struct {
	Layer *Layer
	// Ticks is the RTP timestamp, extended to 64 bits so that it never wraps,
	// in units of the Layer's clock rate.
	Ticks int64
	// Wall is when the Frame was captured, by the Layer's Clock when it was
	// put together.
	Wall time.Time
	// Arrival is when its last Packet came in.
	Arrival time.Time
	// Keyframe is set when decoding can begin with this Frame.
	Keyframe bool
	// Lost is set when Packets or Frames just before this one, in decoding
	// order, are missing. It says nothing of what the decoder makes of that.
	Lost bool
	// Units is what the Frame consists of: NAL units without start codes
	// (H264, H265), OBUs without their size field and without temporal
	// delimiters (AV1), or the one coded frame (VP8, VP9, Opus).
	Units [][]byte
}
