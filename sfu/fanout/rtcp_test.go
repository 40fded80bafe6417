package fanout

import (
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/srtp/v3"
	"github.com/stretchr/testify/require"
)

func marshal(t testing.TB, pkts ...rtcp.Packet) []byte {
	t.Helper()
	b, err := rtcp.Marshal(pkts)
	require.NoError(t, err)
	return b
}

func TestRepairsAreLimited(t *testing.T) {
	now := time.Now()
	r := newRepairs(now)
	require.True(t, r.allow(now, 1, 1000, time.Second))
	require.False(t, r.allow(now.Add(999*time.Millisecond), 1, 1000, time.Second), "once per round trip")
	require.True(t, r.allow(now.Add(time.Second), 1, 1000, time.Second))

	sent := 0
	for seq := range uint16(10000) {
		if r.allow(now.Add(time.Second), seq+2, 1000, 0) {
			sent += 1000
		}
	}
	require.LessOrEqual(t, sent, repairRate, "at most a second's worth at once")
	require.Greater(t, sent, repairRate/2)
}

func TestWalkRTCP(t *testing.T) { // RFC 5506: reduced size, no report in front
	data := marshal(t,
		&rtcp.PictureLossIndication{MediaSSRC: 1},
		&rtcp.TransportLayerNack{MediaSSRC: 2, Nacks: []rtcp.NackPair{{PacketID: 3}}},
		&rtcp.ReceiverReport{SSRC: 4})
	var types []rtcp.PacketType
	walkRTCP(data, func(h rtcp.Header, _ []byte) { types = append(types, h.Type) })
	require.Equal(t, []rtcp.PacketType{
		rtcp.TypePayloadSpecificFeedback, rtcp.TypeTransportSpecificFeedback, rtcp.TypeReceiverReport,
	}, types)
}

func FuzzRTCP(f *testing.F) {
	f.Add(marshal(f, &rtcp.PictureLossIndication{MediaSSRC: 1}))
	f.Add(marshal(f, &rtcp.FullIntraRequest{FIR: []rtcp.FIREntry{{SSRC: 3}}}))
	f.Add(marshal(f, &rtcp.TransportLayerNack{MediaSSRC: 3, Nacks: []rtcp.NackPair{{PacketID: 3, LostPackets: 0xffff}}}))
	f.Add(marshal(f, &rtcp.ReceiverReport{SSRC: 4, Reports: []rtcp.ReceptionReport{{SSRC: 3, LastSenderReport: 1}}}))
	f.Add(marshal(f, &rtcp.SenderReport{SSRC: 4, Reports: []rtcp.ReceptionReport{{SSRC: 3}}}))
	b := newBench(f, 1, srtp.ProtectionProfileAeadAes128Gcm)
	v := b.viewers[0]
	v.video.ssrc = 3
	b.burst()
	f.Fuzz(func(_ *testing.T, data []byte) {
		walkRTCP(data, func(h rtcp.Header, packet []byte) { v.handleRTCP(time.Now(), h, packet) })
		b.worker.flush()
	})
}
