package bench

import (
	"net/netip"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/signaling/sdp"
)

func TestOffersAreGood(t *testing.T) {
	o := offer{
		direction: "recvonly", ufrag: "abcd", pwd: "abcdefghijklmnopqrstuv", feedback: true,
		fingerprint: "sha-256 F7:EB:F3:3E:AC:D2:EA:A7:C1:EC:79:D9:B3:8A:35:DA:70:86:4F:46:D9:2D:CC:D0:BC:81:9F:67:EF:34:2E:BD",
	}
	play, err := sdp.ParseOffer([]byte(o.String()))
	require.NoError(t, err)
	require.NoError(t, play.CheckPlay())
	sound, video := play.PlayTracks()
	require.EqualValues(t, ptSound, sound.Codecs[0].PayloadType)
	require.EqualValues(t, ptVideo, video.Codecs[0].PayloadType)
	require.EqualValues(t, ptRTX, video.Codecs[0].RTX)
	require.EqualValues(t, extTCC, video.TransportCCID)

	o.direction, o.rids, o.feedback = "sendonly", []string{"q", "h", "f"}, false
	publish, err := sdp.ParseOffer([]byte(o.String()))
	require.NoError(t, err)
	require.NoError(t, publish.CheckPublish())
}

func TestAnswersAreRead(t *testing.T) {
	text, err := os.ReadFile("../../signaling/sdp/testdata/rfc9725-draft-whip-answer.sdp")
	require.NoError(t, err)
	a, err := parseAnswer(string(text))
	require.NoError(t, err)
	require.Equal(t, "38sdf4fdsf54", a.ufrag)
	require.False(t, a.active)
	require.False(t, a.feedback)
	require.Equal(t, []netip.AddrPort{netip.MustParseAddrPort("127.0.0.2:39132")}, a.candidates)

	for _, bad := range []string{"", "v=0", "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"} {
		_, err := parseAnswer(bad)
		require.ErrorIs(t, err, errAnswer, bad)
	}
}
