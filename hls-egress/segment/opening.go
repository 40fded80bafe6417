package segment

import "time"

// opens begins with a keyframe, or with an earlier one that the renditions had
// in common: then there is a whole segment at once, and players need not wait
// for one.
func (l *Ladder) opens(c candidate) {
	first := c
	for _, t := range l.tracks {
		if !l.leads(t) {
			continue
		}
		for i := range t.queue {
			q := &t.queue[i]
			if !q.Key || q.Time >= first.at || c.at-q.Time < common(leastSegment) || c.at-q.Time > common(l.longest()) {
				continue
			}
			if e := l.count(q); e.count >= c.count && e.count == l.flowing() {
				first = e
			}
		}
	}
	if !l.even(first.at) {
		first = c
	}
	// The clock may have been a guess then, and is better known now.
	wall := c.wall.Add(-fromCommon(c.at - first.at))
	l.begins(cut{at: first.at, wall: wall, keyed: true, opens: first.at < c.at})
	if first.at < c.at {
		l.stats.Skew = fromCommon(c.skew)
		l.cut(cut{at: c.at, wall: c.wall, keyed: true})
	}
}

// even reports whether no leading rendition has paused since an instant: what
// was captured then makes parts within PART-TARGET.
func (l *Ladder) even(since int64) bool {
	for _, t := range l.tracks {
		for i := 1; l.leads(t) && i < len(t.queue); i++ {
			if from := t.queue[i-1].Time; from >= since && t.queue[i].Time-from > t.span(l.part) {
				return false
			}
		}
	}
	return true
}

// flowing counts the leading renditions that have sent anything.
func (l *Ladder) flowing() (n int) {
	for _, t := range l.tracks {
		if t.came && l.leads(t) {
			n++
		}
	}
	return n
}

// longest is TARGETDURATION, fixed before the first segment begins.
func (l *Ladder) longest() time.Duration {
	if l.segment == 0 {
		l.target()
	}
	return l.segment
}

// target fixes TARGETDURATION and PART-TARGET. An encoder that obeys leaves
// room for a request that was lost; a deaf one needs room for its GOP.
func (l *Ladder) target() {
	const second = time.Second
	segment := l.cfg.Segment + second
	l.independent = true
	if l.deaf {
		wanted := l.gop + second/2
		if l.gop == 0 || wanted > longestTarget {
			wanted, l.independent = longestTarget, false
		}
		segment = max(segment, wanted)
	}
	l.segment = (segment + second - 1) / second * second
	l.part = l.partTarget()
}

// partTarget is the nominal part and a frame of 30 per second more, or, where
// frames are so long that no number of them makes a full part within it, more
// still. A little more is also given where it lets renditions choose between
// two lengths, so that what remains of a segment makes a good last part.
func (l *Ladder) partTarget() time.Duration {
	const step, play = time.Millisecond, 20 * time.Millisecond
	base := (l.cfg.Part + time.Second/30 + step - 1) / step * step
	var best time.Duration
	most := -1
	for target := base; target < 2*base && (best == 0 || target <= base+play); target += step {
		if choices, ok := l.fits(target); ok && choices > most {
			best, most = target, choices
		}
	}
	if best == 0 {
		return base
	}
	return best
}

// fits counts the renditions that can make full parts of two lengths, give or
// take their slack, and reports whether all can make one.
func (l *Ladder) fits(target time.Duration) (choices int, ok bool) {
	full := time.Duration(fullPart * float64(target))
	if choices = lengths(1024*time.Second/AudioTimescale, full, target); choices == 0 { // AAC may come later
		return 0, false
	}
	for _, t := range l.tracks {
		frame := t.duration(t.pace)
		if frame <= 0 {
			continue
		}
		if t.video() {
			frame = time.Duration(float64(time.Second) / usualRate(float64(time.Second)/float64(frame)))
		}
		slack := time.Duration(0)
		if t.video() {
			slack = frame * slackPercent / 100
		}
		// The last part, which nothing may move, needs some room.
		if lengths(frame, full, target-slack/2) == 0 {
			return 0, false
		}
		choices += min(lengths(frame, full-slack/2, target+slack/2), 2)
	}
	return choices, true
}

// lengths counts the multiples of frame from least to most.
func lengths(frame, least, most time.Duration) int {
	return int(most/frame - (least-1)/frame)
}
