package fanout

import (
	"net/netip"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/srtp/v3"
	"github.com/pion/stun/v3"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/fanout/icelite"
	"github.com/freshet-live/freshet/sfu/fanout/wire"
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
	require.True(t, r.allow(now, 1, 1000, time.Second, repairRate))
	require.False(t, r.allow(now.Add(999*time.Millisecond), 1, 1000, time.Second, repairRate), "once per round trip")
	require.True(t, r.allow(now.Add(time.Second), 1, 1000, time.Second, repairRate))

	sent := 0
	for seq := range uint16(10000) {
		if r.allow(now.Add(time.Second), seq+2, 1000, 0, repairRate) {
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
	take := func(h rtcp.Header, _ []byte) bool { types = append(types, h.Type); return true }
	require.True(t, walkRTCP(data, take))
	require.Equal(t, []rtcp.PacketType{
		rtcp.TypePayloadSpecificFeedback, rtcp.TypeTransportSpecificFeedback, rtcp.TypeReceiverReport,
	}, types)
	require.False(t, walkRTCP(data[:len(data)-1], take), "cut off")
	require.True(t, walkRTCP(data, func(rtcp.Header, []byte) bool { return false }))
}

// Whatever comes in, by whatever way, ends as a claim or not.
func FuzzDatagram(f *testing.F) {
	b := newBench(f, 2, srtp.ProtectionProfileAeadAes128Gcm)
	v := b.viewers[0]
	known, unknown := *v.route.Load(), wire.Route{Addr: netip.MustParseAddrPort("127.0.0.1:9")}
	b.engine.registry.bindRoute(known, v)
	check, err := stun.Build(stun.BindingRequest, stun.TransactionID, stun.NewUsername(v.Ufrag()+":abcd"),
		stun.NewShortTermIntegrity(v.Pwd()), stun.Fingerprint)
	require.NoError(f, err)
	f.Add(check.Raw)
	f.Add(append([]byte{recordAlert, 254, 253, 0, 1}, make([]byte, 40)...))
	f.Add(append([]byte{recordHandshake, 254, 253, 0, 0}, make([]byte, 40)...))
	f.Add(marshal(f, &rtcp.ReceiverReport{SSRC: 4}))
	f.Add([]byte{0x80, 200})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		local, _, _ := icelite.Username(data)
		if claimed := b.engine.HandleDatagram(unknown, data); claimed {
			require.NotNil(t, b.engine.registry.byUfrag(local), "only a ufrag makes a stranger known")
		}
		b.engine.registry.unbindRoute(unknown, v)
		b.engine.HandleDatagram(known, data)
		b.step()
	})
}
