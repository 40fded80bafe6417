package segment

import (
	"time"

	"github.com/freshet-live/freshet/sfu/media"
)

// AAC is the codec name of transcoded audio, which never travels by RTP.
const AAC = "aac"

// Config sets how a Ladder cuts. The zero value means the defaults.
type Config struct {
	// Part is the nominal duration of a part, 200 ms. The PART-TARGET that
	// follows from it is Target(); it holds for the life of the Ladder.
	Part time.Duration
	// Segment is the nominal duration of a segment, 2 s.
	Segment time.Duration
	// GOP is the distance of the encoder's own keyframes where it is known
	// before the Ladder starts, else 0. It matters only for an encoder that
	// ignores keyframe requests: the TARGETDURATION has to hold it.
	GOP time.Duration
}

// Spec names a rendition and what is in it.
type Spec struct {
	// Name is the rendition's folder in URLs: a RID, "video", "audio", "480p".
	Name  string
	Kind  media.Kind
	Codec media.Codec
	// Rank orders video renditions from the lowest quality.
	Rank int
	// Transcoded renditions are not asked for keyframes: they follow their
	// source's.
	Transcoded bool
	// Bitrate is what the encoder is expected to send at most, in bit/s; 0:
	// guess by the picture size. The declared bandwidth only ever grows from
	// there, so that a player's first choice holds.
	Bitrate uint64
}

// Rendition is a Spec with what its media has told of itself.
type Rendition struct {
	Spec
	// Codecs is the parameter of RFC 6381, such as "avc1.42c01f".
	Codecs string
	// Width and Height are in pixels, 0 for audio.
	Width, Height int
	// FrameRate is in frames per second, 0 for audio or while unknown.
	FrameRate float64
	// Channels is the number of audio channels, 0 for video.
	Channels int
	// Bandwidth is in bit/s: the peak of any segment-long window so far, with
	// a margin; AverageBandwidth is the mean.
	Bandwidth, AverageBandwidth uint64
	// Silent is since when the rendition carries another one's media or
	// nothing; zero while its own flows.
	Silent time.Time
}

// Init is an initialization section (EXT-X-MAP). It is immutable.
type Init struct {
	Rendition string
	// ID numbers the sections of a rendition from 0.
	ID   int
	Data []byte
}

// Part is a partial segment: whole moof and mdat pairs. A segment is its parts
// one after the other. It is immutable.
type Part struct {
	Rendition string
	// MSN is the media sequence number of its segment, Index its own number
	// therein from 0.
	MSN   uint64
	Index int
	// Init is the section that it needs, of this rendition or, while another
	// one's media stands in, of that one.
	Init *Init
	// Data is what is sent.
	Data []byte
	// Time is where it begins on the media timeline that all renditions share,
	// Wall is when that was captured.
	Time     time.Duration
	Wall     time.Time
	Duration time.Duration
	// Independent is set when its first sample is a keyframe.
	Independent bool
	// Last is set when it ends its segment.
	Last bool
	// Discontinuity is set on the first part of a segment that does not
	// continue the one before: other codec, timestamps or publisher.
	Discontinuity bool
	// Ready is when it was complete.
	Ready time.Time
}

// Output is what comes of an input, in the order in which to publish it.
type Output struct {
	// Keyframes asks for keyframes of all video Layers in the same instant.
	Keyframes bool
	// KeyframesOf asks again for those of some renditions.
	KeyframesOf []string
	// Parts are complete. A part's Init may be new.
	Parts []Part
	// Renditions is set when any of them has changed in what a multivariant
	// playlist says, or has come or gone: all that there are.
	Renditions []Rendition
}

// Timescales of the media timeline: samples of both kinds count from the same
// zero.
const (
	VideoTimescale = 90_000
	AudioTimescale = 48_000
)

// Sample is a Frame on the media timeline.
type Sample struct {
	// Time is when it is decoded and shown, in VideoTimescale or
	// AudioTimescale.
	Time int64
	// Wall is when it was captured.
	Wall time.Time
	// Key is set when decoding can begin with it.
	Key bool
	// Lost is set when something that it may refer to is missing.
	Lost bool
	// Units is as in media.Frame; for AAC the one access unit.
	Units [][]byte
}
