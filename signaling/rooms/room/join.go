package room

import (
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

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
	if r.opened.IsZero() {
		r.opened = now
	}
	r.Leave(now, j.Conn)
	if err := r.admit(now, &j); err != nil {
		return Welcome{}, err
	}
	l := r.enter(&j)
	r.named(l.member)
	if m := l.member; len(m.links) > r.cfg.Each {
		r.cut(now, m.links[0], CloseReplaced, "another connection took the place")
	}
	return r.welcome(now, l, j.Resume), nil
}

// named counts a member whose name or role is new. Those who took the name of
// somebody who moderates before that one came lose it: they would pass for the
// one that everybody waits for.
func (r *Room) named(m *member) {
	if r.crowd.count(m) {
		r.out.people = true
	}
	if !m.staff {
		return
	}
	for _, o := range r.crowd.members {
		if o == m || o.named || o.staff || o.skeleton != m.skeleton {
			continue
		}
		o.name = guest(o.identity)
		if r.crowd.count(o) {
			r.out.people = true
		}
	}
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
	if r.current().Locked && j.Person.Role.rank() < Speaker.rank() && m == nil && !r.wasIn(now, j.Resume) {
		return refuse(ErrLocked, "the Room is locked for newcomers")
	}
	if len(r.crowd.links) >= r.cfg.Places && (m == nil || len(m.links) < r.cfg.Each) {
		return refuse(ErrFull, "the Room has %d places, and all are taken", r.cfg.Places)
	}
	return nil
}

// wasIn reports whether a position shows that somebody was in the locked Room
// just before the server started anew: it is behind the Entry that locked it.
func (r *Room) wasIn(now time.Time, resume string) bool {
	name, seq, ok := parsePosition(resume)
	return ok && name == r.log.name && seq <= r.log.last && r.settings.Seq != 0 && seq >= r.settings.Seq &&
		now.Sub(r.opened) < reopening
}

// enter adds the connection to its member, and settles the name.
func (r *Room) enter(j *Join) *link {
	m := r.crowd.member(j.Person.Identity)
	l := &link{id: j.Conn, member: m, role: j.Person.Role, write: j.Write, hidden: j.Hidden, named: j.Named, address: j.Address, token: j.Token}
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
		j := Join{
			Conn: l.id, Person: l.member.person(), Write: l.write, Hidden: l.hidden, Named: l.named,
			Address: l.address, Token: l.token,
		}
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
