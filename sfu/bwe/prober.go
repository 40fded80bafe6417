package bwe

import "time"

const (
	probeStep     = 2.0 // times the estimate: a wrong guess costs one short queue
	probeHeadroom = 1.2 // over what is wanted: a rate only just proven is lost to the first noise
	probeLength   = 60 * time.Millisecond
	probeLongest  = 250 * time.Millisecond
	probeJitters  = 6     // a cluster is this many times longer than the jitter
	probePackets  = 8     // at least
	probeBytes    = 1_600 // at least
	probePacket   = 1_200 // bytes at most
	probeShare    = 0.4   // of a cluster is padding at least: media comes in bursts
	probeTimeout  = 2 * time.Second
	probeWait     = time.Second / 2  // after the first failure, doubling
	probeWaitMost = 3 * time.Second  // while the way up stays closed
	probeDistrust = 16 * time.Second // while success after success proves wrong
	probeProgress = 1.15             // times the estimate: more than noise
	probeTrial    = 10 * time.Second // in which a success can prove wrong
)

// Probe is one cluster of padding to send, on top of the media: Bytes in Packets,
// spread evenly over Duration, each told to Estimator.Sent with the ID.
type Probe struct {
	ID       uint8         // 1..255
	Bitrate  uint64        // bit/s of padding and media together, as expected
	Bytes    int           // of padding on the wire
	Duration time.Duration // no shorter: a burst proves nothing
	Packets  int           // least number of packets to make of Bytes
}

// Prober plans padding for one viewer. The zero value is ready.
type Prober struct {
	id       uint8
	pending  Probe // ID 0: none
	sentAt   time.Time
	from     uint64 // bit/s: the estimate when it was sent
	notUntil time.Time
	wait     time.Duration
	raised   uint64 // bit/s of the newest success; 0 when it is no longer on trial
	raisedAt time.Time
	cuts     uint64 // at the newest success
}

// Plan returns the next cluster to send, if one is due: more is wanted than is
// estimated (both bit/s), the path is calm, and the last answers allow it. Call
// it every few tens of milliseconds; a planned cluster has to be sent at once.
// Wanted is the rate of the next thing worth having, headroom included or not.
func (p *Prober) Plan(now time.Time, estimate, wanted uint64, s Stats) (Probe, bool) {
	if s.Signal != TransportCC || !p.settle(now, s) {
		return Probe{}, false
	}
	p.try(now, estimate, s)
	if estimate >= wanted || !s.Calm || now.Before(p.notUntil) {
		return Probe{}, false
	}
	p.id++
	if p.id == 0 {
		p.id = 1
	}
	rate := min(probeStep*float64(estimate), probeHeadroom*float64(wanted))
	long := max(probeLength, probeJitters*s.Jitter, time.Duration(probeBytes*8/rate*float64(time.Second)))
	long = min(long, probeLongest)
	size := int(max(rate-float64(s.Media), probeShare*rate) * long.Seconds() / 8)
	p.pending = Probe{
		ID: p.id, Bitrate: uint64(rate), Bytes: size, Duration: long,
		Packets: max(probePackets, (size+probePacket-1)/probePacket),
	}
	p.sentAt, p.from = now, estimate
	return p.pending, true
}

// settle takes the answer to the pending probe; false while there is none.
func (p *Prober) settle(now time.Time, s Stats) bool {
	if p.pending.ID == 0 {
		return true
	}
	answered := s.Probe.ID == p.pending.ID
	if !answered && now.Sub(p.sentAt) < probeTimeout+2*s.RTT {
		return false
	}
	if answered && s.Probe.OK && s.Probe.Bitrate > p.from {
		if p.raised == 0 {
			p.wait = min(p.wait, probeWaitMost)
		}
		p.raised, p.raisedAt, p.cuts = s.Probe.Bitrate, now, s.Cuts
		p.notUntil = now
	} else {
		p.wait = min(max(2*p.wait, probeWait), max(p.wait, probeWaitMost))
		if answered && float64(s.Probe.Bitrate) > probeProgress*float64(p.from) {
			p.wait = probeWait // short of the aim, but the way up is open
		}
		p.notUntil = now.Add(p.wait)
	}
	p.pending.ID = 0
	return true
}

// try watches what becomes of a success. One that leads into congestion makes
// the next try wait longer; one that lasts is forgotten along with older failures.
func (p *Prober) try(now time.Time, estimate uint64, s Stats) {
	switch {
	case p.raised == 0:
	case s.Cuts > p.cuts && float64(estimate) < cutFactor*float64(p.raised):
		p.wait = min(max(2*p.wait, probeWait), probeDistrust)
		p.notUntil = now.Add(p.wait)
		p.raised = 0
	case now.Sub(p.raisedAt) > probeTrial:
		p.raised, p.wait = 0, 0
	}
}
