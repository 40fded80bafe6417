package fanout

import (
	"net"
	"testing"
	"time"

	"github.com/pion/sdp/v3"
	"github.com/pion/stun/v3"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"
)

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
	answer := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: p.answer(r, &desc, params, nil)}
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
	_, err = conn.Write(checkFor(t, v))
	require.NoError(t, err)
	_, err = conn.Write(append([]byte{recordHandshake, 254, 253}, make([]byte, 60)...))
	require.NoError(t, err)
}

// checkFor is a connectivity check that nominates.
func checkFor(t testing.TB, v *Viewer) []byte {
	t.Helper()
	m, err := stun.Build(stun.BindingRequest, stun.TransactionID,
		stun.NewUsername(v.Ufrag()+":"+v.params.RemoteUfrag),
		stun.RawAttribute{Type: stun.AttrICEControlling, Value: make([]byte, 8)},
		stun.RawAttribute{Type: stun.AttrUseCandidate},
		stun.RawAttribute{Type: stun.AttrPriority, Value: []byte{1, 2, 3, 4}},
		stun.NewShortTermIntegrity(v.Pwd()), stun.Fingerprint)
	require.NoError(t, err)
	return m.Raw
}
