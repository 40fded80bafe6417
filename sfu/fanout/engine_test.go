package fanout

import (
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/forward"
	"github.com/freshet-live/freshet/sfu/media"
)

const patience = 10 * time.Second

// next returns the next packet of a channel.
func next(t testing.TB, from <-chan *rtp.Packet) *rtp.Packet {
	t.Helper()
	select {
	case p, ok := <-from:
		require.True(t, ok, "the track has ended")
		return p
	case <-time.After(patience):
		require.FailNow(t, "no packet")
		return nil
	}
}

// collect takes n packets and checks that they are one continuous stream
// (R13, R16): one SSRC, numbers without gap, timestamps that never go back.
func collect(t testing.TB, from <-chan *rtp.Packet, n int) []*rtp.Packet {
	t.Helper()
	all := []*rtp.Packet{next(t, from)}
	for len(all) < n {
		last, p := all[len(all)-1], next(t, from)
		require.Equal(t, last.SSRC, p.SSRC)
		require.Equal(t, last.SequenceNumber+1, p.SequenceNumber)
		require.GreaterOrEqual(t, int32(p.Timestamp-last.Timestamp), int32(0))
		all = append(all, p)
	}
	return all
}

func isKey(p *rtp.Packet) bool { return p.Payload[1]&markKeyframe != 0 }

func TestViewerGetsTheStream(t *testing.T) {
	for name, o := range map[string]peerOptions{
		"udp":         {},
		"tcp":         {tcp: true},
		"sha1":        {sha1Only: true},
		"dtls client": {passive: true},
		"no rtx":      {noRTX: true},
		"vp8 only":    {codecs: []media.Codec{testVP8}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{}
			if o.tcp {
				cfg.Wire.TCPListen = "127.0.0.1:0"
			}
			r := newRig(t, cfg)
			codec := testH264
			if o.codecs != nil {
				codec = o.codecs[0]
			}
			r.publish(t, "s", codec, "")
			p := r.view(t, "s", o)

			video := collect(t, p.video, 60)
			require.True(t, isKey(video[0]), "R8: a keyframe comes first")
			ssrc, rtx := p.viewer.SSRC(media.Video)
			require.Equal(t, ssrc, video[0].SSRC)
			require.Equal(t, o.noRTX, rtx == 0)
			require.EqualValues(t, 96, video[0].PayloadType, "R14")
			collect(t, p.audio, 20)

			require.Eventually(t, func() bool { return p.viewer.Stats().Packets >= 60 }, patience, time.Millisecond)
			s := p.viewer.Stats()
			require.True(t, s.Connected)
			want := "AEAD_AES_128_GCM"
			if o.sha1Only {
				want = "AES128_CM_HMAC_SHA1_80"
			}
			if !o.passive {
				require.Equal(t, want, s.SRTPProfile)
			}
			require.Eventually(t, func() bool { return r.hub.Stream("s").Viewers == 1 }, patience, time.Millisecond)
		})
	}
}

func TestLayerSwitchIsSeamless(t *testing.T) { // E60, R19
	r := newRig(t, Config{})
	r.publish(t, "s", testH264, "q", "h", "f")
	p := r.view(t, "s", peerOptions{})
	collectUntil(t, p.video, func(x *rtp.Packet) bool { return x.Payload[0] == 2 })

	for _, want := range []struct {
		rid  string
		rank byte
	}{{"q", 0}, {"h", 1}, {"", 2}, {"q", 0}} {
		require.NoError(t, p.viewer.SetLimit(forward.Limit{RID: want.rid}))
		first := collectUntil(t, p.video, func(x *rtp.Packet) bool { return x.Payload[0] == want.rank })
		require.True(t, isKey(first), "a switch begins with a keyframe")
	}
	require.Eventually(t, func() bool { return p.viewer.Stats().RID == "q" }, patience, time.Millisecond)
	require.ErrorIs(t, p.viewer.SetLimit(forward.Limit{RID: "x"}), ErrNoLayer)
}

// collectUntil is collect up to the first packet that matches.
func collectUntil(t testing.TB, from <-chan *rtp.Packet, match func(*rtp.Packet) bool) *rtp.Packet {
	t.Helper()
	last := next(t, from)
	for !match(last) {
		p := next(t, from)
		require.Equal(t, last.SequenceNumber+1, p.SequenceNumber)
		require.GreaterOrEqual(t, int32(p.Timestamp-last.Timestamp), int32(0))
		last = p
	}
	return last
}

func TestViewerFirstAndPublisherReconnects(t *testing.T) { // E63, E64
	r := newRig(t, Config{})
	p := r.view(t, "s", peerOptions{})
	require.Eventually(t, func() bool { return p.viewer.Stats().Connected }, patience, time.Millisecond)

	first := r.publish(t, "s", testH264, "q", "f")
	collectUntil(t, p.video, func(x *rtp.Packet) bool { return x.Payload[0] == 1 })
	first.stop()

	r.publish(t, "s", testH264, "q", "f")
	again := collectUntil(t, p.video, func(x *rtp.Packet) bool { return x.Payload[2] == 2 })
	require.True(t, isKey(again), "E64: a keyframe first")
	collect(t, p.video, 30)

	// A take-over by another codec keeps the numbers too.
	r.publish(t, "s", testVP8, "")
	vp8 := collectUntil(t, p.video, func(x *rtp.Packet) bool { return x.Payload[2] == 3 })
	require.EqualValues(t, 98, vp8.PayloadType, "R14")
	require.True(t, isKey(vp8))
}

func TestLossIsRepaired(t *testing.T) { // R6, R7
	for name, o := range map[string]peerOptions{
		"rtx":       {dropEvery: 10},
		"same":      {dropEvery: 10, noRTX: true},
		"sha1":      {dropEvery: 10, sha1Only: true},
		"sha1 same": {dropEvery: 10, sha1Only: true, noRTX: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Config{})
			r.publish(t, "s", testH264, "")
			p := r.view(t, "s", o)
			first := next(t, p.video)
			got := map[uint16]bool{first.SequenceNumber: true}
			whole := func() bool {
				for i := range uint16(300) {
					if !got[first.SequenceNumber+i] {
						return false
					}
				}
				return true
			}
			deadline := time.After(patience)
			for !whole() {
				select {
				case x := <-p.video:
					require.NotNil(t, x)
					got[x.SequenceNumber] = true
				case <-deadline:
					require.FailNow(t, "packets are missing", "%+v", p.viewer.Stats())
				}
			}
			require.Eventually(t, func() bool { return p.viewer.Stats().Retransmitted >= 25 }, patience, time.Millisecond)
		})
	}
}
