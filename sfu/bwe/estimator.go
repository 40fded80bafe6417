package bwe

import (
	"time"
)

// The defaults of a Config, in bit/s.
const (
	DefaultStart = 600_000
	DefaultMin   = 30_000
	DefaultMax   = 50_000_000
)

// Config bounds one Estimator; zero fields take the defaults.
type Config struct {
	Start uint64 // bit/s before anything is known
	Min   uint64 // bit/s
	Max   uint64 // bit/s
}

// Estimator is one viewer's path estimate: delay-based and loss-based congestion
// control after draft-ietf-rmcat-gcc-02, raised by probes and by whatever the path
// has shown to carry. It is not safe for concurrent use: its owner is the
// worker that sends to the viewer. It takes about 4 KB while the viewer gets up
// to 2.5 Mbit/s, and more only when more is in flight.
type Estimator struct {
	cfg      Config
	base     time.Time // of the microseconds
	estimate float64   // bit/s
	signal   Signal
	history  history
	sentRate meter
	media    meter // what is sent without probes
	acked    meter // by the viewer's clock
	trend    trend
	queue    queue
	losses   losses
	cluster  cluster
	clock    clock

	rtt      int64 // µs, smoothed; 0 while unknown
	reported int64 // µs: when a receiver report last told it
	lastCC   int64 // µs: the newest transport-cc message
	updated  int64 // µs: the newest control step
	cutAt    int64 // µs
	cuts     uint64
	remb     uint64  // bit/s: the last one
	rembAt   int64   // µs
	capacity float64 // bit/s at the last cuts for delay; 0 when no longer believed
	owed     int     // packets sent since the last feedback
	silence  int64   // µs: when a lack of feedback becomes a signal
	next     int64   // extended number that the next feedback should begin with
	probed   ProbeResult
	probes   uint64
	absurd   uint64
}

// New returns an Estimator that believes cfg.Start.
func New(cfg Config) *Estimator {
	if cfg.Max == 0 {
		cfg.Max = DefaultMax
	}
	if cfg.Min == 0 {
		cfg.Min = DefaultMin
	}
	cfg.Min = min(cfg.Min, cfg.Max)
	if cfg.Start == 0 {
		cfg.Start = DefaultStart
	}
	e := &Estimator{cfg: cfg, history: history{head: -1}}
	e.set(float64(cfg.Start))
	return e
}

// set moves the estimate within its bounds.
func (e *Estimator) set(bitrate float64) {
	e.estimate = min(max(bitrate, float64(e.cfg.Min)), float64(e.cfg.Max))
}

// micros is the Estimator's own time. It starts at one, so that zero means never.
func (e *Estimator) micros(now time.Time) int64 {
	if e.base.IsZero() {
		e.base = now.Add(-time.Microsecond)
	}
	return int64(now.Sub(e.base) / time.Microsecond)
}

// Sent notes one packet given to the socket: its transport-wide sequence number
// as on the wire, its size in bytes on the wire, and its probe cluster (0: none).
// The numbers of one viewer follow each other; a repeated one is ignored.
func (e *Estimator) Sent(now time.Time, seq uint16, size int, probe uint8) {
	us := e.micros(now)
	size = min(max(size, 0), 1<<16-1)
	if old := e.history.at(e.history.head + 1 - int64(len(e.history.ring))); old != nil &&
		old.fate == inFlight && e.signal == TransportCC && us-since(us, old.sent) < historyFor {
		e.history.grow()
	}
	p := e.history.push(seq)
	if p == nil {
		return
	}
	*p = entry{sent: uint32(us), size: uint16(size), probe: probe, fate: inFlight}
	e.sentRate.add(us, size)
	if probe != 0 {
		e.noteProbe(us, probe)
	} else {
		e.media.add(us, size)
	}
	e.owed++
	switch {
	case e.owed == 1:
		e.silence = us + silenceAfter + min(2*e.rtt, silenceAfter)
	case us > e.silence && e.owed >= silenceOwed && e.signal == TransportCC:
		e.silent(us)
	}
}

// Unnumbered notes one packet given to the socket that carries no transport-wide
// sequence number, by its size in bytes on the wire. It is for viewers whose
// estimate rests on REMB or reports; with transport-cc it would make the
// feedback look as if something were missing.
func (e *Estimator) Unnumbered(now time.Time, size int) {
	e.sentRate.add(e.micros(now), min(max(size, 0), 1<<16-1))
}

func (e *Estimator) noteProbe(us int64, id uint8) {
	if e.cluster.id != id {
		e.cluster = cluster{id: id, first: e.history.head, start: us}
	}
	e.cluster.last, e.cluster.end = e.history.head, us
}

// Estimate is what the path carries, in bit/s.
func (e *Estimator) Estimate() uint64 { return uint64(e.estimate) }

// Signal is what the estimate rests on.
func (e *Estimator) Signal() Signal { return e.signal }

// Stats describes the Estimator's view of the path.
func (e *Estimator) Stats() Stats {
	sent := e.sentRate.rate(longWindow)
	return Stats{
		Estimate:   e.Estimate(),
		Acked:      e.acked.rate(longWindow),
		Sent:       sent,
		Media:      e.media.rate(longWindow),
		Loss:       e.losses.smooth,
		RTT:        time.Duration(e.rtt) * time.Microsecond,
		Queue:      time.Duration(e.queue.delay()) * time.Microsecond,
		Jitter:     time.Duration(e.queue.jitter) * time.Microsecond,
		Delay:      e.trend.state,
		AppLimited: e.limited(),
		Calm:       e.calm(),
		Signal:     e.signal,
		Probe:      e.probed,
		Probes:     e.probes,
		Cuts:       e.cuts,
		Absurd:     e.absurd,
	}
}
