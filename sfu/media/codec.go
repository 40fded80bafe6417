package media

import "strings"

// Kind tells audio from video.
type Kind uint8

// The two kinds of Track.
const (
	Audio Kind = iota + 1
	Video
)

// String returns "audio" or "video", as in an SDP media line.
func (k Kind) String() string {
	switch k {
	case Audio:
		return "audio"
	case Video:
		return "video"
	default:
		return "unknown"
	}
}

// Codec names an RTP payload format and its parameters. It is a comparable
// value; two Codecs that are equal can be sent under one payload type.
type Codec struct {
	// Name is the encoding name in its canonical spelling: "H264", "H265",
	// "VP8", "VP9", "AV1" or "opus".
	Name string
	// ClockRate is the RTP clock in Hz: 90000 for video, 48000 for Opus.
	ClockRate uint32
	// Channels is 2 for Opus (RFC 7587 section 7) and 0 for video.
	Channels uint16
	// Fmtp is the format parameter line as the peer wrote it, without the
	// payload type.
	Fmtp string
}

// The codecs that Freshet forwards.
const (
	H264 = "H264"
	H265 = "H265"
	VP8  = "VP8"
	VP9  = "VP9"
	AV1  = "AV1"
	Opus = "opus"
)

// CanonicalCodecName returns the spelling used in Codec.Name for an encoding
// name in any case, and false for a codec that Freshet does not forward.
// Encoding names are case-insensitive (RFC 8866 section 6.6).
func CanonicalCodecName(name string) (string, bool) {
	for _, known := range [...]string{H264, H265, VP8, VP9, AV1, Opus} {
		if strings.EqualFold(name, known) {
			return known, true
		}
	}
	return "", false
}

// Kind returns whether the codec carries audio or video.
func (c Codec) Kind() Kind {
	if c.Name == Opus {
		return Audio
	}
	return Video
}

// IsZero reports whether no codec is set.
func (c Codec) IsZero() bool { return c.Name == "" }

// Parameter returns the value of one parameter of a format line such as
// Codec.Fmtp, "" when it is not there. Names are case-insensitive: RFC 8866
// section 6.15 leaves that to the format, and all of ours are.
func Parameter(fmtp, name string) string {
	for part := range strings.SplitSeq(fmtp, ";") {
		key, value, _ := strings.Cut(part, "=")
		if strings.EqualFold(strings.TrimSpace(key), name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
