package fanout

import (
	"time"

	"github.com/pion/rtcp"
)

const (
	// Repairs may take at most this many bytes per second of one viewer, and
	// at most one second's worth at once: a flood of NACKs is no amplifier.
	repairRate = 512 << 10
	// A packet is not repeated again before its repetition can have arrived.
	minRepairInterval = 20 * time.Millisecond
	maxRepairInterval = 500 * time.Millisecond

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
		seq uint16
		at  time.Time
	}
}

// queuedRepair is a repetition that was asked for at an instant.
type queuedRepair struct {
	seq uint16
	at  time.Time
}

func newRepairs(now time.Time) *repairs { return &repairs{budget: repairRate, filled: now} }

// allow reports whether a packet of so many bytes may be repeated now, at most
// once per interval, and books it.
func (r *repairs) allow(now time.Time, seq uint16, size int, interval time.Duration) bool {
	last := &r.recent[seq%remembered]
	if last.seq == seq && !last.at.IsZero() && now.Sub(last.at) < interval {
		return false
	}
	r.budget = min(repairRate, r.budget+int(now.Sub(r.filled).Seconds()*repairRate))
	r.filled = now
	if r.budget < size {
		return false
	}
	r.budget -= size
	last.seq, last.at = seq, now
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
	asked := 0
	for _, pair := range nacks {
		if asked >= maxNACKed {
			v.worker.total.dropped[dropRepair]++
			return
		}
		pair.Range(func(seq uint16) bool {
			asked++
			v.stats.NACKs++
			v.repeatOrQueue(now, t, seq, interval)
			return true
		})
	}
	v.noteLoss(t, asked)
}

func (v *Viewer) repeatOrQueue(now time.Time, t *track, seq uint16, interval time.Duration) {
	r := t.repairs
	switch {
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
			if q := r.queue[done]; now.Sub(q.at) <= maxRepairWait {
				v.repeat(now, t, q.seq, interval)
			} else {
				v.worker.total.dropped[dropRepair]++
			}
			done++
		}
		r.queue = append(r.queue[:0], r.queue[done:]...)
		more = more || len(r.queue) > 0
	}
	return more
}

func (v *Viewer) repairInterval() time.Duration {
	return min(max(v.stats.RTT, minRepairInterval), maxRepairInterval)
}

// noteLoss gives a replay up that the path does not take.
func (v *Viewer) noteLoss(t *track, lost int) {
	r := &t.replay
	if !r.on {
		return
	}
	if r.nacked += lost; r.nacked > lossyCount && r.nacked*lossyShare > r.sent {
		t.wait(0)
	}
}

// repeat sends one packet again: by RTX where it was negotiated (R7), else the
// very same bytes.
func (v *Viewer) repeat(now time.Time, t *track, seq uint16, interval time.Duration) {
	w := v.worker
	l, p, out := t.munger.Source(seq)
	if p == nil || len(p.Payload) > maxPacket || !t.sameFormat(l) {
		return
	}
	if !t.repairs.allow(now, seq, len(p.Payload), interval) {
		w.total.dropped[dropRepair]++
		return
	}
	o := t.original(p, out)
	if t.format.RTXPayloadType != 0 {
		o.rtx, o.ssrc, o.payloadType, o.seq = true, t.rtxSSRC, t.format.RTXPayloadType, t.rtxSeq
		t.rtxSeq++
	}
	if _, ok := w.writeRTP(v, t, v.route.Load(), &o); ok {
		v.stats.Retransmitted++
		w.total.retransmitted++
	}
}
