package sdp

import (
	"strconv"
	"strings"

	pion "github.com/pion/sdp/v3"

	"github.com/freshet-live/freshet/sfu/media"
)

// payloadAttributes gathers what a section says about its payload types, in
// whatever order it says it: some devices write fmtp before rtpmap.
type payloadAttributes struct {
	byType   [128]payloadAttribute
	wildcard feedback // rtcp-fb:* holds for every payload type
}

type payloadAttribute struct {
	name     string
	clock    uint32
	channels uint16
	fmtp     string
	feedback feedback
}

type feedback struct{ nack, pli, fir, transportCC, remb bool }

func (f feedback) or(g feedback) feedback {
	return feedback{f.nack || g.nack, f.pli || g.pli, f.fir || g.fir, f.transportCC || g.transportCC, f.remb || g.remb}
}

// read takes one rtpmap, fmtp or rtcp-fb. A payload type that is no number
// below 128 (RFC 3550 section 5.1) makes the offer malformed.
func (p *payloadAttributes) read(a pion.Attribute) error {
	number, rest, _ := strings.Cut(a.Value, " ")
	rest = strings.TrimSpace(rest)
	if a.Key == "rtcp-fb" && number == "*" {
		p.wildcard.read(rest)
		return nil
	}
	pt, err := strconv.ParseUint(number, 10, 7)
	if err != nil {
		return malformed("a=%s does not begin with a payload type", a.Key)
	}
	entry := &p.byType[pt]
	switch a.Key {
	case "rtpmap":
		if entry.name == "" {
			return entry.readMap(rest)
		}
	case "fmtp":
		// Some devices write two lines for one payload type.
		if entry.fmtp != "" && len(entry.fmtp)+len(rest) < maxFmtp {
			rest = strings.TrimRight(entry.fmtp, "; ") + ";" + rest
		}
		entry.fmtp = rest
	case "rtcp-fb":
		entry.feedback.read(rest)
	}
	return nil
}

// readMap reads "<name>/<clock>[/<channels>]" (RFC 8866 section 6.6).
func (e *payloadAttribute) readMap(value string) error {
	f := strings.Split(value, "/")
	if len(f) < 2 || len(f) > 3 || !isToken(f[0]) {
		return malformed("an rtpmap is not <name>/<clock rate>")
	}
	clock, err := strconv.ParseUint(f[1], 10, 32)
	if err != nil {
		return malformed("an rtpmap has no clock rate")
	}
	if len(f) == 3 {
		channels, err := strconv.ParseUint(f[2], 10, 16)
		if err != nil {
			return malformed("an rtpmap has no number of channels")
		}
		e.channels = uint16(channels)
	}
	e.name, e.clock = f[0], uint32(clock)
	return nil
}

func (f *feedback) read(value string) {
	switch strings.ToLower(strings.Join(strings.Fields(value), " ")) {
	case "nack":
		f.nack = true
	case "nack pli":
		f.pli = true
	case "ccm fir":
		f.fir = true
	case "transport-cc":
		f.transportCC = true
	case "goog-remb":
		f.remb = true
	}
}

// codecs returns those of the listed formats that Freshet forwards. A dynamic
// payload type without an rtpmap is malformed (RFC 8866 section 6.6): it is
// how a description that was cut off gives itself away (H1).
func (p *payloadAttributes) codecs(kind media.Kind, formats []string) ([]Codec, error) {
	var seen [128]bool
	var out []Codec
	for _, format := range formats {
		n, err := strconv.ParseUint(format, 10, 7)
		if err != nil {
			return nil, malformed("a media section lists a payload type that is no number below 128")
		}
		pt := uint8(n)
		if seen[pt] {
			continue
		}
		seen[pt] = true
		if pt >= 96 && p.byType[pt].name == "" {
			return nil, malformed("payload type %d has no rtpmap", pt)
		}
		if c, ok := p.codec(kind, pt); ok {
			out = append(out, c)
		}
	}
	p.pairRTX(out, seen)
	return out, nil
}

// codec returns payload type pt as a codec of ours. With RTP and RTCP on one
// port the types 64 to 95 cannot be told from RTCP (RFC 5761 section 4).
func (p *payloadAttributes) codec(kind media.Kind, pt uint8) (Codec, bool) {
	e := p.byType[pt]
	name, known := media.CanonicalCodecName(e.name)
	if !known || pt >= 64 && pt <= 95 {
		return Codec{}, false
	}
	c := media.Codec{Name: name, ClockRate: e.clock, Fmtp: e.fmtp}
	switch {
	case c.Kind() != kind:
		return Codec{}, false
	case kind == media.Audio && (e.clock != 48000 || e.channels > 2):
		return Codec{}, false
	case kind == media.Video && e.clock != 90000:
		return Codec{}, false
	}
	if kind == media.Audio {
		c.Channels = 2 // RFC 7587 section 7, whatever the offer forgot
	}
	f := e.feedback.or(p.wildcard)
	return Codec{
		Codec: c, PayloadType: pt,
		NACK: f.nack, PLI: f.pli, FIR: f.fir, TransportCC: f.transportCC, REMB: f.remb,
	}, true
}

// pairRTX finds each codec's retransmission payload type (RFC 4588 section
// 8.1). The first that names a codec wins.
func (p *payloadAttributes) pairRTX(codecs []Codec, listed [128]bool) {
	var rtx [128]uint8
	for pt := len(p.byType) - 1; pt > 0; pt-- {
		e := p.byType[pt]
		if !listed[pt] || !strings.EqualFold(e.name, "rtx") || pt >= 64 && pt <= 95 {
			continue
		}
		if apt, err := strconv.ParseUint(media.Parameter(e.fmtp, "apt"), 10, 7); err == nil {
			rtx[apt] = uint8(pt)
		}
	}
	for i := range codecs {
		codecs[i].RTX = rtx[codecs[i].PayloadType]
	}
}
