package fanout

import (
	"strconv"

	"github.com/freshet-live/freshet/sfu/media"
)

// How well a viewer's payload format suits what the publisher sends.
const (
	unfit     = iota
	hopeful   // against the letter of the offer, and decoders take it
	decodable // a lower profile than the viewer's
	matching  // the same profile
	identical // the same format parameters too
)

// pickCodec returns the index of the offered format under which a viewer gets
// a Layer's codec, the first of the best ones; -1 when it can decode none.
func pickCodec(offered []CodecParams, source media.Codec) int {
	best, fit := -1, unfit
	for i := range offered {
		if f := fitness(offered[i].Codec, source); f > fit {
			best, fit = i, f
		}
	}
	return best
}

// fitness tells how well a decoder for one format takes another.
func fitness(decoder, source media.Codec) int {
	if decoder == source {
		return identical
	}
	if decoder.Name != source.Name || decoder.ClockRate != source.ClockRate {
		return unfit
	}
	switch source.Name {
	case media.H264:
		return fitH264(decoder.Fmtp, source.Fmtp)
	case media.VP9:
		// RFC 9628 section 6: a profile is not a superset of a lower one.
		if number(decoder.Fmtp, "profile-id", 0) == number(source.Fmtp, "profile-id", 0) {
			return matching
		}
		return unfit
	case media.H265:
		// RFC 7798 section 7.1: Main (1) is the default; Main 10 decodes it.
		return fitProfile(number(decoder.Fmtp, "profile-id", 1), number(source.Fmtp, "profile-id", 1))
	case media.AV1:
		// AV1 RTP section 7.2.1: each profile decodes those below.
		return fitProfile(number(decoder.Fmtp, "profile", 0), number(source.Fmtp, "profile", 0))
	default:
		// VP8 has no profiles in RTP, and Opus parameters only declare
		// (RFC 7587 section 7).
		return matching
	}
}

func fitProfile(decoder, source int) int {
	switch {
	case decoder == source:
		return matching
	case decoder > source:
		return decodable
	default:
		return unfit
	}
}

// fitH264 compares the parameters of RFC 6184 section 8.1. The level does not
// count: browsers always write 3.1, decode far more, and with
// level-asymmetry-allowed it binds only what they send.
func fitH264(decoder, source string) int {
	if number(decoder, "packetization-mode", 0) < number(source, "packetization-mode", 0) {
		return unfit // single NAL unit mode has no FU-A
	}
	to, from := h264Profile(decoder), h264Profile(source)
	switch {
	case to == from:
		return matching
	case from == h264Unknown || to == h264Unknown:
		return unfit
	case from == h264Constrained, from == h264Main && to == h264High:
		return decodable
	default:
		// Encoders leave out the constraint flags, and browsers decode Main
		// and High without offering them: rather try than show nothing.
		return hopeful
	}
}

// The profiles of H264 that browsers and encoders use.
const (
	h264Unknown = iota
	h264Constrained
	h264Baseline
	h264Main
	h264High
)

// h264Profile reads the first two bytes of profile-level-id (RFC 6184 table 5).
func h264Profile(fmtp string) int {
	id := media.Parameter(fmtp, "profile-level-id")
	if id == "" {
		return h264Baseline // RFC 6184 section 8.1: the default
	}
	v, err := strconv.ParseUint(id, 16, 24)
	if err != nil || len(id) != 6 {
		return h264Unknown
	}
	idc, constraints := v>>16, v>>8&0xff
	set0, set1 := constraints&0x80 != 0, constraints&0x40 != 0
	switch {
	case idc == 0x42 && set1, idc == 0x4d && set0, idc == 0x58 && set0 && set1:
		return h264Constrained
	case idc == 0x42, idc == 0x58 && set0:
		return h264Baseline
	case idc == 0x4d, idc == 0x58:
		return h264Main
	case idc == 0x64:
		return h264High
	default:
		return h264Unknown // High 10 and 4:2:2 are beyond every browser
	}
}

func number(fmtp, name string, missing int) int {
	if n, err := strconv.Atoi(media.Parameter(fmtp, name)); err == nil {
		return n
	}
	return missing
}
