package sdp

import (
	"slices"
	"strings"

	"github.com/freshet-live/freshet/sfu/media"
)

// CheckPublish reports whether the offer can be answered in full for a
// publisher (W31): one BUNDLE transport with ICE credentials and fingerprint,
// at most one audio and one video section (W30, W52), each of them sending
// (W7) with RTP and RTCP on one port (W28) and a codec that Freshet forwards,
// and a DTLS role that can be complemented (W32). Errors wrap ErrMalformed or
// ErrUnsupported.
func (o *Offer) CheckPublish() error {
	if err := o.check(SendOnly); err != nil {
		return err
	}
	for i := range o.Media {
		if err := o.Media[i].checkTracks(); err != nil {
			return err
		}
	}
	return nil
}

// CheckPlay is CheckPublish for a viewer: every section receives (E7).
func (o *Offer) CheckPlay() error { return o.check(RecvOnly) }

func (o *Offer) check(direction string) error {
	if slices.ContainsFunc(o.Media, func(m Media) bool { return m.Type == "application" }) {
		return unsupported("data channels are not supported; leave the m=application section out")
	}
	count := map[media.Kind]int{}
	for i := range o.Media {
		m := &o.Media[i]
		if err := m.check(direction); err != nil {
			return err
		}
		if count[m.Kind]++; count[m.Kind] > 1 {
			return unsupported("more than one %s section; send one audio and one video track at most", m.Kind)
		}
	}
	if len(o.Media) > 1 && !o.bundledAll() {
		return unsupported("the sections are not in one BUNDLE group (RFC 9725 section 4.4.1)")
	}
	return o.checkTransport()
}

func (m *Media) check(direction string) error {
	switch {
	case m.Kind == 0:
		return unsupported("m=%s sections are not supported; send audio and video only", m.Type)
	case !strings.HasSuffix(m.protocol, "RTP/SAVPF") && !strings.HasSuffix(m.protocol, "RTP/SAVP"):
		return unsupported("the %s section is not encrypted by DTLS-SRTP (UDP/TLS/RTP/SAVPF)", m.Type)
	case m.Rejected:
		return unsupported("the %s section has port 0 and is not bundle-only", m.Type)
	case m.Direction != SendRecv && m.Direction != direction:
		return unsupported("the %s section is %s; it has to be %s or sendrecv", m.Type, m.Direction, direction)
	case !m.RTCPMux:
		return unsupported("the %s section lacks rtcp-mux", m.Type)
	case len(m.Codecs) == 0:
		return unsupported("the %s section offers no codec of ours: %s", m.Type, ours(m.Kind))
	}
	return nil
}

func ours(kind media.Kind) string {
	if kind == media.Audio {
		return "Opus"
	}
	return "H264, H265, VP8, VP9 or AV1"
}

// checkTracks refuses a section with several tracks (Plan B) and simulcast by
// SSRC groups: their packets could not be told apart (W30).
func (m *Media) checkTracks() error {
	secondary := map[string]bool{}
	for _, group := range m.ssrcGroups {
		f := strings.Fields(group)
		if len(f) > 2 && (f[0] == "FID" || f[0] == "FEC-FR") {
			for _, ssrc := range f[2:] {
				secondary[ssrc] = true
			}
		}
		if len(f) > 0 && f[0] == "SIM" {
			return unsupported("simulcast by SSRC groups is not supported; use RIDs (RFC 8853)")
		}
	}
	var tracks []string
	for _, line := range m.ssrcs {
		ssrc, attribute, _ := strings.Cut(line, " ")
		if msid, ok := strings.CutPrefix(attribute, "msid:"); ok && !secondary[ssrc] && !slices.Contains(tracks, msid) {
			if tracks = append(tracks, msid); len(tracks) > 1 {
				return unsupported("the %s section holds more than one track", m.Type)
			}
		}
	}
	return nil
}
