package room

import (
	"errors"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
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

func length(s string) int { return utf8.RuneCountInString(s) }

func asRefusal(err error) *Refusal {
	var r *Refusal
	if errors.As(err, &r) {
		return r
	}
	return &Refusal{Err: ErrUnavailable}
}

// forbiddenInName are the characters that a name is refused for, rather than
// freed from.
func forbiddenInName(r rune) bool {
	return r < 0x20 || r >= 0x7f && r < 0xa0 || turnsText(r)
}

// Join lets somebody in, or returns a *Refusal: ErrBanned, ErrLocked, ErrFull,
// ErrMalformed.
func (r *Room) Join(now time.Time, j Join) (Welcome, error) {
	if j.Person.Identity == "" {
		j.Person.Identity = "anonymous-" + strconv.FormatUint(uint64(j.Conn), 10)
	}
	if len(j.Person.Identity) > maxTarget || !utf8.ValidString(j.Person.Identity) {
		return Welcome{}, refuse(ErrMalformed, "an identity has at most %d bytes of UTF-8", maxTarget)
	}
	if p := j.Person.Role; p.rank() == 0 || p == Operator {
		j.Person.Role = Viewer
	}
	r.Leave(now, j.Conn)
	if err := r.admit(now, &j); err != nil {
		return Welcome{}, err
	}
	l := r.enter(&j)
	if r.crowd.count(l.member) {
		r.out.people = true
	}
	if m := l.member; len(m.links) > r.cfg.Each {
		r.cut(now, m.links[0], CloseReplaced, "another connection took the place")
	}
	return r.welcome(now, l, j.Resume), nil
}

func (r *Room) admit(now time.Time, j *Join) error {
	if e, barred := r.bans.barred(now.UnixMilli(), j.Person.Identity, j.Person.Role, j.Address); barred {
		err := refuse(ErrBanned, "you are banned from this Room")
		if e.Until != 0 {
			err.Wait = time.Duration(e.Until-now.UnixMilli()) * time.Millisecond
		}
		return err
	}
	m := r.crowd.members[j.Person.Identity]
	if r.current().Locked && j.Person.Role.rank() < Speaker.rank() && m == nil {
		return refuse(ErrLocked, "the Room is locked for newcomers")
	}
	if len(r.crowd.links) >= r.cfg.Places && (m == nil || len(m.links) < r.cfg.Each) {
		return refuse(ErrFull, "the Room has %d places, and all are taken", r.cfg.Places)
	}
	return nil
}

// enter adds the connection to its member, and settles the name.
func (r *Room) enter(j *Join) *link {
	m := r.crowd.member(j.Person.Identity)
	l := &link{id: j.Conn, member: m, role: j.Person.Role, write: j.Write, hidden: j.Hidden, named: j.Named, address: j.Address}
	m.links = append(m.links, l)
	m.address = j.Address
	r.crowd.links[j.Conn] = l
	name := cut(cleanName(j.Person.Name), r.cfg.Name)
	switch {
	case j.Named && name != "":
		m.name, m.named = name, true
	case m.name != "" && (m.named || name == ""):
	case name != "" && (l.role.moderates() || !r.crowd.imitates(m, name)):
		m.name = name
	case m.name == "":
		m.name = guest(m.identity)
	}
	return l
}

func (r *Room) welcome(now time.Time, l *link, resume string) Welcome {
	w := Welcome{
		Type: "hello", Room: r.name, Position: r.log.position(), Now: now.UnixMilli(),
		You: Person{Identity: l.member.identity, Name: l.member.name, Role: l.role}, May: may(l),
		Limits: Limits{Text: r.cfg.Text, Name: r.cfg.Name}, Settings: r.current(), Pinned: r.shown(),
		State: &State{Type: "state", Stream: r.stream},
	}
	if e, muted := r.mutes.on(now.UnixMilli(), l.member.identity, l.role); muted {
		w.Muted = &Term{Until: e.Until}
	}
	if entries, ok := r.log.since(resume); ok {
		w.Entries, w.Resumed = public(entries), true
	} else {
		w.Entries = public(r.history())
	}
	if l.role.moderates() {
		bans := r.Bans(now)
		slices.Reverse(bans)
		w.Bans = bans[:min(len(bans), listed)]
	}
	people := r.crowd.all()
	w.State.People = &people
	return w
}

// history is what a newcomer gets: nothing from before the Room was cleared.
func (r *Room) history() []Entry {
	held := r.log.held()
	held = held[max(0, len(held)-r.cfg.History):]
	for i := len(held) - 1; i >= 0; i-- {
		if held[i].Kind == Cleared {
			return held[i:]
		}
	}
	return held
}

// Leave takes a connection out; one that is not in is no matter.
func (r *Room) Leave(now time.Time, c Conn) {
	if l := r.crowd.links[c]; l != nil && r.crowd.drop(now, l) {
		r.out.people = true
	}
}

// cut takes a connection out and has it closed.
func (r *Room) cut(now time.Time, l *link, code int, reason string) {
	r.out.cut = append(r.out.cut, Cut{Conn: l.id, Code: code, Reason: reason})
	r.Leave(now, l.id)
}

// Kick has the connections closed for which match says yes, and returns their
// number. Nothing keeps them from coming again.
func (r *Room) Kick(now time.Time, reason string, match func(Join) bool) int {
	n := 0
	for _, l := range r.crowd.links {
		j := Join{Conn: l.id, Person: l.member.person(), Write: l.write, Hidden: l.hidden, Named: l.named, Address: l.address}
		j.Person.Role = l.role
		if match(j) {
			r.cut(now, l, CloseKicked, reason)
			n++
		}
	}
	return n
}

// sweep cuts those who are banned now.
func (r *Room) sweep(now time.Time) {
	if !r.out.sweep {
		return
	}
	r.out.sweep = false
	for _, l := range r.crowd.links {
		if _, barred := r.bans.barred(now.UnixMilli(), l.member.identity, l.role, l.address); barred {
			r.cut(now, l, CloseBanned, "banned")
		}
	}
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
	p.Reactions = nil
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
	locked := r.current().Locked
	before := len(r.crowd.peers)
	r.crowd.purge(now, &r.cfg, func(*member) bool { return locked })
	if len(r.crowd.peers) != before {
		r.out.people = true
	}
}

// pace is how long something that only counts now waits for more of its kind:
// not at all among a few, up to a quarter of a second in a crowd.
func (r *Room) pace() time.Duration {
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
