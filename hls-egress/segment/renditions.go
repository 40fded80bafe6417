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
	for _, usual := range usualRates {
		if math.Abs(r-usual) < usual*0.08 {
			return usual
		}
	}
	return math.Round(r*10) / 10
}

// measure updates a rendition's frame rate by a segment; it reports whether a
// player should know. An encoder that drops a few frames has not changed its
// rate.
func (t *track) measure(frames int, took time.Duration) bool {
	if !t.video() || frames < 2 || took <= 0 {
		return false
	}
	r := usualRate(float64(frames) / took.Seconds())
	if r > t.frameRate*0.7 && r < t.frameRate*1.1 {
		return false
	}
	t.frameRate = r
	return true
}

// middle is the median distance of the queued samples in ticks, 0 when there
// are too few.
func (t *track) middle() int64 {
	if len(t.queue) < 3 {
		return t.interval
	}
	steps := make([]int64, 0, len(t.queue)-1)
	for i := 1; i < len(t.queue); i++ {
		steps = append(steps, t.queue[i].Time-t.queue[i-1].Time)
	}
	slices.Sort(steps)
	return steps[len(steps)/2]
}
