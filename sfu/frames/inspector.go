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
	// Width and Height are the picture's size in pixels where the payload
	// tells it; 0: unchanged or unknown.
	Width, Height int
	// Descriptor tells what a forwarder has to rewrite in VP8 and VP9.
	Descriptor media.Descriptor
}

// parser reads the payloads of one codec.
type parser interface {
	// parse reads one payload that is not empty. first is set when its
	// timestamp differs from that of the packet before.
	parse(payload []byte, first bool) Info
}

// Inspector reads the payloads of one Layer. It is not safe for concurrent
// use.
type Inspector struct {
	parser    parser
	started   bool
	timestamp uint32
}

// NewInspector returns an Inspector for a codec. Payloads of a codec that
// Freshet does not forward give the zero Info.
func NewInspector(codec media.Codec) *Inspector {
	return &Inspector{parser: newParser(codec)}
}

// Inspect reads one payload, in the order of arrival. An empty payload (only
// padding) and a malformed one give the zero Info.
func (i *Inspector) Inspect(timestamp uint32, payload []byte) Info {
	if i.parser == nil || len(payload) == 0 {
		return Info{}
	}
	first := !i.started || timestamp != i.timestamp
	i.started, i.timestamp = true, timestamp
	return i.parser.parse(payload, first)
}

func newParser(codec media.Codec) parser {
	switch codec.Name {
	case media.Opus:
		return opusParser{}
	default:
		return nil
	}
}

// opusParser: every Opus packet stands for itself (RFC 7587 section 4).
type opusParser struct{}

func (opusParser) parse([]byte, bool) Info { return Info{FrameStart: true, Keyframe: true} }
