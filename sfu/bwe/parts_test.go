package bwe

import (
	"math/rand"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHistoryWrapsSkipsAndGrows(t *testing.T) {
	h := history{head: -1}
	assert.Nil(t, h.at(0))
	*h.push(65_530) = entry{size: 1, fate: inFlight}
	for i := uint16(1); i < 20; i++ {
		*h.push(65_530 + i) = entry{size: 1 + i, fate: inFlight}
	}
	assert.EqualValues(t, 20, h.at(h.extend(13)).size)
	assert.EqualValues(t, 1, h.at(h.extend(65_530)).size)
	assert.Nil(t, h.at(h.extend(14)), "not sent yet")
	assert.Nil(t, h.push(13), "repeated")
	for i := uint16(14); i < 300; i++ {
		*h.push(i) = entry{size: i, fate: inFlight}
	}
	*h.push(320) = entry{size: 99, fate: inFlight}
	assert.Nil(t, h.at(h.extend(310)), "skipped")
	h.grow()
	require.Len(t, h.ring, 2*minHistory)
	assert.EqualValues(t, 299, h.at(h.extend(299)).size)
	assert.EqualValues(t, 99, h.at(h.extend(320)).size)
	for range 10 {
		h.grow()
	}
	assert.Len(t, h.ring, maxHistory)
	*h.push(30_000) = entry{size: 7, fate: inFlight}
	assert.Nil(t, h.at(h.extend(320)), "too old")
}

func TestHistoryGrowsOnlyForWhatIsInFlight(t *testing.T) {
	e := New(Config{})
	send(e, 0, 1, 0, 2000)
	assert.Len(t, e.history.ring, minHistory, "nobody will ever tell of them")
	e.signal = TransportCC
	send(e, 2000, 1, 2000, 2000)
	assert.Greater(t, len(e.history.ring), 1000)
}

func TestMeter(t *testing.T) {
	var m meter
	assert.Zero(t, m.rate(longWindow))
	for us := int64(-3_000_000); us < 3_000_000; us += 10_000 {
		m.add(us, 1250)
	}
	assert.InDelta(t, 1e6, float64(m.rate(shortWindow)), 5e4)
	assert.InDelta(t, 1e6, float64(m.rate(wideWindow)), 5e4)
	m.add(0, 1<<20)
	assert.InDelta(t, 1e6, float64(m.rate(wideWindow)), 5e4, "too late to count")
	m.add(10_000_000, 1000)
	assert.Zero(t, m.rate(longWindow), "unknown after a pause")
}

func TestClock(t *testing.T) {
	var c clock
	first, ok := c.read(1<<24-2, 0)
	require.True(t, ok)
	second, ok := c.read(3, 5*tick)
	require.True(t, ok, "wrapped")
	assert.EqualValues(t, 5*tick, second-first)
	third, ok := c.read(2, 5*tick)
	require.True(t, ok, "a message overtaken by another")
	assert.EqualValues(t, 4*tick, third-first)
	_, ok = c.read(1000, 6*tick)
	assert.False(t, ok)
	_, ok = c.read(1001, 7*tick)
	assert.True(t, ok, "the new time is as good")
}

func TestTrend(t *testing.T) {
	for name, c := range map[string]struct {
		slower float64 // µs that each group takes longer than the one before
		want   State
	}{"steady": {0, Normal}, "filling": {2000, Overusing}, "draining": {-2000, Underusing}} {
		var tr trend
		for i := range int64(60) {
			tr.packet(i*20_000, i*20_000+int64(float64(i)*c.slower))
		}
		assert.Equal(t, c.want, tr.state, name)
	}
}

func TestQueueIsNotJitter(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	var q queue
	for us := int64(0); us < 3_000_000; us += 5_000 {
		q.packet(us, r.Int63n(40_000), 1000)
	}
	assert.Less(t, q.delay(), int64(10_000))
	assert.InDelta(t, 20_000, q.jitter, 6_000)
	assert.InDelta(t, 20_000, q.gate(), 6_000, "a queue shorter than the jitter is noise")
	assert.Zero(t, q.busyFor())
	for us := int64(3_000_000); us < 3_300_000; us += 5_000 {
		q.packet(us, 100_000+r.Int63n(40_000), 1000)
	}
	assert.GreaterOrEqual(t, q.delay(), int64(100_000))
	assert.Greater(t, q.bursting(), int64(90_000), "longer than a burst, and than jitter lets mean anything")
	assert.InDelta(t, 1.6e6, float64(q.throughput()), 1e5, "1000 bytes in 5 ms")
}

// windows feeds n windows of random loss and tells how many were excessive.
func windows(l *losses, from int64, n, packets int, p float64, r *rand.Rand) (excessive int, now int64) {
	now = from
	for range n {
		for range packets {
			if r.Float64() < p {
				l.count(0, 1)
			} else {
				l.count(1, 0)
			}
		}
		now += lossWindow
		l.close(now)
		if l.excessive() {
			excessive++
		}
	}
	return excessive, now
}

func TestLossIsExcessiveOnlyBeyondChance(t *testing.T) {
	r := rand.New(rand.NewSource(3))
	for _, packets := range []int{25, 130, 1000} {
		var l losses
		l.close(1)
		n, now := windows(&l, 1, 2000, packets, 0.10, r)
		assert.Zero(t, n, "10 %% of %d", packets)
		n, _ = windows(&l, now, 20, packets, 0.5, r)
		assert.GreaterOrEqual(t, n, 17, "50 %% of %d", packets)
	}
}

func TestLossThatACutDoesNotCureIsThePathsOwn(t *testing.T) {
	var l losses
	l.cut(1000, 0.3, 2_000_000, 2_500_000)
	_, ok := l.verdict(1000+lossVerdict/2, 0.3, 500_000, 0)
	require.False(t, ok, "too early")
	_, ok = l.verdict(1000+lossVerdict, 0.3, 1_900_000, 0)
	require.False(t, ok, "nothing was cut")
	before, ok := l.verdict(1000+lossVerdict, 0.28, 500_000, 0)
	require.True(t, ok)
	assert.EqualValues(t, 2_500_000, before)
	assert.InDelta(t, 0.28, l.own, 1e-9)
	l.cut(5_000_000, 0.6, 2_000_000, 2_500_000)
	_, ok = l.verdict(5_000_000+lossVerdict, 0.05, 500_000, 0)
	assert.False(t, ok, "the cut helped")
	assert.Zero(t, l.cutAt)
}

// clusterOf sends twelve packets of 1000 bytes 5 ms apart; they arrive as told.
func clusterOf(arrive func(i int) (us int64, ok bool)) (rate uint64, ok bool) {
	h := history{head: -1}
	c := cluster{id: 1, first: 10, last: 21}
	for i := range 12 {
		e := h.push(uint16(10 + i))
		*e = entry{sent: uint32(i * 5000), size: 1000, fate: missing}
		if us, ok := arrive(i); ok {
			e.recv, e.fate = uint32(us-1_000_000), arrived
		}
	}
	return c.evaluate(&h)
}

func TestClusters(t *testing.T) {
	rate, ok := clusterOf(func(i int) (int64, bool) { return int64(i) * 5000, true })
	assert.True(t, ok)
	assert.InDelta(t, 1.6e6, float64(rate), 1e4)
	rate, ok = clusterOf(func(i int) (int64, bool) { return int64(i) * 10_000, true })
	assert.False(t, ok)
	assert.InDelta(t, 0.76e6, float64(rate), 1e4, "half as fast, and a margin")
	rate, ok = clusterOf(func(i int) (int64, bool) { return int64(max(0, i-3)) * 10_000, true })
	assert.False(t, ok, "a token bucket lets the first through")
	assert.Less(t, float64(rate), 0.9e6)
	rate, ok = clusterOf(func(i int) (int64, bool) { return int64(i) * 5000, i%2 == 0 })
	assert.False(t, ok, "half of it lost")
	assert.Less(t, float64(rate), 0.9e6)
	_, ok = clusterOf(func(i int) (int64, bool) { return int64(i) * 5000, i != 5 })
	assert.True(t, ok, "one lost")
	rate, ok = clusterOf(func(i int) (int64, bool) { return 0, i < 3 })
	assert.False(t, ok)
	assert.Zero(t, rate)
}
