package fanout

import (
	"time"

	"github.com/pion/rtcp"

	"github.com/freshet-live/freshet/sfu/fanout/wire"
	"github.com/freshet-live/freshet/sfu/forward"
	"github.com/freshet-live/freshet/sfu/media"
)

const (
	// Repairs may take at most this many bytes per second of one viewer, and
	// at most one second's worth at once: a flood of NACKs is no amplifier.
	repairRate = 512 << 10
	// Where the path's rate is known, repairs take half of it at most: to
	// repeat what a full queue has dropped only keeps it full.
	repairShare   = 0.5
	minRepairRate = 10 << 10
	// A packet is not repeated again before its repetition can have arrived.
	minRepairInterval = 20 * time.Millisecond
	maxRepairInterval = 500 * time.Millisecond

	maxDoublings = 1
	maxTries     = 8

	// So many packets at once are more than a keyframe costs, which is sooner
	// there.
	heavyLoss = 96
	// What came so long before a keyframe, in ticks, it has made superfluous.
	superseded = 90 * 100

	// Twins are for loss here and there; after an outage they would only take
	// the place of what is missing.
	maxTwins = 16

	remembered = 128
	// maxNACKed is how many packets one NACK may ask for: a keyframe's worth.
	maxNACKed = 512
	// What waits longer comes too late to be played.
	maxRepairWait = 500 * time.Millisecond
)

// repairs limits the repetitions to one viewer.
type repairs struct {
	budget int // bytes
	filled time.Time
	// queue holds what waits for the pacer, oldest first.
	queue []queuedRepair
	// recent holds when a packet was last repeated, by the low bits of its
	// sequence number.
	recent [remembered]struct {
		seq   uint16
		tries uint8
		at    time.Time
	}
}

// queuedRepair is a repetition that was asked for at an instant, or its twin.
type queuedRepair struct {
	seq  uint16
	at   time.Time
	twin bool
}

func newRepairs(now time.Time) *repairs { return &repairs{budget: repairRate, filled: now} }

// due reports whether a packet's last repetition is long enough ago.
func (r *repairs) due(now time.Time, seq uint16, interval time.Duration) bool {
	last := &r.recent[seq%remembered]
	return last.seq != seq || last.at.IsZero() || now.Sub(last.at) >= interval<<min(last.tries-1, maxDoublings)
}

// allow reports whether a packet of so many bytes may be repeated now, and
// books it: at most once per interval, which doubles with each try, and at a
// rate in bytes per second.
func (r *repairs) allow(now time.Time, seq uint16, size int, interval time.Duration, rate int) bool {
	last := &r.recent[seq%remembered]
	known := last.seq == seq && !last.at.IsZero()
	if !r.due(now, seq, interval) {
		return false
	}
	r.budget = min(rate, r.budget+int(now.Sub(r.filled).Seconds()*float64(rate)))
	r.filled = now
	if r.budget < size {
		return false
	}
	r.budget -= size
	if !known {
		last.tries = 0
	}
	last.seq, last.at = seq, now
	last.tries = min(last.tries+1, maxTries)
	return true
}

// repair answers a NACK from the Layer's History (R6).
func (v *Viewer) repair(now time.Time, ssrc uint32, nacks []rtcp.NackPair) {
	t, to := v.trackOf(ssrc), v.route.Load()
	if t == nil || to == nil || t.ssrc != ssrc || t.format == nil || !t.format.NACK {
		return
	}
	if t.repairs == nil {
		t.repairs = newRepairs(now)
	}
	interval := v.repairInterval()
	asked, useful := 0, 0
	for _, pair := range nacks {
		if asked >= maxNACKed {
			v.refuse(refusedNACK)
			break
		}
		pair.Range(func(seq uint16) bool {
			if !v.allowance.packet() {
				v.refuse(refusedNACK)
				asked = maxNACKed
				return false
			}
			asked++
			v.stats.NACKs++
			if _, _, ok := t.repairable(seq); ok {
				useful++
				v.repeatOrQueue(now, t, seq, interval)
			}
			return true
		})
	}
	if l := t.selector.Current(); l != nil && useful >= heavyLoss && t.kind == media.Video {
		l.RequestKeyframe(now)
	}
}

func (v *Viewer) repeatOrQueue(now time.Time, t *track, seq uint16, interval time.Duration) {
	r := t.repairs
	switch {
	case !r.due(now, seq, interval):
		v.worker.total.dropped[dropRepair]++
	case !v.pacer.empty() && len(r.queue) == 0:
		v.repeat(now, t, seq, interval)
	case len(r.queue) >= maxNACKed:
		v.worker.total.dropped[dropRepair]++
	default:
		r.queue = append(r.queue, queuedRepair{seq: seq, at: now})
		v.worker.pace(v)
	}
}

// pumpRepairs sends queued repetitions as far as the budget goes, and reports
// whether some are left.
func (v *Viewer) pumpRepairs(now time.Time) (more bool) {
	for _, t := range [...]*track{v.audio, v.video} {
		if t == nil || t.repairs == nil || len(t.repairs.queue) == 0 {
			continue
		}
		r, done := t.repairs, 0
		interval := v.repairInterval()
		for done < len(r.queue) && !v.pacer.empty() {
			q := r.queue[done]
			if q.twin && now.Sub(q.at) < slot/2 {
				break // what takes one may take the other, too
			}
			switch {
			case now.Sub(q.at) > maxRepairWait:
				v.worker.total.dropped[dropRepair]++
			case q.twin:
				v.repeatTwin(t, q.seq)
			default:
				v.repeat(now, t, q.seq, interval)
			}
			done++
		}
		r.queue = append(r.queue[:0], r.queue[done:]...)
		more = more || len(r.queue) > 0
	}
	return more
}

func (v *Viewer) repairInterval() time.Duration {
	return min(max(v.stats.RTT, v.adapt.delay, minRepairInterval), maxRepairInterval)
}

// repairLimit is what repairs may take, in bytes per second.
func (v *Viewer) repairLimit() int {
	if b := v.adapt.budget; b != 0 {
		return min(repairRate, max(minRepairRate, int(repairShare/8*float64(b))))
	}
	return repairRate
}

// noteLoss gives a replay up that the path does not take: so much of what it
// has sent is asked for again.
func (t *track) noteLoss(seq uint64) {
	r := &t.replay
	if !r.on || seq < r.first {
		return
	}
	if r.nacked++; r.nacked > lossyCount && r.nacked*lossyShare > r.sent {
		t.wait(0)
	}
}

// repeat sends one packet again, unless it is of no use any more.
func (v *Viewer) repeat(now time.Time, t *track, seq uint16, interval time.Duration) {
	w := v.worker
	p, out, ok := t.repairable(seq)
	if !ok {
		return
	}
	if !t.repairs.allow(now, seq, len(p.Payload), interval, v.repairLimit()) {
		w.total.dropped[dropRepair]++
		return
	}
	if _, ok := v.writeRepetition(t, v.route.Load(), p, out); ok {
		t.noteLoss(out.Seq)
		v.stats.Retransmitted++
		w.total.retransmitted++
		if v.adapt.lossy && t.format.RTXPayloadType != 0 && len(t.repairs.queue) < maxTwins && 2*t.repairs.budget > v.repairLimit() {
			t.repairs.queue = append(t.repairs.queue, queuedRepair{seq: seq, at: now, twin: true})
			w.pace(v)
		}
	}
}

// repeatTwin sends a repetition for the second time, unasked. On a path that
// loses a tenth of all packets one repetition in ten is lost, and browsers ask
// again only after a tenth of a second: then the picture stands still.
func (v *Viewer) repeatTwin(t *track, seq uint16) {
	p, out, ok := t.repairable(seq)
	if !ok || t.repairs.budget < len(p.Payload) {
		return
	}
	t.repairs.budget -= len(p.Payload)
	if _, ok := v.writeRepetition(t, v.route.Load(), p, out); ok {
		v.stats.Retransmitted++
		v.worker.total.retransmitted++
	}
}

// repairable finds the packet that went out under a number, if it would still
// be of use.
func (t *track) repairable(seq uint16) (*media.Packet, forward.Out, bool) {
	l, p, out := t.munger.Source(seq)
	current := t.selector.Current()
	switch {
	case p == nil || len(p.Payload) > maxPacket || !t.sameFormat(l):
	case current == nil || current.Rank < l.Rank:
		// The Layer was left because it was too much for the path.
	case t.kind == media.Video && out.Seq < t.keyframe.seq && t.keyframe.timestamp-out.Timestamp > superseded:
	default:
		return p, out, true
	}
	return nil, forward.Out{}, false
}

// writeRepetition puts a packet that was sent before into the Batch: by RTX
// where it was negotiated (R7), else the very same bytes.
func (v *Viewer) writeRepetition(t *track, to *wire.Route, p *media.Packet, out forward.Out) (payload int, ok bool) {
	o := t.original(p, out)
	if t.format.RTXPayloadType != 0 {
		o.rtx, o.ssrc, o.payloadType, o.seq = true, t.rtxSSRC, t.format.RTXPayloadType, t.rtxSeq
		t.rtxSeq++
	}
	return v.worker.writeRTP(v, t, to, &o)
}
