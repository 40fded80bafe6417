package segment

import (
	"slices"
	"time"
)

// start waits for what the first segment can begin with.
func (l *Ladder) start(now time.Time, out *Output) {
	came, announced, keyed, all, patient, alone := false, false, false, true, startAudio, startAlone
	for _, t := range l.tracks {
		came = came || !t.seen.IsZero()
		if l.leads(t) {
			announced, keyed = announced || !t.stale, keyed || t.keys > 0
			all = all && t.keys > 0
			if t.listed {
				patient, alone = startUnlisted, startAudio
			}
		}
		t.trim(t.last - t.span(learnGOP+longestTarget))
		if t.video() {
			t.trimKeys(3)
		}
	}
	if !came {
		return
	}
	if l.began.IsZero() {
		l.began = now
	}
	age := now.Sub(l.began)
	switch {
	case age < startAfter, !announced && age < alone:
	case !announced || !l.pictures() && age >= patient:
		l.unlist()
		l.startAudio()
	case l.asked.IsZero():
		if all || age >= startBy {
			l.earliest = l.present(now) - common(before)
			l.ask(now, out)
		}
	default:
		l.answered(now, age, keyed, out)
	}
}

// answered begins with the keyframe that was asked for, or finds that none
// comes.
func (l *Ladder) answered(now time.Time, age time.Duration, keyed bool, out *Output) {
	c, ok := l.choose(now, l.earliest)
	// What comes later comes by itself.
	answer := l.found.IsZero() || c.at <= l.earliest+common(before+answerBy+time.Duration(l.tries-1)*again)
	since := now.Sub(l.asked)
	switch {
	case ok && answer:
		l.opens(c)
	case !l.found.IsZero() && answer:
	case since >= again && l.tries < 2, since >= deafAfter && !keyed:
		l.ask(now, out)
	case keyed && l.tries >= 2 && since >= deafAfter-again:
		l.startDeaf(age)
	}
}

// startDeaf begins with the newest keyframe that is there. A deaf encoder's
// second keyframe tells how long segments will be.
func (l *Ladder) startDeaf(age time.Duration) {
	l.deaf, l.gop = true, l.cfg.GOP
	for _, t := range l.tracks {
		if l.leads(t) && t.keys > 1 {
			l.gop = max(l.gop, fromCommon(t.gop))
		}
	}
	if l.gop == 0 && l.segment == 0 && age < learnGOP {
		return
	}
	var best candidate
	for _, t := range l.tracks {
		if !l.leads(t) {
			continue
		}
		for i := range t.queue {
			if q := &t.queue[i]; q.Key {
				if c := l.count(q); c.count > best.count || c.count == best.count && c.at > best.at {
					best = c
				}
			}
		}
	}
	if best.count > 0 {
		l.opens(best)
	}
}

// unlist takes back the video renditions that there were: their playlists
// cannot go on where sound alone does.
func (l *Ladder) unlist() {
	for _, t := range l.tracks {
		if t.video() && t.listed {
			t.listed, t.left, l.dirty = false, true, true
		}
	}
}

// startAudio begins a Stream without pictures.
func (l *Ladder) startAudio() {
	for _, t := range l.tracks {
		if !t.video() && len(t.queue) > 0 {
			q := &t.queue[0]
			l.begins(cut{at: t.common(q.Time), wall: q.Wall})
			return
		}
	}
}

// begins makes the first cut.
func (l *Ladder) begins(c cut) {
	l.longest()
	l.state, l.cuts = live, nil
	l.cut(c)
	if l.deaf {
		l.expected = max(l.expected, common(l.gop))
	}
}

// paused reports whether a sample ends a pause of all video, or of a Stream of
// sound alone, that is too long for the timeline to go on over.
func (l *Ladder) paused(t *track, s *Sample) bool {
	if l.state != live || l.leads(t) != l.pictures() {
		return false
	}
	return t.common(s.Time)-l.reached() > common(maxGap)
}

// discontinue closes what there is and waits for a new start.
func (l *Ladder) discontinue(now time.Time, out *Output) {
	l.cutAll(now, out)
	for _, t := range l.tracks {
		if t.standIn == nil {
			l.flush(t, now, out)
		}
	}
	for range l.tracks { // one may carry what another carries
		for _, t := range l.tracks {
			l.flush(t, now, out)
		}
	}
	l.tracks = slices.DeleteFunc(l.tracks, func(t *track) bool { return t.leaving })
	for _, t := range l.tracks {
		t.reset()
	}
	l.state, l.cuts, l.discont = starting, nil, l.msn > 0
	l.began, l.asked, l.found, l.tries = time.Time{}, time.Time{}, time.Time{}, 0
	l.deaf, l.wall = false, time.Time{}
}

// flush publishes all that a rendition has, and lets it reach the newest
// segment, so that all renditions end with the same one.
func (l *Ladder) flush(t *track, now time.Time, out *Output) {
	if !t.video() && len(l.cuts) > 0 {
		// Audio without its pictures would make its segment longer.
		end := l.cuts[len(l.cuts)-1].at + common(l.segment)
		if l.pictures() {
			end = min(end, l.reached())
		}
		for n := len(t.queue); n > 1 && t.common(t.queue[n-1].Time) > end; n-- {
			t.queue = t.queue[:n-1]
		}
	}
	for t.started {
		if t.msn+1 < l.cuts[0].msn {
			t.started = false // too far behind for a good end
			return
		}
		c := l.cutOf(t.msn + 1)
		switch {
		case t.standIn != nil:
			l.copy(t, now, out)
			if !t.segmentOver {
				return
			}
			if c == nil {
				t.started = false
				return
			}
			l.carry(t, t.standIn, c, now)
		case c == nil:
			t.finish(l, now, out)
			return
		default:
			if n := t.until(t.ticks(c.at)); t.segmentOver {
				t.drop(n)
			} else {
				l.close(t, n, t.ticks(c.at), now, out)
			}
			t.stopgap(t.ticks(c.at), c.wall)
			l.begin(t, c)
		}
	}
}

// until counts the queued samples before a time.
func (t *track) until(at int64) int {
	n := 0
	for n < len(t.queue) && t.queue[n].Time < at {
		n++
	}
	return n
}

// stopgap makes sure that a segment begins at a time, that of its cut: with the sample that is
// due, moved there, or, where that is too far away, with the last picture again
// or with silence.
func (t *track) stopgap(at int64, wall time.Time) {
	if len(t.queue) > 0 && (!t.queue[0].Key || t.queue[0].Time <= at+t.span(nearly)) {
		if t.video() {
			t.nudge(&t.queue[0], at)
		}
		return
	}
	q, step, n := t.picture, int64(0), int64(1)
	if !t.video() {
		var frame []byte
		frame, step = Silence(t.spec.Codec.Name)
		q = queued{Sample: Sample{Key: true, Units: [][]byte{frame}}, size: len(frame), describes: t.newest}
		if len(t.queue) > 0 {
			n = max(1, min(t.queue[0].Time-at, t.span(longestTarget))/step)
		}
	}
	fill := make([]queued, n, n+int64(len(t.queue)))
	for i := range fill {
		q.Time, q.Wall = at+int64(i)*step, wall.Add(t.duration(int64(i)*step))
		fill[i] = q
		t.bytes += q.size
	}
	t.queue = append(fill, t.queue...)
}

// finish ends a rendition's last segment; its last sample is as long as the one
// before it.
func (t *track) finish(l *Ladder, now time.Time, out *Output) {
	for len(t.queue) > 1 && !t.segmentOver {
		l.take(t, t.queue[1].Time, false, now, out)
	}
	if len(t.queue) == 1 && !t.segmentOver {
		l.take(t, t.queue[0].Time+max(t.interval, t.scale/1000), true, now, out)
	}
	t.started = false
}

// reset makes a rendition as it was before its first sample.
func (t *track) reset() {
	*t = track{
		spec: t.spec, format: t.format, scale: t.scale, needKey: true, faults: t.faults,
		inits: t.inits, rate: t.rate, listed: t.listed, next: t.next, shown: t.shown, frameRate: t.frameRate,
	}
}
