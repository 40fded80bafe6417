package bwe

import (
	"testing"
	"time"
)

func BenchmarkSent(b *testing.B) {
	e := New(Config{})
	now := epoch
	for i := range b.N {
		now = now.Add(4 * time.Millisecond)
		e.Sent(now, uint16(i), 1200, 0)
	}
}

// BenchmarkFeedback takes messages of 26 packets, a tenth of a second of 2.5 Mbit/s.
func BenchmarkFeedback(b *testing.B) {
	const n = 26
	e := New(Config{})
	fbs := make([][]byte, 2000)
	for i := range fbs {
		fbs[i] = raw(all(uint16(i*n), n, i*n*4+20, 4))
	}
	b.ReportAllocs()
	ms := 0
	for i := 0; b.Loop(); i++ {
		if i%len(fbs) == 0 {
			b.StopTimer()
			*e, ms = *New(Config{}), 0
			b.StartTimer()
		}
		at := at(ms + n*4)
		for j := range n {
			e.Sent(epoch.Add(time.Duration(ms+j*4)*time.Millisecond), uint16((i%len(fbs))*n+j), 1200, 0)
		}
		ms += n * 4
		e.Feedback(at, fbs[i%len(fbs)])
	}
	b.ReportMetric(float64(e.absurd), "absurd")
}
