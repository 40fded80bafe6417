package bwe

import (
	"math/rand"
	"time"
)

// source decides what is sent.
type source interface {
	// frame returns the bytes of the video frame that is due (30 a second).
	frame(ms int, estimate uint64) int
	// wanted is what the allocator would like to have, in bit/s.
	wanted() uint64
}

// elastic follows the estimate exactly, like an encoder, up to its most.
type elastic struct{ most uint64 }

func (s elastic) frame(_ int, estimate uint64) int {
	return int(min(estimate, s.most) * 95 / 100 / 240)
}
func (s elastic) wanted() uint64 { return s.most }

// layered sends the best simulcast layer that fits, beginning with a keyframe.
type layered struct {
	rates    []uint64
	at       int
	frames   int
	switches int
	upAt     int
}

func newLayered() *layered { return &layered{rates: []uint64{250_000, 700_000, 2_500_000}} }

func (s *layered) frame(ms int, estimate uint64) int {
	best := 0
	for i, r := range s.rates {
		if r <= estimate {
			best = i
		}
	}
	if best != s.at && (best < s.at || ms >= s.upAt) {
		if best < s.at {
			s.upAt = ms + 2000
		}
		s.at, s.frames = best, 0
		s.switches++
	}
	mean := float64(s.rates[s.at]) / 240
	s.frames++
	if s.frames%60 == 1 { // a keyframe of six frames' size every other second
		return int(6 * mean * 60 / 65)
	}
	return int(mean * 60 / 65)
}

func (s *layered) wanted() uint64 {
	if s.at == len(s.rates)-1 {
		return s.rates[s.at]
	}
	return s.rates[len(s.rates)-1]
}

// world is one viewer: estimator, prober, source, link and receiver.
type world struct {
	est     *Estimator
	prober  Prober
	src     source
	link    *link
	recv    receiver
	noProbe bool
	every   int // ms from feedback to feedback

	seq     uint16
	probe   Probe
	probeMS int
	padded  int
	echo    []echo
	trace   []sample
	probes  int
}

type echo struct {
	at int // ms
	fb []byte
}

type sample struct {
	estimate, capacity, sent float64
	queue                    float64 // ms
}

var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func at(ms int) time.Time { return epoch.Add(time.Duration(ms) * time.Millisecond) }

func newWorld(src source, l *link) *world {
	l.rng = rand.New(rand.NewSource(7))
	if l.queueMax == 0 {
		l.queueMax = 150_000
	}
	w := &world{est: New(Config{}), src: src, link: l, every: 100}
	w.recv.arrivals = map[uint16]int64{}
	// Sequence numbers wrap after some seconds, and 32 bits of microseconds after
	// twenty and a half: nothing may come of either.
	w.seq = 65_000
	w.est.Sent(at(20_500).Add(-(1<<32)*time.Microsecond), w.seq-1, 100, 0)
	return w
}

func (w *world) send(ms, size int, probe uint8) {
	w.est.Sent(at(ms), w.seq, size, probe)
	w.link.push(ms, packet{seq: w.seq, size: size})
	w.seq++
}

func (w *world) burst(ms, bytes int) {
	for n := (bytes + 1199) / 1200; n > 0; n-- {
		size := bytes / n
		w.send(ms, size+40, 0)
		bytes -= size
	}
}

func (w *world) pad(ms int) {
	if w.probe.ID == 0 {
		return
	}
	elapsed := time.Duration(ms-w.probeMS) * time.Millisecond
	due := int(float64(w.probe.Bytes) * min(1, float64(elapsed+5*time.Millisecond)/float64(w.probe.Duration)))
	size := max(w.probe.Bytes/w.probe.Packets, 60)
	for w.padded < due {
		w.send(ms, size, w.probe.ID)
		w.padded += size
	}
	if elapsed >= w.probe.Duration {
		w.probe.ID = 0
	}
}

// run lets the world turn from one millisecond to another.
func (w *world) run(from, to int) {
	for ms := from; ms < to; ms++ {
		if ms%20 == 0 {
			w.send(ms, 120, 0)
		}
		if ms%33 == 0 {
			w.burst(ms, w.src.frame(ms, w.est.Estimate()))
		}
		if ms%5 == 0 {
			if w.probe.ID == 0 && !w.noProbe && ms%20 == 0 {
				if p, ok := w.prober.Plan(at(ms), w.est.Estimate(), w.src.wanted(), w.est.Stats()); ok {
					w.probe, w.probeMS, w.padded = p, ms, 0
					w.probes++
				}
			}
			w.pad(ms)
		}
		w.recv.coming = append(w.recv.coming, w.link.step(ms)...)
		w.recv.take(int64(ms) * 1000)
		if ms%w.every == 0 {
			if fb := w.recv.feedback(); fb != nil && w.link.rng.Float64() >= w.link.backLoss {
				w.echo = append(w.echo, echo{ms + int(w.link.delay.Milliseconds()), raw(fb)})
			}
		}
		for len(w.echo) > 0 && w.echo[0].at <= ms {
			w.est.Feedback(at(ms), w.echo[0].fb)
			w.echo = w.echo[1:]
		}
		w.trace = append(w.trace, sample{
			estimate: float64(w.est.Estimate()), capacity: w.link.rate(ms),
			sent: float64(w.est.sentRate.rate(longWindow)), queue: float64(w.link.bytes) * 8e3 / w.link.rate(ms),
		})
	}
}

// until tells how long after from (ms) the estimate first fulfils ok and keeps
// doing so for hold ms; -1 when never.
func (w *world) until(from, hold int, ok func(float64) bool) int {
	good := 0
	for ms := from; ms < len(w.trace); ms++ {
		if !ok(w.trace[ms].estimate) {
			good = 0
			continue
		}
		if good++; good > hold {
			return ms - from - hold
		}
	}
	return -1
}

// lowest and highest estimate, mean sent and mean queue between two times.
func (w *world) between(from, to int) (low, high, sent, queue float64) {
	low = w.trace[from].estimate
	for _, s := range w.trace[from:to] {
		low, high = min(low, s.estimate), max(high, s.estimate)
		sent += s.sent
		queue += s.queue
	}
	n := float64(to - from)
	return low, high, sent / n, queue / n
}
