package segment

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/Eyevinn/mp4ff/avc"
	"github.com/Eyevinn/mp4ff/hevc"
	"github.com/Eyevinn/mp4ff/mp4"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"

	"github.com/freshet-live/freshet/sfu/media"
)

// h26x is the format of H.264 and H.265: NAL units with a 4-byte length (ISO/IEC
// 14496-15). Parameter sets that the initialization section has stay out of the
// samples; others, from a keyframe inside a segment, stay in until the next
// segment brings their own section.
type h26x struct {
	codec *nalCodec
	// told are parameter sets that came by other ways than in the stream.
	told [][]byte
}

// nalCodec is what differs between the two.
type nalCodec struct {
	// sets are the types of parameter sets, in their order in the
	// description; the last two are SPS and PPS.
	sets []byte
	// junk are the types that have no place in a sample.
	junk   []byte
	header int
	// first and last are the types of slices that decoding can begin with.
	first, last byte
	nalType     func(nal []byte) byte
	describe    func(sets [][][]byte, d *description) error
}

var h264Codec = &nalCodec{
	sets:     []byte{7, 8},
	junk:     []byte{9, 10, 11, 12}, // delimiter, end of sequence and stream, filler
	header:   1,
	first:    5,
	last:     5,
	nalType:  func(nal []byte) byte { return nal[0] & 0x1f },
	describe: describeH264,
}

var h265Codec = &nalCodec{
	sets:     []byte{32, 33, 34},
	junk:     []byte{35, 36, 37, 38},
	header:   2,
	first:    16, // BLA, IDR and CRA
	last:     21,
	nalType:  func(nal []byte) byte { return nal[0] >> 1 & 0x3f },
	describe: describeH265,
}

func (h *h26x) key(units [][]byte) bool {
	for _, nal := range units {
		if len(nal) > h.codec.header {
			if t := h.codec.nalType(nal); t >= h.codec.first && t <= h.codec.last {
				return true
			}
		}
	}
	return false
}

func (h *h26x) parameters(units [][]byte) [][]byte {
	var out [][]byte
	for _, t := range h.codec.sets {
		out = h.find(out, t, units)
	}
	if len(out) == 0 {
		return h.told
	}
	return out
}

// find appends the units of a type, each once.
func (h *h26x) find(out [][]byte, t byte, units [][]byte) [][]byte {
	for _, nal := range units {
		if len(nal) > h.codec.header && h.codec.nalType(nal) == t && !contains(out, nal) {
			out = append(out, nal)
		}
	}
	return out
}

func contains(list [][]byte, b []byte) bool {
	for _, o := range list {
		if bytes.Equal(o, b) {
			return true
		}
	}
	return false
}

func (h *h26x) describe(parameters [][]byte) (description, error) {
	d := description{parameters: parameters}
	sets := make([][][]byte, len(h.codec.sets))
	for i, t := range h.codec.sets {
		if sets[i] = h.find(nil, t, parameters); len(sets[i]) == 0 {
			return d, fmt.Errorf("%w: no NAL unit of type %d", ErrParameters, t)
		}
	}
	if err := h.codec.describe(sets, &d); err != nil {
		return d, err
	}
	return d, pictureSize(d.width, d.height)
}

func describeH264(sets [][][]byte, d *description) error {
	var sps h264.SPS
	if err := sps.Unmarshal(sets[0][0]); err != nil {
		return fmt.Errorf("%w: %w", ErrParameters, err)
	}
	d.width, d.height = sps.Width(), sps.Height()
	parsed, err := avc.ParseSPSNALUnit(sets[0][0], false)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrParameters, err)
	}
	d.codecs = avc.CodecString("avc1", parsed)
	config, err := mp4.CreateAvcC(sets[0], sets[1], true)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrParameters, err)
	}
	visual("avc1", d, config)
	return nil
}

func describeH265(sets [][][]byte, d *description) error {
	var sps h265.SPS
	if err := sps.Unmarshal(sets[1][0]); err != nil {
		return fmt.Errorf("%w: %w", ErrParameters, err)
	}
	d.width, d.height = sps.Width(), sps.Height()
	parsed, err := hevc.ParseSPSNALUnit(sets[1][0])
	if err != nil {
		return fmt.Errorf("%w: %w", ErrParameters, err)
	}
	d.codecs = hevc.CodecString("hvc1", parsed)
	config, err := mp4.CreateHvcC(sets[0], sets[1], sets[2], true, true, true, true)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrParameters, err)
	}
	visual("hvc1", d, config)
	return nil
}

func (h *h26x) keep(nal []byte, in [][]byte) bool {
	if len(nal) <= h.codec.header {
		return false
	}
	t := h.codec.nalType(nal)
	if bytes.IndexByte(h.codec.junk, t) >= 0 {
		return false
	}
	return bytes.IndexByte(h.codec.sets, t) < 0 || !contains(in, nal)
}

func (*h26x) size(nal []byte) int { return 4 + len(nal) }

func (*h26x) append(dst, nal []byte) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(nal))), nal...)
}

// spropH264 reads the parameter sets that a format line carries (RFC 6184
// section 8.1).
func spropH264(fmtp string) [][]byte {
	return decodeSprop(media.Parameter(fmtp, "sprop-parameter-sets"))
}

// spropH265 does so for H.265 (RFC 7798 section 7.1).
func spropH265(fmtp string) [][]byte {
	var out [][]byte
	for _, name := range [...]string{"sprop-vps", "sprop-sps", "sprop-pps"} {
		out = append(out, decodeSprop(media.Parameter(fmtp, name))...)
	}
	return out
}

func decodeSprop(list string) [][]byte {
	var out [][]byte
	for one := range strings.SplitSeq(list, ",") {
		nal, err := base64.StdEncoding.DecodeString(strings.TrimSpace(one))
		if err == nil && len(nal) > 2 {
			out = append(out, nal)
		}
	}
	return out
}
