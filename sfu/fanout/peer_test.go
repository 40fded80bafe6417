package fanout

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"
	"github.com/pion/transport/v4/stdnet"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/internal/linktest"
	"github.com/freshet-live/freshet/sfu/media"
)

// peer is a viewer made of a pion PeerConnection.
type peer struct {
	pc     *webrtc.PeerConnection
	viewer *Viewer
	video  chan *rtp.Packet
	audio  chan *rtp.Packet
	rtcp   chan []rtcp.Packet
	silent *atomic.Bool // nothing leaves the viewer any more
}

// peerOptions bend the viewer.
type peerOptions struct {
	tcp       bool
	sha1Only  bool
	dropEvery int // every n-th video packet is lost on its way in
	noRTX     bool
	codecs    []media.Codec // of video; default H264 and VP8
	audioOnly bool
	audioNACK bool
	remb      bool // instead of transport-cc on video
	passive   bool // the viewer is the DTLS server
	badPrint  bool
	silent    *atomic.Bool
	via       *linktest.Link // between the viewer and the engine; nil: none
}

func (r *rig) view(t testing.TB, stream string, o peerOptions) *peer {
	t.Helper()
	p := &peer{video: make(chan *rtp.Packet, 4096), audio: make(chan *rtp.Packet, 4096),
		rtcp: make(chan []rtcp.Packet, 256), silent: &atomic.Bool{},
	}
	o.silent = p.silent
	p.pc = newPeerConnection(t, o)
	t.Cleanup(func() { _ = p.pc.Close() })
	p.pc.OnTrack(func(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
		go p.readRTCP(receiver) // ends with the PeerConnection
		to := p.video
		if track.Kind() == webrtc.RTPCodecTypeAudio {
			to = p.audio
		}
		for {
			pkt, _, err := track.ReadRTP()
			if err != nil {
				close(to)
				return
			}
			select {
			case to <- pkt:
			default: // nobody looks any more
			}
		}
	})
	recvonly := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}
	_, err := p.pc.AddTransceiverFromKind(webrtc.RTPCodecTypeAudio, recvonly)
	require.NoError(t, err)
	if !o.audioOnly {
		_, err = p.pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, recvonly)
		require.NoError(t, err)
	}
	offer, err := p.pc.CreateOffer(nil)
	require.NoError(t, err)
	require.NoError(t, p.pc.SetLocalDescription(offer))
	p.negotiate(t, r, stream, o)
	return p
}

// readRTCP reads sender reports, as pion only looks at what is read.
func (p *peer) readRTCP(r *webrtc.RTPReceiver) {
	for {
		pkts, _, err := r.ReadRTCP()
		if err != nil {
			return
		}
		select {
		case p.rtcp <- pkts:
		default:
		}
	}
}

// negotiate adds the viewer to the engine and answers its offer.
func (p *peer) negotiate(t testing.TB, r *rig, stream string, o peerOptions) {
	t.Helper()
	var desc sdp.SessionDescription
	require.NoError(t, desc.UnmarshalString(p.pc.LocalDescription().SDP))
	params := paramsFrom(t, &desc)
	params.DTLSClient = o.passive
	if o.badPrint {
		params.Fingerprints[0].Value = strings.Repeat("00:", 31) + "00"
	}
	var err error
	p.viewer, err = r.engine.Add(stream, params)
	require.NoError(t, err)
	answer := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: p.answer(r, &desc, params, o.via)}
	require.NoError(t, p.pc.SetRemoteDescription(answer))
}

func newPeerConnection(t testing.TB, o peerOptions) *webrtc.PeerConnection {
	t.Helper()
	var s webrtc.SettingEngine
	s.SetIncludeLoopbackCandidate(true)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	if o.tcp {
		s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4})
	}
	if o.sha1Only {
		s.SetSRTPProtectionProfiles(dtls.SRTP_AES128_CM_HMAC_SHA1_80)
	}
	if o.passive {
		require.NoError(t, s.SetAnsweringDTLSRole(webrtc.DTLSRoleServer))
	}
	n, err := stdnet.NewNet()
	require.NoError(t, err)
	s.SetNet(&mutableNet{Net: n, silent: o.silent})
	// Loss is made behind SRTP, which would take a repetition for a replay.
	s.DisableSRTPReplayProtection(o.dropEvery > 0)
	s.SetICETimeouts(5*time.Second, 10*time.Second, 200*time.Millisecond)
	var m webrtc.MediaEngine
	registerCodecs(t, &m, o)
	var i interceptor.Registry
	if o.dropEvery > 0 {
		i.Add(&lossFactory{every: o.dropEvery})
	}
	registerInterceptors(t, &m, &i, o)
	api := webrtc.NewAPI(webrtc.WithSettingEngine(s), webrtc.WithMediaEngine(&m), webrtc.WithInterceptorRegistry(&i))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	require.NoError(t, err)
	return pc
}

// registerInterceptors registers pion's default ones.
func registerInterceptors(t testing.TB, m *webrtc.MediaEngine, i *interceptor.Registry, o peerOptions) {
	t.Helper()
	if !o.remb {
		require.NoError(t, webrtc.RegisterDefaultInterceptors(m, i))
		return
	}
	require.NoError(t, webrtc.ConfigureNack(m, i))
	require.NoError(t, webrtc.ConfigureRTCPReports(i))
	m.RegisterFeedback(webrtc.RTCPFeedback{Type: webrtc.TypeRTCPFBTransportCC}, webrtc.RTPCodecTypeAudio)
	require.NoError(t, m.RegisterHeaderExtension(
		webrtc.RTPHeaderExtensionCapability{URI: sdp.TransportCCURI}, webrtc.RTPCodecTypeAudio))
}

func registerCodecs(t testing.TB, m *webrtc.MediaEngine, o peerOptions) {
	t.Helper()
	codecs := o.codecs
	if codecs == nil {
		codecs = []media.Codec{testH264, testVP8}
	}
	pt := webrtc.PayloadType(96)
	feedback := []webrtc.RTCPFeedback{{Type: "nack"}, {Type: "nack", Parameter: "pli"}}
	if o.remb {
		feedback = append(feedback, webrtc.RTCPFeedback{Type: webrtc.TypeRTCPFBGoogREMB})
	}
	for _, c := range codecs {
		require.NoError(t, m.RegisterCodec(webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: "video/" + c.Name, ClockRate: c.ClockRate, SDPFmtpLine: c.Fmtp, RTCPFeedback: feedback,
			}, PayloadType: pt,
		}, webrtc.RTPCodecTypeVideo))
		if !o.noRTX {
			require.NoError(t, m.RegisterCodec(webrtc.RTPCodecParameters{
				RTPCodecCapability: webrtc.RTPCodecCapability{
					MimeType: webrtc.MimeTypeRTX, ClockRate: 90000, SDPFmtpLine: fmt.Sprintf("apt=%d", pt),
				}, PayloadType: pt + 1,
			}, webrtc.RTPCodecTypeVideo))
		}
		pt += 2
	}
	var sound []webrtc.RTCPFeedback
	if o.audioNACK {
		sound = feedback[:1]
	}
	require.NoError(t, m.RegisterCodec(webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2, SDPFmtpLine: testOpus.Fmtp,
			RTCPFeedback: sound,
		}, PayloadType: 111,
	}, webrtc.RTPCodecTypeAudio))
}

// paramsFrom reads an offer as signaling would.
func paramsFrom(t testing.TB, desc *sdp.SessionDescription) Params {
	t.Helper()
	first := desc.MediaDescriptions[0]
	get := func(key string) string {
		if v, ok := desc.Attribute(key); ok {
			return v
		}
		v, _ := first.Attribute(key)
		return v
	}
	algorithm, value, _ := strings.Cut(get("fingerprint"), " ")
	p := Params{
		RemoteUfrag: get("ice-ufrag"), RemotePwd: get("ice-pwd"),
		Fingerprints: []Fingerprint{{Algorithm: algorithm, Value: value}},
	}
	for _, m := range desc.MediaDescriptions {
		track := &TrackParams{}
		track.MID, _ = m.Attribute("mid")
		for _, a := range m.Attributes {
			id, uri, _ := strings.Cut(a.Value, " ")
			if a.Key != "extmap" {
				continue
			}
			n, err := strconv.ParseUint(id, 10, 8)
			require.NoError(t, err)
			switch uri {
			case sdp.SDESMidURI:
				track.MIDExtensionID = uint8(n)
			case sdp.TransportCCURI:
				track.TransportCCID = uint8(n)
			}
		}
		track.Codecs = codecsFrom(t, desc, m)
		if m.MediaName.Media == "audio" {
			p.Audio = track
		} else {
			p.Video = track
		}
	}
	return p
}

func codecsFrom(t testing.TB, desc *sdp.SessionDescription, m *sdp.MediaDescription) (out []CodecParams) {
	t.Helper()
	rtx := map[string]uint8{}
	var codecs []sdp.Codec
	for _, f := range m.MediaName.Formats {
		pt, err := strconv.ParseUint(f, 10, 8)
		require.NoError(t, err)
		c, err := desc.GetCodecForPayloadType(uint8(pt))
		require.NoError(t, err)
		if apt, ok := strings.CutPrefix(c.Fmtp, "apt="); ok {
			rtx[apt] = uint8(pt)
			continue
		}
		codecs = append(codecs, c)
	}
	for _, c := range codecs {
		name, ok := media.CanonicalCodecName(c.Name)
		require.True(t, ok, c.Name)
		codec := media.Codec{Name: name, ClockRate: c.ClockRate, Fmtp: c.Fmtp}
		if name == media.Opus {
			codec.Channels = 2
		}
		out = append(out, CodecParams{
			Codec: codec, PayloadType: c.PayloadType, RTXPayloadType: rtx[strconv.Itoa(int(c.PayloadType))],
			NACK: slices.Contains(c.RTCPFeedback, "nack"), PLI: slices.Contains(c.RTCPFeedback, "nack pli"),
			TransportCC: slices.Contains(c.RTCPFeedback, "transport-cc"),
		})
	}
	return out
}

// answer writes the SDP answer.
func (p *peer) answer(r *rig, offer *sdp.SessionDescription, params Params, via *linktest.Link) string {
	v := p.viewer
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-lite")
	group, _ := offer.Attribute("group")
	line("a=group:%s", group)
	for i, m := range offer.MediaDescriptions {
		track, kind := params.Audio, media.Audio
		if m.MediaName.Media == "video" {
			track, kind = params.Video, media.Video
		}
		line("m=%s 9 UDP/TLS/RTP/SAVPF %s\r\nc=IN IP4 0.0.0.0", m.MediaName.Media, strings.Join(m.MediaName.Formats, " "))
		line("a=mid:%s\r\na=rtcp-mux\r\na=sendonly\r\na=ice-ufrag:%s\r\na=ice-pwd:%s", track.MID, v.Ufrag(), v.Pwd())
		setup := "passive"
		if params.DTLSClient {
			setup = "active"
		}
		line("a=fingerprint:%s\r\na=setup:%s", r.engine.Fingerprint(), setup)
		for _, c := range track.Codecs {
			channels := ""
			if c.Codec.Channels != 0 {
				channels = "/2"
			}
			line("a=rtpmap:%d %s/%d%s", c.PayloadType, c.Codec.Name, c.Codec.ClockRate, channels)
			if c.Codec.Fmtp != "" {
				line("a=fmtp:%d %s", c.PayloadType, c.Codec.Fmtp)
			}
			for name, on := range map[string]bool{"nack": c.NACK, "nack pli": c.PLI, "transport-cc": c.TransportCC} {
				if on {
					line("a=rtcp-fb:%d %s", c.PayloadType, name)
				}
			}
			if c.RTXPayloadType != 0 {
				line("a=rtpmap:%d rtx/90000\r\na=fmtp:%d apt=%d", c.RTXPayloadType, c.RTXPayloadType, c.PayloadType)
			}
		}
		for _, a := range m.Attributes {
			if a.Key == "extmap" {
				line("a=extmap:%s", a.Value)
			}
		}
		ssrc, rtx := v.SSRC(kind)
		if rtx != 0 {
			line("a=ssrc-group:FID %d %d\r\na=ssrc:%d cname:%s\r\na=ssrc:%d msid:s t%d", ssrc, rtx, rtx, v.CNAME(), rtx, i)
		}
		line("a=ssrc:%d cname:%s\r\na=ssrc:%d msid:s t%d", ssrc, v.CNAME(), ssrc, i)
		if via != nil {
			line("a=candidate:1 1 udp 2130706431 127.0.0.1 %d typ host", via.Addr().Port())
		} else {
			for _, c := range r.engine.Wire().Candidates() {
				line("a=candidate:%s", c)
			}
		}
		line("a=end-of-candidates")
	}
	return b.String()
}
