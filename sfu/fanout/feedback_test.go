package fanout

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/srtp/v3"
	"github.com/stretchr/testify/require"
)

// message is one RTCP packet with a body of the test's own; the length is that
// of the body.
func message(kind rtcp.PacketType, format uint8, body []byte) []byte {
	body = body[:len(body)&^3]
	b := []byte{2<<6 | format, byte(kind), 0, 0}
	binary.BigEndian.PutUint16(b[2:], uint16(len(body)/4))
	return append(b, body...)
}

// words is big-endian, as bodies are.
func words(w ...uint32) (b []byte) {
	for _, x := range w {
		b = binary.BigEndian.AppendUint32(b, x)
	}
	return b
}

// floods are what a hostile viewer sends, in datagrams that are full.
func floods(ssrc uint32) map[string][]byte {
	full := func(m []byte) []byte { return bytes.Repeat(m, 1200/len(m)) }
	nack := words(1, ssrc)
	for len(nack) < 1200 {
		nack = append(nack, words(uint32(len(nack))<<18|0xffff)...)
	}
	return map[string][]byte{
		// 65535 packets that arrived, in eight runs, by a message of 40 bytes.
		"absurd transport-cc": full(message(rtcp.TypeTransportSpecificFeedback, rtcp.FormatTCC,
			words(1, ssrc, 0x0000ffff, 0, 0x3fff3fff, 0x3fff3fff, 0x3fff3fff, 0x3fff3fff, 0))),
		"transport-cc of vectors": full(message(rtcp.TypeTransportSpecificFeedback, rtcp.FormatTCC,
			words(1, ssrc, 0x0000ffff, 0, 0xbfffbfff, 0xbfffbfff))),
		"nack":             message(rtcp.TypeTransportSpecificFeedback, rtcp.FormatTLN, nack),
		"many small nacks": full(message(rtcp.TypeTransportSpecificFeedback, rtcp.FormatTLN, words(1, ssrc, 0xffff))),
		"pli":              full(message(rtcp.TypePayloadSpecificFeedback, rtcp.FormatPLI, words(1, ssrc))),
		"fir":              full(message(rtcp.TypePayloadSpecificFeedback, rtcp.FormatFIR, words(1, 0, ssrc, 1<<24))),
		"remb":             full(message(rtcp.TypePayloadSpecificFeedback, rtcp.FormatREMB, words(1, 0, remb4, 1<<24|0xffffff, ssrc))),
		"reports":          full(message(rtcp.TypeReceiverReport, 1, words(1, ssrc, 0xff<<24, 0, 0, 1, 1))),
		"nothing":          full(message(rtcp.TypeApplicationDefined, 0, words(1, 2))),
		"rubbish":          bytes.Repeat([]byte{0x80, 201, 0xff, 0xff}, 300),
	}
}

// Whatever a viewer floods the server with costs it a bounded number of looks,
// bytes of memory and of traffic, and keyframes of nobody's.
func TestFloodsAreBounded(t *testing.T) {
	const ssrc, datagrams = 7, 2000
	for name, flood := range floods(ssrc) {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 1, srtp.ProtectionProfileAeadAes128Gcm)
			v := b.viewers[0]
			v.video.ssrc = ssrc
			for range 40 {
				b.burst()
			}
			asked := b.pub.source.asked.Load()
			b.worker.total = counters{}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			now := time.Now()
			sent := v.worker.total.packets
			for i := range datagrams { // within a second
				at := now.Add(time.Duration(i) * time.Second / datagrams)
				b.worker.now = at
				v.hear(at, flood)
				b.worker.pump(at)
				b.worker.batch.Flush()
			}
			runtime.ReadMemStats(&after)
			total := &b.worker.total
			heard := uint64(0)
			for _, n := range total.feedback {
				heard += n
			}
			require.LessOrEqual(t, heard, uint64(2*maxMessages+1))
			require.Less(t, int(after.TotalAlloc-before.TotalAlloc), 4<<20, "bytes allocated")
			require.LessOrEqual(t, b.pub.source.asked.Load()-asked, int64(3), "one per interval of the Layer")
			require.Less(t, (total.retransmitted+total.packets-sent)*1200, uint64(2*repairRate), "bytes sent")
			require.Positive(t, sumOf(total.refused[:]), "counted")
		})
	}
}

func sumOf(counts []uint64) (sum uint64) {
	for _, n := range counts {
		sum += n
	}
	return sum
}

// What a browser sends on a bad day is not taken for a flood.
func TestBrowsersFeedbackIsHeard(t *testing.T) {
	b := newBench(t, 1, srtp.ProtectionProfileAeadAes128Gcm)
	v := b.viewers[0]
	ssrc := v.video.ssrc
	now := time.Now()
	for ms := range 3000 {
		at := now.Add(time.Duration(ms) * time.Millisecond)
		if ms%10 == 0 { // a hundred a second of forty packets
			v.hear(at, message(rtcp.TypeTransportSpecificFeedback, rtcp.FormatTLN, words(1, ssrc, 0xffff, 20<<16|0xffff, 40<<16|0x1f)))
		}
		if ms%50 == 0 {
			v.hear(at, message(rtcp.TypeReceiverReport, 1, words(1, ssrc, 1<<24, 0, 0, 0, 0)))
		}
		if ms%200 == 0 {
			v.hear(at, message(rtcp.TypePayloadSpecificFeedback, rtcp.FormatPLI, words(1, ssrc)))
		}
	}
	require.Zero(t, sumOf(b.worker.total.refused[:]))
	require.EqualValues(t, 15, v.stats.PLIs)
}

func TestAllowance(t *testing.T) {
	var a allowance
	now := time.Now()
	a.refill(now)
	n := 0
	for a.message() {
		n++
	}
	require.Equal(t, maxMessages, n)
	a.refill(now.Add(100 * time.Millisecond))
	for n = 0; a.message(); n++ {
	}
	require.InDelta(t, maxMessages/10, n, 1)
	require.True(t, a.request(now))
	require.False(t, a.request(now.Add(pictureInterval-1)))
	require.True(t, a.request(now.Add(pictureInterval)))
}

// fuzzKind lets a viewer write any body of one kind of message.
func fuzzKind(f *testing.F, kind rtcp.PacketType, format uint8, seeds ...[]byte) {
	f.Helper()
	const ssrc = 3
	b := newBench(f, 1, srtp.ProtectionProfileAeadAes128Gcm)
	v := b.viewers[0]
	v.video.ssrc = ssrc
	b.burst()
	for _, s := range seeds {
		f.Add(s)
	}
	for _, flood := range floods(ssrc) {
		f.Add(flood[4:])
	}
	now := time.Now()
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 1400 {
			return
		}
		now = now.Add(time.Second) // everything is heard
		b.worker.now = now
		v.hear(now, message(kind, format, body))
		b.worker.pump(now)
		b.worker.flush()
		if s := v.stats; !(s.Loss >= 0 && s.Loss <= 1) || s.RTT < 0 || s.RTT > maxRTT {
			t.Fatalf("out of bounds: %+v", s)
		}
	})
}

// FuzzRTCP lets a viewer write any datagram.
func FuzzRTCP(f *testing.F) {
	const ssrc = 3
	for _, flood := range floods(ssrc) {
		f.Add(flood)
	}
	f.Add(marshal(f,
		&rtcp.ReceiverReport{SSRC: 4, Reports: []rtcp.ReceptionReport{{SSRC: ssrc, LastSenderReport: 1}}},
		&rtcp.TransportLayerNack{MediaSSRC: ssrc, Nacks: []rtcp.NackPair{{PacketID: 3, LostPackets: 0xffff}}},
		&rtcp.PictureLossIndication{MediaSSRC: ssrc},
		&rtcp.ReceiverEstimatedMaximumBitrate{Bitrate: 1e6, SSRCs: []uint32{ssrc}}))
	f.Add(marshal(f, &rtcp.SenderReport{SSRC: 4, Reports: []rtcp.ReceptionReport{{SSRC: ssrc}}}))
	b := newBench(f, 1, srtp.ProtectionProfileAeadAes128Gcm)
	v := b.viewers[0]
	v.video.ssrc = ssrc
	b.burst()
	now := time.Now()
	f.Fuzz(func(_ *testing.T, data []byte) {
		now = now.Add(time.Second)
		v.hear(now, data)
		b.worker.pump(now)
		b.worker.flush()
	})
}

func FuzzTransportCC(f *testing.F) {
	fuzzKind(f, rtcp.TypeTransportSpecificFeedback, rtcp.FormatTCC,
		words(1, 3, 0x00010002, 0x100, 0x20020101), words(1, 3, 0x0000ffff, 0, 0x3fff3fff))
}

func FuzzNACK(f *testing.F) {
	fuzzKind(f, rtcp.TypeTransportSpecificFeedback, rtcp.FormatTLN, words(1, 3, 0xffff), words(1, 3))
}

func FuzzPLI(f *testing.F) {
	fuzzKind(f, rtcp.TypePayloadSpecificFeedback, rtcp.FormatPLI, words(1, 3), words(1))
}

func FuzzFIR(f *testing.F) {
	fuzzKind(f, rtcp.TypePayloadSpecificFeedback, rtcp.FormatFIR, words(1, 0, 3, 1<<24), words(1, 0, 3))
}

func FuzzREMB(f *testing.F) {
	fuzzKind(f, rtcp.TypePayloadSpecificFeedback, rtcp.FormatREMB,
		words(1, 0, remb4, 1<<24|5<<18|1000, 3), words(1, 0, remb4, 1<<24|63<<18|0x3ffff, 3), words(1, 0, remb4))
}

func FuzzReceiverReport(f *testing.F) {
	fuzzKind(f, rtcp.TypeReceiverReport, 1, words(1, 3, 0xff<<24|0xffffff, 1, 2, 3, 4), words(1, 3))
}

func FuzzSenderReport(f *testing.F) {
	fuzzKind(f, rtcp.TypeSenderReport, 1, words(1, 2, 3, 4, 5, 6, 3, 0xff<<24, 1, 2, 3, 4), words(1, 2))
}
