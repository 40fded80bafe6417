package fanout

import (
	"time"

	"github.com/pion/rtcp"

	"github.com/freshet-live/freshet/sfu/frames"
	"github.com/freshet-live/freshet/sfu/media"
)

const (
	// Sender reports come with the first packet, soon again in case that one
	// was lost, and then regularly.
	secondReport   = 200 * time.Millisecond
	reportInterval = time.Second
	// maxRTT bounds what a report may claim.
	maxRTT = 10 * time.Second

	// RFC 3711 section 3.4: the index and at least ten bytes of tag.
	srtcpOverhead = 4 + 16
)

// receive takes one SRTCP datagram from the viewer.
func (v *Viewer) receive(now time.Time, data []byte) {
	if v.crypter == nil || v.isClosing() {
		return
	}
	plain, err := v.crypter.in.DecryptRTCP(v.worker.scratch[:0], data, nil)
	if err != nil {
		v.refuse(refusedAuth)
		return
	}
	v.confirm()
	v.hear(now, plain)
}

// hear takes one RTCP datagram in the clear, as far as it is no flood.
func (v *Viewer) hear(now time.Time, plain []byte) {
	v.allowance.refill(now)
	if !walkRTCP(plain, func(h rtcp.Header, packet []byte) bool {
		if !v.allowance.message() {
			v.refuse(refusedFlood)
			return false
		}
		if !v.handleRTCP(now, h, packet) {
			v.refuse(refusedMalformed)
		}
		return true
	}) {
		v.refuse(refusedMalformed)
	}
}

// walkRTCP calls each for every packet of a compound or reduced-size (RFC
// 5506) RTCP datagram, while that returns true. It stops at the first one that
// is malformed, and returns false then.
func walkRTCP(data []byte, each func(h rtcp.Header, packet []byte) bool) bool {
	for len(data) > 0 {
		var h rtcp.Header
		if h.Unmarshal(data) != nil {
			return false
		}
		size := (int(h.Length) + 1) * 4
		if size > len(data) {
			return false
		}
		if !each(h, data[:size]) {
			return true
		}
		data = data[size:]
	}
	return true
}

// handleRTCP takes one RTCP packet. It returns false for one of a kind that is
// of use here and that does not parse or contradicts itself.
func (v *Viewer) handleRTCP(now time.Time, h rtcp.Header, packet []byte) bool {
	switch h.Type { //nolint:exhaustive // the others tell us nothing
	case rtcp.TypeReceiverReport:
		v.heard(feedbackReport)
		var rr rtcp.ReceiverReport
		if rr.Unmarshal(packet) != nil {
			return false
		}
		v.reported(now, rr.Reports)
	case rtcp.TypeSenderReport:
		v.heard(feedbackReport)
		var sr rtcp.SenderReport
		if sr.Unmarshal(packet) != nil {
			return false
		}
		v.reported(now, sr.Reports)
	case rtcp.TypeTransportSpecificFeedback:
		return v.handleTransportSpecific(now, h, packet)
	case rtcp.TypePayloadSpecificFeedback:
		return v.handlePayloadSpecific(now, h, packet)
	}
	return true
}

func (v *Viewer) handleTransportSpecific(now time.Time, h rtcp.Header, packet []byte) bool {
	switch h.Count {
	case rtcp.FormatTLN:
		v.heard(feedbackNACK)
		var nack rtcp.TransportLayerNack
		if nack.Unmarshal(packet) != nil {
			return false
		}
		v.repair(now, nack.MediaSSRC, nack.Nacks)
	case rtcp.FormatTCC:
		v.heard(feedbackTransportCC)
		return v.handleTransportFeedback(now, packet)
	}
	return true
}

func (v *Viewer) handlePayloadSpecific(now time.Time, h rtcp.Header, packet []byte) bool {
	switch h.Count {
	case rtcp.FormatPLI:
		v.heard(feedbackPicture)
		var pli rtcp.PictureLossIndication
		if pli.Unmarshal(packet) != nil {
			return false
		}
		v.restart(now, pli.MediaSSRC)
	case rtcp.FormatFIR:
		v.heard(feedbackPicture)
		var fir rtcp.FullIntraRequest
		if fir.Unmarshal(packet) != nil || len(fir.FIR) == 0 {
			return false
		}
		// RFC 5104 section 4.3.1.2: the media source is in the entry.
		v.restart(now, fir.FIR[0].SSRC)
	case rtcp.FormatREMB:
		return v.handleREMB(now, packet)
	}
	return true
}

// reported takes reception report blocks (RFC 3550 section 6.4.1).
func (v *Viewer) reported(now time.Time, reports []rtcp.ReceptionReport) {
	for i := range reports {
		r := &reports[i]
		t := v.trackOf(r.SSRC)
		if t == nil {
			continue
		}
		t.reported = true
		if r.LastSenderReport != 0 {
			ticks := frames.MiddleNTP(frames.NTPTime(now)) - r.LastSenderReport - r.Delay // 1/65536 s
			if rtt := time.Duration(ticks) * time.Second >> 16; rtt <= maxRTT {
				v.stats.RTT = rtt
			}
		}
		if t.kind == media.Video || v.video == nil {
			v.stats.Loss = float64(r.FractionLost) / 256
			if v.adapt.estimator != nil {
				v.adapt.estimator.Report(now, v.stats.Loss, v.stats.RTT)
			}
		}
	}
}

// report sends a sender report with the CNAME (R12), if one is due.
func (v *Viewer) report(now time.Time, t *track) {
	l := t.selector.Current()
	if l == nil || t.sent == 0 || now.Before(t.nextReport) {
		return
	}
	clock, ok := l.Clock()
	to := v.route.Load()
	if !ok || clock.Rate == 0 || to == nil {
		return
	}
	raw, err := rtcp.Marshal([]rtcp.Packet{
		&rtcp.SenderReport{
			SSRC: t.ssrc, NTPTime: frames.NTPTime(now),
			RTPTime:     clock.At(now) + t.munger.TimestampOffset(),
			PacketCount: t.sent, OctetCount: t.octets,
		},
		rtcp.NewCNAMESourceDescription(t.ssrc, v.engine.cfg.CNAME),
	})
	if err != nil {
		return
	}
	buf := v.worker.batch.Reserve(len(raw) + srtcpOverhead)
	if buf == nil {
		return
	}
	sealed, err := v.crypter.out.EncryptRTCP(buf[:0], raw, nil)
	if err != nil || len(sealed) > len(buf) {
		return
	}
	v.worker.batch.Commit(*to, copy(buf, sealed))
	t.reports++
	t.nextReport = now.Add(reportInterval)
	if t.reports == 1 {
		t.nextReport = now.Add(secondReport)
	}
}

// isRTCP tells RTCP from RTP on one port (RFC 5761 section 4).
func isRTCP(data []byte) bool {
	return len(data) >= 8 && data[1] >= 192 && data[1] <= 223
}

// isTransportCC reports whether an RTCP datagram begins with transport-cc
// feedback, which SRTCP leaves in the clear (RFC 3711 section 3.4). Receivers
// send that alone.
func isTransportCC(data []byte) bool {
	return len(data) >= 2 && data[1] == uint8(rtcp.TypeTransportSpecificFeedback) && data[0]&0x1f == rtcp.FormatTCC
}
