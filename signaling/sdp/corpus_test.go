package sdp

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	pion "github.com/pion/sdp/v3"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/media"
)

// verdicts says of every description in testdata, offer or not, what becomes
// of it: a part of the error, "" when it is answered.
var verdicts = []struct{ file, publish, play string }{
	{"alexa-echo-show-offer", "", ""},
	{"chrome-102-av-datachannel", "data channels", "data channels"},
	{"chrome-116-mac-jitsi-relay", "recvonly", ""},
	{"chrome-120-av-sendrecv", "", ""},
	{"chrome-63-android-whep-recvonly", "recvonly", ""},
	{"chrome-answer-to-libdatachannel", "data channels", "data channels"},
	{"chrome-answer-to-pixelstreaming", "data channels", "data channels"},
	{"chrome-av-av1-fid", "", ""},
	{"chrome-chime-av1", "BUNDLE group names", "BUNDLE group names"}, // edited by hand
	{"chrome-medooze-whip-client", "", ""},
	{"chrome-millicast-whep-2video", "recvonly", "more than one video"},
	{"chrome-planb-answer-ssrcgroup-SIM", "use RIDs", ""},
	{"chrome-planb-ssrcgroup-SIM", "use RIDs", ""},
	{"chrome-simulcast-hi-lo-sendonly", "", "sendonly"},
	{"chrome-simulcast-high-medium-low", "", ""},
	{"chrome-webex-multistream-ssrcgroup-sim", "data channels", "data channels"},
	{"chrome-whep-recvonly-h265-flexfec", "recvonly", ""},
	{"draft-whep-offer", "recvonly", ""},
	{"ffmpeg-2023-whip-doc-actpass", "", "sendonly"},
	{"ffmpeg-8-whip-video-only", "", "sendonly"},
	{"firefox-101-av-dc", "data channels", "data channels"},
	{"firefox-55-simulcast-draft-rid-syntax", "", ""},
	{"firefox-60-whep-recvonly-video-first", "recvonly", ""},
	{"firefox-81-jitsi-answer-simulcast", "recvonly", "more than one audio"},
	{"firefox-84-video", "", ""},
	{"firefox-87-answer-to-janus", "data channels", "data channels"},
	{"firefox-red-ulpfec-av", "", ""},
	{"gst-webrtcbin-h264-dc-bundleonly", "data channels", "data channels"},
	{"gst-webrtcbin-h264-video-only", "", ""},
	{"gst-webrtcbin-vp8-opus-bundleonly-dc", "data channels", "data channels"},
	{"gst-webrtcbin-vp8-opus-unbundled", "BUNDLE", "BUNDLE"},
	{"janus-offer-icelite-candidates", "data channels", "data channels"},
	{"libdatachannel-h264-video-only", "", "sendonly"},
	{"libdatachannel-no-payload-types", "no codec of ours", "sendonly"},
	{"libdatachannel-whep-recvonly-audio-bAS", "recvonly", ""},
	{"libwebrtc-native-av", "", ""},
	{"libwebrtc-renomination-ilbc", "", ""},
	{"nest-camera-answer-empty-foundation", "data channels", "data channels"},
	{"obs-30.0.2-whip", "", "sendonly"},
	{"obs-whip-cand-in-first-mline", "", "sendonly"},
	{"obs-whip-host-candidates-ipv6", "", "sendonly"},
	{"opera-52-whep-recvonly", "recvonly", ""},
	{"rfc9725-draft-whip-answer", "recvonly", "ICE-lite"},
	{"safari-14-2020-mac-jitsi-answer", "recvonly", "more than one audio"},
	{"safari-av-sendrecv-origin-shared", "ice-ufrag", "ice-ufrag"}, // credentials blanked
	{"safari-avv-recvonly", "inactive", "inactive"},
	{"safari-avv-sendrecv-recvonly", "recvonly", "more than one video"},
	{"unreal-pixelstreaming-offer", "data channels", "data channels"},
	{"webex-homer-answer-bTIAS", "not encrypted", "not encrypted"},
	{"zlmediakit-answer-icelite-active", "recvonly", "ICE-lite"},
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".sdp"))
	require.NoError(t, err)
	return b
}

func TestCorpusVerdicts(t *testing.T) {
	for _, v := range verdicts {
		t.Run(v.file, func(t *testing.T) {
			o, err := ParseOffer(readFile(t, v.file))
			for _, check := range []struct {
				want  string
				check func() error
			}{{v.publish, func() error { return o.CheckPublish() }}, {v.play, func() error { return o.CheckPlay() }}} {
				got := err
				if got == nil {
					got = check.check()
				}
				if check.want == "" {
					require.NoError(t, got)
					continue
				}
				require.ErrorContains(t, got, check.want)
				requireSentinel(t, got)
			}
		})
	}
}

// Nothing in testdata is left out of the table.
func TestCorpusIsComplete(t *testing.T) {
	files, err := filepath.Glob("testdata/*.sdp")
	require.NoError(t, err)
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".sdp")
		if strings.HasSuffix(name, ".sdpfrag") {
			continue
		}
		require.True(t, slices.ContainsFunc(verdicts, func(v struct{ file, publish, play string }) bool { return v.file == name }), name)
	}
}

// W5: the same description with bare LF reads the same.
func TestBareLineFeed(t *testing.T) {
	for _, v := range verdicts {
		crlf, err := ParseOffer(readFile(t, v.file))
		lf, errLF := ParseOffer([]byte(strings.ReplaceAll(string(readFile(t, v.file)), "\r\n", "\n")))
		require.Equal(t, err, errLF, v.file)
		require.Equal(t, crlf, lf, v.file)
	}
}

func testParams() AnswerParams {
	return AnswerParams{
		Ufrag: "fRsh", Pwd: "0123456789abcdefghijklmn", Fingerprint: "sha-256 " + strings.TrimSuffix(strings.Repeat("AB:", 32), ":"),
		Candidates: []string{
			"1 1 udp 2130706431 127.0.0.1 9 typ host",
			"2 1 tcp 1671430143 127.0.0.1 9 typ host tcptype passive",
		},
		CNAME: "node", StreamID: "demo",
		Audio: TrackSSRC{SSRC: 10}, Video: TrackSSRC{SSRC: 20, RTX: 21},
	}
}

// The answer to every playable offer keeps within the offer.
func TestCorpusPlayAnswers(t *testing.T) {
	for _, v := range verdicts {
		if v.play != "" {
			continue
		}
		t.Run(v.file, func(t *testing.T) {
			body := readFile(t, v.file)
			o, err := ParseOffer(body)
			require.NoError(t, err)
			answer, err := o.PlayAnswer(testParams())
			require.NoError(t, err)
			requireAnswer(t, string(body), o, answer)
		})
	}
}

// requireAnswer holds a WHEP answer to the rules; offer is the client's text.
func requireAnswer(t testing.TB, offer string, o *Offer, answer string) {
	t.Helper()
	var got pion.SessionDescription
	require.NoError(t, got.UnmarshalString(answer))
	require.NotContains(t, answer, "rtcp-mux-only", "W48")
	require.NotContains(t, strings.ReplaceAll(answer, "\r\n", ""), "\n", "CRLF")
	group, bundled := got.Attribute("group")
	require.Equal(t, len(o.BundleMIDs) > 0, bundled, "W28")
	if bundled {
		require.ElementsMatch(t, strings.Fields(group)[1:], o.mids(), "W28")
	}
	_, lite := got.Attribute("ice-lite")
	require.True(t, lite)
	require.Len(t, got.MediaDescriptions, len(o.Media), "W54")
	for i, md := range got.MediaDescriptions {
		m := o.Media[i]
		require.Equal(t, m.Type, md.MediaName.Media, "W54: order")
		mid, _ := md.Attribute("mid")
		require.Equal(t, m.MID, mid)
		require.NotZero(t, md.MediaName.Port.Value, "W31")
		for _, key := range []string{"sendonly", "rtcp-mux"} { // E6, W28
			_, ok := md.Attribute(key)
			require.True(t, ok, key)
		}
		for _, key := range []string{"fingerprint", "ice-ufrag", "ice-pwd"} { // W2
			value, _ := md.Attribute(key)
			require.NotEmpty(t, value, key)
		}
		setup, _ := md.Attribute("setup")
		require.Contains(t, map[string][]string{"actpass": {"passive"}, "active": {"passive"}, "passive": {"active"}}[o.Setup], setup, "W32")
		msid, _ := md.Attribute("msid")
		require.Equal(t, "demo "+m.Type, msid, "E53")
		requireSubset(t, offer, md)
		candidates, end := 0, 0
		for _, a := range md.Attributes {
			if a.Key == "candidate" {
				candidates++
			}
			if a.Key == "end-of-candidates" {
				end++
			}
		}
		if len(o.BundleMIDs) > 0 && mid == o.BundleMIDs[0] || i == 0 && !bundled {
			require.Equal(t, []int{2, 1}, []int{candidates, end}, "W27")
		}
	}
}

// requireSubset checks that payload types, feedback and extensions were
// offered under the same numbers (W54, R1).
func requireSubset(t testing.TB, offer string, md *pion.MediaDescription) {
	t.Helper()
	require.NotEmpty(t, md.MediaName.Formats)
	listed := map[string]bool{}
	for _, pt := range md.MediaName.Formats {
		require.False(t, listed[pt], "payload type listed twice")
		listed[pt] = true
	}
	// A direction belongs to one side, the id to both.
	offer = strings.NewReplacer("/sendonly ", " ", "/recvonly ", " ", "/sendrecv ", " ").Replace(strings.ToLower(offer))
	for _, a := range md.Attributes {
		line := strings.Replace(strings.ToLower(a.Key+":"+a.Value), "/sendonly ", " ", 1)
		pt, _, _ := strings.Cut(a.Value, " ")
		switch a.Key {
		case "rtpmap":
			require.True(t, listed[pt])
			require.Contains(t, offer, "a="+line)
		case "rtcp-fb":
			require.True(t, listed[pt])
			require.True(t, strings.Contains(offer, "a="+line) || strings.Contains(offer, strings.Replace("a="+line, ":"+pt, ":*", 1)), line)
		case "fmtp":
			require.True(t, listed[pt])
		case "extmap":
			require.Contains(t, offer, "a="+line)
		}
	}
}

// PlayTracks names what the answer does.
func TestPlayTracks(t *testing.T) {
	o, err := ParseOffer(readFile(t, "chrome-whep-recvonly-h265-flexfec"))
	require.NoError(t, err)
	audio, video := o.PlayTracks()
	if audio != nil {
		require.Equal(t, media.Audio, audio.Codecs[0].Kind())
	}
	require.NotNil(t, video)
	names := map[string]bool{}
	for _, c := range video.Codecs {
		names[c.Name] = true
		require.NotZero(t, c.PayloadType)
		require.True(t, c.NACK && c.PLI && c.TransportCC && !c.REMB)
	}
	require.True(t, names[media.H264] && names[media.H265] && names[media.VP8] && names[media.VP9] && names[media.AV1])
	require.NotZero(t, video.TransportCCID)
}
