package segment

import "time"

const (
	// together is how close keyframes must be to be one cut (rule 3).
	together = 8 * time.Millisecond
	// nearly is how much later a rendition's keyframe may be and still become
	// the cut's, shown that much early: encoders that answer Layer by Layer
	// are a frame or two apart.
	nearly = 100 * time.Millisecond
	// silence of a Layer, and of a rendition from a transcoder.
	silentAfter      = 350 * time.Millisecond
	silentTranscoded = 2 * time.Second
	// maxGap is the longest pause of all video within a timeline; after a
	// longer one the timeline is interrupted.
	maxGap = 3 * time.Second
	// maxCuts is how many cuts a slow rendition may be behind.
	maxCuts = 32
)

// verdict is what becomes of a rendition at a cut.
type verdict uint8

const (
	wait    verdict = iota // not known yet
	own                    // begins its own segment
	carried                // another rendition stands in
	never                  // cannot begin here
)

func (l *Ladder) cutOf(msn uint64) *cut {
	if len(l.cuts) == 0 || msn < l.cuts[0].msn || msn > l.cuts[len(l.cuts)-1].msn {
		return nil
	}
	return &l.cuts[msn-l.cuts[0].msn]
}

// cutAll makes the cuts that are due, and moves everything over each.
func (l *Ladder) cutAll(now time.Time, out *Output) {
	for l.state == live && l.decide(now) {
		l.drainAll(now, out)
	}
	l.drainAll(now, out)
}

// drainAll moves on all renditions; those that carry another one's media come
// after it.
func (l *Ladder) drainAll(now time.Time, out *Output) {
	for _, t := range l.tracks {
		if t.standIn == nil {
			l.drain(t, now, out)
		}
	}
	for range l.tracks {
		before := len(out.Parts)
		for _, t := range l.tracks {
			if t.standIn != nil {
				l.drain(t, now, out)
			}
		}
		if len(out.Parts) == before {
			return
		}
	}
}

// drain moves one rendition's samples into parts, as far as cuts are decided.
func (l *Ladder) drain(t *track, now time.Time, out *Output) {
	if l.state != live || len(l.cuts) == 0 || t.started && t.msn+1 < l.cuts[0].msn {
		return // too far behind to be of any use
	}
	if t.video() && (!t.started || t.standIn != nil) {
		// What may still join needs what the first of two cuts begins with.
		oldest := len(l.cuts) - 1
		if !t.started {
			oldest = max(0, oldest-1)
		}
		t.trim(t.ticks(l.cuts[oldest].at) - t.scale)
	}
	for t.started || l.join(t, now) {
		c := l.cutOf(t.msn + 1)
		if t.standIn != nil {
			l.copy(t, now, out)
			if c == nil || !t.segmentOver {
				return
			}
		} else {
			l.release(t, c, now, out)
			if c == nil {
				return
			}
		}
		if !l.cross(t, c, now, out) {
			return
		}
	}
}

// release takes the samples of which it is certain that they belong into the
// present segment.
func (l *Ladder) release(t *track, c *cut, now time.Time, out *Output) {
	var limit int64
	if c != nil {
		limit = t.ticks(c.at) - l.margin(t)
	} else {
		limit = t.ticks(l.hold(now))
		if !t.video() {
			limit -= l.margin(t)
		}
	}
	for len(t.queue) >= 2 && t.queue[1].Time < limit && !t.segmentOver {
		l.take(t, t.queue[1].Time, false, now, out)
	}
}

// margin is how much before a cut the sample may be that begins its segment:
// audio is cut at the packet that contains the cut, if packets are as long as
// usual.
func (l *Ladder) margin(t *track) int64 {
	if t.video() && t.pace > 0 {
		return min(t.span(together), t.pace/2) // some cameras are faster than that
	}
	if t.video() {
		return t.span(together)
	}
	_, ticks := Silence(t.spec.Codec.Name)
	return ticks - 1
}

// cross moves a rendition over a cut, if it can be.
func (l *Ladder) cross(t *track, c *cut, now time.Time, out *Output) bool {
	at := t.ticks(c.at)
	v, i := l.resolve(t, c, now)
	if v == wait || v == never {
		if t.video() && t.standIn == nil && i == len(t.queue) && !t.segmentOver && l.quiet(t, now) {
			// Others may wait for the end of this segment, which they carry,
			// before they can stand in for the next one.
			l.close(t, i, at, now, out)
		}
		return false
	}
	end := at
	if late := !t.video() && i > 0 && t.queue[i-1].Time >= at; late || !t.video() && t.queue[i].Time <= at+t.span(nearly) {
		end = t.queue[i].Time
	}
	if t.standIn == nil && !t.segmentOver {
		l.close(t, i, end, now, out)
	} else if v == own {
		t.drop(i)
	}
	if v == carried {
		l.carry(t, l.source(t), c, now)
		return true
	}
	t.stopgap(max(at, end), c.wall)
	if !t.queue[0].Key {
		l.stats.Forced++
	}
	l.begin(t, c)
	return true
}

// close ends a segment with the samples before the queue's i-th; those that
// the cut has overtaken are dropped.
func (l *Ladder) close(t *track, i int, end int64, now time.Time, out *Output) {
	mine := 0
	for mine < i && t.queue[mine].Time < end {
		mine++
	}
	for n := range mine {
		next := end
		if n < mine-1 {
			next = min(t.queue[1].Time, end)
		}
		l.take(t, next, n == mine-1, now, out)
	}
	if mine == 0 && len(t.open) > 0 { // its samples were dropped: what is there lasts longer
		t.open[len(t.open)-1].ends = max(end, t.open[len(t.open)-1].ends)
		l.emit(t, true, now, out)
	}
	l.stats.Dropped += uint64(i - mine)
	t.drop(i - mine)
}

// carry lets another rendition stand in from a cut on.
func (l *Ladder) carry(t, by *track, c *cut, now time.Time) {
	l.stats.StandIns++
	t.standIn, t.started, t.segmentOver = by, true, false
	if t.current == nil { // nothing of its own yet
		t.shown, t.frameRate = by.shown, by.frameRate
	}
	t.msn, t.index, t.discont = c.msn, 0, c.discont
	if t.silent.IsZero() {
		t.silent, l.dirty = now, true
	}
	t.trim(t.ticks(c.at) - l.margin(t))
}

// join begins a rendition at a cut that it can begin with: one that was there
// before the discontinuity goes on where it ended, a new one as early as it
// can.
func (l *Ladder) join(t *track, now time.Time) bool {
	if t.left {
		return false
	}
	if t.listed {
		c := l.cutOf(t.next)
		if c != nil {
			if v, n := l.resolve(t, c, now); v != never {
				return l.joinAt(t, c, v, n, now)
			}
		}
		if t.next < l.cuts[len(l.cuts)-1].msn {
			t.listed, t.left, l.dirty = false, true, true // its playlist has a hole: it has to begin anew
		}
		return false
	}
	for i := l.joins(t); i < len(l.cuts); i++ {
		v, n := l.resolve(t, &l.cuts[i], now)
		newest := i == len(l.cuts)-1 || i == len(l.cuts)-2 && l.cuts[i].opens
		if v == never || v == carried && (!newest || !l.leads(t)) {
			continue
		}
		return l.joinAt(t, &l.cuts[i], v, n, now)
	}
	return false
}

// joins returns the first cut that a new rendition may begin with. For audio
// that is the last one before its first sample.
func (l *Ladder) joins(t *track) int {
	first := 0
	for i := range l.cuts {
		if !t.video() && len(t.queue) > 0 && t.ticks(l.cuts[i].at) <= t.queue[0].Time {
			first = i
		}
	}
	return first
}

func (l *Ladder) joinAt(t *track, c *cut, v verdict, n int, now time.Time) bool {
	switch v {
	case own:
		t.drop(n)
		t.stopgap(t.ticks(c.at), c.wall)
		l.begin(t, c)
	case carried:
		l.carry(t, l.source(t), c, now)
	case wait, never:
		return false
	}
	return true
}

// resolve finds what becomes of a rendition at a cut: which of its queued
// samples begins the segment.
func (l *Ladder) resolve(t *track, c *cut, now time.Time) (verdict, int) {
	at := t.ticks(c.at)
	i := 0
	for i < len(t.queue) && t.queue[i].Time < at-l.margin(t) {
		i++
	}
	if !t.video() {
		if i == 0 && t.started && !t.segmentOver && len(t.open) == 0 {
			i = 1 // the present segment needs an end
		}
		if i >= len(t.queue) {
			return wait, len(t.queue)
		}
		return own, i
	}
	standIn := l.source(t) != nil
	if i == len(t.queue) {
		if standIn && l.quiet(t, now) {
			return carried, i
		}
		return wait, i
	}
	reach := at + t.span(nearly)
	for j := i; j < len(t.queue) && t.queue[j].Time <= reach; j++ {
		if t.queue[j].Key {
			return own, j
		}
	}
	begun := t.started && t.standIn == nil
	switch {
	case !c.keyed && begun:
		return own, i
	case t.last <= reach && !l.quiet(t, now):
		return wait, i
	case standIn:
		return carried, i
	case begun:
		return own, i
	default:
		return never, 0
	}
}
