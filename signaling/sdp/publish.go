package sdp

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// lines writes a description line by line.
type lines struct{ strings.Builder }

func (l *lines) add(format string, args ...any) {
	fmt.Fprintf(&l.Builder, format+"\r\n", args...)
}

// PublishOffer returns the offer in the one form that a PeerConnection reads
// without surprises: one BUNDLE group with every mid, transport and direction
// in each section, no candidates (the client reaches us, never the other way
// round), payload types of ours with their retransmissions only, and simulcast
// in the syntax of RFC 8853. Payload types, parameters, SSRCs, msids and RIDs
// keep their values. Call CheckPublish first.
func (o *Offer) PublishOffer() string {
	var l lines
	l.add("v=0")
	l.add("o=- %d 2 IN IP4 127.0.0.1", sessionID(o.Ufrag))
	l.add("s=-")
	l.add("t=0 0")
	l.add("a=group:BUNDLE %s", strings.Join(o.mids(), " "))
	l.add("a=msid-semantic: WMS *")
	for i := range o.Media {
		o.publishMedia(&l, &o.Media[i])
	}
	return l.String()
}

func (o *Offer) mids() []string {
	mids := make([]string, len(o.Media))
	for i, m := range o.Media {
		mids[i] = m.MID
	}
	return mids
}

func (o *Offer) publishMedia(l *lines, m *Media) {
	l.add("m=%s 9 UDP/TLS/RTP/SAVPF %s", m.Type, formats(m.Codecs))
	l.add("c=IN IP4 0.0.0.0")
	l.add("a=mid:%s", m.MID)
	l.add("a=ice-ufrag:%s", o.Ufrag)
	l.add("a=ice-pwd:%s", o.Pwd)
	if len(o.Fingerprints) > 0 {
		fp := o.fingerprint()
		l.add("a=fingerprint:%s %s", fp.Algorithm, fp.Value)
	}
	l.add("a=setup:%s", o.Setup)
	l.add("a=%s", m.Direction)
	l.add("a=rtcp-mux")
	if m.RTCPRsize {
		l.add("a=rtcp-rsize")
	}
	for _, uri := range m.extensionURIs() {
		if d, ok := m.extDirection[uri]; ok {
			l.add("a=extmap:%d/%s %s", m.Extensions[uri], d, uri)
		} else {
			l.add("a=extmap:%d %s", m.Extensions[uri], uri)
		}
	}
	for _, c := range m.Codecs {
		writeCodec(l, c, c.Fmtp)
	}
	m.publishSources(l)
}

// fingerprint returns the one to check: SHA-256 where there is a choice.
func (o *Offer) fingerprint() Fingerprint {
	for _, fp := range o.Fingerprints {
		if fp.Algorithm == "sha-256" {
			return fp
		}
	}
	return o.Fingerprints[0]
}

// publishSources writes the msid, the SSRCs and the RIDs. A section without
// any msid gets one: a Track without a name is not announced.
func (m *Media) publishSources(l *lines) {
	switch stream, track, ok := strings.Cut(m.msid, " "); {
	case ok && !strings.Contains(track, " "):
		l.add("a=msid:%s", m.msid)
	case stream != "":
		l.add("a=msid:%s %s", stream, m.MID)
	case m.RIDs != nil || !slices.ContainsFunc(m.ssrcs, func(s string) bool { return strings.Contains(s, " msid:") }):
		l.add("a=msid:- %s", m.MID)
	}
	if m.Simulcast {
		// The SSRCs of simulcast encodings are learnt from their packets.
		list := make([]string, len(m.RIDs))
		for i, rid := range m.RIDs {
			l.add("a=rid:%s", m.ridLines[rid.ID])
			if list[i] = rid.ID; rid.Paused {
				list[i] = "~" + rid.ID
			}
		}
		l.add("a=simulcast:send %s", strings.Join(list, ";"))
		return
	}
	for _, group := range m.ssrcGroups {
		l.add("a=ssrc-group:%s", group)
	}
	for _, ssrc := range m.ssrcs {
		l.add("a=ssrc:%s", ssrc)
	}
}

// extensionURIs returns the URIs ordered by id, so that the text does not
// change from one call to the next.
func (m *Media) extensionURIs() []string {
	return slices.SortedFunc(maps.Keys(m.Extensions), func(a, b string) int {
		return cmp.Or(cmp.Compare(m.Extensions[a], m.Extensions[b]), strings.Compare(a, b))
	})
}

// formats returns the payload types of an m= line, each codec's followed by
// its retransmissions.
func formats(codecs []Codec) string {
	var out []string
	for _, c := range codecs {
		out = append(out, fmt.Sprint(c.PayloadType))
		if c.RTX != 0 {
			out = append(out, fmt.Sprint(c.RTX))
		}
	}
	return strings.Join(out, " ")
}

// writeCodec writes the attributes of one codec and its retransmissions.
func writeCodec(l *lines, c Codec, fmtp string) {
	if c.Channels > 0 {
		l.add("a=rtpmap:%d %s/%d/%d", c.PayloadType, c.Name, c.ClockRate, c.Channels)
	} else {
		l.add("a=rtpmap:%d %s/%d", c.PayloadType, c.Name, c.ClockRate)
	}
	for _, fb := range [...]struct {
		on   bool
		name string
	}{{c.NACK, "nack"}, {c.PLI, "nack pli"}, {c.FIR, "ccm fir"}, {c.TransportCC, "transport-cc"}, {c.REMB, "goog-remb"}} {
		if fb.on {
			l.add("a=rtcp-fb:%d %s", c.PayloadType, fb.name)
		}
	}
	if fmtp != "" {
		l.add("a=fmtp:%d %s", c.PayloadType, fmtp)
	}
	if c.RTX != 0 {
		l.add("a=rtpmap:%d rtx/%d", c.RTX, c.ClockRate)
		l.add("a=fmtp:%d apt=%d", c.RTX, c.PayloadType)
	}
}
