package fanout

import (
	"time"

	"github.com/freshet-live/freshet/sfu/fanout/wire"
	"github.com/freshet-live/freshet/sfu/forward"
	"github.com/freshet-live/freshet/sfu/media"
)

const (
	// freshKeyframe is the age up to which a cached keyframe is as good as a
	// new one.
	freshKeyframe = 300 * time.Millisecond
	// maxBehind is how far paced live media may fall behind before the viewer
	// waits for the next keyframe instead.
	maxBehind = time.Second
	// A newer keyframe is worth skipping what comes before it when that is
	// older than this.
	worthSkipping = 300 * time.Millisecond
	// replayMemory is how long after a replay a request for a keyframe means
	// that the replay has failed.
	replayMemory = 2 * time.Second
	// A replay is given up when more than one in lossyShare of its packets is
	// asked for again, and more than lossyCount.
	lossyShare, lossyCount = 6, 32
)

// replayState is how far a viewer's replay is.
type replayState struct {
	// on: the viewer catches up. waiting: it has a still picture, or none that
	// moves, until the next keyframe.
	on, waiting bool
	began       time.Time
	ended       time.Time
	// still is the timestamp of the one Frame that is sent while waiting.
	still    uint32
	requests int // for keyframes since the first replay of a row
	// first is the outgoing number of the first packet; sent and nacked count
	// from there.
	first        uint64
	sent, nacked int
}

// recent reports whether a replay goes on or has just ended.
func (r *replayState) recent(now time.Time) bool {
	return r.on || r.waiting || !r.ended.IsZero() && now.Sub(r.ended) < replayMemory
}

func (r *replayState) end(now time.Time) {
	if r.on || r.waiting {
		r.on, r.waiting, r.ended = false, false, now
	}
}

// serve gives a viewer that needs a keyframe the one in the Layer's History,
// where that is better than waiting for a new one.
func (v *Viewer) serve(now time.Time, l *media.Layer) bool {
	t := v.video
	if v.crypter == nil || v.route.Load() == nil || l.History == nil {
		return false
	}
	key := l.History.Keyframe()
	if key == nil || !v.prefersReplay(now, l, now.Sub(key.Arrival)) {
		return false
	}
	return v.replay(now, t, l, key)
}

// prefersReplay decides between the History and a request that was, or is
// about to be, made.
func (v *Viewer) prefersReplay(now time.Time, l *media.Layer, age time.Duration) bool {
	t := v.video
	if t.replay.recent(now) && t.replay.requests >= 2 {
		return false // it was tried
	}
	current := t.selector.Current()
	obeys := l.Obedience(now)
	overdue := now.Sub(t.needed) > media.AnswerTime
	switch current {
	case nil:
		// A joiner: anything is better than nothing. One whose path became too
		// narrow has no room for two keyframes.
		return age <= freshKeyframe || overdue || obeys == media.Deaf ||
			obeys == media.Untested && !t.munger.Started()
	case l:
		// Its decoder is lost.
		return overdue || obeys == media.Deaf
	default:
		// To go back in time is worth it only on the way down, where the
		// present Layer is too much for the path.
		return obeys == media.Deaf && l.Rank < current.Rank && l.Epoch == current.Epoch
	}
}

// replay starts the viewer at a keyframe of a Layer's History. It returns
// false when that cannot be done.
func (v *Viewer) replay(now time.Time, t *track, l *media.Layer, key *media.Packet) bool {
	fresh := now.Sub(key.Arrival) <= freshKeyframe
	plan, verdict := forward.Catchup{Edge: key}, forward.CatchUp
	if !fresh { // else it is as good as live
		plan, verdict = forward.PlanReplay(l, key, now, v.replayRate())
	}
	if verdict == forward.NoReplay || !t.setFormat(l) {
		return false
	}
	t.selector.Start(l)
	t.munger.Thin(t.layersOfTarget())
	t.munger.Replay(l, key, plan)
	t.cursor.Begin(l, key.Seq)
	requests := 0
	if t.replay.recent(now) {
		requests = t.replay.requests
	}
	t.replay = replayState{on: !fresh, began: now, requests: requests, first: t.munger.NextSeq()}
	if verdict == forward.StillOnly {
		t.wait(key.Timestamp)
	}
	if !fresh {
		v.stats.Replays++
		v.worker.total.replays++
	}
	v.worker.pace(v)
	v.worker.pumped = time.Time{} // a first picture does not wait for a slot
	return true
}

// wait lets the Track stand still until the next keyframe, but for what is
// left of the Frame with a timestamp.
func (t *track) wait(still uint32) {
	t.replay.on, t.replay.waiting, t.replay.still = false, true, still
	t.selector.Restart() // asks for a keyframe
}

// replayFailed takes a request for a keyframe that comes during a replay or
// right after: the first may have crossed it, after the second it is tried
// once more, then the viewer waits. It returns false when there was no replay.
func (v *Viewer) replayFailed(now time.Time, t *track) bool {
	r := &t.replay
	if !r.recent(now) || t.cursor.Layer() != t.selector.Current() {
		return false
	}
	r.requests++
	switch {
	case r.waiting || r.requests == 1:
	case r.requests == 2:
		if key := t.cursor.Layer().History.Keyframe(); key == nil || !v.replay(now, t, t.cursor.Layer(), key) {
			t.wait(0)
		}
	case r.on:
		t.wait(0)
	default:
		return false
	}
	return true
}

// pump sends what is paced, as far as the budget goes, and reports whether
// there is more to send with time.
func (v *Viewer) pump(now time.Time) (more bool) {
	to := v.route.Load()
	if to == nil || v.crypter == nil || v.isClosing() {
		return false
	}
	v.pacer.refill(now, v.paceRate())
	more = v.pumpRepairs(now)
	more = v.pumpProbe(now, to) || more
	if t := v.video; t != nil && t.cursor.Active() {
		more = v.pumpCursor(now, t, to) || more
	}
	return more
}

// pumpCursor sends what the Cursor holds, as far as it is due and the budget
// goes, and reports whether there is more to send with time.
func (v *Viewer) pumpCursor(now time.Time, t *track, to *wire.Route) (more bool) {
	v.skip(now, t)
	for {
		p := t.cursor.Peek()
		if p == nil { // at the edge
			t.replay.end(now)
			return false
		}
		if send, wait := v.ripe(now, t, p); !send {
			return wait
		}
		if out, ok := t.munger.Munge(t.cursor.Layer(), p); ok && len(p.Payload) <= maxPacket {
			v.send(t, to, p, out)
		}
		t.cursor.Advance()
		t.replay.sent++
	}
}

// ripe reports whether the Cursor's next Packet is to be sent now, and if not,
// whether time alone will change that.
func (v *Viewer) ripe(now time.Time, t *track, p *media.Packet) (send, wait bool) {
	r := &t.replay
	if r.waiting {
		return p.Timestamp == r.still && !v.pacer.empty(), p.Timestamp == r.still
	}
	if r.on {
		due, replayed := t.munger.Due(p)
		late := now.Sub(r.began) - due
		switch {
		case !replayed:
			r.end(now)
		case late < 0:
			return false, true
		case late > maxBehind:
			t.wait(0) // slower than planned
			return false, false
		}
	} else if now.Sub(p.Arrival) > maxBehind {
		t.wait(0)
		return false, false
	}
	return !v.pacer.empty(), true
}

// skip moves the Cursor to a newer keyframe, if there is one and what comes
// before it would be late.
func (v *Viewer) skip(now time.Time, t *track) {
	l := t.cursor.Layer()
	key := l.History.Keyframe()
	if key == nil || key.Seq < t.cursor.Position() {
		return
	}
	if t.replay.waiting {
		if key.Timestamp != t.replay.still {
			v.replay(now, t, l, key)
		}
		return
	}
	p := t.cursor.Peek()
	if p != nil && p.Seq < key.Seq && (t.replay.on || now.Sub(p.Arrival) > worthSkipping) {
		v.replay(now, t, l, key)
	}
}

// standsStill reports whether the viewer waits for a keyframe that the Cursor
// is to move to.
func (v *Viewer) standsStill() bool {
	return v.video != nil && v.video.cursor.Active() && v.index >= 0
}
