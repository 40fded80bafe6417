package transcode

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrGarbage is what an output ends with that is not what was asked for.
var ErrGarbage = errors.New("transcode: output is not readable")

// maxTag bounds the bytes of one output sample: 4 s at 16 Mbit/s.
const maxTag = 8 << 20

// packet is one coded picture or audio frame as ffmpeg wrote it.
type packet struct {
	// at is the presentation time in ms, modulo 2^31.
	at  int64
	key bool
	// units are NAL units, parameter sets included with keyframes, or the one
	// AAC access unit.
	units [][]byte
}

// demuxer reads the FLV of one H264 or AAC stream. Of all that ffmpeg writes,
// it is the one format whose samples are whole the moment they are written:
// MPEG-TS, MP4 and Matroska end a sample with the next one, a frame later.
type demuxer struct {
	r      *bufio.Reader
	opened bool
	video  bool
	length int      // of the length field before NAL units, 0: no header yet
	params [][]byte // SPS and PPS

}

func newDemuxer(r io.Reader, video bool) *demuxer {
	return &demuxer{r: bufio.NewReaderSize(r, 64<<10), video: video}
}

// next returns the next sample. Errors are those of the reader, or wrap
// ErrGarbage.
func (d *demuxer) next() (packet, error) {
	if !d.opened {
		if err := d.open(); err != nil {
			return packet{}, err
		}
	}
	for {
		kind, at, body, err := d.tag()
		if err != nil {
			return packet{}, err
		}
		var p packet
		var ok bool
		switch {
		case kind == tagVideo && d.video:
			p, ok, err = d.avc(body)
		case kind == tagAudio && !d.video:
			p, ok, err = d.aac(body)
		case kind == tagScript:
		default:
			err = fmt.Errorf("%w: tag of kind %d", ErrGarbage, kind)
		}
		if err != nil {
			return packet{}, err
		}
		if ok {
			p.at = (p.at + at) & timeMask
			return p, nil
		}
	}
}

// Kinds of FLV tags, and what their bodies begin with (Video File Format
// Specification 10.1, annex E.4).
const (
	tagAudio  = 8
	tagVideo  = 9
	tagScript = 18

	codecAVC   = 7
	formatAAC  = 10
	frameKey   = 1
	sequence   = 0 // packet type: decoder configuration
	coded      = 1 // packet type: sample
	avcHeader  = 5
	aacHeader  = 2
	timeMask   = 1<<31 - 1
	spsMask    = 0x1F
	nalTypeSEI = 6
	nalTypeAUD = 9
)

func (d *demuxer) open() error {
	var head [9]byte
	if _, err := io.ReadFull(d.r, head[:]); err != nil {
		return ended(err)
	}
	if string(head[:3]) != "FLV" {
		return fmt.Errorf("%w: no FLV", ErrGarbage)
	}
	skip := binary.BigEndian.Uint32(head[5:])
	if skip < 9 || skip > 64 {
		return fmt.Errorf("%w: header of %d bytes", ErrGarbage, skip)
	}
	if _, err := d.r.Discard(int(skip) - 9 + 4); err != nil {
		return ended(err)
	}
	d.opened = true
	return nil
}

// ended makes an end within something an end like any other: the process is
// gone, that is all there is to it.
func ended(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return err
}

func (d *demuxer) tag() (kind byte, at int64, body []byte, err error) {
	var head [11]byte
	if _, err := io.ReadFull(d.r, head[:]); err != nil {
		return 0, 0, nil, ended(err)
	}
	size := int(head[1])<<16 | int(head[2])<<8 | int(head[3])
	if size > maxTag {
		return 0, 0, nil, fmt.Errorf("%w: tag of %d bytes", ErrGarbage, size)
	}
	at = int64(head[7]&0x7F)<<24 | int64(head[4])<<16 | int64(head[5])<<8 | int64(head[6])
	// The body grows as it comes, so that a mere length costs no memory.
	body, err = io.ReadAll(io.LimitReader(d.r, int64(size)))
	if err != nil {
		return 0, 0, nil, err
	}
	if len(body) < size {
		return 0, 0, nil, io.EOF
	}
	if _, err := d.r.Discard(4); err != nil {
		return 0, 0, nil, ended(err)
	}
	return head[0], at, body, nil
}

func (d *demuxer) avc(b []byte) (packet, bool, error) {
	if len(b) < avcHeader || b[0]&0x0F != codecAVC {
		return packet{}, false, fmt.Errorf("%w: no H264", ErrGarbage)
	}
	key := b[0]>>4 == frameKey
	offset := int64(int32(uint32(b[2])<<24|uint32(b[3])<<16|uint32(b[4])<<8) >> 8)
	switch b[1] {
	case sequence:
		return packet{}, false, d.avcConfig(b[avcHeader:])
	case coded:
		units, err := splitUnits(b[avcHeader:], d.length)
		if err != nil || len(units) == 0 {
			return packet{}, false, err
		}
		if key {
			units = append(append([][]byte{}, d.params...), units...)
		}
		return packet{at: offset, key: key, units: units}, true, nil
	default: // end of sequence
		return packet{}, false, nil
	}
}

// avcConfig takes an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 section
// 5.3.3.1).
func (d *demuxer) avcConfig(b []byte) error {
	if len(b) == 0 { // written before the encoder has made any
		return nil
	}
	if len(b) < 6 || b[0] != 1 {
		return fmt.Errorf("%w: decoder configuration", ErrGarbage)
	}
	length := int(b[4]&0x03) + 1
	var params [][]byte
	count, b := int(b[5]&spsMask), b[6:]
	for range 2 { // SPS, then PPS
		for range count {
			if len(b) < 2 {
				return fmt.Errorf("%w: decoder configuration", ErrGarbage)
			}
			n := int(binary.BigEndian.Uint16(b))
			if b = b[2:]; n == 0 || n > len(b) {
				return fmt.Errorf("%w: parameter set of %d bytes", ErrGarbage, n)
			}
			params, b = append(params, b[:n:n]), b[n:]
		}
		if len(b) == 0 {
			break
		}
		count, b = int(b[0]), b[1:]
	}
	d.length, d.params = length, params
	return nil
}

// splitUnits takes NAL units with a length in front apart. What only the
// encoder has to say (SEI) stays out.
func splitUnits(b []byte, length int) ([][]byte, error) {
	if length == 0 {
		return nil, fmt.Errorf("%w: sample before the configuration", ErrGarbage)
	}
	var units [][]byte
	for len(b) > 0 {
		if len(b) < length {
			return nil, fmt.Errorf("%w: NAL unit", ErrGarbage)
		}
		n := 0
		for _, v := range b[:length] {
			n = n<<8 | int(v)
		}
		if b = b[length:]; n > len(b) {
			return nil, fmt.Errorf("%w: NAL unit of %d bytes", ErrGarbage, n)
		}
		if n > 0 {
			if kind := b[0] & 0x1F; kind != nalTypeSEI && kind != nalTypeAUD {
				units = append(units, b[:n:n])
			}
		}
		b = b[n:]
	}
	return units, nil
}

func (d *demuxer) aac(b []byte) (packet, bool, error) {
	if len(b) < aacHeader || b[0]>>4 != formatAAC {
		return packet{}, false, fmt.Errorf("%w: no AAC", ErrGarbage)
	}
	unit := b[aacHeader:]
	if b[1] == sequence {
		return packet{}, false, nil
	}
	if len(unit) == 0 {
		return packet{}, false, nil
	}
	return packet{key: true, units: [][]byte{unit}}, true, nil
}
