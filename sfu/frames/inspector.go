package frames

import "github.com/freshet-live/freshet/sfu/media"

// Info is what one RTP payload tells.
type Info struct {
	// FrameStart is set on the first packet of a video Frame and on every
	// audio packet.
	FrameStart bool
	// Keyframe is set on the packet from which a decoder can start, see
	// media.Packet.
	Keyframe bool
	// BFrame is set on the packet that begins an H264 picture of B slices,
	// which wait for a later picture. Other codecs never set it: B slices of
	// H265 may well look back only.
	BFrame bool
	// Width and Height are the picture's size in pixels where the payload
	// tells it; 0: unchanged or unknown.
	Width, Height int
	// Descriptor tells what a forwarder has to rewrite in VP8 and VP9.
	Descriptor media.Descriptor
}

// finding is what a payload tells by itself, without those before it.
type finding struct {
	start  bool // a Frame may begin here
	key    bool // a decoder may start here, if nothing before at this timestamp did
	b      bool // a picture of B slices begins here
	width  int
	height int
	desc   media.Descriptor
}

// parser reads payloads of one codec; they are not empty. It returns false for
// a malformed one.
type parser interface {
	parse(payload []byte) (finding, bool)
}

// Inspector reads the payloads of one Layer. It is not safe for concurrent
// use.
type Inspector struct {
	parser parser
	// everyPacket is set for audio, where each packet is a Frame of its own.
	everyPacket bool

	seen      bool
	timestamp uint32 // of the newest Frame
	begun     bool   // its first packet was seen
	keyed     bool   // there was a keyframe, at keyTime
	keyTime   uint32
}

// NewInspector returns an Inspector for a codec. Payloads of a codec that
// Freshet does not forward give the zero Info.
func NewInspector(codec media.Codec) *Inspector {
	i := &Inspector{}
	switch codec.Name {
	case media.Opus:
		i.everyPacket = true
	case media.H264:
		i.parser = &h264Parser{}
	case media.H265:
		i.parser = &h265Parser{}
	case media.VP8:
		i.parser = vp8Parser{}
	case media.VP9:
		i.parser = vp9Parser{}
	case media.AV1:
		i.parser = &av1Parser{}
	}
	return i
}

// Inspect reads one payload, in the order of arrival. An empty payload (only
// padding) and a malformed one give the zero Info.
//
// A Frame begins once per timestamp. A packet of an older Frame that was
// repaired may still be the keyframe that was missing, but begins nothing.
func (i *Inspector) Inspect(timestamp uint32, payload []byte) Info {
	if len(payload) == 0 {
		return Info{}
	}
	if i.everyPacket {
		return Info{FrameStart: true, Keyframe: true} // RFC 7587 section 4
	}
	if i.parser == nil {
		return Info{}
	}
	f, ok := i.parser.parse(payload)
	if !ok {
		return Info{}
	}
	info := Info{BFrame: f.b, Width: f.width, Height: f.height, Descriptor: f.desc}
	late := i.advance(timestamp)
	if f.start && !late && !i.begun {
		i.begun, info.FrameStart = true, true
	}
	if f.key && (!i.keyed || i.keyTime != timestamp) {
		i.keyed, i.keyTime, info.Keyframe = true, timestamp, true
	}
	return info
}

// lateTicks is how far a timestamp may lie back and still be a late packet's:
// a second at 90 kHz. One that lies back further is the encoder's new
// beginning.
const lateTicks = 90_000

// advance moves on to a timestamp and reports whether it is an older Frame's.
func (i *Inspector) advance(timestamp uint32) (late bool) {
	if i.seen {
		if timestamp == i.timestamp {
			return false
		}
		if back := i.timestamp - timestamp; back < lateTicks {
			return true
		}
	}
	i.seen, i.timestamp, i.begun = true, timestamp, false
	return false
}

// maxSide is the longest side, in pixels, that a picture is believed to have.
const maxSide = 16384

// size returns a picture's size, or zeros when it is not believable.
func size(width, height int) (w, h int) {
	if width <= 0 || height <= 0 || width > maxSide || height > maxSide {
		return 0, 0
	}
	return width, height
}
