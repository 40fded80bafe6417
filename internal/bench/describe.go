package bench

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
)

// What we offer. The payload types are Chromium's.
const (
	ptVideo = 102
	ptRTX   = 103
	ptSound = 111

	extMID = 4
	extTCC = 3
	extRID = 10
)

const (
	midSound = "0"
	midVideo = "1"
)

// errAnswer is an answer that nothing can be done with.
var errAnswer = errors.New("unusable SDP answer")

// offer is what differs between two offers.
type offer struct {
	direction   string // sendonly, recvonly
	ufrag, pwd  string
	fingerprint string
	rids        []string
	// sound and video are the SSRCs that are announced; 0: none.
	sound, video uint32
	feedback     bool // offer transport-wide congestion control
}

// String writes the offer. It has no candidates: the first check tells the
// server where we are (RFC 8445 section 7.3.1.3).
func (o *offer) String() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("v=0\r\no=- %d 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0", 1+uint32(len(o.ufrag))) //nolint:gosec // any number
	line("a=group:BUNDLE %s %s\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS bench", midSound, midVideo)
	o.section(line, midSound, "audio", fmt.Sprint(ptSound))
	line("a=rtpmap:%d opus/48000/2\r\na=fmtp:%[1]d minptime=10;useinbandfec=1", ptSound)
	if o.feedback {
		line("a=rtcp-fb:%d transport-cc", ptSound)
	}
	if o.sound != 0 {
		line("a=ssrc:%d cname:bench", o.sound)
	}
	o.section(line, midVideo, "video", fmt.Sprint(ptVideo, " ", ptRTX))
	line("a=rtpmap:%d H264/90000", ptVideo)
	line("a=fmtp:%d level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f", ptVideo)
	line("a=rtcp-fb:%[1]d nack\r\na=rtcp-fb:%[1]d nack pli\r\na=rtcp-fb:%[1]d ccm fir", ptVideo)
	if o.feedback {
		line("a=rtcp-fb:%d transport-cc", ptVideo)
	}
	line("a=rtpmap:%d rtx/90000\r\na=fmtp:%[1]d apt=%d", ptRTX, ptVideo)
	if o.video != 0 {
		line("a=ssrc:%d cname:bench", o.video)
	}
	if len(o.rids) > 0 {
		line("a=extmap:%d urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id", extRID)
		for _, rid := range o.rids {
			line("a=rid:%s send", rid)
		}
		line("a=simulcast:send %s", strings.Join(o.rids, ";"))
	}
	return b.String()
}

func (o *offer) section(line func(string, ...any), mid, kind, formats string) {
	line("m=%s 9 UDP/TLS/RTP/SAVPF %s\r\nc=IN IP4 0.0.0.0", kind, formats)
	line("a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=ice-options:trickle", o.ufrag, o.pwd)
	line("a=fingerprint:%s\r\na=setup:actpass\r\na=mid:%s\r\na=%s\r\na=rtcp-mux\r\na=rtcp-rsize", o.fingerprint, mid, o.direction)
	line("a=extmap:%d urn:ietf:params:rtp-hdrext:sdes:mid", extMID)
	if o.feedback {
		line("a=extmap:%d http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01", extTCC)
	}
	if o.direction == "sendonly" {
		line("a=msid:bench %s", kind)
	}
}

// answer is what the server said.
type answer struct {
	ufrag, pwd  string
	fingerprint string // "sha-256 AA:BB…"
	active      bool   // the server is the DTLS client
	candidates  []netip.AddrPort
	feedback    bool
	video, rtx  uint32 // SSRCs as announced; 0: not
}

func parseAnswer(text string) (*answer, error) {
	var d sdp.SessionDescription
	if err := d.UnmarshalString(text); err != nil {
		return nil, fmt.Errorf("%w: %w", errAnswer, err)
	}
	a := &answer{}
	session := func(key string) string { v, _ := d.Attribute(key); return v }
	a.ufrag, a.pwd, a.fingerprint = session("ice-ufrag"), session("ice-pwd"), session("fingerprint")
	setup := session("setup")
	for _, m := range d.MediaDescriptions {
		for _, attr := range m.Attributes {
			switch attr.Key {
			case "ice-ufrag":
				a.ufrag = attr.Value
			case "ice-pwd":
				a.pwd = attr.Value
			case "fingerprint":
				a.fingerprint = attr.Value
			case "setup":
				setup = attr.Value
			case "candidate":
				a.candidate(attr.Value)
			case "ssrc-group":
				a.pair(m, attr.Value)
			case "extmap":
				a.feedback = a.feedback || strings.Contains(attr.Value, "transport-wide-cc")
			}
		}
	}
	a.active = setup == "active"
	if a.ufrag == "" || a.pwd == "" || a.fingerprint == "" || len(a.candidates) == 0 {
		return nil, fmt.Errorf("%w: it lacks ICE credentials, a fingerprint or UDP candidates", errAnswer)
	}
	return a, nil
}

// candidate takes UDP candidates with an address, best first as they come.
func (a *answer) candidate(value string) {
	f := strings.Fields(value)
	if len(f) < 8 || !strings.EqualFold(f[2], "udp") || f[1] != "1" {
		return
	}
	ip, err := netip.ParseAddr(f[4])
	port, err2 := strconv.ParseUint(f[5], 10, 16)
	if at := netip.AddrPortFrom(ip, uint16(port)); err == nil && err2 == nil && !slices.Contains(a.candidates, at) {
		a.candidates = append(a.candidates, at)
	}
}

func (a *answer) pair(m *sdp.MediaDescription, group string) {
	f := strings.Fields(group)
	if m.MediaName.Media != "video" || len(f) != 3 || f[0] != "FID" {
		return
	}
	video, _ := strconv.ParseUint(f[1], 10, 32)
	rtx, _ := strconv.ParseUint(f[2], 10, 32)
	a.video, a.rtx = uint32(video), uint32(rtx)
}
