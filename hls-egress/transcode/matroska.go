package transcode

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/sfu/media"
)

// Element IDs of Matroska (RFC 9559 section 5) and EBML (RFC 8794 section 11).
const (
	idEBML           = 0x1A45DFA3
	idEBMLVersion    = 0x4286
	idEBMLReadVer    = 0x42F7
	idEBMLMaxID      = 0x42F2
	idEBMLMaxSize    = 0x42F3
	idDocType        = 0x4282
	idDocTypeVersion = 0x4287
	idDocTypeReadVer = 0x4285
	idSegment        = 0x18538067
	idInfo           = 0x1549A966
	idTimestampScale = 0x2AD7B1
	idMuxingApp      = 0x4D80
	idWritingApp     = 0x5741
	idTracks         = 0x1654AE6B
	idTrackEntry     = 0xAE
	idTrackNumber    = 0xD7
	idTrackUID       = 0x73C5
	idTrackType      = 0x83
	idFlagLacing     = 0x9C
	idCodecID        = 0x86
	idCodecPrivate   = 0x63A2
	idVideo          = 0xE0
	idPixelWidth     = 0xB0
	idPixelHeight    = 0xBA
	idAudio          = 0xE1
	idSampling       = 0xB5
	idChannels       = 0x9F
	idCluster        = 0x1F43B675
	idTimestamp      = 0xE7
	idSimpleBlock    = 0xA3
)

// matroskaCodec returns the CodecID (RFC 9559 section 27) of what ffmpeg
// reads, "" for what it does not.
func matroskaCodec(name string) string {
	switch name {
	case media.H264:
		return "V_MPEG4/ISO/AVC"
	case media.H265:
		return "V_MPEGH/ISO/HEVC"
	case media.VP8:
		return "V_VP8"
	case media.VP9:
		return "V_VP9"
	case media.AV1:
		return "V_AV1"
	case media.Opus:
		return "A_OPUS"
	default:
		return ""
	}
}

// appendID writes an element ID, which holds its own length marker.
func appendID(b []byte, id uint32) []byte {
	switch {
	case id > 0xFFFFFF:
		return append(b, byte(id>>24), byte(id>>16), byte(id>>8), byte(id))
	case id > 0xFFFF:
		return append(b, byte(id>>16), byte(id>>8), byte(id))
	case id > 0xFF:
		return append(b, byte(id>>8), byte(id))
	default:
		return append(b, byte(id))
	}
}

// appendSize writes a data size in the eight octet form (RFC 8794 section 4).
func appendSize(b []byte, n int) []byte {
	return binary.BigEndian.AppendUint64(b, 1<<56|uint64(n))
}

func appendElement(b []byte, id uint32, data []byte) []byte {
	return append(appendSize(appendID(b, id), len(data)), data...)
}

func appendUint(b []byte, id uint32, v uint64) []byte {
	return binary.BigEndian.AppendUint64(appendSize(appendID(b, id), 8), v)
}

func appendFloat(b []byte, id uint32, v float64) []byte {
	return appendUint(b, id, math.Float64bits(v))
}

// matroskaHeader is the beginning of a live file of one track: everything up
// to the first cluster. scale is the unit of its timestamps in ns. Sizes are a
// hint, the decoder follows what the bitstream says.
func matroskaHeader(codec media.Codec, scale uint64, width, height, channels int) []byte {
	var head []byte
	head = appendUint(head, idEBMLVersion, 1)
	head = appendUint(head, idEBMLReadVer, 1)
	head = appendUint(head, idEBMLMaxID, 4)
	head = appendUint(head, idEBMLMaxSize, 8)
	head = appendElement(head, idDocType, []byte("matroska"))
	head = appendUint(head, idDocTypeVersion, 4)
	head = appendUint(head, idDocTypeReadVer, 2)

	var info []byte
	info = appendUint(info, idTimestampScale, scale)
	info = appendElement(info, idMuxingApp, []byte("freshet"))
	info = appendElement(info, idWritingApp, []byte("freshet"))

	var track []byte
	track = appendUint(track, idTrackNumber, 1)
	track = appendUint(track, idTrackUID, 1)
	track = appendUint(track, idFlagLacing, 0)
	track = appendElement(track, idCodecID, []byte(matroskaCodec(codec.Name)))
	if codec.Kind() == media.Audio {
		track = appendUint(track, idTrackType, 2)
		track = appendElement(track, idCodecPrivate, opusHead(channels))
		var audio []byte
		audio = appendFloat(audio, idSampling, segment.AudioTimescale)
		audio = appendUint(audio, idChannels, uint64(channels))
		track = appendElement(track, idAudio, audio)
	} else {
		track = appendUint(track, idTrackType, 1)
		var video []byte
		video = appendUint(video, idPixelWidth, uint64(max(width, 2)))
		video = appendUint(video, idPixelHeight, uint64(max(height, 2)))
		track = appendElement(track, idVideo, video)
	}

	b := appendElement(nil, idEBML, head)
	b = appendID(b, idSegment)
	b = append(b, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF) // unknown size
	b = appendElement(b, idInfo, info)
	return appendElement(b, idTracks, appendElement(nil, idTrackEntry, track))
}

// opusHead is the identification header of RFC 7845 section 5.1. Its pre-skip
// is 0: what travels by RTP is played without any (RFC 7587), and both ways of
// watching shall agree.
func opusHead(channels int) []byte {
	b := append([]byte("OpusHead"), 1, byte(channels))
	b = binary.LittleEndian.AppendUint16(b, 0)
	b = binary.LittleEndian.AppendUint32(b, segment.AudioTimescale)
	return append(b, 0, 0, 0) // gain, mapping family
}

// appendCluster writes one sample as a cluster of its own, so that the reader
// has it whole as soon as it is written. at is in units of the header's scale.
func appendCluster(b []byte, at int64, key bool, payload []byte) []byte {
	const block = 1 + 2 + 1 // track number, relative timestamp, flags
	size := (1 + 8 + 8) + (1 + 8 + block + len(payload))
	b = slices.Grow(b, 4+8+size)
	b = appendSize(appendID(b, idCluster), size)
	b = appendUint(b, idTimestamp, uint64(at))
	b = appendSize(appendID(b, idSimpleBlock), block+len(payload))
	var flags byte
	if key {
		flags = 0x80
	}
	b = append(b, 0x81, 0, 0, flags)
	return append(b, payload...)
}

// appendPayload joins a sample's units as the decoder wants them: NAL units
// with start codes (ITU-T H.264 annex B), OBUs with their size (AV1 section
// 5.3), or the one coded frame.
func appendPayload(b []byte, codec string, units [][]byte) []byte {
	for _, u := range units {
		if len(u) == 0 {
			continue
		}
		switch codec {
		case media.H264, media.H265:
			b = append(append(b, 0, 0, 0, 1), u...)
		case media.AV1:
			b = appendOBU(b, u)
		default:
			b = append(b, u...)
		}
	}
	return b
}

// appendOBU gives an OBU its obu_size field, unless it has one.
func appendOBU(b, obu []byte) []byte {
	const hasSize, hasExtension = 0x02, 0x04
	header := 1
	if obu[0]&hasExtension != 0 {
		header = 2
	}
	if obu[0]&hasSize != 0 || len(obu) < header {
		return append(b, obu...)
	}
	b = append(b, obu[0]|hasSize)
	b = append(b, obu[1:header]...)
	b = binary.AppendUvarint(b, uint64(len(obu)-header))
	return append(b, obu[header:]...)
}
