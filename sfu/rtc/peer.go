package rtc

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"

	"github.com/freshet-live/freshet/sfu/media"
)

const (
	receiveMTU = 2048
	// flightInterval is when a flight of the DTLS handshake is sent again (RFC
	// 6347 section 4.2.4.1); pion doubles it each time.
	flightInterval = 100 * time.Millisecond
	// replayWindow is how many packets late a repair may come in a stream
	// without RTX, where it carries its first number.
	replayWindow = 2048
	// feedbackInterval is how often transport-wide feedback goes out (R4).
	feedbackInterval = 50 * time.Millisecond
	certificateYears = 20
)

// network is what all sessions share.
type network struct {
	certificate webrtc.Certificate
	fingerprint string
	udp         ice.UDPMux
	tcp         ice.TCPMux // nil: none
	consent     time.Duration
}

func newCertificate() (webrtc.Certificate, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return webrtc.Certificate{}, "", fmt.Errorf("making the DTLS key: %w", err)
	}
	// One certificate serves as long as the process lives; pion's own last a
	// month, after which it refuses to connect anybody.
	cert, err := webrtc.NewCertificate(key, x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		NotBefore:    time.Now().AddDate(0, 0, -1),
		NotAfter:     time.Now().AddDate(certificateYears, 0, 0),
	})
	if err != nil {
		return webrtc.Certificate{}, "", fmt.Errorf("making the DTLS certificate: %w", err)
	}
	prints, err := cert.GetFingerprints()
	if err != nil || len(prints) == 0 {
		return webrtc.Certificate{}, "", fmt.Errorf("taking the certificate's fingerprint: %w", err)
	}
	return *cert, prints[0].Algorithm + " " + strings.ToUpper(prints[0].Value), nil
}

// peer is a PeerConnection that was given an offer.
type peer struct {
	*webrtc.PeerConnection
	offer *offer
	// gathered gets a value each time that local candidates are complete.
	gathered chan struct{}
}

// newPeer makes a PeerConnection that knows just what the offer asks for.
func (n *network) newPeer(o *offer, log logging.LoggerFactory) (*peer, error) {
	engine, err := mediaEngine(o)
	if err != nil {
		return nil, err
	}
	interceptors, err := receiving(log)
	if err != nil {
		return nil, err
	}
	settings, err := n.settings(o, log)
	if err != nil {
		return nil, err
	}
	pc, err := webrtc.NewAPI(
		webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(interceptors), webrtc.WithSettingEngine(settings),
	).NewPeerConnection(webrtc.Configuration{Certificates: []webrtc.Certificate{n.certificate}})
	if err != nil {
		return nil, fmt.Errorf("making a peer connection: %w", err)
	}
	p := &peer{PeerConnection: pc, offer: o, gathered: make(chan struct{}, 1)}
	pc.OnICECandidate(func(c *webrtc.ICECandidate) {
		if c == nil {
			select {
			case p.gathered <- struct{}{}:
			default:
			}
		}
	})
	return p, nil
}

func mediaEngine(o *offer) (*webrtc.MediaEngine, error) {
	engine := &webrtc.MediaEngine{}
	for _, s := range o.sections {
		kind := webrtc.RTPCodecTypeVideo
		if s.kind == media.Audio {
			kind = webrtc.RTPCodecTypeAudio
		}
		for _, c := range s.codecs {
			if err := registerCodec(engine, kind, c); err != nil {
				return nil, fmt.Errorf("%w: payload type %d: %w", ErrMalformed, c.payloadType, err)
			}
		}
		for _, e := range s.innerExtensions() {
			capability := webrtc.RTPHeaderExtensionCapability{URI: e.uri}
			if err := engine.RegisterHeaderExtension(capability, kind); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
			}
		}
	}
	return engine, nil
}

func registerCodec(engine *webrtc.MediaEngine, kind webrtc.RTPCodecType, c offeredCodec) error {
	params := webrtc.RTPCodecParameters{
		PayloadType: webrtc.PayloadType(c.payloadType),
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: kind.String() + "/" + c.Name, ClockRate: c.ClockRate, Channels: c.Channels,
			SDPFmtpLine: innerFmtp(c),
		},
	}
	for _, fb := range c.feedback {
		kind, parameter, _ := strings.Cut(fb, " ")
		params.RTCPFeedback = append(params.RTCPFeedback, webrtc.RTCPFeedback{Type: kind, Parameter: parameter})
	}
	if err := engine.RegisterCodec(params, kind); err != nil || c.rtx == 0 {
		return err
	}
	return engine.RegisterCodec(webrtc.RTPCodecParameters{
		PayloadType: webrtc.PayloadType(c.rtx),
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: kind.String() + "/rtx", ClockRate: c.ClockRate,
			SDPFmtpLine: fmt.Sprintf("apt=%d", c.payloadType),
		},
	}, kind)
}

// receiving returns the interceptors of a connection that only receives:
// receiver reports (R12) and transport-wide feedback (R4). NACKs are ours.
func receiving(log logging.LoggerFactory) (*interceptor.Registry, error) {
	reports, err := report.NewReceiverInterceptor(report.WithReceiverLoggerFactory(log))
	if err != nil {
		return nil, fmt.Errorf("making receiver reports: %w", err)
	}
	feedback, err := twcc.NewSenderInterceptor(twcc.SendInterval(feedbackInterval), twcc.WithLoggerFactory(log))
	if err != nil {
		return nil, fmt.Errorf("making congestion feedback: %w", err)
	}
	registry := &interceptor.Registry{}
	registry.Add(reports)
	registry.Add(feedback)
	return registry, nil
}

func (n *network) settings(o *offer, log logging.LoggerFactory) (webrtc.SettingEngine, error) {
	var s webrtc.SettingEngine
	s.LoggerFactory = log
	s.SetLite(true)
	s.SetICEUDPMux(n.udp)
	types := []webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6}
	if n.tcp != nil {
		s.SetICETCPMux(n.tcp)
		types = append(types, webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6)
	}
	s.SetNetworkTypes(types)
	s.DisableActiveTCP(true)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	// The candidates that pion finds are only where it listens; signaling
	// announces the server's own.
	s.SetIncludeLoopbackCandidate(true)
	// pion fails a connection at the sum of both.
	s.SetICETimeouts(n.consent/6, n.consent-n.consent/6, n.consent/12)
	// FFmpeg is not yet listening when our first flight of a handshake arrives.
	s.SetDTLSRetransmissionInterval(flightInterval)
	s.SetReceiveMTU(receiveMTU)
	s.BufferFactory = newStreams(o).open
	s.SetSRTPReplayProtectionWindow(replayWindow)
	s.SetSRTPProtectionProfiles(
		dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80,
	)
	role := webrtc.DTLSRoleServer
	if o.setup == "passive" {
		role = webrtc.DTLSRoleClient
	}
	if err := s.SetAnsweringDTLSRole(role); err != nil {
		return s, fmt.Errorf("setting the DTLS role: %w", err)
	}
	return s, nil
}

// role is our a=setup (W32): passive unless the publisher insists on that.
func (o *offer) role() string {
	if o.setup == "passive" {
		return "active"
	}
	return "passive"
}

// negotiate gives pion the offer, anew for an ICE restart, and waits until it
// listens under its credentials, which it returns.
func (p *peer) negotiate(ctx context.Context) (ufrag, pwd string, err error) {
	select {
	case <-p.gathered: // of the negotiation before
	default:
	}
	remote := webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: p.offer.inner()}
	if err := p.SetRemoteDescription(remote); err != nil {
		return "", "", fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	answer, err := p.CreateAnswer(nil)
	if err != nil {
		return "", "", fmt.Errorf("answering: %w", err)
	}
	if err := p.SetLocalDescription(answer); err != nil {
		return "", "", fmt.Errorf("answering: %w", err)
	}
	select {
	case <-p.gathered:
	case <-ctx.Done():
		return "", "", fmt.Errorf("opening candidates: %w", context.Cause(ctx))
	}
	// Not by ICETransport.GetLocalParameters: pion starts the transport meanwhile,
	// and that method reads what Start writes.
	for line := range strings.Lines(answer.SDP) {
		line = strings.TrimSpace(line)
		if v, ok := strings.CutPrefix(line, "a=ice-ufrag:"); ok {
			ufrag = v
		}
		if v, ok := strings.CutPrefix(line, "a=ice-pwd:"); ok {
			pwd = v
		}
	}
	return ufrag, pwd, nil
}

// transport returns the one ICE transport of the bundle; pion hands it out
// through the SCTP transport, which is there even if nobody uses it.
func (p *peer) transport() *webrtc.ICETransport { return p.SCTP().Transport().ICETransport() }

// candidates returns the addresses that pion listens on, as a=candidate values.
func (p *peer) candidates() (out []string) {
	for _, line := range strings.Split(p.LocalDescription().SDP, "\r\n") {
		if c, ok := strings.CutPrefix(line, "a=candidate:"); ok {
			out = append(out, c)
		}
	}
	return out
}
