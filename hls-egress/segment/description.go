package segment

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/freshet-live/freshet/sfu/media"
)

var (
	// ErrCodec is returned for a codec that has no place in fMP4, or that
	// players cannot take from there.
	ErrCodec = errors.New("codec cannot be packaged")
	// ErrParameters is the fault of a keyframe whose parameters are missing or
	// make no sense.
	ErrParameters = errors.New("keyframe without usable parameters")
)

// maxSide bounds a picture's width and height, in pixels: what H.264 and H.265
// can at most code.
const maxSide = 16384

// description is what an initialization section tells of the samples.
type description struct {
	// parameters is what it was made of, to see whether a keyframe brings
	// others.
	parameters [][]byte
	// codecs is the parameter of RFC 6381.
	codecs        string
	width, height int
	channels      int
	// entry is the sample entry (ISO/IEC 14496-12 section 8.5.2).
	entry mp4.Box
}

// same reports whether two keyframes have the same parameters.
func same(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

// format knows one codec: what a keyframe tells, and what of a Frame's units
// goes into a sample.
type format interface {
	// key reports whether decoding can really begin with these units.
	key(units [][]byte) bool
	// parameters returns what in a keyframe's units describes it, aliasing
	// them; describe makes the description from it.
	parameters(units [][]byte) [][]byte
	describe(parameters [][]byte) (description, error)
	// keep returns whether a unit belongs into the sample; in is the
	// description that the sample is decoded with.
	keep(unit []byte, in [][]byte) bool
	// size is what append adds to dst for a unit.
	size(unit []byte) int
	append(dst, unit []byte) []byte
}

// newFormat returns the format of a codec.
func newFormat(c media.Codec) (format, error) {
	switch c.Name {
	case media.H264:
		return &h26x{codec: h264Codec, told: spropH264(c.Fmtp)}, nil
	case media.H265:
		return &h26x{codec: h265Codec, told: spropH265(c.Fmtp)}, nil
	case media.AV1:
		return av1Format{}, nil
	case media.VP9:
		return vp9Format{}, nil
	case media.Opus:
		return opusFormat{channels: channels(c)}, nil
	case AAC:
		return aacFormat{}, nil
	default:
		return nil, fmt.Errorf("%w: %q", ErrCodec, c.Name)
	}
}

// initSection writes an initialization section with one track and no samples
// (F1).
func initSection(kind media.Kind, d description) ([]byte, error) {
	seg := mp4.CreateEmptyInit()
	timescale, name := uint32(VideoTimescale), "video"
	if kind == media.Audio {
		timescale, name = AudioTimescale, "audio"
	}
	trak := seg.AddEmptyTrack(timescale, name, "und")
	trak.Tkhd.Width = mp4.Fixed32(d.width << 16)
	trak.Tkhd.Height = mp4.Fixed32(d.height << 16)
	trak.Mdia.Minf.Stbl.Stsd.AddChild(d.entry)
	var b bytes.Buffer
	if err := seg.Encode(&b); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrParameters, err)
	}
	return b.Bytes(), nil
}

// pictureSize checks a picture's size.
func pictureSize(width, height int) error {
	if width <= 0 || height <= 0 || width > maxSide || height > maxSide {
		return fmt.Errorf("%w: picture of %d by %d", ErrParameters, width, height)
	}
	return nil
}

func visual(name string, d *description, config mp4.Box) {
	d.entry = mp4.CreateVisualSampleEntryBox(name, uint16(d.width), uint16(d.height), config)
}
