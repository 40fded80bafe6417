package fanout

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/sdp/v3"
	"github.com/pion/stun/v3"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/frames"
	"github.com/freshet-live/freshet/sfu/media"
)

// closed waits for the viewer's PeerConnection to notice the end.
func (p *peer) closed() <-chan struct{} {
	ch := make(chan struct{})
	p.pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateClosed || s == webrtc.PeerConnectionStateFailed {
			select {
			case <-ch:
			default:
				close(ch)
			}
		}
	})
	return ch
}

func await(t testing.TB, ch <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(patience):
		require.FailNow(t, "waited in vain for "+what)
	}
}

func TestCloseSaysGoodbye(t *testing.T) { // R18
	for _, lingering := range []bool{true, false} {
		t.Run(map[bool]string{true: "DTLS alive", false: "DTLS resumed"}[lingering], func(t *testing.T) {
			r := newRig(t, Config{})
			r.publish(t, "s", testH264, "")
			p := r.view(t, "s", peerOptions{})
			next(t, p.video)
			if !lingering { // the first RTCP lets go of the DTLS connection
				require.Eventually(t, p.viewer.session.dropped, patience, time.Millisecond)
			}
			gone := p.closed()
			because := errors.New("because")
			p.viewer.Close(because)
			await(t, p.viewer.Done(), "Done")
			await(t, gone, "close_notify at the viewer")
			require.ErrorIs(t, p.viewer.Err(), because)
			require.Eventually(t, func() bool {
				s := r.hub.Stream("s")
				return s != nil && s.Viewers == 0
			}, patience, time.Millisecond)
		})
	}
}

func (s *session) dropped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state != nil && s.pipe == nil
}

func TestGoodbyeOfTheViewer(t *testing.T) {
	for _, lingering := range []bool{true, false} {
		t.Run(map[bool]string{true: "DTLS alive", false: "DTLS resumed"}[lingering], func(t *testing.T) {
			r := newRig(t, Config{})
			r.publish(t, "s", testH264, "")
			p := r.view(t, "s", peerOptions{})
			next(t, p.video)
			if !lingering {
				require.Eventually(t, p.viewer.session.dropped, patience, time.Millisecond)
			}
			require.NoError(t, p.pc.Close())
			await(t, p.viewer.Done(), "the viewer's end")
			require.ErrorIs(t, p.viewer.Err(), ErrPeerClosed)
		})
	}
}

func TestShutdownSaysGoodbye(t *testing.T) {
	r := newRig(t, Config{})
	r.publish(t, "s", testH264, "")
	p := r.view(t, "s", peerOptions{})
	next(t, p.video)
	gone := p.closed()
	r.stop()
	await(t, gone, "close_notify at the viewer")
	require.ErrorIs(t, p.viewer.Err(), ErrClosed)
	_, err := r.engine.Add("s", p.viewer.params)
	require.ErrorIs(t, err, ErrClosed)
}

func TestConsentLapses(t *testing.T) { // W47
	r := newRig(t, Config{ConsentTimeout: 1500 * time.Millisecond})
	r.publish(t, "s", testH264, "")
	p, other := r.view(t, "s", peerOptions{}), r.view(t, "s", peerOptions{})
	collect(t, p.video, 10)
	collect(t, other.video, 1)
	p.silent.Store(true)
	await(t, p.viewer.Done(), "the end of consent")
	collect(t, other.video, 100) // nothing was lost here
	require.ErrorIs(t, p.viewer.Err(), ErrConsent)
}

func TestWrongFingerprintIsRefused(t *testing.T) {
	r := newRig(t, Config{})
	r.publish(t, "s", testH264, "")
	p := r.view(t, "s", peerOptions{badPrint: true})
	await(t, p.viewer.Done(), "the refusal")
	require.ErrorIs(t, p.viewer.Err(), ErrHandshake)
	require.Zero(t, p.viewer.Stats().Packets)
}

func TestICERestart(t *testing.T) { // W21
	r := newRig(t, Config{})
	r.publish(t, "s", testH264, "")
	p := r.view(t, "s", peerOptions{})
	last := collect(t, p.video, 10)[9]
	before := *p.viewer.route.Load()

	offer, err := p.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: true})
	require.NoError(t, err)
	require.NoError(t, p.pc.SetLocalDescription(offer))
	var desc sdp.SessionDescription
	require.NoError(t, desc.UnmarshalString(p.pc.LocalDescription().SDP))
	params := paramsFrom(t, &desc)
	old := p.viewer.Ufrag()
	ufrag, pwd, err := p.viewer.RestartICE(params.RemoteUfrag, params.RemotePwd)
	require.NoError(t, err)
	require.NotEqual(t, old, ufrag)
	require.Equal(t, pwd, p.viewer.Pwd())
	answer := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: p.answer(r, &desc, params)}
	require.NoError(t, p.pc.SetRemoteDescription(answer))

	require.Eventually(t, func() bool { return *p.viewer.route.Load() != before }, patience, time.Millisecond)
	require.Nil(t, r.engine.registry.byUfrag(old))
	for x := last; x.SequenceNumber-last.SequenceNumber < 100; {
		x = next(t, p.video)
	}
	_, _, err = p.viewer.RestartICE("abc", params.RemotePwd)
	require.ErrorIs(t, err, ErrParams, "W24")
}

func TestHalfOpenViewers(t *testing.T) { // H8, H11
	r := newRig(t, Config{HandshakeTimeout: 3 * time.Second, MaxConnecting: 50})
	r.publish(t, "s", testH264, "")
	p := r.view(t, "s", peerOptions{})
	collect(t, p.video, 3)
	params := p.viewer.params
	var all []*Viewer
	for range 50 {
		v, err := r.engine.Add("s", params)
		require.NoError(t, err)
		all = append(all, v)
		begin(t, r, v) // ICE only
	}
	_, err := r.engine.Add("s", params)
	require.ErrorIs(t, err, ErrBusy)
	for _, v := range all {
		await(t, v.Done(), "the end of a half-open viewer")
		require.ErrorIs(t, v.Err(), ErrHandshake)
	}
	collect(t, p.video, 100) // the live one never lost a packet
	connected, connecting := r.engine.registry.count()
	require.Equal(t, 1, connected)
	require.Zero(t, connecting)
}

// begin sends one valid connectivity check and a bit of a ClientHello.
func begin(t testing.TB, r *rig, v *Viewer) {
	t.Helper()
	conn, err := net.Dial("udp", r.addr().String())
	require.NoError(t, err)
	defer conn.Close()
	m, err := stun.Build(stun.BindingRequest, stun.TransactionID,
		stun.NewUsername(v.Ufrag()+":"+v.params.RemoteUfrag),
		stun.RawAttribute{Type: stun.AttrICEControlling, Value: make([]byte, 8)},
		stun.RawAttribute{Type: stun.AttrUseCandidate},
		stun.RawAttribute{Type: stun.AttrPriority, Value: []byte{1, 2, 3, 4}},
		stun.NewShortTermIntegrity(v.Pwd()), stun.Fingerprint)
	require.NoError(t, err)
	_, err = conn.Write(m.Raw)
	require.NoError(t, err)
	_, err = conn.Write(append([]byte{recordHandshake, 254, 253}, make([]byte, 60)...))
	require.NoError(t, err)
}

func TestUndecodableStream(t *testing.T) {
	r := newRig(t, Config{})
	r.publish(t, "s", media.Codec{Name: media.AV1, ClockRate: 90000}, "")
	p := r.view(t, "s", peerOptions{})
	collect(t, p.audio, 10) // audio plays on (E65)
	require.Eventually(t, func() bool { return p.viewer.Stats().Undecodable }, patience, time.Millisecond)
	select {
	case <-p.video:
		require.Fail(t, "undecodable video was sent")
	default:
	}
}

func TestAudioOnlyViewer(t *testing.T) { // E65
	r := newRig(t, Config{})
	r.publish(t, "s", testH264, "")
	p := r.view(t, "s", peerOptions{audioOnly: true})
	collect(t, p.audio, 30)
}

func TestSenderReports(t *testing.T) { // R12
	r := newRig(t, Config{})
	r.publish(t, "s", testH264, "")
	p := r.view(t, "s", peerOptions{})
	go func() { // keeps the tracks' readers going
		for range p.video {
		}
	}()
	seen := map[uint32]*rtcp.SenderReport{}
	cname := map[string]bool{}
	deadline := time.After(patience)
	for len(seen) < 2 {
		select {
		case pkts := <-p.rtcp:
			for _, x := range pkts {
				switch x := x.(type) {
				case *rtcp.SenderReport:
					seen[x.SSRC] = x
				case *rtcp.SourceDescription:
					cname[x.Chunks[0].Items[0].Text] = true
				}
			}
		case <-deadline:
			require.FailNow(t, "no sender reports")
		}
	}
	require.Equal(t, map[string]bool{p.viewer.CNAME(): true}, cname)
	video, _ := p.viewer.SSRC(media.Video)
	require.WithinDuration(t, time.Now(), frames.TimeFromNTP(seen[video].NTPTime), patience)
	require.NotZero(t, seen[video].PacketCount)
	require.Eventually(t, func() bool { return p.viewer.Stats().RTT > 0 }, patience, time.Millisecond)
}

func TestPLIBringsOneKeyframe(t *testing.T) { // R8, R17
	r := newRig(t, Config{})
	pub := r.publish(t, "s", testH264, "")
	p := r.view(t, "s", peerOptions{})
	collect(t, p.video, 10)
	ssrc, _ := p.viewer.SSRC(media.Video)
	before, began := pub.source.asked.Load(), time.Now()
	for range 50 {
		require.NoError(t, p.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: ssrc}}))
	}
	collectUntil(t, p.video, isKey)
	require.Eventually(t, func() bool { return p.viewer.Stats().PLIs >= 1 }, patience, time.Millisecond)
	allowed := int64(time.Since(began)/testKeyframeInterval) + 1
	require.LessOrEqual(t, pub.source.asked.Load()-before, allowed)
}

func TestParamsAreChecked(t *testing.T) {
	r := newRig(t, Config{MaxViewers: 1})
	good := func() Params {
		return Params{
			RemoteUfrag: "abcd", RemotePwd: "0123456789012345678901",
			Fingerprints: []Fingerprint{{Algorithm: "SHA-256", Value: "00"}},
			Audio:        &TrackParams{Codecs: []CodecParams{{Codec: testOpus, PayloadType: 111}}},
		}
	}
	for name, bend := range map[string]func(p *Params){
		"short ufrag":  func(p *Params) { p.RemoteUfrag = "abc" },
		"short pwd":    func(p *Params) { p.RemotePwd = "abc" },
		"unknown hash": func(p *Params) { p.Fingerprints[0].Algorithm = "md2" },
		"no tracks":    func(p *Params) { p.Audio = nil },
		"extension":    func(p *Params) { p.Audio.TransportCCID = 15 },
	} {
		p := good()
		bend(&p)
		_, err := r.engine.Add("s", p)
		require.ErrorIs(t, err, ErrParams, name)
	}
	v, err := r.engine.Add("s", good())
	require.NoError(t, err)
	_, err = r.engine.Add("s", good())
	require.ErrorIs(t, err, ErrBusy)
	v.Close(nil)
	await(t, v.Done(), "Done")
	require.ErrorIs(t, v.Err(), ErrClosed)
	_, err = r.engine.Add("s", good())
	require.NoError(t, err)
}
