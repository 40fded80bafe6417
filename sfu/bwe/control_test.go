package bwe

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// busyEstimator has sent 1 Mbit/s for two seconds, and then had a queue of 50 ms
// from which packets came at 3 Mbit/s.
func busyEstimator(t *testing.T) *Estimator {
	t.Helper()
	e := New(Config{Start: 5_000_000})
	send(e, 0, 8, 0, 250)
	for us := int64(0); us < 2_000_000; us += 8_000 {
		e.acked.add(us, 1000)
		e.queue.packet(us, 0, 1000)
	}
	for us := int64(2_000_000); us < 2_220_000; us += 4_000 {
		e.acked.add(us, 1500)
		e.queue.packet(us, 50_000, 1500)
	}
	require.InDelta(t, 3e6, float64(e.queue.throughput()), 1e4)
	require.Less(t, e.acked.rate(shortWindow), uint64(2_900_000))
	return e
}

func TestCutToWhatTheBottleneckLetThrough(t *testing.T) {
	e := busyEstimator(t)
	e.delayCut(2_300_000)
	assert.InDelta(t, proven*3e6, e.estimate, 2e4, "less than that is sent: the queue drains by itself")
	e.delayCut(2_320_000)
	assert.EqualValues(t, 1, e.cuts, "a cut takes a round trip to be seen")
	e = busyEstimator(t)
	send(e, 2000, 2, 250, 500)
	e.delayCut(3_000_000)
	assert.InDelta(t, cutFactor*3e6, e.estimate, 2e4, "4 Mbit/s is sent")
}

func TestGrowth(t *testing.T) {
	grown := func(capacity, estimate float64) float64 {
		e := busyEstimator(t)
		e.acked = meter{}
		for us := int64(0); us < 2_000_000; us += 4_000 {
			e.acked.add(us, 500)
		}
		e.capacity, e.estimate = capacity, estimate
		e.grow(5_000_000, 1)
		return e.estimate
	}
	assert.InDelta(t, 1.081e6, grown(0, 1e6), 1e3, "a twelfth a second")
	assert.InDelta(t, 1.031e6, grown(1.05e6, 1e6), 1e3, "slower near to the capacity")
	assert.InDelta(t, 1.27e6, grown(0, 1.25e6), 1e4, "no further beyond what arrives")
	assert.InDelta(t, 2e6, grown(0, 2e6), 1, "nor back")
	assert.InDelta(t, 0.95e6, grown(0, 0.5e6), 1e4, "what arrives is proven")
	assert.InDelta(t, 1.7e6, grown(2e6, 0.5e6), 1e3, "the known capacity, once the queue is gone")
}

func TestNotCalmWhileLossIsUnexplained(t *testing.T) {
	e := New(Config{})
	require.True(t, e.calm())
	e.losses.bad = 1
	assert.False(t, e.calm())
}

func TestLongerWayIsForgotten(t *testing.T) {
	w := newWorld(newLayered(), &link{rate: constant(4 * mbit), delay: 30 * ms, longer: 10 * second})
	w.run(0, 11*second)
	require.Greater(t, w.est.Stats().Queue, 50*ms)
	w.run(11*second, 18*second)
	assert.Less(t, w.est.Stats().Queue, 20*ms)
	assert.True(t, w.est.Stats().Calm)
}

// A queue that a cut did not empty is somebody else's, and no reason to stand
// still for ever.
func TestStandingQueue(t *testing.T) {
	e := busyEstimator(t)
	require.False(t, e.quiet(9_000_000))
	e.cutAt, e.queue.busyLast = 3_000_000, 9_000_000
	e.queue.busySince = 2_000_000
	assert.True(t, e.quiet(9_000_000))
	assert.False(t, e.quiet(7_000_000), "too early")
	e.queue.busySince = 4_000_000
	assert.False(t, e.quiet(9_000_000), "no cut has been tried against this one")
}

func TestLostFeedbackIsNotLostTraffic(t *testing.T) {
	e := New(Config{})
	send(e, 0, 4, 0, 250) // 2 Mbit/s
	e.Feedback(at(1050), raw(all(0, 150, 20, 4)))
	e.Feedback(at(1060), raw(all(200, 50, 820, 4))) // fifty not told of
	assert.InDelta(t, 2e6, float64(e.Stats().Acked), 0.15e6)
	assert.Zero(t, e.Stats().Loss)

	e = New(Config{})
	send(e, 0, 4, 0, 250)
	e.Feedback(at(1050), raw(all(0, 100, 20, 4)))
	e.Feedback(at(1060), raw(all(100, 25, 480, 8))) // half as fast from here on
	require.NotZero(t, e.queue.throughput())
	e.Feedback(at(1070), raw(all(130, 5, 720, 8))) // five not told of
	assert.InDelta(t, 1e6, float64(e.queue.throughput()), 0.1e6)
}

func TestLateIsNotLost(t *testing.T) {
	e := New(Config{})
	send(e, 0, 4, 0, 100)
	holes := all(0, 100, 20, 4)
	arrivals := map[uint16]int64{}
	for i := uint16(0); i < 100; i += 2 {
		arrivals[i] = int64(i)*4000 + 20_000
	}
	e.Feedback(at(420), raw(build(0, 98, arrivals, 0)))
	e.Feedback(at(430), raw(holes))
	send(e, 1000, 4, 100, 10)
	e.Feedback(at(1060), raw(all(100, 10, 1020, 4)))
	assert.Zero(t, e.Stats().Loss)
}
