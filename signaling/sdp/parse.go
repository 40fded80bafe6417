package sdp

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	pion "github.com/pion/sdp/v3"

	"github.com/freshet-live/freshet/sfu/media"
)

// ParseOffer reads an offer. It accepts bare LF line ends (W5), attributes at
// session level that sections inherit (setup, ICE credentials, fingerprint,
// direction, extmap), sections with port 0 in the BUNDLE group (W29) and
// encoding names in any case. It takes linear time and never panics; errors
// wrap ErrMalformed. What can be done with the offer is for CheckPublish and
// CheckPlay to say.
func ParseOffer(body []byte) (*Offer, error) {
	text, err := clean(body)
	if err != nil {
		return nil, err
	}
	var desc pion.SessionDescription
	if err := desc.UnmarshalString(text); err != nil {
		return nil, malformed("%v", err)
	}
	session := readSession(desc.Attributes)
	o := &Offer{BundleMIDs: session.bundle, ICELite: session.iceLite}
	for _, md := range desc.MediaDescriptions {
		if _, lite := md.Attribute("ice-lite"); lite { // not its place, but seen there
			o.ICELite = true
		}
		m, err := readMedia(md, session)
		if err != nil {
			return nil, err
		}
		o.Media = append(o.Media, m)
	}
	o.nameSections()
	if err := o.link(session); err != nil {
		return nil, err
	}
	return o, nil
}

// clean bounds the text and reduces it to the lines that matter, in the form
// that the grammar wants. What comes before the first media section is
// replaced where nothing depends on it: clients write "v=2" or leave out "t=".
func clean(body []byte) (string, error) {
	if len(body) > maxBody {
		return "", malformed("longer than %d bytes", maxBody)
	}
	var b strings.Builder
	b.Grow(len(body) + 64)
	var origin, sections, count int
	for line := range strings.SplitSeq(string(body), "\n") {
		line = strings.TrimRight(line, "\r \t")
		if line == "" {
			continue
		}
		if err := checkLine(line); err != nil {
			return "", err
		}
		if count++; count == 1 {
			if line[0] != 'v' {
				return "", malformed("the first line is not v=")
			}
			b.WriteString("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n")
		}
		switch line[0] {
		case 'o':
			origin++
		case 'm':
			if sections++; sections > maxSections {
				return "", malformed("more than %d media sections", maxSections)
			}
			b.WriteString(line + "\r\n")
		case 'a':
			b.WriteString(line + "\r\n")
		}
	}
	if origin != 1 {
		return "", malformed("there has to be one o= line")
	}
	if sections == 0 {
		return "", malformed("no media section")
	}
	return b.String(), nil
}

// checkLine holds every line to "<letter>=<text>" (RFC 8866 section 5).
func checkLine(line string) error {
	if len(line) < 2 || line[1] != '=' || line[0] < 'a' || line[0] > 'z' {
		return malformed("a line is not of the form <letter>=<value>")
	}
	if len(line) > maxLine {
		return malformed("a line is longer than %d bytes", maxLine)
	}
	for i := range len(line) {
		if line[i] < ' ' && line[i] != '\t' || line[i] == 0x7f {
			return malformed("a line holds control characters")
		}
	}
	return nil
}

// sessionPart is what sections inherit.
type sessionPart struct {
	transport transport
	direction string
	bundle    []string
	iceLite   bool
	extmaps   []string
}

func readSession(attrs []pion.Attribute) sessionPart {
	var s sessionPart
	for _, a := range attrs {
		switch a.Key {
		case "group":
			f := strings.Fields(a.Value)
			if len(f) > 1 && f[0] == "BUNDLE" && s.bundle == nil {
				// One group is all that a single transport can carry.
				s.bundle = unique(f[1:])
			}
		case "ice-lite":
			s.iceLite = true
		case "extmap":
			s.extmaps = append(s.extmaps, a.Value)
		case SendRecv, SendOnly, RecvOnly, Inactive:
			s.direction = a.Key
		default:
			s.transport.read(a)
		}
	}
	return s
}

// unique returns the different strings in their order.
func unique(list []string) []string {
	seen := make(map[string]bool, len(list))
	return slices.DeleteFunc(list, func(s string) bool {
		defer func() { seen[s] = true }()
		return seen[s]
	})
}

// nameSections makes up the mids that are missing.
func (o *Offer) nameSections() {
	taken := make(map[string]bool, len(o.Media))
	for _, m := range o.Media {
		taken[m.MID] = true
	}
	for i := range o.Media {
		for mid := strconv.Itoa(i); o.Media[i].MID == ""; mid += "-" {
			if !taken[mid] {
				o.Media[i].MID, taken[mid] = mid, true
			}
		}
	}
}

// link resolves what sections say about one another: unique mids, the BUNDLE
// group, and the one transport that the group shares (RFC 9143 section 7).
func (o *Offer) link(session sessionPart) error {
	index := make(map[string]int, len(o.Media))
	for i := range o.Media {
		mid := o.Media[i].MID
		if _, dup := index[mid]; dup {
			return malformed("two sections have the mid %q", mid)
		}
		index[mid] = i
	}
	for _, mid := range o.BundleMIDs {
		if _, ok := index[mid]; !ok {
			return malformed("the BUNDLE group names a section that is missing")
		}
	}
	first := 0
	if len(o.BundleMIDs) > 0 {
		first = index[o.BundleMIDs[0]]
	}
	t := o.Media[first].transport
	t.inherit(session.transport)
	bundled := make(map[string]bool, len(o.BundleMIDs))
	for _, mid := range o.BundleMIDs {
		bundled[mid] = true
	}
	for i := range o.Media {
		m := &o.Media[i]
		m.transport.inherit(session.transport)
		if bundled[m.MID] {
			// A bundled section may leave its transport attributes out.
			m.transport.inherit(t)
			m.RTCPMux = m.RTCPMux || o.Media[first].RTCPMux
			m.Rejected = false
		}
	}
	o.Ufrag, o.Pwd, o.Fingerprints, o.Setup = t.ufrag, t.pwd, t.fingerprints, t.setup
	if o.Setup == "" {
		o.Setup = SetupActive
	}
	return nil
}

// readMedia reads one section.
func readMedia(md *pion.MediaDescription, session sessionPart) (Media, error) {
	m := Media{
		Type:       md.MediaName.Media,
		Direction:  session.direction,
		Extensions: map[string]uint8{},
		protocol:   strings.Join(md.MediaName.Protos, "/"),
		Rejected:   md.MediaName.Port.Value == 0,
	}
	switch m.Type {
	case "audio":
		m.Kind = media.Audio
	case "video":
		m.Kind = media.Video
	}
	for _, value := range session.extmaps {
		m.readExtension(value)
	}
	var payloads payloadAttributes
	var simulcast string
	for _, a := range md.Attributes {
		if err := m.readAttribute(a, &payloads, &simulcast); err != nil {
			return Media{}, err
		}
	}
	if m.Direction == "" {
		m.Direction = SendRecv // RFC 8866 section 6.7
	}
	if m.Kind != 0 {
		var err error
		if m.Codecs, err = payloads.codecs(m.Kind, md.MediaName.Formats); err != nil {
			return Media{}, err
		}
	}
	m.readSimulcast(simulcast)
	return m, nil
}

func (m *Media) readAttribute(a pion.Attribute, payloads *payloadAttributes, simulcast *string) error {
	switch a.Key {
	case "mid":
		if m.MID = a.Value; !isToken(m.MID) || len(m.MID) > maxMID {
			return malformed("a mid is not a token")
		}
	case SendRecv, SendOnly, RecvOnly, Inactive:
		m.Direction = a.Key
	case "rtcp-mux":
		m.RTCPMux = true
	case "rtcp-rsize":
		m.RTCPRsize = true
	case "bundle-only":
		m.Rejected = false
	case "extmap":
		m.readExtension(a.Value)
	case "rtpmap", "fmtp", "rtcp-fb":
		return payloads.read(a)
	case "rid":
		m.readRID(a.Value)
	case "simulcast":
		*simulcast = a.Value
	case "msid":
		m.msid = a.Value
	case "ssrc":
		if m.ssrcs = append(m.ssrcs, a.Value); len(m.ssrcs) > maxSSRCLines {
			return malformed("a section has more than %d ssrc lines", maxSSRCLines)
		}
	case "ssrc-group":
		if m.ssrcGroups = append(m.ssrcGroups, a.Value); len(m.ssrcGroups) > maxSSRCLines {
			return malformed("a section has more than %d ssrc groups", maxSSRCLines)
		}
	default:
		m.transport.read(a)
	}
	return nil
}

var directions = []string{SendRecv, SendOnly, RecvOnly, Inactive}

// readExtension reads "<id>[/direction] <uri> …" (RFC 8285 section 8); what
// it cannot read does not become part of the session.
func (m *Media) readExtension(value string) {
	f := strings.Fields(value)
	if len(f) < 2 || !isToken(f[1]) || len(m.Extensions) >= maxSSRCLines {
		return
	}
	number, direction, qualified := strings.Cut(f[0], "/")
	id, err := strconv.ParseUint(number, 10, 8)
	if err != nil || id == 0 || id > 246 || direction == Inactive || qualified && !slices.Contains(directions, direction) {
		return
	}
	if _, err := url.Parse(f[1]); err != nil {
		return
	}
	m.Extensions[f[1]] = uint8(id)
	delete(m.extDirection, f[1])
	if qualified {
		if m.extDirection == nil {
			m.extDirection = map[string]string{}
		}
		m.extDirection[f[1]] = direction
	}
}

// isToken reports whether s is visible ASCII without white space. It is wider
// than the token of RFC 8866: Firefox puts braces into ids.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// bundledAll reports whether one BUNDLE group holds every section.
func (o *Offer) bundledAll() bool {
	return !slices.ContainsFunc(o.Media, func(m Media) bool { return !slices.Contains(o.BundleMIDs, m.MID) })
}
