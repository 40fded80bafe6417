package rtc

import (
	"fmt"
	"strings"

	"github.com/freshet-live/freshet/sfu/media"
)

// local is our side of a session, as the answer describes it.
type local struct {
	id, version uint64
	ufrag, pwd  string
	fingerprint string // "sha-256 AB:…"
	candidates  []string
	role        string // a=setup
}

// writer writes SDP lines.
type writer struct{ text strings.Builder }

func (w *writer) line(format string, args ...any) {
	fmt.Fprintf(&w.text, format+"\r\n", args...)
}

// answer writes the answer: every section accepted and recvonly (W2, W6), all
// in one bundle (W28), payload types, mids and extension ids those of the offer
// (W54, R1).
func (o *offer) answer(l local) string {
	w := &writer{}
	w.line("v=0")
	w.line("o=- %d %d IN IP4 0.0.0.0", l.id, l.version)
	w.line("s=-")
	w.line("t=0 0")
	w.line("a=group:BUNDLE %s", o.mids())
	if o.extmapMixed {
		w.line("a=extmap-allow-mixed")
	}
	w.line("a=ice-lite")
	for i, s := range o.sections {
		w.line("m=%s 9 UDP/TLS/RTP/SAVPF %s", s.kind, s.formats())
		w.line("c=IN IP4 0.0.0.0")
		if i == 0 {
			for _, c := range l.candidates {
				w.line("a=candidate:%s", c)
			}
			w.line("a=end-of-candidates")
		}
		w.line("a=ice-ufrag:%s", l.ufrag)
		w.line("a=ice-pwd:%s", l.pwd)
		w.line("a=ice-options:trickle ice2")
		w.line("a=fingerprint:%s", l.fingerprint)
		w.line("a=setup:%s", l.role)
		w.line("a=mid:%s", s.mid)
		w.line("a=recvonly")
		w.line("a=rtcp-mux")
		if o.rtcpRsize {
			w.line("a=rtcp-rsize")
		}
		for _, e := range s.extensions {
			if e.oneWay {
				w.line("a=extmap:%d/recvonly %s", e.id, e.uri)
			} else {
				w.line("a=extmap:%d %s", e.id, e.uri)
			}
		}
		s.writeCodecs(w, answerFmtp)
		s.writeRIDs(w, "recv")
	}
	return w.text.String()
}

// inner writes the offer that pion gets: the publisher's, with nothing in it
// but what is answered. Whatever else the publisher wrote never reaches pion.
func (o *offer) inner() string {
	w := &writer{}
	w.line("v=0")
	w.line("o=- 1 1 IN IP4 0.0.0.0")
	w.line("s=-")
	w.line("t=0 0")
	w.line("a=group:BUNDLE %s", o.mids())
	for _, s := range o.sections {
		w.line("m=%s 9 UDP/TLS/RTP/SAVPF %s", s.kind, s.formats())
		w.line("c=IN IP4 0.0.0.0")
		w.line("a=ice-ufrag:%s", o.ufrag)
		w.line("a=ice-pwd:%s", o.pwd)
		w.line("a=fingerprint:%s", o.fingerprint)
		w.line("a=setup:%s", o.setup)
		w.line("a=mid:%s", s.mid)
		w.line("a=sendonly")
		w.line("a=rtcp-mux")
		w.line("a=msid:publisher %s", s.kind)
		for _, e := range s.innerExtensions() {
			w.line("a=extmap:%d %s", e.id, e.uri)
		}
		s.writeCodecs(w, innerFmtp)
		s.writeRIDs(w, "send")
		if s.ssrc != 0 {
			if s.rtxSSRC != 0 {
				w.line("a=ssrc-group:FID %d %d", s.ssrc, s.rtxSSRC)
				w.line("a=ssrc:%d cname:publisher", s.rtxSSRC)
			}
			w.line("a=ssrc:%d cname:publisher", s.ssrc)
		}
	}
	return w.text.String()
}

// innerExtensions are those that pion needs: it looks for a packet's mid and
// rid when it knows the extensions, and would not fall back on the payload type
// for a publisher that declares no SSRC.
func (s *section) innerExtensions() (out []extension) {
	for _, e := range s.extensions {
		if e.uri == uriTransportCC || len(s.rids) > 0 && e.uri != uriCaptureTime {
			out = append(out, e)
		}
	}
	return out
}

func (o *offer) mids() string {
	mids := make([]string, len(o.sections))
	for i, s := range o.sections {
		mids[i] = s.mid
	}
	return strings.Join(mids, " ")
}

func (s *section) formats() string {
	var out []string
	for _, c := range s.codecs {
		out = append(out, fmt.Sprint(c.payloadType))
		if c.rtx != 0 {
			out = append(out, fmt.Sprint(c.rtx))
		}
	}
	return strings.Join(out, " ")
}

func (s *section) writeCodecs(w *writer, fmtp func(offeredCodec) string) {
	for _, c := range s.codecs {
		channels := ""
		if c.Name == media.Opus {
			channels = "/2"
		}
		w.line("a=rtpmap:%d %s/%d%s", c.payloadType, c.Name, c.ClockRate, channels)
		for _, fb := range c.feedback {
			w.line("a=rtcp-fb:%d %s", c.payloadType, fb)
		}
		if line := fmtp(c); line != "" {
			w.line("a=fmtp:%d %s", c.payloadType, line)
		}
		if c.rtx != 0 {
			w.line("a=rtpmap:%d rtx/%d", c.rtx, c.ClockRate)
			w.line("a=fmtp:%d apt=%d", c.rtx, c.payloadType)
		}
	}
}

// writeRIDs lists every encoding in the offered order (R2). One that the
// publisher starts paused is answered without the tilde: it would ask for a
// lasting pause (RFC 8853 section 5.3.2), and the publisher may start it later.
func (s *section) writeRIDs(w *writer, direction string) {
	var list []string
	for _, id := range s.rids {
		w.line("a=rid:%s %s", id, direction)
		list = append(list, id)
	}
	if len(list) > 0 {
		w.line("a=simulcast:%s %s", direction, strings.Join(list, ";"))
	}
}

// codec returns the codec under a payload type, nil when there is none.
func (s *section) codec(payloadType uint8) *offeredCodec {
	for i := range s.codecs {
		if s.codecs[i].payloadType == payloadType {
			return &s.codecs[i]
		}
	}
	return nil
}
