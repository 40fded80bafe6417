package segment

import (
	"encoding/binary"
	"fmt"

	"github.com/Eyevinn/mp4ff/av1"
	"github.com/Eyevinn/mp4ff/mp4"
	"github.com/Eyevinn/mp4ff/vp9"
)

// OBU types (AV1 specification section 6.2.2).
const (
	obuSequenceHeader    = 1
	obuTemporalDelimiter = 2
	obuTileList          = 8
	obuPadding           = 15
	obuHasSize           = 0x02
	obuHasExtension      = 0x04
)

// av1Format is AV1 in ISO BMFF: OBUs with their size field, no temporal
// delimiters (AV1 Codec ISO Media File Format Binding section 2.4).
type av1Format struct{}

func obuType(obu []byte) byte { return obu[0] >> 3 & 0x0f }

// key wants the sequence header that a sync sample begins with (section 2.5).
func (f av1Format) key(units [][]byte) bool { return f.parameters(units) != nil }

func (av1Format) parameters(units [][]byte) [][]byte {
	for _, obu := range units {
		if len(obu) > 1 && obuType(obu) == obuSequenceHeader {
			return [][]byte{obu}
		}
	}
	return nil
}

func (f av1Format) describe(parameters [][]byte) (description, error) {
	d := description{parameters: parameters}
	if len(parameters) == 0 {
		return d, fmt.Errorf("%w: no sequence header", ErrParameters)
	}
	obu := parameters[0]
	header, err := av1.ParseSequenceHeader(obu[obuHeader(obu):])
	if err != nil {
		return d, fmt.Errorf("%w: %w", ErrParameters, err)
	}
	d.width, d.height = int(header.Width()), int(header.Height())
	if err := pictureSize(d.width, d.height); err != nil {
		return d, err
	}
	d.codecs = av1.CodecString("av01", header)
	visual("av01", &d, &mp4.Av1CBox{CodecConfRec: av1.CodecConfRecFromSequenceHeader(header, f.append(nil, obu))})
	return d, nil
}

// obuHeader is the size of an OBU's header without its size field.
func obuHeader(obu []byte) int {
	if obu[0]&obuHasExtension != 0 && len(obu) > 1 {
		return 2
	}
	return 1
}

func (av1Format) keep(obu []byte, _ [][]byte) bool {
	if len(obu) == 0 {
		return false
	}
	t := obuType(obu)
	return t != obuTemporalDelimiter && t != obuTileList && t != obuPadding
}

func (av1Format) size(obu []byte) int {
	n := len(obu) - obuHeader(obu)
	size := len(obu) + 1
	for n >>= 7; n > 0; n >>= 7 {
		size++
	}
	return size
}

func (av1Format) append(dst, obu []byte) []byte {
	h := obuHeader(obu)
	dst = append(dst, obu[0]|obuHasSize)
	dst = append(dst, obu[1:h]...)
	n := len(obu) - h
	for ; n >= 0x80; n >>= 7 {
		dst = append(dst, byte(n)|0x80)
	}
	dst = append(dst, byte(n))
	return append(dst, obu[h:]...)
}

// vp9Format is VP9: the frame, or superframe, as it is (VP Codec ISO Media File
// Format Binding).
type vp9Format struct{ whole }

func (f vp9Format) key(units [][]byte) bool { return f.parameters(units) != nil }

// parameters packs what a keyframe's header says that a vpcC needs.
func (vp9Format) parameters(units [][]byte) [][]byte {
	if len(units) == 0 {
		return nil
	}
	h, err := vp9.ParseFrameHeader(units[0])
	if err != nil || !h.KeyFrame {
		return nil
	}
	packed := []byte{h.Profile, h.BitDepth, h.ColorSpace, 0, h.SubsamplingX, h.SubsamplingY}
	if h.ColorRange {
		packed[3] = 1
	}
	packed = binary.BigEndian.AppendUint32(packed, h.Width)
	return [][]byte{binary.BigEndian.AppendUint32(packed, h.Height)}
}

func (vp9Format) describe(parameters [][]byte) (description, error) {
	d := description{parameters: parameters}
	if len(parameters) == 0 {
		return d, fmt.Errorf("%w: no VP9 keyframe header", ErrParameters)
	}
	p := parameters[0]
	h := vp9.Header{
		Profile: p[0], BitDepth: p[1], ColorSpace: p[2], ColorRange: p[3] != 0, SubsamplingX: p[4], SubsamplingY: p[5],
		Width: binary.BigEndian.Uint32(p[6:]), Height: binary.BigEndian.Uint32(p[10:]),
	}
	d.width, d.height = int(h.Width), int(h.Height)
	if err := pictureSize(d.width, d.height); err != nil {
		return d, err
	}
	level := vp9.Level(h.Width, h.Height, 30)
	d.codecs = fmt.Sprintf("vp09.%02d.%02d.%02d", h.Profile, level, h.BitDepth)
	visual("vp09", &d, &mp4.VppCBox{
		Version: 1, Profile: h.Profile, Level: level, BitDepth: h.BitDepth,
		ChromaSubsampling: h.VpcCChromaSubsampling(), VideoFullRangeFlag: p[3],
		// 2 is "unspecified" (ISO/IEC 23091-2): the bitstream tells.
		ColourPrimaries: 2, TransferCharacteristics: 2, MatrixCoefficients: 2,
	})
	return d, nil
}

// whole is the part of a format whose sample is the units as they are.
type whole struct{}

func (whole) keep(unit []byte, _ [][]byte) bool { return len(unit) > 0 }

func (whole) size(unit []byte) int { return len(unit) }

func (whole) append(dst, unit []byte) []byte { return append(dst, unit...) }
