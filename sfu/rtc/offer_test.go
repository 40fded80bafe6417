package rtc

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/freshet-live/freshet/sfu/media"
)

// refused are the recorded offers that cannot be published as they are.
var refused = map[string]error{
	"chrome-102-av-datachannel":        ErrUnsupported, // data channel
	"chrome-116-mac-jitsi-relay":       ErrUnsupported, // recvonly section
	"libdatachannel-no-payload-types":  ErrUnsupported,
	"safari-avv-sendrecv-recvonly":     ErrUnsupported, // two video sections
	"safari-av-sendrecv-origin-shared": ErrMalformed,   // anonymised credentials
}

func recordedOffers(t testing.TB) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.sdp")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	offers := map[string]string{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		offers[strings.TrimSuffix(filepath.Base(file), ".sdp")] = string(b)
	}
	return offers
}

var testLocal = local{
	id: 1, version: 1, ufrag: "abcd", pwd: "0123456789012345678901", fingerprint: "sha-256 AB:CD", role: "passive",
}

// What real clients have offered is answered by the rules or refused.
func TestRecordedOffers(t *testing.T) {
	r := newRig(t, Config{})
	for name, text := range recordedOffers(t) {
		t.Run(name, func(t *testing.T) {
			session, answer, err := r.Publish(t.Context(), "live", "me", text)
			if want := refused[name]; want != nil {
				require.ErrorIs(t, err, want)
				return
			}
			require.NoError(t, err)
			session.Close(nil)
			await(t, session)
			checkAnswer(t, text, answer)
		})
	}
}

// checkAnswer holds an answer against its offer.
func checkAnswer(t testing.TB, offerText, answerText string) {
	t.Helper()
	var offer, answer sdp.SessionDescription
	require.NoError(t, offer.UnmarshalString(offerText))
	require.NoError(t, answer.UnmarshalString(answerText))
	require.True(t, has(answer.Attributes, "ice-lite"))
	require.Len(t, answer.MediaDescriptions, len(offer.MediaDescriptions), "W54")
	var mids []string
	for i, a := range answer.MediaDescriptions {
		o := offer.MediaDescriptions[i]
		require.Equal(t, o.MediaName.Media, a.MediaName.Media, "W54")
		require.NotZero(t, a.MediaName.Port.Value, "W2: nothing is rejected")
		require.Equal(t, value(o.Attributes, "mid"), value(a.Attributes, "mid"))
		require.True(t, has(a.Attributes, "recvonly"), "W6")
		require.True(t, has(a.Attributes, "rtcp-mux"), "W28")
		require.False(t, has(a.Attributes, "rtcp-mux-only"), "W48")
		for _, key := range []string{"fingerprint", "ice-ufrag", "ice-pwd", "setup"} {
			require.True(t, has(a.Attributes, key), key)
		}
		mids = append(mids, value(a.Attributes, "mid"))
		for _, pt := range a.MediaName.Formats {
			require.Contains(t, o.MediaName.Formats, pt, "W54")
		}
		offered := map[string]int{}
		for _, e := range parseExtensions(o.Attributes, media.Video) {
			offered[e.uri] = e.id
		}
		for _, e := range parseExtensions(a.Attributes, media.Video) {
			require.Equal(t, offered[e.uri], e.id, "R1")
		}
	}
	require.Equal(t, "BUNDLE "+strings.Join(mids, " "), value(answer.Attributes, "group"), "W28")
}

// sectionOf answers an offer with one section, made of these lines.
func sectionOf(t *testing.T, kind, formats string, lines ...string) (*section, string) {
	t.Helper()
	o, err := parseOffer(offerOf(kind, formats, lines...))
	require.NoError(t, err)
	return o.sections[0], o.answer(testLocal)
}

func offerOf(kind, formats string, lines ...string) string {
	return strings.Join(append([]string{
		"v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0", "a=ice-ufrag:abcd",
		"a=ice-pwd:0123456789012345678901", "a=fingerprint:sha-256 AB:CD", "a=setup:actpass",
		"m=" + kind + " 9 UDP/TLS/RTP/SAVPF " + formats, "c=IN IP4 0.0.0.0", "a=mid:0", "a=sendonly", "a=rtcp-mux",
	}, append(lines, "")...), "\r\n")
}

func TestAnswerOpus(t *testing.T) {
	// R11: a browser sends stereo only when asked; sprop- describes the sender.
	_, answer := sectionOf(t, "audio", "111 63", "a=rtpmap:111 OPUS/48000/2",
		"a=fmtp:111 minptime=10;stereo=0;sprop-stereo=1;usedtx=1", "a=rtpmap:63 red/48000/2")
	require.Contains(t, answer, "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n")
	require.Contains(t, answer, "a=rtpmap:111 opus/48000/2\r\n")
	require.Contains(t, answer, "a=fmtp:111 minptime=10;usedtx=1;stereo=1;useinbandfec=1\r\n")
}

func TestAnswerPrefersH264(t *testing.T) {
	s, answer := sectionOf(t, "video", "96 97 102 103 104 35",
		"a=rtpmap:96 VP8/90000", "a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96", "a=rtpmap:102 h264/90000",
		"a=fmtp:102 profile-level-id=640c2a;packetization-mode=0", "a=rtpmap:104 H264/90000",
		"a=fmtp:104 profile-level-id=42e034;packetization-mode=1;sprop-parameter-sets=Z0LAH4xo,aM4yyA==",
		"a=rtpmap:103 rtx/90000", "a=fmtp:103 apt=104", "a=rtpmap:35 flexfec-03/90000",
		"a=rtcp-fb:* nack pli", "a=rtcp-fb:96 goog-remb", "a=rtcp-fb:96 nack", "a=rtcp-fb:96 transport-cc")
	require.Contains(t, answer, "m=video 9 UDP/TLS/RTP/SAVPF 104 103 102 96 97\r\n")
	require.Contains(t, answer, "a=fmtp:104 profile-level-id=42e034;packetization-mode=1\r\n")
	require.Equal(t, []string{"nack", "nack pli"}, s.codec(96).feedback, "transport-cc needs its extension")
	require.Equal(t, []string{"nack pli"}, s.codec(104).feedback)
	require.NotContains(t, answer, "goog-remb")
}

// R2, W40: simulcast in the offered order, without what is unknown.
func TestAnswerSimulcast(t *testing.T) {
	extensions := []string{"a=extmap:4 " + uriMID, "a=extmap:10 " + uriRID, "a=rtpmap:96 VP8/90000"}
	for _, test := range []struct {
		name  string
		lines []string
		want  []string
	}{
		{"browser", []string{"a=rid:q send", "a=rid:h send", "a=rid:f send", "a=simulcast:send q;h;f"}, []string{"q", "h", "f"}},
		{"paused", []string{"a=rid:q send", "a=rid:h send", "a=simulcast:send ~q;h"}, []string{"q", "h"}},
		{"alternatives", []string{"a=rid:1 send pt=96", "a=rid:2 send", "a=rid:3 send", "a=simulcast:send 1,~2;3"}, []string{"1", "3"}},
		{"undeclared", []string{"a=rid:q send", "a=rid:h recv", "a=simulcast:send q;h;x recv h"}, []string{"q"}},
		{"twice", []string{"a=rid:q send", "a=rid:q send", "a=simulcast:send q;q"}, []string{"q"}},
		{"old syntax", []string{"a=rid:foo send", "a=simulcast: send rid=foo"}, nil},
		{"malformed", []string{"a=rid:a!b send", "a=rid", "a=simulcast:send", "a=simulcast:send a!b"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, answer := sectionOf(t, "video", "96", append(extensions, test.lines...)...)
			require.Equal(t, test.want, s.rids)
			if test.want != nil {
				require.Contains(t, answer, "a=simulcast:recv "+strings.Join(test.want, ";")+"\r\n")
				for _, rid := range test.want {
					require.Contains(t, answer, "a=rid:"+rid+" recv\r\n")
				}
			}
		})
	}
	s, answer := sectionOf(t, "video", "96", "a=rtpmap:96 VP8/90000", "a=rid:q send", "a=simulcast:send q")
	require.Empty(t, s.rids, "without the extensions RIDs cannot be told apart")
	require.NotContains(t, answer, "simulcast")
}

// RFC 8285 section 6: Firefox offers the RID extension for its own side only.
func TestAnswerOneWayExtension(t *testing.T) {
	_, answer := sectionOf(t, "video", "96", "a=rtpmap:96 VP8/90000", "a=extmap:3 "+uriMID,
		"a=extmap:4/sendonly "+uriRID, "a=extmap:5/recvonly "+uriTransportCC, "a=extmap:6 urn:3gpp:video-orientation",
		"a=rid:a send", "a=simulcast:send a")
	require.Contains(t, answer, "a=extmap:3 "+uriMID+"\r\n")
	require.Contains(t, answer, "a=extmap:4/recvonly "+uriRID+"\r\n")
	require.Equal(t, 2, strings.Count(answer, "a=extmap:"))
}

func TestParseSSRCs(t *testing.T) {
	s, _ := sectionOf(t, "video", "96", "a=rtpmap:96 VP8/90000", "a=ssrc-group:FID 7 8",
		"a=ssrc:8 cname:x", "a=ssrc:7 cname:x", "a=ssrc:9 cname:x")
	require.Equal(t, [2]uint32{7, 8}, [2]uint32{s.ssrc, s.rtxSSRC})
}

func TestRefusedOffers(t *testing.T) {
	good := []string{"a=rtpmap:96 VP8/90000"}
	whole := offerOf("video", "96", good...)
	_, body, _ := strings.Cut(whole, "m=")
	body = "m=" + body
	_, err := parseOffer(whole)
	require.NoError(t, err)
	for _, test := range []struct {
		name, old, new string
		want           error
	}{
		{"W5 not SDP", "v=0", "hello", ErrMalformed},
		{"W7 recvonly", "a=sendonly", "a=recvonly", ErrUnsupported},
		{"W7 inactive", "a=sendonly", "a=inactive", ErrUnsupported},
		{"W24 short pwd", "0123456789012345678901", "012345678901234567890", ErrMalformed},
		{"W24 short ufrag", "abcd", "abc", ErrMalformed},
		{"W24 ufrag with a colon", "abcd", "ab:d", ErrMalformed},
		{"W31 no common codec", "VP8", "VP7", ErrUnsupported},
		{"W32 holdconn", "actpass", "holdconn", ErrUnsupported},
		{"W32 unknown setup", "actpass", "whatever", ErrMalformed},
		{"no fingerprint", "a=fingerprint", "a=x", ErrMalformed},
		{"no mid", "a=mid:0", "a=x", ErrMalformed},
		{"data channel", "m=video 9 UDP/TLS/RTP/SAVPF 96", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel", ErrUnsupported},
		{"no section", body, "", ErrUnsupported},
		{"W30 two video sections", "m=video", body + "m=video", ErrUnsupported},
		{"RTCP payload type", "96", "72", ErrUnsupported},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := parseOffer(strings.ReplaceAll(whole, test.old, test.new))
			require.ErrorIs(t, err, test.want)
		})
	}
}

// What the parser lets through is answered by the rules, and what pion gets of
// it reads the same again.
func FuzzAnswer(f *testing.F) {
	for _, text := range recordedOffers(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := parseOffer(text)
		if err != nil {
			return
		}
		checkAnswer(t, text, o.answer(testLocal))
		again, err := parseOffer(o.inner())
		require.NoError(t, err)
		require.Equal(t, o.mids(), again.mids())
		for i, s := range o.sections {
			require.Equal(t, s.formats(), again.sections[i].formats())
			require.Equal(t, s.rids, again.sections[i].rids)
		}
	})
}

// H1, H4: offers that were cut, or whose lines were lost, doubled or swapped,
// are refused or taken by pion, too.
func TestMutatedOffers(t *testing.T) {
	certificate, fingerprint, err := newCertificate()
	require.NoError(t, err)
	n := &network{certificate: certificate, fingerprint: fingerprint, consent: defaultConsentTimeout, udp: noMux{}}
	offers := recordedOffers(t)
	names := slices.Sorted(maps.Keys(offers))
	rapid.Check(t, func(rt *rapid.T) {
		lines := strings.SplitAfter(offers[rapid.SampledFrom(names).Draw(rt, "offer")], "\n")
		for range rapid.IntRange(1, 5).Draw(rt, "changes") {
			i := rapid.IntRange(0, len(lines)-1).Draw(rt, "line")
			switch rapid.IntRange(0, 3).Draw(rt, "change") {
			case 0:
				lines = slices.Delete(lines, i, i+1)
			case 1:
				lines = slices.Insert(lines, i, lines[i])
			case 2:
				j := rapid.IntRange(0, len(lines)-1).Draw(rt, "other")
				lines[i], lines[j] = lines[j], lines[i]
			case 3:
				lines[i] = strings.ReplaceAll(lines[i], rapid.SampledFrom([]string{"1", "9", ":", " ", "/", "a"}).Draw(rt, "old"),
					rapid.SampledFrom([]string{"", "0", "255", "99999999999", " "}).Draw(rt, "new"))
			}
			if len(lines) == 0 {
				return
			}
		}
		o, err := parseOffer(strings.Join(lines, ""))
		if err != nil {
			return
		}
		p, err := n.newPeer(o, pionLog{testLog(t)})
		require.NoError(rt, err)
		defer func() { require.NoError(rt, p.GracefulClose()) }()
		require.NoError(rt, p.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: o.inner()}))
		_, err = p.CreateAnswer(nil)
		require.NoError(rt, err)
	})
}
