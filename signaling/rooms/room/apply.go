package room

import (
	"slices"
	"time"
)

// spoken reports the kinds that have a Text.
func spoken(k Kind) bool { return k == Message || k == Announcement }

// removed reports whether the Text of an Entry has been taken away.
func (r *Room) removed(e *Entry) bool {
	return spoken(e.Kind) && (r.gone.has(e.ID) || r.cleared.ID != "" && r.cleared.After(*e))
}

// latest puts e in place of an earlier one.
func latest(reg *Entry, e *Entry) bool {
	if reg.ID != "" && !e.After(*reg) {
		return false
	}
	*reg = *e
	return true
}

// apply makes the state of the Room what it is after e, and reports whether e
// has changed what holds. It may come twice, or later than Entries after it.
func (r *Room) apply(e *Entry) bool {
	switch e.Kind {
	case Message:
		if e.From != nil {
			r.spoke.put(e.From.Identity, max(r.spoke.of[e.From.Identity], e.At))
		}
	case Deleted:
		r.gone.put(e.Target, struct{}{})
		r.blank(e.Target)
	case Cleared:
		return latest(&r.cleared, e)
	case Pinned:
		if !latest(&r.pin, e) {
			return false
		}
		r.pinned = nil
		r.hold()
	case Changed:
		return e.Settings != nil && latest(&r.settings, e)
	case Muted, Unmuted:
		return r.mutes.put(*e)
	case Banned, Unbanned:
		return r.bans.put(*e)
	default:
	}
	return true
}

// hold keeps a copy of what is pinned, which outlives its place in the log.
func (r *Room) hold() {
	if e := r.log.find(r.pin.Target); e != nil && spoken(e.Kind) {
		c := *e
		r.pinned = &c
	}
}

// blank takes the Text of an Entry away.
func (r *Room) blank(id string) {
	if e := r.log.find(id); e != nil && spoken(e.Kind) {
		e.Text = ""
	}
	if r.pinned != nil && r.pinned.ID == id {
		r.pinned.Text = ""
	}
}

// wipe takes the Texts away that were removed.
func (r *Room) wipe() {
	held := r.log.held()
	for i := range held {
		if r.removed(&held[i]) {
			held[i].Text = ""
		}
	}
	if r.pinned != nil && r.removed(r.pinned) {
		r.pinned.Text = ""
	}
}

// record gives e the next Seq, applies and holds it.
func (r *Room) record(e Entry) *Entry {
	e.Seq = r.log.last + 1
	if r.removed(&e) {
		e.Text = ""
	}
	r.log.add(e)
	if r.apply(&e) {
		r.effects(&e)
	}
	if r.pin.Target == e.ID && r.pinned == nil {
		r.hold()
	}
	r.keep(e)
	r.remember(&e)
	r.out.entries = append(r.out.entries, e)
	return &e
}

// effects are what an Entry does at the moment in which it comes.
func (r *Room) effects(e *Entry) {
	switch e.Kind {
	case Cleared:
		r.wipe()
	case Banned, Unbanned:
		r.out.bars = append(r.out.bars, *e)
		r.out.sweep = true
	default:
	}
}

// keep holds what is a moderator's for the audit.
func (r *Room) keep(e Entry) {
	if !audited(&e) {
		return
	}
	if r.audit = append(r.audit, e); len(r.audit) >= 2*r.cfg.Audit {
		r.audit = slices.Clone(r.audit[len(r.audit)-r.cfg.Audit:])
	}
}

// audited reports whether an Entry is a moderator's. What authors delete of
// their own is not.
func audited(e *Entry) bool {
	return !spoken(e.Kind) && (e.From == nil || e.From.Role.moderates())
}

// remember knows the command again that an Entry has come from. What was
// acknowledged here stays so, though another Node has done it, too.
func (r *Room) remember(e *Entry) {
	if e.Client == "" || e.From == nil {
		return
	}
	if key := (ackKey{e.From.Identity, e.Client}); !r.acks.has(key) {
		r.acks.put(key, ack{e.ID, e.Seq})
	}
}

// accept makes an Entry of this Node. It is later than all that it may have to
// outlive, whatever the clock says.
func (r *Room) accept(now time.Time, e Entry, than ...Entry) *Entry {
	at := now.UnixMilli()
	if r.clock > at && r.clock-at <= ahead.Milliseconds() {
		at = r.clock
	}
	if e.Kind == Cleared {
		at = max(at, r.newest(at)+1)
	}
	at = max(at, r.cleared.At+1)
	for i := range than {
		at = max(at, than[i].At+1)
	}
	r.clock = at
	e.At, e.Node = at, r.cfg.Node
	e.ID = makeID(at, r.origin, r.log.last+1)
	return r.record(e)
}

// newest returns the latest At of what is held, as far as it is not nonsense.
func (r *Room) newest(now int64) int64 {
	var t int64
	for _, e := range r.log.held() {
		if e.At-now <= ahead.Milliseconds() {
			t = max(t, e.At)
		}
	}
	return t
}
