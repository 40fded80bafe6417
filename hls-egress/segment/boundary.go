package segment

import (
	"math"
	"time"
)

// The schedule of keyframes; SIMULCAST in docs/architecture.md tells where the
// numbers come from.
const (
	// startAfter and startBy bound when the first request is made: after all
	// Layers have given a keyframe, when the burst of keyframes at an encoder's
	// start is over.
	startAfter = 700 * time.Millisecond
	startBy    = 1500 * time.Millisecond
	// startAlone is how long sound waits for pictures that nobody has
	// announced: a camera takes longer than a microphone, and its Layer is
	// announced with its first keyframe. startAudio is how long to wait for
	// video that was announced, or that there was before the discontinuity, and
	// startUnlisted for both together.
	startAlone    = 2 * time.Second
	startAudio    = 5 * time.Second
	startUnlisted = 15 * time.Second
	// lead is how long before the wanted instant to ask.
	lead = 20 * time.Millisecond
	// before is how much earlier than the request the keyframe may have been
	// captured that answers it.
	before = 45 * time.Millisecond
	// settle is how long the other Layers' keyframes are waited for.
	settle = 150 * time.Millisecond
	// answerBy is how much later than the request it may have been captured:
	// the way there and back, and a frame.
	answerBy = 400 * time.Millisecond
	// again is when to repeat an unanswered request, deafAfter when to give it
	// up at the start.
	again     = 400 * time.Millisecond
	deafAfter = time.Second
	// maxTries bounds requests per segment.
	maxTries = 4
	// overtime is how much longer than TARGETDURATION a segment may be: it is
	// rounded to whole seconds, and audio may end up to 100 ms later.
	overtime = 350 * time.Millisecond
	// leastSegment is the shortest segment, where one has to be cut out of
	// turn.
	leastSegment = 300 * time.Millisecond
	// learnGOP is how long to wait for a deaf encoder's second keyframe, and
	// longestTarget the TARGETDURATION when it does not come.
	learnGOP      = 5 * time.Second
	longestTarget = 10 * time.Second
)

func common(d time.Duration) int64 { return int64(d) * VideoTimescale / int64(time.Second) }

func fromCommon(ticks int64) time.Duration {
	return time.Duration(ticks/VideoTimescale)*time.Second +
		time.Duration(ticks%VideoTimescale)*time.Second/VideoTimescale
}

// leads reports whether a rendition's keyframes make the cuts: those of the
// publisher, or, when none of them can be packaged, the transcoded ones.
func (l *Ladder) leads(t *track) bool {
	if !t.video() || !t.spec.Transcoded || t.leaving {
		return t.video() && !t.leaving
	}
	for _, o := range l.tracks {
		if o.video() && !o.spec.Transcoded && !o.leaving {
			return false
		}
	}
	return true
}

// quiet reports whether a rendition has fallen silent while others go on.
func (l *Ladder) quiet(t *track, now time.Time) bool {
	limit := silentAfter
	if t.leaving {
		return true
	}
	if t.spec.Transcoded {
		limit = silentTranscoded
	}
	if !t.came { // it may still wait for its first keyframe
		return t.seen.IsZero() || now.Sub(t.seen) > startBy && now.Sub(l.asked) > again
	}
	if now.Sub(t.arrived) < limit {
		return false
	}
	for _, o := range l.tracks {
		if o != t && l.leads(o) && o.came && o.last-t.last >= common(limit) {
			return true
		}
	}
	return false
}

// present is now on the timeline, in ticks of 90 kHz.
func (l *Ladder) present(now time.Time) int64 { return l.time + common(now.Sub(l.wall)) }

// ask requests keyframes of all Layers.
func (l *Ladder) ask(now time.Time, out *Output) {
	out.Keyframes = true
	l.asked = now
	l.tries++
}

// schedule makes the requests of a Stream that is live.
func (l *Ladder) schedule(now time.Time, out *Output) {
	if l.state != live || !l.pictures() {
		return
	}
	newest := l.cuts[len(l.cuts)-1]
	for _, t := range l.tracks {
		gone := l.leads(t) && t.started && t.standIn == nil && l.quiet(t, now)
		if gone && !t.gone {
			// Out of turn, so that another one soon stands in for it.
			l.earliest = min(l.earliest, max(newest.at+common(leastSegment), l.present(now)-common(before)))
			l.tries = 0
			l.ask(now, out)
			l.expected = l.present(now) + common(lead) - newest.at
		}
		t.gone = gone
	}
	if now.Before(newest.wall.Add(l.cfg.Segment - lead)) {
		return
	}
	switch {
	case l.tries == 0:
		l.ask(now, out)
	case l.tries < maxTries && now.Sub(l.asked) >= again && l.found.IsZero():
		l.ask(now, out)
	}
}

// pictures reports whether any video that makes cuts has come.
func (l *Ladder) pictures() bool {
	for _, t := range l.tracks {
		if t.came && l.leads(t) {
			return true
		}
	}
	return false
}

// candidate is an instant at which a segment may begin.
type candidate struct {
	at    int64
	wall  time.Time
	count int   // renditions with a keyframe there
	skew  int64 // between the earliest and the latest of these
}

// choose finds the first keyframe from earliest on that all renditions that
// flow have. When they have not agreed after a while it is the one that most
// have.
func (l *Ladder) choose(now time.Time, earliest int64) (candidate, bool) {
	var best candidate
	flowing := 0
	for _, t := range l.tracks {
		if l.leads(t) && !l.quiet(t, now) {
			flowing++
		}
	}
	for _, t := range l.tracks {
		if !l.leads(t) {
			continue
		}
		for i := range t.queue {
			q := &t.queue[i]
			if !q.Key || q.Time < earliest {
				continue
			}
			c := l.count(q)
			if c.count > best.count || c.count == best.count && c.at < best.at {
				best = c
			}
		}
	}
	switch {
	case best.count == 0:
		l.found = time.Time{}
		return best, false
	case l.found.IsZero():
		l.found = now
	}
	return best, best.count >= flowing || now.Sub(l.found) >= settle
}

// count finds which renditions have a keyframe with a given one.
func (l *Ladder) count(q *queued) candidate {
	c := candidate{at: q.Time, wall: q.Wall}
	latest := q.Time
	for _, t := range l.tracks {
		if !l.leads(t) {
			continue
		}
		for i := range t.queue {
			o := &t.queue[i]
			if o.Key && max(o.Time-q.Time, q.Time-o.Time) < common(together) {
				c.count++
				latest = max(latest, o.Time)
				if o.Time < c.at {
					c.at, c.wall = o.Time, o.Wall
				}
				break
			}
		}
	}
	c.skew = latest - c.at
	return c
}

// decide makes the next cut if it is time for it.
func (l *Ladder) decide(now time.Time) bool {
	newest := &l.cuts[len(l.cuts)-1]
	limit := common(l.segment)
	if !l.pictures() {
		limit = common(l.cfg.Segment)
	}
	at := newest.at + limit
	c, ok := l.choose(now, l.soonest())
	at = max(at, l.passed())
	switch {
	case c.count > 0 && c.at <= at+common(overtime):
		if ok {
			l.stats.Skew = fromCommon(c.skew)
			l.cut(cut{at: c.at, wall: c.wall, keyed: true})
		}
		return ok
	case l.reached() < at:
		return false
	}
	l.cut(cut{at: at, wall: newest.wall.Add(fromCommon(at - newest.at))})
	if c.count > 0 { // a keyframe after a pause begins this segment, not one more
		l.earliest = max(l.earliest, c.at+common(together))
	}
	return true
}

// soonest is the earliest instant at which the next cut may be.
func (l *Ladder) soonest() int64 { return max(l.earliest, l.passed()) }

// passed is the instant before which no cut can be any more: some rendition has
// published what was there.
func (l *Ladder) passed() int64 {
	passed := int64(0)
	for _, t := range l.tracks {
		if t.started && t.standIn == nil && !t.segmentOver && len(t.queue) > 0 {
			passed = max(passed, t.common(t.queue[0].Time+l.margin(t))+1)
		}
	}
	return passed
}

// reached is the time of the newest sample of what makes the cuts.
func (l *Ladder) reached() int64 {
	newest := int64(math.MinInt64)
	pictures := l.pictures()
	for _, t := range l.tracks {
		if t.came && (l.leads(t) || !pictures) {
			newest = max(newest, t.common(t.last))
		}
	}
	return newest
}

// cut begins the next segment.
func (l *Ladder) cut(c cut) {
	c.msn, l.msn = l.msn, l.msn+1
	c.discont, l.discont = l.discont, false
	l.expected = common(l.cfg.Segment)
	l.earliest = c.at + l.expected - common(lead+before)
	switch n := len(l.cuts); {
	case n > 0 && !c.keyed && l.pictures():
		// Keyframes are late: take the next one there is.
		l.earliest = c.at + common(leastSegment)
	case n > 0 && l.deaf:
		l.expected = max(l.expected, c.at-l.cuts[n-1].at)
	}
	l.cuts = append(l.cuts, c)
	if len(l.cuts) > maxCuts {
		l.cuts = append([]cut(nil), l.cuts[1:]...)
	}
	l.tries, l.found = 0, time.Time{}
}

// hold is the time, in ticks of 90 kHz, before which no further cut can be.
func (l *Ladder) hold(now time.Time) int64 {
	slowest, soonest := int64(math.MaxInt64), l.soonest()
	for _, t := range l.tracks {
		if !l.leads(t) || !t.came {
			continue
		}
		for i := range t.queue {
			if q := &t.queue[i]; q.Key && q.Time >= soonest {
				slowest = min(slowest, q.Time-common(together))
			}
		}
		if now.Sub(t.arrived) < settle {
			slowest = min(slowest, t.last+1)
		}
	}
	if slowest == math.MaxInt64 {
		return soonest
	}
	return max(soonest, slowest)
}
