package segment

import "time"

// rate measures the bandwidth of a rendition by its segments.
type rate struct {
	// declared is what was told to players, in bit/s; it never falls.
	declared uint64
	average  uint64 // as it was told last

	bits  uint64
	spent time.Duration

	segmentBits uint64
	segmentTime time.Duration
	recent      []segmentRate
}

type segmentRate struct {
	bits uint64
	time time.Duration
}

// add counts a part; last ends its segment. target is the TARGETDURATION. It
// reports whether what a player is told has changed.
func (r *rate) add(bytes int, d time.Duration, last bool, target time.Duration) bool {
	bits := uint64(bytes) * 8
	r.bits, r.spent = r.bits+bits, r.spent+d
	r.segmentBits, r.segmentTime = r.segmentBits+bits, r.segmentTime+d
	if !last {
		return false
	}
	r.recent = append(r.recent, segmentRate{r.segmentBits, r.segmentTime})
	r.segmentBits, r.segmentTime = 0, 0
	return r.judge(target)
}

// judge looks at all runs of segments that end with the newest and last 0.5 to
// 1.5 TARGETDURATIONs (section 4.4.6.2 of the draft).
func (r *rate) judge(target time.Duration) bool {
	changed := false
	var bits uint64
	var spent time.Duration
	i := len(r.recent) - 1
	for ; i >= 0; i-- {
		bits, spent = bits+r.recent[i].bits, spent+r.recent[i].time
		if spent > target*3/2 && i < len(r.recent)-1 {
			break
		}
		// A single segment may be longer, and what is shorter than half a
		// target says nothing.
		if spent >= target/2 {
			changed = r.raise(perSecond(bits, spent)) || changed
		}
	}
	r.recent = r.recent[max(i, 0):]
	if average := perSecond(r.bits, r.spent); average > r.average*11/10 || average < r.average*9/10 {
		r.average, changed = average, true
	}
	return changed
}

// raise lifts what is declared above a peak by a tenth.
func (r *rate) raise(peak uint64) bool {
	if peak += peak / 10; peak <= r.declared {
		return false
	}
	const step = 10_000
	r.declared = (peak + step - 1) / step * step
	return true
}

func perSecond(bits uint64, d time.Duration) uint64 {
	if d <= 0 {
		return 0
	}
	return uint64(float64(bits) / d.Seconds())
}

// guess is what a rendition is expected to need before anything is known.
func (s Spec) guess(width, height int, frameRate float64) uint64 {
	switch {
	case s.Bitrate > 0:
		return s.Bitrate + s.Bitrate/2
	case width == 0:
		return 160_000
	default:
		const bitsPerPixel = 0.12
		return uint64(float64(width*height)*max(frameRate, 15)*bitsPerPixel) + 64_000
	}
}
