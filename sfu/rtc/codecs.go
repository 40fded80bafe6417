package rtc

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"

	"github.com/freshet-live/freshet/sfu/media"
)

// feedback lists the kinds of RTCP feedback that are used: a viewer's losses
// and joins turn into NACK, PLI and FIR, the rest is congestion control. REMB
// is not among them because none is ever sent.
var feedback = [...]string{"nack", "nack pli", "ccm fir", "transport-cc"}

// parseCodecs reads the codecs of a section that Freshet forwards, preferred
// first: H264, which every viewer decodes, then the offer's order. Payload types
// stay those of the offer (RFC 3264 section 6, W54).
func parseCodecs(md *sdp.MediaDescription, sec *section) (out []offeredCodec) {
	lines := readCodecLines(md.Attributes)
	for _, format := range md.MediaName.Formats {
		pt, ok := payloadType(format)
		if !ok || slices.ContainsFunc(out, func(c offeredCodec) bool { return c.payloadType == pt }) {
			continue
		}
		if c, ok := lines.codec(pt, sec); ok {
			out = append(out, c)
		}
	}
	for i := range out {
		out[i].rtx = lines.rtxFor(out[i].payloadType, md.MediaName.Formats)
	}
	slices.SortStableFunc(out, func(a, b offeredCodec) int { return preference(a) - preference(b) })
	return out
}

func preference(c offeredCodec) int {
	switch {
	case c.Name == media.H264 && media.Parameter(c.Fmtp, "packetization-mode") == "1":
		return 0
	case c.Name == media.H264:
		return 1
	default:
		return 2
	}
}

// codecLines are the a=rtpmap, a=fmtp and a=rtcp-fb lines of one section.
type codecLines struct {
	rtpmap   map[uint8]string
	fmtp     map[uint8]string
	feedback map[uint8][]string
	any      []string // a=rtcp-fb:*
}

func readCodecLines(attrs []sdp.Attribute) codecLines {
	l := codecLines{rtpmap: map[uint8]string{}, fmtp: map[uint8]string{}, feedback: map[uint8][]string{}}
	for _, a := range attrs {
		number, rest, _ := strings.Cut(a.Value, " ")
		rest = strings.Join(strings.Fields(rest), " ")
		if a.Key == "rtcp-fb" && number == "*" {
			l.any = append(l.any, strings.ToLower(rest))
			continue
		}
		pt, ok := payloadType(number)
		if !ok {
			continue
		}
		switch a.Key {
		case "rtpmap":
			if l.rtpmap[pt] == "" {
				l.rtpmap[pt] = rest
			}
		case "fmtp":
			// Some devices spread the parameters over several lines.
			l.fmtp[pt] = strings.Trim(l.fmtp[pt]+";"+rest, "; ")
		case "rtcp-fb":
			l.feedback[pt] = append(l.feedback[pt], strings.ToLower(rest))
		}
	}
	return l
}

func (l codecLines) codec(pt uint8, sec *section) (offeredCodec, bool) {
	parts := strings.Split(l.rtpmap[pt], "/")
	if len(parts) < 2 {
		return offeredCodec{}, false
	}
	name, ok := media.CanonicalCodecName(parts[0])
	if !ok {
		return offeredCodec{}, false
	}
	c := offeredCodec{Codec: media.Codec{Name: name, ClockRate: 90000, Fmtp: l.fmtp[pt]}, payloadType: pt}
	if name == media.Opus {
		c.ClockRate, c.Channels = 48000, 2 // RFC 7587 section 7, always
	}
	if c.Kind() != sec.kind || parts[1] != strconv.Itoa(int(c.ClockRate)) {
		return offeredCodec{}, false
	}
	for _, fb := range feedback {
		if fb == "transport-cc" && sec.extensionID(uriTransportCC) == 0 {
			continue
		}
		if slices.Contains(l.feedback[pt], fb) || slices.Contains(l.any, fb) {
			c.feedback = append(c.feedback, fb)
		}
	}
	return c, true
}

// rtxFor returns the payload type of a codec's retransmissions (RFC 4588
// section 8.1), or 0.
func (l codecLines) rtxFor(pt uint8, formats []string) uint8 {
	for _, format := range formats {
		rtx, ok := payloadType(format)
		if !ok || rtx == pt {
			continue
		}
		name, _, _ := strings.Cut(l.rtpmap[rtx], "/")
		if strings.EqualFold(name, "rtx") && media.Parameter(l.fmtp[rtx], "apt") == strconv.Itoa(int(pt)) {
			return rtx
		}
	}
	return 0
}

func (c *offeredCodec) wants(fb string) bool { return slices.Contains(c.feedback, fb) }

// payloadType reads a dynamic or static payload type. Those from 64 to 95 would
// be taken for RTCP on a shared port (RFC 5761 section 4).
func payloadType(s string) (uint8, bool) {
	n, err := strconv.ParseUint(s, 10, 7)
	if err != nil || n == 0 || (n >= 64 && n < 96) {
		return 0, false
	}
	return uint8(n), true
}

// answerFmtp returns the format parameters of the answer. They are the offer's,
// as profiles are symmetric (RFC 6184 section 8.2.2), without what only
// describes the sender. For Opus they say that stereo and in-band FEC are
// welcome (RFC 7587 section 6.1): a browser sends mono otherwise.
func answerFmtp(c offeredCodec) string {
	var out []string
	for _, p := range strings.Split(c.Fmtp, ";") {
		p = strings.TrimSpace(p)
		name, _, _ := strings.Cut(strings.ToLower(p), "=")
		switch {
		case p == "" || strings.HasPrefix(name, "sprop-"):
		case c.Name == media.Opus && (name == "stereo" || name == "useinbandfec"):
		default:
			out = append(out, p)
		}
	}
	if c.Name == media.Opus {
		out = append(out, "stereo=1", "useinbandfec=1")
	}
	return strings.Join(out, ";")
}

// innerFmtp is the fmtp that pion sees. It matches a codec with itself only
// when H264 has both of its identifying parameters, which encoders may leave
// out.
func innerFmtp(c offeredCodec) string {
	if c.Name != media.H264 {
		return c.Fmtp
	}
	profile, mode := media.Parameter(c.Fmtp, "profile-level-id"), media.Parameter(c.Fmtp, "packetization-mode")
	if _, err := strconv.ParseUint(profile, 16, 32); err != nil || len(profile) != 6 {
		profile = "42e01f"
	}
	if mode != "1" {
		mode = "0"
	}
	return "packetization-mode=" + mode + ";profile-level-id=" + profile
}
