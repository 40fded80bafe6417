package segment

import (
	"math"
	"time"

	"github.com/freshet-live/freshet/sfu/media"
)

const (
	// fullPart is how much of PART-TARGET a part must have unless it is the
	// last of its segment (section 4.4.4.9: 85 %).
	fullPart = 0.85
	// tailPart is how long the last part of a segment is meant to be, as a
	// share of PART-TARGET: so it neither grows too long nor becomes a stump
	// when the keyframe comes two frames early or late.
	tailPart = 0.71
	// slackPercent is how far a picture may be moved, in percent of its
	// duration, to end a part.
	slackPercent = 20
	// maxNudge is how much earlier a frame may be shown than it was captured so
	// that a part keeps to PART-TARGET after a pause.
	maxNudge = 250 * time.Millisecond
)

// begin starts a segment with own media.
func (l *Ladder) begin(t *track, c *cut) {
	t.started, t.standIn, t.msn, t.index, t.discont, t.segmentOver = true, nil, c.msn, 0, c.discont, false
	if !t.silent.IsZero() {
		t.silent, l.dirty = time.Time{}, true
	}
	t.began, t.frames = t.queue[0].Time, 0
	t.captured = c.wall.Add(t.duration(t.began) - fromCommon(c.at))
	if t.video() && (t.frameRate == 0 || t.current == nil) {
		if step := t.pace; step > 0 {
			t.frameRate, l.dirty = usualRate(float64(t.scale)/float64(step)), true
		}
	}
	if d := t.queue[0].describes; d != nil && d != t.current {
		if t.current == nil || !same(d.parameters, t.current.parameters) {
			l.renew(t, d)
		}
	}
}

// renew makes a new initialization section.
func (l *Ladder) renew(t *track, d *description) {
	data, err := initSection(t.spec.Kind, *d)
	if err != nil {
		l.stats.Malformed++ // describe has checked: only a codec we do not know gets here
		return
	}
	t.init = &Init{Rendition: t.spec.Name, ID: t.inits, Data: data}
	t.inits++
	t.current, t.shown, l.dirty = d, d, true
}

// take puts the oldest queued sample into the open part. It ends where the next
// one begins, or, when it is the last of its segment, at the cut.
func (l *Ladder) take(t *track, ends int64, last bool, now time.Time, out *Output) {
	q := t.queue[0]
	t.queue, t.bytes = t.queue[1:], t.bytes-q.size
	if q.Time < t.end {
		t.nudge(&q, t.end) // times that make no sense must not overlap
	}
	if ends <= q.Time {
		l.stats.Dropped++ // a cut overtook it
		if last && len(t.open) > 0 {
			l.emit(t, true, now, out)
		}
		return
	}
	target, full := t.span(l.part), l.fullPart(t)
	limit := target
	if !last {
		limit += t.slack()
	}
	if len(t.open) > 0 && ends-t.open[0].Time > limit {
		l.split(t, &q, ends, last, now, out)
	}
	start := q.Time
	if len(t.open) > 0 {
		start = t.open[0].Time
	}
	if !last {
		ends = t.fit(start, ends, full, target)
	}
	q.ends = ends
	if t.weight+q.size > maxQueue { // a part that large is an attack
		t.open[len(t.open)-1].ends = ends
		l.stats.Dropped++
		t.skip(now)
	} else {
		t.open, t.weight = append(t.open, q), t.weight+q.size
	}
	length := ends - start
	if last {
		l.emit(t, true, now, out)
	} else if length >= full && (length+t.pace/2 >= l.plan(t, start) || length+t.pace > limit) {
		l.emit(t, false, now, out)
	}
}

// slack is how far the limits of a part may be from the nearest sample, which
// is moved there: cameras do not keep time to the millisecond.
func (t *track) slack() int64 {
	if !t.video() {
		return 0
	}
	return t.pace * slackPercent / 100
}

// fit moves the next sample a little where a part that ends with it would be
// just too short or too long. After a pause it is moved further.
func (t *track) fit(start, ends, full, target int64) int64 {
	length, to := ends-start, ends
	switch {
	case length < full && length >= full-t.slack() && (len(t.queue) == 1 || t.queue[1].Time > start+full):
		to = start + full
	case length > target && length-target <= t.span(maxNudge):
		to = start + target
	}
	last := start
	if len(t.open) > 0 {
		last = t.open[len(t.open)-1].ends
	}
	if to == ends || to <= last {
		return ends
	}
	t.nudge(&t.queue[0], to)
	return to
}

// split closes the open part before q, with which it would be too long.
func (l *Ladder) split(t *track, q *queued, ends int64, last bool, now time.Time, out *Output) {
	full := l.fullPart(t)
	at := t.open[0].Time + full
	if q.Time < at {
		if !last || at >= ends {
			return
		}
		// Only the cut may not move: q does, by less than a frame.
		t.nudge(q, at)
		t.open[len(t.open)-1].ends = at
	}
	l.emit(t, false, now, out)
}

func (l *Ladder) fullPart(t *track) int64 {
	return t.span(time.Duration(float64(l.part)*fullPart)) + 1
}

// plan returns how long the part that begins at start should become, so that
// what remains of the segment makes full parts and one good last one.
func (l *Ladder) plan(t *track, start int64) int64 {
	target, tail := t.span(l.part), t.span(time.Duration(float64(l.part)*tailPart))
	rest := t.ticks(l.expectedEnd(t)) - start
	if rest <= 0 && len(l.cuts) > 0 { // no keyframe came: the next is cut without one
		rest = t.ticks(l.cuts[len(l.cuts)-1].at+common(l.segment)) - start
	}
	if rest <= target {
		return target
	}
	// The shortest and the longest full part of whole frames.
	least, most := l.fullPart(t), target
	if t.pace > 0 {
		least = min((least-t.slack()+t.pace-1)/t.pace*t.pace, target)
		most = max((most+t.slack())/t.pace*t.pace, least)
	}
	parts, off := int64(1), int64(math.MaxInt64)
	for n := rest / least; n > 0 && off > 0; n-- {
		last := min(max(tail, rest-n*most), rest-n*least)
		if d := max(last-tail, tail-last); d < off {
			parts, off = n, d
		} else {
			break
		}
	}
	return min(max((rest-tail)/parts, least), target)
}

// expectedEnd is where the segment of a rendition will end by what is known,
// in common ticks.
func (l *Ladder) expectedEnd(t *track) int64 {
	if c := l.cutOf(t.msn + 1); c != nil {
		return c.at
	}
	if len(l.cuts) == 0 {
		return 0
	}
	return l.cuts[len(l.cuts)-1].at + l.expected
}

// emit publishes the open part.
func (l *Ladder) emit(t *track, last bool, now time.Time, out *Output) {
	if len(t.open) == 0 {
		return
	}
	var in [][]byte
	if t.current != nil {
		in = t.current.parameters
	}
	first, end := &t.open[0], t.open[len(t.open)-1].ends
	t.end = end
	p := Part{
		Rendition: t.spec.Name, MSN: t.msn, Index: t.index, Init: t.init,
		Data: fragment(t.format, in, sequenceNumber(t.msn, t.index), t.open),
		Time: t.duration(first.Time), Wall: t.captured.Add(t.duration(first.Time - t.began)), Duration: t.duration(end) - t.duration(first.Time),
		Independent: first.Key, Last: last, Discontinuity: t.discont && t.index == 0, Ready: now,
	}
	if p.Duration > l.part {
		l.stats.LongParts++
	}
	if t.frames += len(t.open); last && t.measure(t.frames, t.duration(end-t.began)) {
		l.dirty = true
	}
	clear(t.open)
	t.open, t.weight = t.open[:0], 0
	l.publish(t, p, out)
}

// publish counts a part, keeps it for others and puts it out.
func (l *Ladder) publish(t *track, p Part, out *Output) {
	t.index++
	if t.rate.add(len(p.Data), p.Duration, p.Last, l.segment) || !t.listed {
		l.dirty = true
	}
	t.listed, t.next = true, p.MSN+1
	if p.Index == 0 && len(t.kept) > 0 && t.kept[0].MSN+keptSegments < p.MSN {
		n := 0
		for n < len(t.kept) && t.kept[n].MSN+keptSegments < p.MSN {
			n++
		}
		t.kept = append([]Part(nil), t.kept[n:]...)
	}
	t.kept = append(t.kept, p)
	t.segmentOver = p.Last
	if !t.leaving {
		out.Parts = append(out.Parts, p)
	}
}

// copy passes on what the rendition that stands in has of the present segment.
func (l *Ladder) copy(t *track, now time.Time, out *Output) {
	for i := range t.standIn.kept {
		p := t.standIn.kept[i]
		if p.MSN != t.msn || p.Index != t.index || t.segmentOver {
			continue
		}
		p.Rendition, p.Ready = t.spec.Name, now
		p.Discontinuity = t.discont && p.Index == 0
		l.publish(t, p, out)
	}
}

// source returns the rendition whose media can stand in for that of t: the next
// lower one, else the next higher one, of the same codec.
func (l *Ladder) source(t *track) *track {
	var below, above *track
	for _, o := range l.tracks {
		if o == t || !o.started || o.leaving || o.standIn != nil || o.spec.Kind != media.Video ||
			o.spec.Codec.Name != t.spec.Codec.Name {
			continue
		}
		switch {
		case o.spec.Rank < t.spec.Rank && (below == nil || o.spec.Rank > below.spec.Rank):
			below = o
		case o.spec.Rank >= t.spec.Rank && (above == nil || o.spec.Rank < above.spec.Rank):
			above = o
		}
	}
	if below != nil {
		return below
	}
	return above
}
