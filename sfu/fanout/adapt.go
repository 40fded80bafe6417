package fanout

import (
	"encoding/binary"
	"time"

	"github.com/pion/rtcp"

	"github.com/freshet-live/freshet/sfu/bwe"
	"github.com/freshet-live/freshet/sfu/fanout/wire"
	"github.com/freshet-live/freshet/sfu/forward"
	"github.com/freshet-live/freshet/sfu/media"
)

const (
	// startEstimate is what a path is believed to carry before it has shown
	// anything, in bit/s. Layers are chosen as if it carried everything until
	// something speaks against that.
	startEstimate = 3_000_000
	// paceFactor is how much faster than the estimate bursts leave, replayShare
	// the part of it that a replay takes.
	paceFactor  = 2.5
	replayShare = 0.9
	minPace     = 300_000
	// standingQueue is what counts as one in front of the bottleneck.
	standingQueue = 150 * time.Millisecond
	staleFeedback = time.Second
	// maxDrain bounds how long a queue may take to empty.
	maxDrain = 500 * time.Millisecond

	// networkOverhead is that of IPv4 and UDP per packet, in bytes.
	networkOverhead = 28
	// maxPadding is what one packet can hold (RFC 3550 section 5.1).
	maxPadding = 255
	// repeatable is how many of the latest packets a probe repeats.
	repeatable = 64
)

// adaptation is how one viewer follows its path.
type adaptation struct {
	estimator *bwe.Estimator // nil before the viewer has connected
	prober    bwe.Prober
	allocator forward.Allocator
	budget    uint64 // bit/s, by the latest allocation
	index     int    // of the Layer that it allocated, -1 for none
	thrift    thrift
	wanted    uint64    // bit/s that the prober looks for
	heard     time.Time // when transport-cc feedback last came
	// delay is how long a packet takes there and its acknowledgement back, with
	// the queue that it meets.
	delay time.Duration
	// lossy: the path loses packets, and not because it is full.
	lossy bool
	// drained is when the queue that a Layer left behind will be empty: until
	// then no video is sent, of which most would be dropped.
	drained time.Time
	probe   probing
}

// probing is a cluster of padding under way; a zero ID means none.
type probing struct {
	bwe.Probe
	began         time.Time
	bytes, number int
	sending       bool // what is written belongs to the cluster
}

// budget is what the path carries in bit/s by all that is known, 0 while there
// is no evidence of any bound.
func (v *Viewer) budget() uint64 {
	if v.adapt.estimator == nil {
		return 0
	}
	s := v.adapt.estimator.Stats()
	switch {
	case s.Signal == bwe.NoSignal, s.Cuts == 0 && s.Signal != bwe.FromREMB:
		return 0
	case s.Calm && s.Acked > s.Estimate:
		return s.Acked // it has just carried that
	default:
		return s.Estimate
	}
}

// replayRate is the rate of a replay in bit/s.
func (v *Viewer) replayRate() uint64 {
	if b := v.budget(); b != 0 {
		return min(replayPace, max(minPace, uint64(replayShare*float64(b))))
	}
	return replayPace
}

// paceRate is the rate at which the viewer is sent what comes in bursts.
func (v *Viewer) paceRate() uint64 {
	if t := v.video; t != nil && t.replay.on {
		return v.replayRate()
	}
	if b := v.adapt.budget; b != 0 {
		return max(minPace, uint64(paceFactor*float64(b)))
	}
	return defaultPace
}

// allocate chooses the video Layer anew, and plans a probe where a better one
// needs more than is known.
func (v *Viewer) allocate(now time.Time) {
	t, a := v.video, &v.adapt
	if t == nil || a.estimator == nil {
		return
	}
	a.budget = v.budget()
	s := a.estimator.Stats()
	a.delay = s.RTT + s.Queue
	a.lossy = lossy(&s, a.budget)
	d := forward.Demand{Budget: a.budget}
	// While nothing is sent that the viewer would tell about, what it told last
	// is no news.
	if now.Sub(a.heard) < staleFeedback {
		d.Congested = s.Delay == bwe.Overusing || s.Queue > standingQueue
	}
	if d.Layers, d.Active, d.Best = t.selector.Offered(); d.Best < 0 {
		return
	}
	if au := v.audio; au != nil && v.covers(au) {
		if l := au.selector.Current(); l != nil {
			d.Audio = l.Status().Bitrate
		}
	}
	before, current := t.selector.Target(), t.selector.Current()
	decision := a.allocator.Decide(now, d)
	t.selector.Allocate(decision)
	t.temporal = decision.Temporal
	t.thin()
	a.wanted, a.index = decision.Wanted, decision.Index
	v.declare(now)
	v.stats.Paused, v.stats.Temporal = decision.Paused, decision.Temporal
	if current != nil && t.selector.Current() == nil {
		t.cursor.Stop()
		t.replay = replayState{}
	}
	switch {
	case decision.Emergency:
		a.drained = now.Add(min(s.Queue, maxDrain))
	case a.drained.IsZero():
		if t.selector.Target() != before {
			v.wantKeyframe(now)
		}
	case !v.draining(now):
		a.drained = time.Time{}
		v.wantKeyframe(now)
	}
	v.plan(now)
}

// lossy reports whether a path loses so much that many repetitions are lost,
// too, while it has room for more.
func lossy(s *bwe.Stats, budget uint64) bool {
	return s.Signal == bwe.TransportCC && s.Loss >= lossyLoss && s.Delay != bwe.Overusing && s.Queue < lossyQueue &&
		(budget == 0 || float64(budget) > lossyRoom*float64(s.Sent))
}

const (
	lossyLoss  = 0.03
	lossyQueue = 30 * time.Millisecond
	lossyRoom  = 1.2
)

// covers reports whether the estimate is of a Track too: it is of all of them,
// or where transport-wide numbers are used of those that carry them.
func (v *Viewer) covers(t *track) bool {
	if t.format == nil {
		return false
	}
	return t.numbered() || v.video == nil || v.video.format == nil || !v.video.numbered()
}

// draining reports whether the viewer gets no video until a queue is empty.
func (v *Viewer) draining(now time.Time) bool { return now.Before(v.adapt.drained) }

// plan begins a probe, if one is due.
func (v *Viewer) plan(now time.Time) {
	a := &v.adapt
	if a.probe.ID != 0 || v.video.format == nil || v.video.format.RTXPayloadType == 0 || !v.video.numbered() {
		return
	}
	if p, ok := a.prober.Plan(now, a.estimator.Estimate(), a.wanted, a.estimator.Stats()); ok {
		a.probe = probing{Probe: p, began: now}
		v.stats.Probes++
		v.worker.pace(v)
	}
}

// pumpProbe sends the part of the probe that is due, and reports whether there
// is more.
func (v *Viewer) pumpProbe(now time.Time, to *wire.Route) (more bool) {
	p := &v.adapt.probe
	if p.ID == 0 {
		return false
	}
	share := 1.0
	if d := now.Sub(p.began); d < p.Duration {
		share = float64(d+slot) / float64(p.Duration+slot)
	}
	due, size := int(share*float64(p.Bytes)), max(1, p.Bytes/max(1, p.Packets))
	t, budget := v.video, v.pacer.budget
	p.sending = true
	for p.bytes < due && p.bytes < p.Bytes {
		n := v.pad(t, to, min(size, p.Bytes-p.bytes))
		if n == 0 {
			p.bytes = p.Bytes // not possible
			break
		}
		p.bytes += n + networkOverhead
	}
	p.sending = false
	v.pacer.budget = budget // a probe is not to hold up media
	if p.bytes < p.Bytes {
		return true
	}
	p.ID = 0
	return false
}

// pad sends one packet that the viewer can do without, in the place of a
// repetition: the latest packets again, or padding alone where there are none
// of about that size. It returns the bytes on the wire.
func (v *Viewer) pad(t *track, to *wire.Route, size int) int {
	v.adapt.probe.number++
	if size > maxPadding {
		back := uint16(1 + v.adapt.probe.number%repeatable) //nolint:gosec // small
		seq := uint16(t.munger.NextSeq()) - back            //nolint:gosec // the lower bits
		l, p, out := t.munger.Source(seq)
		if p != nil && !out.Empty && len(p.Payload) <= maxPacket && len(p.Payload) >= size/4 && t.sameFormat(l) {
			n, _ := v.writeRepetition(t, to, p, out)
			return n
		}
	}
	n, _ := v.worker.writePadding(v, t, to, min(size, maxPadding))
	return n
}

// writePadding puts a packet of nothing but padding into the Batch (RFC 3550
// section 5.1), in the sequence of the repetitions.
func (w *worker) writePadding(v *Viewer, t *track, to *wire.Route, padding int) (wireSize int, ok bool) {
	extSize, mid := t.extensionSize()
	headerSize := rtpHeaderSize + extSize
	size := headerSize + padding
	buf := w.batch.Reserve(size + v.crypter.overhead())
	if buf == nil || padding < 1 {
		return 0, false
	}
	o := outgoing{
		packet: &media.Packet{}, out: forward.Out{Timestamp: t.munger.LastTimestamp()},
		seq: t.rtxSeq, ssrc: t.rtxSSRC, payloadType: t.format.RTXPayloadType,
	}
	t.rtxSeq++
	putHeader(buf, &o, extSize != 0)
	buf[0] |= 1 << 5
	seq := v.transportSeq
	if extSize != 0 {
		v.putExtensions(buf[rtpHeaderSize:headerSize], t, mid)
	}
	clear(buf[headerSize:size])
	buf[size-1] = byte(padding) //nolint:gosec // at most maxPadding
	n, err := v.crypter.seal(buf, headerSize, size, o.ssrc, o.seq)
	if err != nil {
		return 0, false
	}
	w.batch.Commit(*to, n)
	v.departed(t, seq, n)
	return n, true
}

// departed notes one packet that was put into the Batch, under the
// transport-wide number that it has where the Track uses them.
func (v *Viewer) departed(t *track, transportSeq uint16, size int) {
	v.pacer.take(size)
	a := &v.adapt
	switch {
	case a.estimator == nil:
		return
	case !t.numbered():
		if v.covers(t) {
			a.estimator.Unnumbered(v.worker.now, size+networkOverhead)
		}
		return
	}
	probe := uint8(0)
	if a.probe.sending {
		probe = a.probe.ID
	}
	a.estimator.Sent(v.worker.now, transportSeq, size+networkOverhead, probe)
}

// handleTransportFeedback takes a transport-cc message; false for an absurd one.
func (v *Viewer) handleTransportFeedback(now time.Time, packet []byte) bool {
	if v.adapt.estimator == nil {
		return true
	}
	if !v.adapt.estimator.Feedback(now, packet) {
		return false
	}
	v.adapt.heard = now
	v.allocate(now)
	return true
}

// handleREMB takes a receiver's own estimate
// (draft-alvestrand-rmcat-remb-03 section 2.2); false for an absurd one. Other
// messages of the same format are none of our business.
func (v *Viewer) handleREMB(now time.Time, packet []byte) bool {
	if len(packet) < 16 || binary.BigEndian.Uint32(packet[12:]) != remb4 || v.adapt.estimator == nil {
		return true
	}
	v.heard(feedbackREMB)
	var remb rtcp.ReceiverEstimatedMaximumBitrate
	if remb.Unmarshal(packet) != nil || !(remb.Bitrate > 0 && remb.Bitrate < maxREMB) {
		return false
	}
	v.adapt.estimator.REMB(now, uint64(remb.Bitrate))
	v.allocate(now)
	return true
}

const (
	// remb4 is the identifier "REMB".
	remb4   = 'R'<<24 | 'E'<<16 | 'M'<<8 | 'B'
	maxREMB = 1e12 // bit/s
)
