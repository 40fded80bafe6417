package sdp

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/media"
)

const (
	testCredentials = "a=ice-ufrag:abcd\na=ice-pwd:0123456789012345678901\n"
	testFingerprint = "a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\n"
	testTransport   = testCredentials + testFingerprint
	testVideo       = "m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:0\na=rtcp-mux\na=rtpmap:96 VP8/90000\n"
)

// offer builds a description from session lines and sections.
func offer(session string, sections ...string) []byte {
	return []byte("v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nt=0 0\n" + session + strings.Join(sections, ""))
}

func parse(t *testing.T, session string, sections ...string) *Offer {
	t.Helper()
	o, err := ParseOffer(offer(session, sections...))
	require.NoError(t, err)
	return o
}

func TestSetupRoles(t *testing.T) { // W32
	for setup, want := range map[string]struct{ answer, err string }{
		"a=setup:actpass\n":  {answer: "passive"},
		"a=setup:active\n":   {answer: "passive"},
		"a=setup:passive\n":  {answer: "active"},
		"a=setup:ACTPASS\n":  {answer: "passive"},
		"":                   {answer: "passive"}, // RFC 4145 section 4
		"a=setup:holdconn\n": {err: "a=setup"},
		"a=setup:x\n":        {err: "a=setup"},
	} {
		o := parse(t, testTransport+setup, testVideo)
		answer, err := o.PlayAnswer(testParams())
		if want.err != "" {
			require.ErrorIs(t, err, ErrUnsupported)
			require.ErrorContains(t, err, want.err)
			require.ErrorIs(t, o.CheckPublish(), ErrUnsupported)
			continue
		}
		require.NoError(t, err)
		require.Contains(t, answer, "a=setup:"+want.answer+"\r\n")
	}
}

func TestTransportIsChecked(t *testing.T) {
	for name, c := range map[string]struct {
		session string
		want    error
	}{
		"W24 ufrag":           {strings.Replace(testTransport, "abcd", "abc", 1), ErrMalformed},
		"W24 pwd":             {strings.Replace(testTransport, "012345678901234567", "0", 1), ErrMalformed},
		"no credentials":      {testFingerprint, ErrMalformed},
		"no fingerprint":      {testCredentials, ErrMalformed},
		"a short fingerprint": {strings.Replace(testTransport, "00:11:", "", 1), ErrMalformed},
		"an old hash":         {strings.Replace(testTransport, "sha-256", "sha-1", 1), ErrMalformed},
		"ICE-lite":            {testTransport + "a=ice-lite\n", ErrUnsupported},
	} {
		o := parse(t, c.session, testVideo)
		require.ErrorIs(t, o.CheckPublish(), c.want, name)
		require.ErrorIs(t, o.CheckPlay(), c.want, name)
	}
}

// Attributes at session level hold for the sections that do not say otherwise.
func TestInheritance(t *testing.T) {
	o := parse(t, testTransport+"a=setup:passive\na=recvonly\na=extmap:3 "+TransportCC+"\n", testVideo)
	require.Equal(t, RecvOnly, o.Media[0].Direction)
	require.Equal(t, uint8(3), o.Media[0].Extensions[TransportCC])
	require.Equal(t, "abcd", o.Ufrag)
	o = parse(t, testTransport+"a=recvonly\n", testVideo+"a=sendonly\na=setup:actpass\na=ice-ufrag:efgh\na=ice-pwd:x\n")
	require.Equal(t, SendOnly, o.Media[0].Direction)
	require.Equal(t, SetupActpass, o.Setup)
	require.Equal(t, []string{"efgh", "x"}, []string{o.Ufrag, o.Pwd})
	require.Len(t, o.Fingerprints, 1)
}

// W29: a bundle-only section without transport attributes and with port 0.
func TestBundleOnly(t *testing.T) {
	audio := "m=audio 0 UDP/TLS/RTP/SAVPF 111\na=mid:1\na=bundle-only\na=rtpmap:111 OPUS/48000/2\n"
	session := testTransport + "a=group:BUNDLE 0 1\n"
	o := parse(t, session, testVideo, audio)
	require.NoError(t, o.CheckPublish())
	answer, err := o.PlayAnswer(testParams())
	require.NoError(t, err)
	require.Contains(t, answer, "a=group:BUNDLE 0 1\r\n")
	require.Contains(t, answer, "m=audio 9 ")
	require.NotContains(t, o.PublishOffer(), "m=audio 0")

	o = parse(t, testTransport, strings.Replace(testVideo, "video 9", "video 0", 1))
	require.ErrorIs(t, o.CheckPublish(), ErrUnsupported)
}

// Sections without a mid get one that nobody else has.
func TestMissingMIDs(t *testing.T) {
	named := strings.Replace(testVideo, "mid:0", "mid:1", 1)
	unnamed := "m=audio 9 UDP/TLS/RTP/SAVPF 111\na=rtcp-mux\na=rtpmap:111 opus/48000/2\n"
	o := parse(t, testTransport, named, unnamed)
	require.Equal(t, []string{"1", "1-"}, o.mids())
	require.ErrorIs(t, o.CheckPlay(), ErrUnsupported, "not bundled")
	require.NoError(t, parse(t, testTransport, unnamed).CheckPlay())
	_, err := ParseOffer(offer(testTransport, testVideo, testVideo))
	require.ErrorIs(t, err, ErrMalformed, "twice the same mid")
}

func TestSimulcast(t *testing.T) { // R2
	const rids = "a=extmap:4 " + ridExtension + "\na=rid:q send\na=rid:h send\na=rid:f send\na=rid:bad! send\na=rid:r recv\n"
	for line, want := range map[string]string{
		"a=simulcast:send q;h;f":                 "q;h;f",
		"a=simulcast:send f;h;q":                 "f;h;q",
		"a=simulcast:send q;~h;f":                "q;~h;f",
		"a=simulcast:send q,h;f":                 "q;f",
		"a=simulcast: send rid=q;h":              "q;h",
		"a=simulcast:recv r send q;h":            "q;h",
		"a=simulcast:send q;h recv r":            "q;h",
		"a=simulcast:send q;q;unknown;bad!;h;;r": "q;h",
		"a=simulcast:recv r":                     "",
		"a=simulcast:":                           "",
		"":                                       "",
	} {
		o := parse(t, testTransport, testVideo+"a=ssrc:1 cname:x\n"+rids+line+"\n")
		require.Equal(t, want != "", o.Media[0].Simulcast, line)
		text := o.PublishOffer()
		if want == "" {
			require.NotContains(t, text, "a=simulcast", line)
			require.NotContains(t, text, "a=rid", line)
			require.Contains(t, text, "a=ssrc:1 cname:x", line)
			continue
		}
		require.Contains(t, text, "a=simulcast:send "+want+"\r\n", line)
		require.Equal(t, len(o.Media[0].RIDs), strings.Count(text, "a=rid:"), line)
	}
	o := parse(t, testTransport, testVideo+"a=rid:q send\na=simulcast:send q\n")
	require.False(t, o.Media[0].Simulcast, "R1: without the extension")
}

func TestCodecs(t *testing.T) {
	o := parse(t, testTransport, "m=video 9 UDP/TLS/RTP/SAVPF 97 96 98 35 99 70 34 36\na=mid:0\na=rtcp-mux\n"+
		"a=fmtp:96 profile-level-id=42e01f\na=rtpmap:96 h264/90000\na=fmtp:96 packetization-mode=1\na=rtcp-fb:* nack\n"+
		"a=rtcp-fb:96 nack  pli\na=rtcp-fb:96 ccm fir\na=rtcp-fb:96 transport-cc\na=rtcp-fb:96 goog-remb\n"+
		"a=rtpmap:97 RTX/90000\na=fmtp:97 apt=96;rtx-time=3000\na=rtpmap:98 red/90000\na=rtpmap:35 AV1/90000\n"+
		"a=rtpmap:99 VP9/48000\na=rtpmap:70 VP8/90000\na=rtpmap:34 opus/48000/2\n")
	require.Equal(t, []Codec{
		{
			Codec:       media.Codec{Name: media.H264, ClockRate: 90000, Fmtp: "profile-level-id=42e01f;packetization-mode=1"},
			PayloadType: 96, RTX: 97, NACK: true, PLI: true, FIR: true, TransportCC: true, REMB: true,
		},
		{Codec: media.Codec{Name: media.AV1, ClockRate: 90000}, PayloadType: 35, NACK: true},
	}, o.Media[0].Codecs)

	for _, bad := range []string{"a=rtpmap:128 VP8/90000", "a=rtpmap:x VP8/90000", "a=rtpmap:97 VP8", "a=rtpmap:97 VP8/x", "a=fmtp:-1 x", "a=rtpmap:97 opus/48000/x"} {
		_, err := ParseOffer(offer(testTransport, testVideo+bad+"\n"))
		require.ErrorIs(t, err, ErrMalformed, bad)
	}
	_, err := ParseOffer(offer(testTransport, strings.Replace(testVideo, "SAVPF 96", "SAVPF 96 100", 1)))
	require.ErrorContains(t, err, "no rtpmap", "H1")
}

// The codec that is live leads the video line, without one H264.
func TestPreferredCodec(t *testing.T) {
	o := parse(t, testTransport, "m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99 100\na=mid:0\na=rtcp-mux\n"+
		"a=rtpmap:96 VP8/90000\na=rtpmap:97 rtx/90000\na=fmtp:97 apt=96\n"+
		"a=rtpmap:98 H264/90000\na=fmtp:98 profile-level-id=42001f;packetization-mode=0;sprop-parameter-sets=abc\n"+
		"a=rtpmap:99 H264/90000\na=fmtp:99 packetization-mode=1;profile-level-id=42e01f;level-asymmetry-allowed=1\n"+
		"a=rtpmap:100 AV1/90000\n")
	for want, live := range map[string]media.Codec{
		"98 99 96 97 100": {},
		"96 97 98 99 100": {Name: media.VP8, ClockRate: 90000},
		"100 96 97 98 99": {Name: media.AV1, ClockRate: 90000},
		"99 98 96 97 100": {Name: media.H264, ClockRate: 90000, Fmtp: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"},
	} {
		p := testParams()
		p.Preferred = live
		answer, err := o.PlayAnswer(p)
		require.NoError(t, err)
		require.Contains(t, answer, "m=video 9 UDP/TLS/RTP/SAVPF "+want+"\r\n")
		require.Contains(t, answer, "a=fmtp:98 packetization-mode=0;profile-level-id=42001f\r\n", "R9: sprop is the sender's")
		require.Contains(t, answer, "a=ssrc-group:FID 20 21\r\n", "R7")
	}
}

// R1, R4: transport-cc only where the extension reaches the viewer.
func TestTransportCC(t *testing.T) {
	for extmap, want := range map[string]struct {
		id   uint8
		line string
	}{
		"a=extmap:3 " + TransportCC:          {3, "a=extmap:3 " + TransportCC},
		"a=extmap:3/recvonly " + TransportCC: {3, "a=extmap:3/sendonly " + TransportCC},
		"a=extmap:3/sendonly " + TransportCC: {},
		"a=extmap:3/inactive " + TransportCC: {},
		"a=extmap:3/sideways " + TransportCC: {},
		"a=extmap:15 " + TransportCC:         {},
		"a=extmap:0 " + TransportCC:          {},
		"a=extmap:x " + TransportCC:          {},
		"":                                   {},
	} {
		o := parse(t, testTransport, testVideo+"a=rtcp-fb:96 transport-cc\n"+extmap+"\n")
		answer, err := o.PlayAnswer(testParams())
		require.NoError(t, err)
		_, video := o.PlayTracks()
		require.Equal(t, want.id, video.TransportCCID, extmap)
		require.Equal(t, want.id != 0, video.Codecs[0].TransportCC, extmap)
		require.Equal(t, want.id != 0, strings.Contains(answer, "transport-cc"), extmap)
		require.Contains(t, answer, want.line, extmap)
		require.NotContains(t, answer, "FID", "no RTX offered")
	}
}

// REMB is negotiated where transport-cc is not, never beside it.
func TestREMB(t *testing.T) {
	for lines, remb := range map[string]bool{
		"":                            true,
		"a=rtcp-fb:96 transport-cc\n": true,
		"a=rtcp-fb:96 transport-cc\na=extmap:3 " + TransportCC + "\n":         false,
		"a=extmap:3 " + TransportCC + "\n":                                    true,
		"a=rtcp-fb:* transport-cc\na=extmap:3/sendonly " + TransportCC + "\n": true,
	} {
		o := parse(t, testTransport, testVideo+"a=rtcp-fb:96 goog-remb\n"+lines)
		answer, err := o.PlayAnswer(testParams())
		require.NoError(t, err)
		require.Equal(t, remb, strings.Contains(answer, "goog-remb"), lines)
		require.Equal(t, !remb, strings.Contains(answer, "a=rtcp-fb:96 transport-cc"), lines)
	}
}

// W30: several tracks in one section cannot be told apart.
func TestSeveralTracksInASection(t *testing.T) {
	pair := "a=ssrc-group:FID 1 2\na=ssrc:1 msid:s t\na=ssrc:2 msid:s t2\n"
	require.NoError(t, parse(t, testTransport, testVideo+pair).CheckPublish())
	o := parse(t, testTransport, testVideo+"a=ssrc:1 msid:s t\na=ssrc:2 msid:s t2\n")
	require.ErrorIs(t, o.CheckPublish(), ErrUnsupported)
	require.NoError(t, o.CheckPlay(), "a viewer's own tracks do not matter")
}

func TestPublishOfferDropsCandidates(t *testing.T) {
	o := parse(t, testTransport, testVideo+"a=candidate:1 1 udp 1 somewhere.local 9 typ host\na=end-of-candidates\n")
	require.NotContains(t, o.PublishOffer(), "candidate")
	require.Contains(t, o.PublishOffer(), "a=msid:- 0\r\n")
	require.Contains(t, o.PublishOffer(), "a=group:BUNDLE 0\r\n")
}

// W27: the candidates belong into the section that carries the transport.
func TestCandidatesFollowTheBundle(t *testing.T) {
	audio := "m=audio 9 UDP/TLS/RTP/SAVPF 111\na=mid:1\na=rtcp-mux\na=rtpmap:111 opus/48000\n"
	o := parse(t, testTransport+"a=group:BUNDLE 1 0 1\n", testVideo, audio)
	require.Equal(t, []string{"1", "0"}, o.BundleMIDs)
	answer, err := o.PlayAnswer(testParams())
	require.NoError(t, err)
	require.Less(t, strings.Index(answer, "m=audio"), strings.Index(answer, "a=candidate"))
	require.Contains(t, answer, "a=rtpmap:111 opus/48000/2\r\n", "R11")
}
