package sdp

import (
	"strings"
	"testing"

	"github.com/pion/ice/v4"
	pion "github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/media"
)

// newPeer returns a PeerConnection that keeps to the loopback interface.
func newPeer(t *testing.T) *webrtc.PeerConnection {
	t.Helper()
	engine := &webrtc.MediaEngine{}
	require.NoError(t, engine.RegisterDefaultCodecs())
	for _, uri := range []string{TransportCC, ridExtension, "urn:ietf:params:rtp-hdrext:sdes:mid"} {
		require.NoError(t, engine.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: uri}, webrtc.RTPCodecTypeVideo))
	}
	engine.RegisterFeedback(webrtc.RTCPFeedback{Type: "transport-cc"}, webrtc.RTPCodecTypeVideo)
	var settings webrtc.SettingEngine
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithSettingEngine(settings)).NewPeerConnection(webrtc.Configuration{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pc.Close()) })
	return pc
}

// A PeerConnection takes every publisher's offer in its normal form, and what
// it answers passes SetCandidates.
func TestPeerTakesPublishOffers(t *testing.T) {
	for _, v := range verdicts {
		if v.publish != "" {
			continue
		}
		t.Run(v.file, func(t *testing.T) {
			o, err := ParseOffer(readFile(t, v.file))
			require.NoError(t, err)
			pc := newPeer(t)
			for _, m := range o.Media {
				kind := webrtc.NewRTPCodecType(m.Type)
				_, err := pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
				require.NoError(t, err)
			}
			require.NoError(t, pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: o.PublishOffer()}))
			answer, err := pc.CreateAnswer(nil)
			require.NoError(t, err)
			text, err := SetCandidates(answer.SDP, testParams().Candidates)
			require.NoError(t, err, answer.SDP)
			var got pion.SessionDescription
			require.NoError(t, got.UnmarshalString(text))
			require.Len(t, got.MediaDescriptions, len(o.Media))
			for i, md := range got.MediaDescriptions {
				require.Equal(t, o.Media[i].Type, md.MediaName.Media, "W54")
				requireSubset(t, o.PublishOffer(), stripFeedback(md))
				simulcast, ok := md.Attribute("simulcast")
				require.Equal(t, o.Media[i].Simulcast, ok, "R2")
				if ok {
					require.True(t, strings.HasPrefix(simulcast, "recv "), "R2")
				}
			}
		})
	}
}

// stripFeedback leaves out what a PeerConnection announces on its own.
func stripFeedback(md *pion.MediaDescription) *pion.MediaDescription {
	out := *md
	out.Attributes = nil
	for _, a := range md.Attributes {
		if a.Key != "rtcp-fb" {
			out.Attributes = append(out.Attributes, a)
		}
	}
	return &out
}

// A PeerConnection that offers to watch takes our answer.
func TestPeerTakesPlayAnswer(t *testing.T) {
	for name, kinds := range map[string][]webrtc.RTPCodecType{
		"audio and video": {webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo},
		"video first":     {webrtc.RTPCodecTypeVideo, webrtc.RTPCodecTypeAudio},
		"audio only":      {webrtc.RTPCodecTypeAudio},
		"video only":      {webrtc.RTPCodecTypeVideo},
	} {
		t.Run(name, func(t *testing.T) {
			pc := newPeer(t)
			for _, kind := range kinds {
				_, err := pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
				require.NoError(t, err)
			}
			offer, err := pc.CreateOffer(nil)
			require.NoError(t, err)
			require.NoError(t, pc.SetLocalDescription(offer))
			o, err := ParseOffer([]byte(offer.SDP))
			require.NoError(t, err)
			require.ErrorIs(t, o.CheckPublish(), ErrUnsupported, "W7")
			p := testParams()
			p.Preferred = media.Codec{Name: media.VP8, ClockRate: 90000}
			answer, err := o.PlayAnswer(p)
			require.NoError(t, err)
			requireAnswer(t, offer.SDP, o, answer)
			require.NoError(t, pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}))
			for i, tr := range pc.GetTransceivers() {
				require.Equal(t, kinds[i], tr.Kind())
				require.Equal(t, webrtc.RTPTransceiverDirectionRecvonly, tr.Direction())
			}
		})
	}
}
