package room

import (
	"net/netip"
	"time"
)

func (r *Room) doPin(a *act) (*Entry, error) {
	if a.cmd.Target != "" {
		if e := r.known(a.cmd.Target); e == nil || e.Text == "" {
			return nil, refuse(ErrUnknownTarget, "what is to be pinned is not here any more")
		}
	}
	return r.accept(a.now, r.by(a, Pinned, a.cmd.Target), r.pin), nil
}

// known finds something that was said and is still held.
func (r *Room) known(id string) *Entry {
	if e := r.log.find(id); e != nil && spoken(e.Kind) {
		return e
	}
	if r.pinned != nil && r.pinned.ID == id {
		return r.pinned
	}
	return nil
}

func (r *Room) doDelete(a *act) (*Entry, error) {
	e := r.known(a.cmd.Target)
	if e == nil {
		return nil, refuse(ErrUnknownTarget, "what is to be deleted is not here any more")
	}
	own := a.by != nil && e.From != nil && e.From.Identity == a.by.Identity
	if !own && !a.role.moderates() {
		return nil, refuse(ErrForbidden, "only its author or a moderator can delete it")
	}
	if e.Text == "" {
		return nil, nil // done before
	}
	return r.accept(a.now, r.by(a, Deleted, e.ID)), nil
}

func (r *Room) doClear(a *act) (*Entry, error) {
	return r.accept(a.now, r.by(a, Cleared, ""), r.cleared), nil
}

func (r *Room) set(a *act) (*Entry, error) {
	s := r.current()
	if a.cmd.SlowMode != nil {
		s.SlowMode = min(max(0, *a.cmd.SlowMode), maxSlowMode)
	}
	if a.cmd.Locked != nil {
		s.Locked = *a.cmd.Locked
	}
	e := r.by(a, Changed, "")
	e.Settings = &s
	return r.accept(a.now, e, r.settings), nil
}

// silence mutes or bans.
func (r *Room) silence(a *act) (*Entry, error) {
	target := a.cmd.Target
	switch {
	case target == "" || len(target) > maxTarget:
		return nil, refuse(ErrUnknownTarget, "no such identity")
	case target == a.identity():
		return nil, refuse(ErrForbidden, "not yourself")
	case !reaches(a.by, r.roleOf(target)):
		return nil, refuse(ErrForbidden, "a %s cannot do this to a %s", a.role, r.roleOf(target))
	}
	kind, reg := Muted, &r.mutes
	if a.cmd.Verb == Ban {
		kind, reg = Banned, &r.bans
	}
	old, again := reg.of[target]
	if !again && reg.count(a.at) >= reg.max {
		return nil, refuse(ErrUnavailable, "%d stand already; lift some", reg.max)
	}
	if again && stands(&old, a.at) && !overrules(a.by, &old) {
		return nil, refuse(ErrForbidden, "the operator has decided this")
	}
	e := r.by(a, kind, target)
	if a.cmd.Seconds > 0 {
		e.Until = a.at + min(a.cmd.Seconds, maxSeconds)*1000
	}
	if kind == Banned && a.cmd.Address {
		e.Address = r.addressOf(target)
	}
	return r.accept(a.now, e, old), nil
}

// overrules reports whether by may replace or lift what old says. Moderators
// may lift what a host has decided, but nobody what the operator has.
func overrules(by *Person, old *Entry) bool {
	return operator(by) || !operator(old.From)
}

func operator(p *Person) bool { return p == nil || p.Role == Operator }

// release lifts a mute or a ban.
func (r *Room) release(a *act) (*Entry, error) {
	kind, reg := Unmuted, &r.mutes
	if a.cmd.Verb == Unban {
		kind, reg = Unbanned, &r.bans
	}
	old, ok := reg.of[a.cmd.Target]
	if !ok || !stands(&old, a.at) {
		return nil, refuse(ErrUnknownTarget, "there is nothing to lift")
	}
	if !overrules(a.by, &old) {
		return nil, refuse(ErrForbidden, "the operator has decided this")
	}
	return r.accept(a.now, r.by(a, kind, a.cmd.Target), old), nil
}

func (r *Room) by(a *act, k Kind, target string) Entry {
	return Entry{Kind: k, From: a.by, Client: a.cmd.ID, Target: target, Reason: cut(cleanName(a.cmd.Reason), maxReason)}
}

// roleOf returns the greatest role in which an identity is here, or was seen.
func (r *Room) roleOf(identity string) Role {
	if m := r.crowd.members[identity]; m != nil {
		return m.role
	}
	for _, p := range r.crowd.peers {
		for _, o := range p.people.List {
			if o.Identity == identity {
				return o.Role
			}
		}
	}
	held := r.log.held()
	for i := len(held) - 1; i >= 0; i-- {
		if f := held[i].From; f != nil && f.Identity == identity {
			return f.Role
		}
	}
	return Viewer
}

// addressOf returns where an identity is or was last; unspecified when only
// another Node can know.
func (r *Room) addressOf(identity string) netip.Addr {
	if m := r.crowd.members[identity]; m != nil && m.address.IsValid() {
		return m.address
	}
	return netip.IPv4Unspecified()
}

// lendAddress completes a ban by another Node that wants an address which only
// this one knows.
func (r *Room) lendAddress(now time.Time, e *Entry) {
	if e.Kind != Banned || !e.Address.IsUnspecified() || r.bans.of[e.Target].ID != e.ID {
		return
	}
	if a := r.addressOf(e.Target); !a.IsUnspecified() {
		r.accept(now, Entry{Kind: Banned, From: e.From, Target: e.Target, Until: e.Until, Reason: e.Reason, Address: a}, *e)
	}
}
