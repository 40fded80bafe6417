package segment

import (
	"math"
	"slices"
	"time"
)

// renditions lists what has come out so far, and what a multivariant playlist
// says of it.
func (l *Ladder) renditions() []Rendition {
	all := make([]Rendition, 0, len(l.tracks))
	for _, t := range l.tracks {
		d, rate := t.shown, t.frameRate
		if !t.listed || d == nil || t.leaving {
			continue
		}
		t.rate.declared = max(t.rate.declared, t.spec.guess(d.width, d.height, rate))
		all = append(all, Rendition{
			Spec: t.spec, Codecs: d.codecs, Width: d.width, Height: d.height, Channels: d.channels,
			FrameRate: rate, Silent: t.silent, Bandwidth: t.rate.declared, AverageBandwidth: t.rate.average,
		})
	}
	return all
}

// usualRates are the frame rates to which measured ones are rounded.
var usualRates = [...]float64{5, 10, 12, 15, 20, 24, 25, 30, 48, 50, 60, 90, 120}

// usualRate rounds a frame rate to the usual one near it.
func usualRate(r float64) float64 {
	best := usualRates[0]
	for _, usual := range usualRates {
		if math.Abs(r-usual) < math.Abs(r-best) {
			best = usual
		}
	}
	if math.Abs(r-best) < best*0.08 {
		return best
	}
	return math.Round(r*10) / 10
}

// enoughToMeasure is how long a segment must be for its frame rate to be the
// final one: where frames are dropped, fewer make a bad average.
const enoughToMeasure = 900 * time.Millisecond

// measure updates a rendition's frame rate by a segment; it reports whether a
// player should know. The first one corrects a guess by a few frames; after
// that, an encoder that drops a few frames has not changed its
// rate.
func (t *track) measure(frames int, took time.Duration) bool {
	if !t.video() || frames < 2 || took <= 0 {
		return false
	}
	r := usualRate(float64(frames) / took.Seconds())
	if t.measured && r > t.frameRate*0.7 && r < t.frameRate*1.02 {
		return false
	}
	old := t.frameRate
	t.frameRate, t.measured = r, took >= enoughToMeasure
	return r != old
}

// beat measures how far apart samples usually are.
type beat struct {
	steps [32]int64
	n     int
}

// add takes the distance of two samples and returns the average of those that
// are near the median: a camera's unrest evens out, and dropped frames do not
// count.
func (b *beat) add(step int64) int64 {
	b.steps[b.n%len(b.steps)] = step
	b.n++
	sorted := b.steps
	known := sorted[:min(b.n, len(sorted))]
	slices.Sort(known)
	median := known[len(known)/2]
	sum, n := int64(0), int64(0)
	for _, s := range known {
		if s*3 > median*2 && s*2 < median*3 {
			sum, n = sum+s, n+1
		}
	}
	return sum / n // the median is one of them
}
