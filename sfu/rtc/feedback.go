package rtc

import (
	"time"

	"github.com/pion/rtcp"
)

// localSSRC is the sender SSRC of our feedback. We send no media, so any will
// do.
const localSSRC = 1

// sendNACKs asks for what is due.
func (g *ingest) sendNACKs(now time.Time) {
	g.asking = g.nacker.due(now, g.asking[:0])
	g.tellLost()
	if len(g.asking) == 0 || !g.codec.wants("nack") {
		return
	}
	numbers := make([]uint16, len(g.asking))
	for i, seq := range g.asking {
		numbers[i] = uint16(seq) // the number on the wire
	}
	sent := g.session.send(&rtcp.TransportLayerNack{
		SenderSSRC: localSSRC, MediaSSRC: g.ssrc, Nacks: rtcp.NackPairsFromSequenceNumbers(numbers),
	})
	if sent {
		g.count.nacks.Add(uint64(len(numbers)))
		g.session.server.metrics.nacks.Add(float64(len(numbers)))
	}
}

// requestKeyframe sends a PLI (RFC 4585 section 6.3.1), or a FIR (RFC 5104
// section 4.3.1) to an encoder that only takes that. It never blocks.
func (g *ingest) requestKeyframe() {
	codec := g.using.Load()
	var request rtcp.Packet
	switch {
	case codec == nil:
		return
	case codec.wants("nack pli"):
		request = &rtcp.PictureLossIndication{SenderSSRC: localSSRC, MediaSSRC: g.ssrc}
	case codec.wants("ccm fir"):
		request = &rtcp.FullIntraRequest{SenderSSRC: localSSRC, MediaSSRC: g.ssrc, FIR: []rtcp.FIREntry{{
			SSRC: g.ssrc, SequenceNumber: uint8(g.session.firSeq.Add(1)), // wraps by design
		}}}
	default:
		return // such as OBS: it sends keyframes by the clock
	}
	if g.session.send(request) {
		g.count.requests.Add(1)
		g.session.server.metrics.keyframeRequests.Inc()
	}
}

// readReports takes the encoding's sender reports (RFC 3550 section 6.4.1),
// which relate its timestamps to those of the other Tracks (R12).
func (g *ingest) readReports() {
	for {
		packets, err := g.readRTCP()
		now := time.Now()
		if err != nil {
			if transient(err) && !g.session.isClosing() {
				continue
			}
			return
		}
		for _, p := range packets {
			if report, ok := p.(*rtcp.SenderReport); ok && report.SSRC == g.ssrc {
				g.report(report, now)
			}
		}
	}
}

func (g *ingest) readRTCP() ([]rtcp.Packet, error) {
	if g.rid != "" {
		packets, _, err := g.receiver.ReadSimulcastRTCP(g.rid)
		return packets, err
	}
	packets, _, err := g.receiver.ReadRTCP()
	return packets, err
}

func (g *ingest) report(r *rtcp.SenderReport, now time.Time) { g.captured(r.NTPTime, r.RTPTime, now) }

// captured takes what the publisher says of its clock, in a sender report or
// in a packet: when, in NTP's form, it captured what has a timestamp.
func (g *ingest) captured(ntp uint64, ts uint32, now time.Time) {
	clock := g.clock.Load()
	if clock == nil {
		return
	}
	mapping, changed := clock.Report(ntp, ts, now)
	if layer := g.current.Load(); changed && layer != nil {
		layer.SetClock(mapping)
	}
}
