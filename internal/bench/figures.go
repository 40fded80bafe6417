package bench

import (
	"math"
	"slices"
	"time"
)

// bucketTime is a histogram's resolution, and overflow its upper end.
const (
	bucketTime = 50 * time.Microsecond
	overflow   = 10 * time.Second
)

// histogram counts durations. It belongs to one goroutine.
type histogram struct {
	buckets []uint32
	count   uint64
}

func newHistogram() *histogram {
	return &histogram{buckets: make([]uint32, overflow/bucketTime+1)}
}

func (h *histogram) add(d time.Duration) {
	h.buckets[min(max(d, 0), overflow)/bucketTime]++
	h.count++
}

func (h *histogram) merge(from *histogram) {
	for i, n := range from.buckets {
		h.buckets[i] += n
	}
	h.count += from.count
}

// quantile returns the upper end of the bucket that holds the quantile.
func (h *histogram) quantile(q float64) time.Duration {
	left := uint64(math.Ceil(q * float64(h.count)))
	for i, n := range h.buckets {
		if left <= uint64(n) {
			return time.Duration(i+1) * bucketTime
		}
		left -= uint64(n)
	}
	return overflow
}

// Spread is a distribution in milliseconds.
type Spread struct {
	Count uint64  `json:"count"`
	P50   float64 `json:"p50_ms"`
	P95   float64 `json:"p95_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
}

func (h *histogram) spread() Spread {
	if h.count == 0 {
		return Spread{}
	}
	return Spread{h.count, ms(h.quantile(.5)), ms(h.quantile(.95)), ms(h.quantile(.99)), ms(h.quantile(1))}
}

// spreadOf is exact.
func spreadOf(values []time.Duration) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	slices.Sort(values)
	at := func(q float64) float64 {
		return ms(values[max(0, int(math.Ceil(q*float64(len(values))))-1)])
	}
	return Spread{uint64(len(values)), at(.5), at(.95), at(.99), at(1)}
}

func ms(d time.Duration) float64 {
	return float64(d.Round(10*time.Microsecond)) / float64(time.Millisecond)
}
