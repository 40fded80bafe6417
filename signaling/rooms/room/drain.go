package room

import (
	"slices"
	"time"
)

// pending is what has happened since the last Drain.
type pending struct {
	entries []Entry
	cut     []Cut
	bars    []Entry
	// sweep asks to look for those who are banned now.
	sweep bool

	people, stream bool // have changed
	peopleAt       time.Time
	streamAt       time.Time
	reactionsAt    time.Time
	tellAt         time.Time
	told           int // the count that other Nodes know
	reactions      tally
	ours           tally // those of this Node, for the others
}

// tally counts reactions by emoji, in the order in which they first came.
type tally struct {
	list  []Reaction
	place map[string]int
}

func (t *tally) add(x Reaction) bool {
	i, ok := t.place[x.Emoji]
	if !ok {
		if len(t.list) >= maxEmojis {
			return false
		}
		if t.place == nil {
			t.place = map[string]int{}
		}
		i = len(t.list)
		t.place[x.Emoji] = i
		t.list = append(t.list, Reaction{Emoji: x.Emoji})
	}
	t.list[i].Count += x.Count
	t.list[i].MediaTime = max(t.list[i].MediaTime, x.MediaTime)
	return true
}

func (t *tally) take() []Reaction {
	l := t.list
	*t = tally{}
	return l
}

// react counts a reaction, ours or of another Node.
func (p *pending) react(x Reaction, ours bool) bool {
	if !p.reactions.add(x) {
		return false
	}
	if ours {
		p.ours.add(x)
	}
	return true
}

// Others takes who is on another Node. Nobody there, or ten seconds of silence,
// and the Node counts no more.
func (r *Room) Others(now time.Time, node string, p People) {
	old := r.crowd.peers[node]
	if old == nil && (p.Count <= 0 || len(r.crowd.peers) >= maxNodes) {
		return
	}
	if old != nil && p.At != 0 && p.At < old.people.At {
		return // overtaken on the way
	}
	fresh := old == nil || p.At != old.people.At
	if fresh && now.UnixMilli()-p.At <= ahead.Milliseconds() {
		for _, x := range p.Reactions[:min(len(p.Reactions), maxEmojis)] {
			if oneEmoji(x.Emoji) && x.Count > 0 {
				r.out.react(x, false)
			}
		}
	}
	p.Reactions, p.Count = nil, min(p.Count, maxPeople)
	p.List = p.List[:min(len(p.List), listed)]
	if p.Count <= 0 {
		delete(r.crowd.peers, node)
	} else {
		r.crowd.peers[node] = &peer{people: p, heard: now}
	}
	r.out.people = r.out.people || old == nil || p.Count != old.people.Count || !slices.Equal(p.List, old.people.List)
}

// Stream takes how the Stream does.
func (r *Room) Stream(_ time.Time, s StreamState) {
	if r.stream != nil && r.stream.equal(&s) {
		return
	}
	if r.stream == nil || r.stream.State != s.State || r.stream.Epoch != s.Epoch {
		r.out.streamAt = time.Time{} // at once
	}
	s.Layers = append([]StreamLayer{}, s.Layers...)
	r.stream = &s
	r.out.stream = true
}

func (s *StreamState) equal(o *StreamState) bool {
	return s.State == o.State && s.Since == o.Since && s.Epoch == o.Epoch && s.Viewers == o.Viewers &&
		slices.Equal(s.Layers, o.Layers)
}

// Tick forgets what is over. It is due about once a second.
func (r *Room) Tick(now time.Time) {
	ms := now.UnixMilli()
	r.mutes.purge(ms)
	r.bans.purge(ms)
	before := len(r.crowd.peers)
	// While the Room is locked, whoever was in it may come back.
	r.crowd.purge(now, &r.cfg, r.current().Locked)
	if len(r.crowd.peers) != before {
		r.out.people = true
	}
}

// pace is how long something that only counts now waits for more of its kind:
// not at all among a few, up to a quarter of a second in a crowd.
func (r *Room) pace() time.Duration {
	if len(r.crowd.links) < 20 {
		return 0
	}
	return min(250*time.Millisecond, time.Duration(len(r.crowd.links))*250*time.Microsecond)
}

// Drain returns what there is to tell. It is due after every call that changes
// the Room, and at Output.Next.
func (r *Room) Drain(now time.Time) Output {
	r.sweep(now)
	p := &r.out
	out := Output{Entries: p.entries, Cut: p.cut, Bars: p.bars}
	p.entries, p.cut, p.bars = nil, nil, nil
	var s State
	due := func(waiting bool, last *time.Time, pace time.Duration) bool {
		if !waiting {
			return false
		}
		at := last.Add(pace)
		if now.Before(at) {
			out.Next = sooner(out.Next, at)
			return false
		}
		*last = now
		return true
	}
	if due(p.people, &p.peopleAt, 4*r.pace()) {
		p.people = false
		people := r.crowd.all()
		s.People = &people
	}
	if due(len(p.reactions.list) > 0, &p.reactionsAt, r.pace()) {
		s.Reactions = p.reactions.take()
	}
	if due(p.stream, &p.streamAt, 4*r.pace()) {
		p.stream = false
		s.Stream = r.stream
	}
	if s.People != nil || s.Reactions != nil || s.Stream != nil {
		s.Type = "state"
		out.State = &s
	}
	r.tell(now, &out)
	return out
}

// tell says what the other Nodes should know: who is here every few seconds,
// and sooner when it has changed or somebody has reacted.
func (r *Room) tell(now time.Time, out *Output) {
	p := &r.out
	wait := announceEvery
	if r.crowd.shown != p.told || len(p.ours.list) > 0 {
		wait = max(r.pace(), 100*time.Millisecond)
	} else if r.crowd.shown == 0 {
		return
	}
	if at := p.tellAt.Add(wait); now.Before(at) {
		out.Next = sooner(out.Next, at)
		return
	}
	p.tellAt, p.told = now, r.crowd.shown
	people := r.crowd.local()
	people.At, people.Reactions = now.UnixMilli(), p.ours.take()
	out.People = &people
}

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
