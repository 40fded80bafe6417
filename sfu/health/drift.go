package health

import "time"

const (
	// Arrivals are judged by the earliest of each bucket, which waited least on
	// its way.
	driftBucket = 2 * time.Second
	// driftBuckets bounds the memory: five minutes.
	driftBuckets = 150
	// driftLeast is how many buckets it takes to tell a drift from jitter.
	driftLeast = 30
)

// drift compares a media clock with ours.
type drift struct {
	zero    time.Time // of the first arrival
	origin  time.Duration
	buckets []driftPoint
}

// driftPoint is how much later than by its timestamp the earliest Frame of a
// bucket came.
type driftPoint struct {
	at   time.Duration // when the bucket began, since zero
	late time.Duration
}

// add takes a Frame: when it came, and when it was captured by its own clock.
func (d *drift) add(arrival time.Time, media time.Duration) {
	if d.zero.IsZero() {
		d.zero, d.origin = arrival, media
	}
	at := arrival.Sub(d.zero)
	late := at - (media - d.origin)
	n := len(d.buckets)
	if n > 0 && at-d.buckets[n-1].at < driftBucket {
		d.buckets[n-1].late = min(d.buckets[n-1].late, late)
		return
	}
	if n == driftBuckets {
		d.buckets = append(d.buckets[:0], d.buckets[1:]...)
	}
	d.buckets = append(d.buckets, driftPoint{at, late})
}

// ppm returns how much slower the media clock runs than ours, and false while
// that is not known. A queue that builds up on the way looks like a drift too,
// but not for long: only what both halves of the time agree on counts.
func (d *drift) ppm() (ppm float64, known bool) {
	n := len(d.buckets)
	if n < driftLeast {
		return 0, false
	}
	whole, first, second := slope(d.buckets), slope(d.buckets[:n/2]), slope(d.buckets[n/2:])
	least := whole
	for _, s := range []float64{first, second} {
		if s*whole <= 0 {
			return 0, true
		}
		if s*s < least*least {
			least = s
		}
	}
	return least * 1e6, true
}

// slope fits a line by least squares.
func slope(points []driftPoint) float64 {
	var x, y float64
	for _, p := range points {
		x += p.at.Seconds()
		y += p.late.Seconds()
	}
	x, y = x/float64(len(points)), y/float64(len(points))
	var xy, xx float64
	for _, p := range points {
		dx := p.at.Seconds() - x
		xy += dx * (p.late.Seconds() - y)
		xx += dx * dx
	}
	if xx == 0 {
		return 0
	}
	return xy / xx
}
