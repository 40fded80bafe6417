package bwe

import (
	"math/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

const (
	second = 1000
	kbit   = 1e3
	mbit   = 1e6
	ms     = time.Millisecond
)

func constant(rate float64) func(int) float64 { return func(int) float64 { return rate } }

// steps is 3 Mbit/s for twenty seconds, low for twenty, and 3 Mbit/s again.
func steps(low float64) func(int) float64 {
	return func(ms int) float64 {
		if ms >= 20*second && ms < 40*second {
			return low
		}
		return 3 * mbit
	}
}

func random(p float64) func(int, *rand.Rand) bool {
	return func(_ int, r *rand.Rand) bool { return r.Float64() < p }
}

// bursts loses everything for length out of every period, in ms.
func bursts(period, length int) func(int, *rand.Rand) bool {
	return func(ms int, _ *rand.Rand) bool { return ms%period < length }
}

// between turns a competing flow of a constant rate on and off.
func crossing(from, to int, rate float64) func(int, float64) float64 {
	return func(ms int, _ float64) float64 {
		if ms >= from && ms < to {
			return rate
		}
		return 0
	}
}

// greedy is a competing flow that fills the queue up to 150 ms, like TCP.
func greedy(from, to int) func(int, float64) float64 {
	rate := 0.5 * mbit
	return func(ms int, queue float64) float64 {
		if ms < from || ms >= to {
			return 0
		}
		if queue > 150 && ms%200 == 0 {
			rate /= 2
		}
		rate += 400 // 0.4 Mbit/s per second
		return rate
	}
}

// bounds are what a scenario has to keep; zero fields are not asserted.
type bounds struct {
	down     int     // ms from 20 s until the estimate stays below 450 kbit/s
	up       int     // ms from 40 s until it stays above 2.6 Mbit/s
	low      float64 // bit/s: least estimate from 5 s on
	lateLow  float64 // bit/s: least estimate in the last 10 s
	high     float64 // bit/s: greatest estimate while the link is low, from 22 s on
	queue    float64 // ms: mean from 5 s on, at most
	switches int
}

type scenario struct {
	name string
	src  source
	link link
	bounds
}

func scenarios() []scenario {
	return []scenario{
		{name: "steps, layers", src: newLayered(), link: link{rate: steps(400 * kbit), delay: 20 * ms},
			bounds: bounds{down: 1500, up: 8000, high: 560 * kbit, queue: 450}},
		{name: "steps, elastic", src: elastic{2_800_000}, link: link{rate: steps(400 * kbit), delay: 20 * ms},
			bounds: bounds{down: 1500, up: 8000, high: 560 * kbit, queue: 450}},
		{name: "steps, layers, RTT 300 ms", src: newLayered(), link: link{rate: steps(400 * kbit), delay: 150 * ms},
			bounds: bounds{down: 1500, up: 8000, high: 560 * kbit}},
		{name: "steps, elastic, RTT 300 ms", src: elastic{2_800_000}, link: link{rate: steps(400 * kbit), delay: 150 * ms},
			bounds: bounds{down: 1500, up: 8000, high: 560 * kbit}},
		{name: "steps, deep queue", src: newLayered(), link: link{rate: steps(400 * kbit), delay: 20 * ms, queueMax: 1 << 20},
			bounds: bounds{down: 1500, up: 8000, high: 560 * kbit}},
		{name: "steps, queue of 6 packets", src: newLayered(), link: link{rate: steps(400 * kbit), delay: 20 * ms, queueMax: 7_500},
			bounds: bounds{down: 1500}},
		{name: "steps, jitter 40 ms", src: newLayered(), link: link{rate: steps(400 * kbit), delay: 80 * ms, jitter: 40 * ms},
			bounds: bounds{down: 1500, up: 8000, high: 560 * kbit}},
		{name: "steps, 5 % loss", src: newLayered(), link: link{rate: steps(400 * kbit), delay: 40 * ms, loss: random(0.05), backLoss: 0.05},
			bounds: bounds{down: 1500, up: 8000, high: 560 * kbit}},
		{name: "jitter 40 ms, reordering", src: newLayered(), link: link{rate: constant(4 * mbit), delay: 80 * ms, jitter: 40 * ms},
			bounds: bounds{low: 2.5 * mbit, switches: 2}},
		{name: "jitter 40 ms, in order", src: newLayered(), link: link{rate: constant(4 * mbit), delay: 80 * ms, jitter: 40 * ms, inOrder: true},
			bounds: bounds{low: 2.5 * mbit, switches: 2}},
		{name: "jitter 40 ms, elastic", src: elastic{10_000_000}, link: link{rate: constant(3 * mbit), delay: 80 * ms, jitter: 40 * ms},
			bounds: bounds{low: 1.5 * mbit}},
		{name: "jitter 40 ms on 700k", src: newLayered(), link: link{rate: constant(1 * mbit), delay: 80 * ms, jitter: 40 * ms},
			bounds: bounds{low: 700 * kbit, switches: 1}},
		{name: "5 % loss", src: newLayered(), link: link{rate: constant(4 * mbit), delay: 40 * ms, loss: random(0.05), backLoss: 0.05},
			bounds: bounds{low: 2.5 * mbit, switches: 2}},
		{name: "10 % loss", src: newLayered(), link: link{rate: constant(4 * mbit), delay: 40 * ms, loss: random(0.10), backLoss: 0.10},
			bounds: bounds{low: 2.5 * mbit, switches: 2}},
		{name: "20 % loss", src: newLayered(), link: link{rate: constant(4 * mbit), delay: 40 * ms, loss: random(0.20)},
			bounds: bounds{lateLow: 2.5 * mbit}},
		{name: "150 ms outages", src: newLayered(), link: link{rate: constant(4 * mbit), delay: 40 * ms, loss: bursts(5000, 150)},
			bounds: bounds{low: 2.5 * mbit, switches: 2}},
		{name: "5 % loss, jitter 40 ms", src: newLayered(), link: link{rate: constant(4 * mbit), delay: 80 * ms, jitter: 40 * ms, loss: random(0.05), backLoss: 0.05},
			bounds: bounds{low: 2.5 * mbit, switches: 2}},
		{name: "1 Mbit/s, layers", src: newLayered(), link: link{rate: constant(1 * mbit), delay: 30 * ms},
			bounds: bounds{low: 700 * kbit, queue: 30, switches: 1}},
		{name: "10 Mbit/s, layers", src: newLayered(), link: link{rate: constant(10 * mbit), delay: 30 * ms},
			bounds: bounds{low: 2.5 * mbit, queue: 10, switches: 2}},
		{name: "10 Mbit/s, elastic", src: elastic{20_000_000}, link: link{rate: constant(10 * mbit), delay: 30 * ms},
			bounds: bounds{low: 7 * mbit, queue: 60}},
		{name: "constant competitor", src: newLayered(), link: link{rate: constant(4 * mbit), delay: 30 * ms, cross: crossing(20*second, 40*second, 3*mbit)},
			bounds: bounds{low: 600 * kbit, up: 8000}},
		{name: "greedy competitor", src: elastic{10_000_000}, link: link{rate: constant(4 * mbit), delay: 30 * ms, cross: greedy(20*second, 40*second)},
			bounds: bounds{low: 250 * kbit, up: 8000}},
		{name: "longer way, layers", src: newLayered(), link: link{rate: constant(4 * mbit), delay: 30 * ms, longer: 20 * second},
			bounds: bounds{low: 2.5 * mbit, switches: 2}},
		{name: "longer way, elastic", src: elastic{10_000_000}, link: link{rate: constant(4 * mbit), delay: 30 * ms, longer: 20 * second},
			bounds: bounds{low: 2.5 * mbit}},
		{name: "4 s without anything", src: newLayered(), link: link{rate: constant(4 * mbit), delay: 30 * ms,
			loss: func(ms int, _ *rand.Rand) bool { return ms >= 36*second && ms < 40*second }},
			bounds: bounds{up: 5000}},
	}
}

// TestScenarios holds the estimator against simulated links; -v prints the table.
func TestScenarios(t *testing.T) {
	t.Logf("%-28s %6s %6s %6s %6s %6s %6s %6s %6s %5s %5s %5s", "kbit/s and ms",
		"down", "up", "low", "late", "high", "sent", "use", "queue", "cuts", "probe", "switch")
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) { s.check(t) })
	}
}

func (s *scenario) check(t *testing.T) {
	w := newWorld(s.src, &s.link)
	w.run(0, 60*second)
	down := w.until(20*second, 500, func(e float64) bool { return e < 450*kbit })
	up := w.until(40*second, 500, func(e float64) bool { return e > 2.6*mbit })
	low, _, sent, queue := w.between(5*second, 60*second)
	late, _, _, _ := w.between(50*second, 60*second)
	_, high, _, _ := w.between(22*second, 40*second)
	var capacity float64
	for _, x := range w.trace[5*second:] {
		capacity += x.capacity / float64(55*second)
	}
	switches := 0
	if l, ok := s.src.(*layered); ok {
		switches = l.switches
	}
	t.Logf("%-28s %6d %6d %6.0f %6.0f %6.0f %6.0f %5.0f%% %6.0f %5d %5d %5d", s.name, down, up, low/kbit, late/kbit,
		high/kbit, sent/kbit, 100*sent/capacity, queue, w.est.cuts, w.probes, switches)
	if s.down > 0 {
		assert.GreaterOrEqual(t, down, 0, "never down")
		assert.LessOrEqual(t, down, s.down, "time to get down")
	}
	if s.up > 0 {
		assert.GreaterOrEqual(t, up, 0, "never up again")
		assert.LessOrEqual(t, up, s.up, "time to get up")
	}
	assert.GreaterOrEqual(t, low, s.low, "lowest estimate")
	assert.GreaterOrEqual(t, late, s.lateLow, "lowest estimate at the end")
	if s.high > 0 {
		assert.LessOrEqual(t, high, s.high, "highest estimate on the low link")
	}
	if s.queue > 0 {
		assert.LessOrEqual(t, queue, s.queue, "mean queue")
	}
	if s.switches > 0 {
		assert.LessOrEqual(t, switches, s.switches, "layer switches")
	}
}
