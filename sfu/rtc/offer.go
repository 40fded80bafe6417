package rtc

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"

	"github.com/freshet-live/freshet/sfu/media"
)

// Header extensions that a publisher may use (RFC 8852, RFC 9143,
// draft-holmer-rmcat-transport-wide-cc-extensions-01). Video orientation and
// playout delay are left out on purpose: without the first, browsers rotate
// the picture themselves; the second is the viewer's business.
const (
	uriMID         = "urn:ietf:params:rtp-hdrext:sdes:mid"
	uriRID         = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
	uriRepairedRID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
	uriCaptureTime = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
	uriTransportCC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
)

const (
	maxRIDs     = 8
	maxSections = 64
)

// offer is what a publisher's offer asks for, reduced to what is answered.
type offer struct {
	ufrag, pwd   string
	fingerprint  string // "sha-256 AB:…"
	setup        string
	extmapMixed  bool
	rtcpRsize    bool
	sections     []*section
	sessionLevel []sdp.Attribute
}

// section is one m= line of an offer.
type section struct {
	kind       media.Kind
	mid        string
	codecs     []offeredCodec // in the order of the answer
	extensions []extension
	// rids are in the offer's order. They are empty unless the publisher can
	// tell its encodings apart by header extension.
	rids []string
	// ssrc and rtxSSRC are 0 when the offer does not declare them.
	ssrc, rtxSSRC uint32
}

type offeredCodec struct {
	media.Codec
	payloadType uint8
	rtx         uint8 // payload type of its retransmissions, 0: none
	feedback    []string
}

type extension struct {
	id  int
	uri string
	// oneWay is set when the offer says that only the publisher sends it; the
	// answer then says that we only receive it (RFC 8285 section 6).
	oneWay bool
}

// parseOffer reads an offer. It returns ErrMalformed or ErrUnsupported.
func parseOffer(text string) (*offer, error) {
	var desc sdp.SessionDescription
	if err := desc.UnmarshalString(text); err != nil {
		return nil, fmt.Errorf("%w: the offer is not SDP: %w", ErrMalformed, err)
	}
	if len(desc.MediaDescriptions) > maxSections {
		return nil, fmt.Errorf("%w: the offer has %d media sections", ErrUnsupported, len(desc.MediaDescriptions))
	}
	o := &offer{sessionLevel: desc.Attributes, extmapMixed: has(desc.Attributes, "extmap-allow-mixed")}
	for i, md := range desc.MediaDescriptions {
		if err := o.addSection(i, md); err != nil {
			return nil, err
		}
	}
	if len(o.sections) == 0 {
		return nil, fmt.Errorf("%w: the offer has no media section", ErrUnsupported)
	}
	return o, o.check()
}

func (o *offer) addSection(index int, md *sdp.MediaDescription) error {
	sec := &section{mid: value(md.Attributes, "mid")}
	switch md.MediaName.Media {
	case "audio":
		sec.kind = media.Audio
	case "video":
		sec.kind = media.Video
	default:
		return fmt.Errorf("%w: a section of kind %.20q cannot be published", ErrUnsupported, md.MediaName.Media)
	}
	for _, other := range o.sections {
		if other.kind == sec.kind {
			return fmt.Errorf("%w: more than one %s track", ErrUnsupported, sec.kind)
		}
		if other.mid == sec.mid {
			return fmt.Errorf("%w: two sections have the mid %.20q", ErrMalformed, sec.mid)
		}
	}
	if !token(sec.mid) {
		return fmt.Errorf("%w: section %d has no valid mid", ErrMalformed, index)
	}
	switch dir := direction(md.Attributes, o.sessionLevel); dir {
	case "sendonly", "sendrecv":
	default:
		return fmt.Errorf("%w: the %s section is %s", ErrUnsupported, sec.kind, dir)
	}
	sec.extensions = parseExtensions(md.Attributes, sec.kind)
	sec.codecs = parseCodecs(md, sec)
	if len(sec.codecs) == 0 {
		return fmt.Errorf("%w: no common codec for %s", ErrUnsupported, sec.kind)
	}
	sec.parseRIDs(md.Attributes)
	sec.parseSSRCs(md.Attributes)
	o.sections = append(o.sections, sec)
	o.extmapMixed = o.extmapMixed || has(md.Attributes, "extmap-allow-mixed")
	o.rtcpRsize = o.rtcpRsize || has(md.Attributes, "rtcp-rsize")
	o.addTransport(md.Attributes)
	return nil
}

// addTransport takes ICE credentials, fingerprint and DTLS role from the first
// section that has them, or from the session level. One transport carries all
// sections (RFC 9725 section 4.4.1).
func (o *offer) addTransport(section []sdp.Attribute) {
	for _, attrs := range [][]sdp.Attribute{section, o.sessionLevel} {
		if o.ufrag == "" || o.pwd == "" {
			o.ufrag, o.pwd = value(attrs, "ice-ufrag"), value(attrs, "ice-pwd")
		}
		if o.setup == "" {
			o.setup = value(attrs, "setup")
		}
		if o.fingerprint == "" {
			o.fingerprint = bestFingerprint(attrs)
		}
	}
}

func (o *offer) check() error {
	if err := checkCredentials(o.ufrag, o.pwd); err != nil {
		return err
	}
	if o.fingerprint == "" {
		return fmt.Errorf("%w: the offer has no usable fingerprint", ErrMalformed)
	}
	switch o.setup {
	case "actpass", "active", "passive":
		return nil
	case "holdconn":
		return fmt.Errorf("%w: setup:holdconn", ErrUnsupported)
	default:
		return fmt.Errorf("%w: setup %.20q", ErrMalformed, o.setup)
	}
}

// checkCredentials holds ICE credentials against RFC 8839 section 5.4.
func checkCredentials(ufrag, pwd string) error {
	switch {
	case len(ufrag) < 4 || len(ufrag) > 256:
		return fmt.Errorf("%w: ice-ufrag has %d characters, not 4 to 256", ErrMalformed, len(ufrag))
	case len(pwd) < 22 || len(pwd) > 256:
		return fmt.Errorf("%w: ice-pwd has %d characters, not 22 to 256", ErrMalformed, len(pwd))
	case strings.ContainsFunc(ufrag+pwd, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' }):
		// Some encoders use more than the ice-chars, such as '-' and '_'. Only
		// what would break a USERNAME or an SDP line matters.
		return fmt.Errorf("%w: the ICE credentials hold characters that are not allowed", ErrMalformed)
	}
	return nil
}

// bestFingerprint prefers sha-256, which every client has.
func bestFingerprint(attrs []sdp.Attribute) (best string) {
	for _, a := range attrs {
		if a.Key != "fingerprint" {
			continue
		}
		fields := strings.Fields(a.Value)
		if len(fields) != 2 {
			continue
		}
		switch hash := strings.ToLower(fields[0]); hash {
		case "sha-256":
			return hash + " " + fields[1]
		case "sha-1", "sha-224", "sha-384", "sha-512":
			if best == "" {
				best = hash + " " + fields[1]
			}
		}
	}
	return best
}

func direction(section, session []sdp.Attribute) string {
	for _, attrs := range [][]sdp.Attribute{section, session} {
		for _, a := range attrs {
			switch a.Key {
			case "sendonly", "sendrecv", "recvonly", "inactive":
				return a.Key
			}
		}
	}
	return "sendrecv" // RFC 8866 section 6.7
}

func parseExtensions(attrs []sdp.Attribute, kind media.Kind) (out []extension) {
	for _, a := range attrs {
		if a.Key != "extmap" {
			continue
		}
		fields := strings.Fields(a.Value)
		if len(fields) < 2 {
			continue
		}
		number, direction, _ := strings.Cut(fields[0], "/")
		if direction == "recvonly" || direction == "inactive" {
			continue
		}
		id, err := strconv.Atoi(number)
		// 15 is reserved in the one-byte form (RFC 8285 section 4.2).
		if err != nil || id < 1 || id > 255 || id == 15 || !useful(fields[1], kind) {
			continue
		}
		if !slices.ContainsFunc(out, func(e extension) bool { return e.id == id || e.uri == fields[1] }) {
			out = append(out, extension{id: id, uri: fields[1], oneWay: direction == "sendonly"})
		}
	}
	return out
}

func useful(uri string, kind media.Kind) bool {
	switch uri {
	case uriMID, uriTransportCC, uriCaptureTime:
		return true
	case uriRID, uriRepairedRID:
		return kind == media.Video
	default:
		return false
	}
}

// extensionID returns the id under which the section has an extension, or 0.
func (s *section) extensionID(uri string) int {
	for _, e := range s.extensions {
		if e.uri == uri {
			return e.id
		}
	}
	return 0
}

func value(attrs []sdp.Attribute, key string) string {
	for _, a := range attrs {
		if a.Key == key {
			return a.Value
		}
	}
	return ""
}

func has(attrs []sdp.Attribute, key string) bool {
	return slices.ContainsFunc(attrs, func(a sdp.Attribute) bool { return a.Key == key })
}
