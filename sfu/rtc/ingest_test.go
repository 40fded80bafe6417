package rtc

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/frames"
	"github.com/freshet-live/freshet/sfu/hub"
	"github.com/freshet-live/freshet/sfu/media"
)

// newTestIngest returns an ingest that is fed by hand.
func newTestIngest(tb testing.TB, o *offer) *ingest {
	tb.Helper()
	h := hub.New(hub.Config{}, testLog(tb))
	m, err := newMetrics(prometheus.NewRegistry())
	require.NoError(tb, err)
	s := newSession(&Server{hub: h, metrics: m, log: testLog(tb)}, "live", o)
	s.publication, err = h.Publish("live", "me", s)
	require.NoError(tb, err)
	require.NoError(tb, s.publication.Start())
	return &ingest{
		session: s, log: s.log, section: o.sections[0], ssrc: 1,
		captureID: uint8(o.sections[0].extensionID(uriCaptureTime)),
	}
}

func vp8Offer(tb testing.TB) *offer {
	tb.Helper()
	o, err := parseOffer(offerOf("video", "96", "a=rtpmap:96 VP8/90000", "a=rtcp-fb:96 nack", "a=rtcp-fb:96 nack pli"))
	require.NoError(tb, err)
	return o
}

func marshal(tb testing.TB, payloadType uint8, seq uint16, timestamp uint32, payload []byte, padding uint8) []byte {
	tb.Helper()
	b, err := (&rtp.Packet{
		Header: rtp.Header{
			Version: 2, PayloadType: payloadType, SequenceNumber: seq, Timestamp: timestamp, SSRC: 1, Padding: padding > 0,
		},
		Payload: payload, PaddingSize: padding,
	}).Marshal()
	require.NoError(tb, err)
	return b
}

func TestIngestWaitsForAKeyframe(t *testing.T) {
	g := newTestIngest(t, vp8Offer(t))
	now := time.Now()
	delta, key := vp8(320, 180, 1)(1)[0], vp8(320, 180, 1)(0)[0]

	g.accept(marshal(t, 96, 1, 0, delta, 0), now)
	require.Nil(t, g.layer)
	require.EqualValues(t, 1, g.count.requests.Load(), "nobody else can ask yet")
	g.accept(marshal(t, 96, 2, 0, delta, 0), now)
	require.EqualValues(t, 1, g.count.requests.Load(), "patience")
	g.accept(marshal(t, 35, 3, 0, key, 0), now)
	require.Nil(t, g.layer, "a payload type that is not in the answer")
	g.accept([]byte{1, 2, 3}, now)
	g.accept(marshal(t, 96, 3, 3000, key, 0), now)
	require.NotNil(t, g.layer)
	_, ok := g.layer.Clock()
	require.True(t, ok)

	// Padding alone keeps its number, so that there is no hole.
	g.accept(marshal(t, 96, 4, 3000, nil, 20), now)
	padding := g.layer.History.Packet(g.unwrapper.highest)
	require.NotNil(t, padding)
	require.Empty(t, padding.Payload)
	require.False(t, padding.FrameStart)
}

// A publisher that changes to another codec of the answer begins a new Layer.
func TestIngestCodecChange(t *testing.T) {
	o, err := parseOffer(offerOf("video", "96 45", "a=rtpmap:96 VP8/90000", "a=rtpmap:45 VP9/90000"))
	require.NoError(t, err)
	g := newTestIngest(t, o)
	now := time.Now()
	g.accept(marshal(t, 96, 1, 0, vp8(320, 180, 1)(0)[0], 0), now)
	first := g.layer
	require.Equal(t, media.VP8, first.Codec.Name)
	for i, payload := range recorded(t, "video/VP9")(0) {
		g.accept(marshal(t, 45, uint16(2+i), 3000, payload, 0), now)
	}
	require.NotNil(t, g.layer)
	require.Equal(t, media.VP9, g.layer.Codec.Name)
	require.False(t, g.serves(first.Layer))
}

func TestIngestFIR(t *testing.T) {
	o, err := parseOffer(offerOf("video", "96", "a=rtpmap:96 VP8/90000", "a=rtcp-fb:96 ccm fir"))
	require.NoError(t, err)
	g := newTestIngest(t, o)
	g.accept(marshal(t, 96, 1, 0, []byte{0x10, 1}, 0), time.Now())
	require.Len(t, g.session.rtcp, 1)
	packets := <-g.session.rtcp
	_, err = packets[0].Marshal()
	require.NoError(t, err)
	require.Equal(t, []uint32{1}, packets[0].DestinationSSRC())

	o, err = parseOffer(offerOf("video", "96", "a=rtpmap:96 VP8/90000"))
	require.NoError(t, err)
	g = newTestIngest(t, o)
	g.accept(marshal(t, 96, 1, 0, []byte{0x10, 1}, 0), time.Now())
	require.Empty(t, g.session.rtcp, "nothing was negotiated")
}

// A report that comes before the keyframe counts for the Layer.
func TestIngestEarlyReport(t *testing.T) {
	g := newTestIngest(t, vp8Offer(t))
	now := time.Now()
	g.accept(marshal(t, 96, 1, 3000, vp8(1, 1, 1)(1)[0], 0), now)
	g.clock.Load().Report(frames.NTPTime(now), 3000, now)
	g.accept(marshal(t, 96, 2, 6000, vp8(320, 180, 1)(0)[0], 0), now)
	clock, ok := g.layer.Clock()
	require.True(t, ok)
	require.True(t, clock.Reported)
}

// Packets may tell themselves when they were captured, in one or two bytes of
// header per extension, by the sender's clock or with the offset to it.
func TestIngestCaptureTime(t *testing.T) {
	o, err := parseOffer(offerOf("video", "96", "a=rtpmap:96 VP8/90000", "a=extmap:9 "+uriCaptureTime))
	require.NoError(t, err)
	now, payload := time.Now(), vp8(320, 180, 1)(0)[0]
	packet := func(seq uint16, ts uint32, profile uint16, extension []byte) []byte {
		h := rtp.Header{
			Version: 2, PayloadType: 96, SequenceNumber: seq, Timestamp: ts, SSRC: 1,
			Extension: true, ExtensionProfile: profile,
		}
		require.NoError(t, h.SetExtension(9, extension))
		b, err := (&rtp.Packet{Header: h, Payload: payload}).Marshal()
		require.NoError(t, err)
		return b
	}
	at := func(after time.Duration, offset ...uint64) (b []byte) {
		b = binary.BigEndian.AppendUint64(b, frames.NTPTime(now.Add(after)))
		for _, o := range offset {
			b = binary.BigEndian.AppendUint64(b, o)
		}
		return b
	}
	const second = 1 << 32
	for name, c := range map[string]struct {
		profile       uint16
		first, second []byte
		want          time.Duration
	}{
		"one byte":           {rtp.ExtensionProfileOneByte, at(0), at(40 * time.Millisecond), 40 * time.Millisecond},
		"two bytes":          {rtp.ExtensionProfileTwoByte, at(0), at(40 * time.Millisecond), 40 * time.Millisecond},
		"captured elsewhere": {rtp.ExtensionProfileOneByte, at(0), at(40*time.Millisecond-time.Second, second), 40 * time.Millisecond},
		"of another size":    {rtp.ExtensionProfileOneByte, []byte{1, 2, 3}, []byte{1}, 3000 * time.Second / 90000},
	} {
		t.Run(name, func(t *testing.T) {
			g := newTestIngest(t, o)
			g.accept(packet(1, 3000, c.profile, c.first), now)
			g.accept(packet(2, 6000, c.profile, c.second), now.Add(100*time.Millisecond))
			clock, ok := g.layer.Clock()
			require.True(t, ok)
			require.Equal(t, name != "of another size", clock.Reported)
			require.WithinDuration(t, now.Add(c.want), clock.Time(6000), time.Millisecond)
		})
	}
}

// One allocation for each packet, the Packet itself: the bytes are read into
// slabs.
func TestIngestAllocations(t *testing.T) {
	g := newTestIngest(t, vp8Offer(t))
	now, seq := time.Now(), uint16(0)
	g.accept(marshal(t, 96, seq, 0, vp8(320, 180, 1)(0)[0], 0), now)
	packet := marshal(t, 96, 0, 0, vp8(320, 180, 1)(1)[0], 0)
	allocs := testing.AllocsPerRun(1000, func() {
		seq++
		packet[2], packet[3] = byte(seq>>8), byte(seq)
		g.accept(packet, now)
	})
	require.LessOrEqual(t, allocs, 1.0)
}

func BenchmarkIngest(b *testing.B) {
	g := newTestIngest(b, vp8Offer(b))
	now, seq := time.Now(), uint16(0)
	g.accept(marshal(b, 96, seq, 0, vp8(320, 180, 1)(0)[0], 0), now)
	packet := marshal(b, 96, 0, 0, vp8(320, 180, 1)(1)[0], 0)
	b.ReportAllocs()
	for b.Loop() {
		seq++
		packet[2], packet[3] = byte(seq>>8), byte(seq)
		g.accept(packet, now)
	}
}
