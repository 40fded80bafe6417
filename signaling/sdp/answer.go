package sdp

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/freshet-live/freshet/sfu/media"
)

// AnswerParams is what the server puts into an answer to a viewer.
type AnswerParams struct {
	// Ufrag and Pwd are the server's ICE credentials for this viewer.
	Ufrag, Pwd string
	// Fingerprint is the certificate's, as in "sha-256 AA:BB:…".
	Fingerprint string
	// Candidates are the values of all a=candidate lines, without "candidate:".
	Candidates []string
	// CNAME and StreamID name the sender (RFC 3550 section 6.5.1) and its one
	// MediaStream (E53).
	CNAME, StreamID string
	// Preferred is the codec that is live at present; it comes first on the
	// video line. When it is zero H264 does.
	Preferred media.Codec
	// Audio and Video are the synchronisation sources of the two Tracks.
	Audio, Video TrackSSRC
}

// TrackSSRC holds the synchronisation sources of one Track.
type TrackSSRC struct {
	SSRC uint32
	// RTX sends the retransmissions (RFC 4588 section 5.3); 0: none.
	RTX uint32
}

// iceOptions are those of every answer, and of its restarts (W51).
const iceOptions = "trickle ice2"

// PlayAnswer writes the answer to a viewer: every section of the offer in its
// place with its payload types (W54), sendonly (E6), in one BUNDLE group with
// rtcp-mux (W28), the other DTLS role than the offer's and passive where the
// offer leaves it open (W32), all candidates (W27) and one MediaStream (E53).
// Every codec of ours that the viewer offers stays, since the publisher's may
// change while the viewer watches. It returns CheckPlay's errors.
func (o *Offer) PlayAnswer(p AnswerParams) (string, error) {
	if err := o.CheckPlay(); err != nil {
		return "", err
	}
	var l lines
	l.add("v=0")
	l.add("o=- %d 1 IN IP4 127.0.0.1", sessionID(p.Ufrag))
	l.add("s=-")
	l.add("t=0 0")
	first := o.Media[0].MID    // the section that carries the transport
	if len(o.BundleMIDs) > 0 { // RFC 9143 section 7.3: only if it was offered
		first = o.BundleMIDs[0]
		l.add("a=group:BUNDLE %s", strings.Join(o.BundleMIDs, " "))
	}
	l.add("a=msid-semantic: WMS %s", p.StreamID)
	l.add("a=ice-lite")
	l.add("a=ice-options:%s", iceOptions)
	for i := range o.Media {
		o.playMedia(&l, &o.Media[i], p)
		if o.Media[i].MID == first {
			writeCandidates(&l, p.Candidates)
		}
	}
	return l.String(), nil
}

func (o *Offer) playMedia(l *lines, m *Media, p AnswerParams) {
	codecs := m.playCodecs()
	if m.Kind == media.Video {
		prefer(codecs, p.Preferred)
	}
	l.add("m=%s 9 UDP/TLS/RTP/SAVPF %s", m.Type, formats(codecs))
	l.add("c=IN IP4 0.0.0.0")
	l.add("a=mid:%s", m.MID)
	l.add("a=ice-ufrag:%s", p.Ufrag)
	l.add("a=ice-pwd:%s", p.Pwd)
	l.add("a=fingerprint:%s", p.Fingerprint)
	l.add("a=setup:%s", o.answerSetup())
	l.add("a=sendonly")
	l.add("a=rtcp-mux")
	if m.RTCPRsize {
		l.add("a=rtcp-rsize")
	}
	if id := m.transportCCID(); id != 0 {
		if _, qualified := m.extDirection[TransportCC]; qualified {
			l.add("a=extmap:%d/sendonly %s", id, TransportCC)
		} else {
			l.add("a=extmap:%d %s", id, TransportCC)
		}
	}
	for _, c := range codecs {
		writeCodec(l, c, answerFmtp(c.Codec))
	}
	l.add("a=msid:%s %s", p.StreamID, m.Type)
	source := p.Video
	if m.Kind == media.Audio {
		source = p.Audio
	}
	writeSource(l, source, slices.ContainsFunc(codecs, func(c Codec) bool { return c.RTX != 0 }), p.CNAME)
}

// writeSource declares the SSRCs (RFC 5576), and the pair that a repaired
// Track is made of (R7).
func writeSource(l *lines, s TrackSSRC, repaired bool, cname string) {
	if s.SSRC == 0 {
		return
	}
	repaired = repaired && s.RTX != 0
	if repaired {
		l.add("a=ssrc-group:FID %d %d", s.SSRC, s.RTX)
	}
	l.add("a=ssrc:%d cname:%s", s.SSRC, cname)
	if repaired {
		l.add("a=ssrc:%d cname:%s", s.RTX, cname)
	}
}

// writeCandidates writes them all and says so: the server does not trickle.
func writeCandidates(l *lines, candidates []string) {
	for _, c := range candidates {
		l.add("a=candidate:%s", strings.TrimPrefix(c, "candidate:"))
	}
	l.add("a=end-of-candidates")
}

// answerSetup returns the server's DTLS role. It is passive wherever it may
// be: the DTLS server picks the SRTP profile.
func (o *Offer) answerSetup() string {
	if o.Setup == SetupPassive {
		return SetupActive
	}
	return SetupPassive
}

// PlayTrack is what a viewer can take of one Track.
type PlayTrack struct {
	MID string
	// Codecs are all that the viewer and Freshet share, in the offer's order,
	// with the feedback that was negotiated.
	Codecs []Codec
	// TransportCCID is the id of the TransportCC header extension, 0: not
	// negotiated. It fits a one-byte header (RFC 8285 section 4.2).
	TransportCCID uint8
}

// PlayTracks returns what PlayAnswer negotiates for the two Tracks, nil for
// one that the offer leaves out.
func (o *Offer) PlayTracks() (audio, video *PlayTrack) {
	for i := range o.Media {
		m := &o.Media[i]
		t := &PlayTrack{MID: m.MID, Codecs: m.playCodecs(), TransportCCID: m.transportCCID()}
		switch {
		case m.Kind == media.Audio && audio == nil:
			audio = t
		case m.Kind == media.Video && video == nil:
			video = t
		}
	}
	return audio, video
}

// playCodecs returns a copy of the codecs with the feedback that the fan-out
// engine understands.
func (m *Media) playCodecs() []Codec {
	codecs := slices.Clone(m.Codecs)
	for i := range codecs {
		codecs[i].TransportCC = codecs[i].TransportCC && m.transportCCID() != 0
		codecs[i].REMB = codecs[i].REMB && !codecs[i].TransportCC // the lesser of the two
	}
	return codecs
}

// transportCCID returns the id under which the viewer takes transport-wide
// sequence numbers: offered, in a direction that reaches it, and small enough
// for the one-byte form (R1, R4).
func (m *Media) transportCCID() uint8 {
	if d := m.extDirection[TransportCC]; d == SendOnly {
		return 0
	}
	if id := m.Extensions[TransportCC]; id <= 14 {
		return id
	}
	return 0
}

// prefer sorts the codec that is live to the front, first the one with the
// same parameters, then its name; without one H264. The rest keeps its order.
func prefer(codecs []Codec, live media.Codec) {
	rank := func(c Codec) int {
		switch {
		case live.IsZero() && c.Name == media.H264:
			return 0
		case live.IsZero():
			return 2
		case c.Name == live.Name && strings.EqualFold(answerFmtp(c.Codec), answerFmtp(live)):
			return 0
		case c.Name == live.Name:
			return 1
		default:
			return 2
		}
	}
	slices.SortStableFunc(codecs, func(a, b Codec) int { return rank(a) - rank(b) })
}

// negotiated names the format parameters that an answer repeats, because they
// tell which bitstream a payload type carries. The others describe what one
// side prefers or sends, such as sprop-parameter-sets, and are not ours to echo.
var negotiated = map[string][]string{
	media.H264: {"level-asymmetry-allowed", "packetization-mode", "profile-level-id"},
	media.H265: {"level-id", "profile-id", "tier-flag", "tx-mode"},
	media.VP9:  {"profile-id"},
	media.AV1:  {"level-idx", "profile", "tier"},
}

// opusFmtp announces stereo and in-band FEC (RFC 7587 section 6.1); both are
// declarations about what may come, not something negotiated (R11).
const opusFmtp = "minptime=10;sprop-stereo=1;stereo=1;useinbandfec=1"

func answerFmtp(c media.Codec) string {
	if c.Name == media.Opus {
		return opusFmtp
	}
	var out []string
	for _, name := range negotiated[c.Name] {
		if value := media.Parameter(c.Fmtp, name); isToken(value) {
			out = append(out, fmt.Sprintf("%s=%s", name, value))
		}
	}
	return strings.Join(out, ";")
}

// sessionID derives the session's number in o= (RFC 8866 section 5.2) from
// the credentials, which are new for every session.
func sessionID(ufrag string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(ufrag)) // never fails
	return h.Sum64() >> 1         // JSEP section 5.2.1: 63 bits
}
