package room

import (
	"net/netip"
	"slices"
	"time"
)

const (
	// ahead is how far clocks of Nodes may be apart for one to follow another.
	ahead = 10 * time.Second
	// future is how far ahead an Entry is garbage.
	future = 24 * time.Hour
	// maxTextBytes is how long a Text of another Node may be, whose limits may
	// be others.
	maxTextBytes = 16 << 10
	// ackMemory is how many accepted commands are known again.
	ackMemory = 8192
	// maxEmojis is how many different emojis are told at a time.
	maxEmojis = 64
	// announceEvery is how often the people are told to other Nodes, whether
	// they have changed or not.
	announceEvery = 3 * time.Second
)

type ackKey struct{ identity, id string }

type ack struct {
	entry string
	seq   uint64
}

// Room is one Room on one Node. It is not safe for concurrent use.
type Room struct {
	name   string
	cfg    Config
	origin uint64
	log    ledger
	audit  []Entry
	clock  int64 // the latest At, in ms since 1970

	settings, cleared, pin Entry // the latest of their kinds
	pinned                 *Entry
	mutes, bans            register
	gone                   memory[string, struct{}] // deleted, whether seen or not
	acks                   memory[ackKey, ack]
	spoke                  memory[string, int64] // when an identity last said something
	crowd                  crowd
	stream                 *StreamState
	out                    pending
}

// New returns the Room of a Stream with what is kept of it.
func New(name string, cfg Config, past Past) *Room {
	cfg = cfg.withDefaults()
	if past.Log == "" {
		past.Log = cfg.Log
	}
	r := &Room{
		name: name, cfg: cfg, origin: originOf(cfg.Node, past.Log), log: newLedger(past.Log, cfg.Kept),
		mutes: newRegister(cfg.Bans), bans: newRegister(cfg.Bans),
		gone: newMemory[string, struct{}](4 * cfg.Kept), acks: newMemory[ackKey, ack](ackMemory),
		spoke: newMemory[string, int64](ackMemory), crowd: newCrowd(),
	}
	r.restore(past)
	return r
}

// restore applies what is kept, in the order in which it happened.
func (r *Room) restore(past Past) {
	r.log.restore(past)
	for _, list := range [][]Entry{past.Standing, past.Audit} {
		for i := range list {
			r.apply(&list[i])
			r.clock = max(r.clock, list[i].At)
		}
	}
	held := r.log.held()
	for i := range held {
		r.apply(&held[i])
		r.clock = max(r.clock, held[i].At)
		r.remember(&held[i])
	}
	for i := range held {
		if r.removed(&held[i]) {
			held[i].Text = ""
		}
	}
	for i := range past.Standing {
		if e := past.Standing[i]; e.ID == r.pin.Target && r.log.find(e.ID) == nil && spoken(e.Kind) {
			r.pinned = &e
		}
	}
	r.audit = slices.Clone(past.Audit[max(0, len(past.Audit)-r.cfg.Audit):])
}

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
	if audited(&e) {
		if r.audit = append(r.audit, e); len(r.audit) >= 2*r.cfg.Audit {
			r.audit = slices.Clone(r.audit[len(r.audit)-r.cfg.Audit:])
		}
	}
	r.remember(&e)
	r.out.entries = append(r.out.entries, e)
	return &e
}

// effects are what an Entry does at the moment in which it comes.
func (r *Room) effects(e *Entry) {
	switch e.Kind {
	case Cleared:
		held := r.log.held()
		for i := range held {
			if r.removed(&held[i]) {
				held[i].Text = ""
			}
		}
	case Banned, Unbanned:
		r.out.bars = append(r.out.bars, *e)
		r.out.sweep = true
	default:
	}
}

// audited reports whether an Entry is a moderator's. What authors delete of
// their own is not.
func audited(e *Entry) bool {
	return !spoken(e.Kind) && (e.From == nil || e.From.Role.moderates())
}

// remember knows the command again that an Entry has come from.
func (r *Room) remember(e *Entry) {
	if e.Client != "" && e.From != nil {
		r.acks.put(ackKey{e.From.Identity, e.Client}, ack{e.ID, e.Seq})
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

// Merge takes the Entries of other Nodes. Those known by their ids are passed
// over, and so is what no Room can have made.
func (r *Room) Merge(now time.Time, entries []Entry) {
	limit := now.Add(future).UnixMilli()
	for _, e := range entries {
		if e.ID == "" || len(e.ID) > 64 || e.At <= 0 || e.At > limit || len(e.Text) > maxTextBytes || r.log.met.has(e.ID) || r.standsAs(e.ID, &e) {
			continue
		}
		if e.At <= now.Add(ahead).UnixMilli() {
			r.clock = max(r.clock, e.At)
		}
		r.record(e)
		r.lendAddress(now, &e)
	}
	r.sweep(now)
}

// standsAs reports whether e is what holds already, though the log has
// forgotten it.
func (r *Room) standsAs(id string, e *Entry) bool {
	return id == r.settings.ID || id == r.cleared.ID || id == r.pin.ID ||
		r.mutes.of[e.Target].ID == id || r.bans.of[e.Target].ID == id
}

// Barred reports whether an identity in a role, or its address, is banned.
func (r *Room) Barred(now time.Time, identity string, role Role, addr netip.Addr) bool {
	_, barred := r.bans.barred(now.UnixMilli(), identity, role, addr)
	return barred
}

// Since returns the Public Entries after a position, false when they are not
// known (any more).
func (r *Room) Since(position string) ([]Entry, bool) {
	e, ok := r.log.since(position)
	return public(e), ok
}

func public(entries []Entry) []Entry {
	out := make([]Entry, len(entries))
	for i := range entries {
		out[i] = entries[i].Public()
	}
	return out
}

// Messages returns up to limit Messages and Announcements before the Entry of
// an id ("": the latest), oldest first, as they are kept; false for an id that
// is not known. Those that were taken away have no Text.
func (r *Room) Messages(before string, limit int) ([]Entry, bool) {
	held := r.log.held()
	end := len(held)
	if before != "" {
		e := r.log.find(before)
		if e == nil {
			return nil, false
		}
		end = r.log.after(e.Seq - 1)
	}
	var out []Entry
	for i := end - 1; i >= 0 && len(out) < limit; i-- {
		if spoken(held[i].Kind) {
			out = append(out, held[i])
		}
	}
	slices.Reverse(out)
	return out, true
}

// Audit returns the latest Entries of moderators, oldest first.
func (r *Room) Audit() []Entry {
	return slices.Clone(r.audit[max(0, len(r.audit)-r.cfg.Audit):])
}

// Bans returns the bans that stand, oldest first; Mutes the mutes.
func (r *Room) Bans(now time.Time) []Entry { return r.bans.standing(now.UnixMilli()) }

// Mutes returns the mutes that stand, oldest first.
func (r *Room) Mutes(now time.Time) []Entry { return r.mutes.standing(now.UnixMilli()) }

// Past returns what has to be kept of the Room. Texts that were taken away are
// not in it.
func (r *Room) Past() Past {
	p := Past{Log: r.log.name, Next: r.log.last + 1, Recent: slices.Clone(r.log.held()), Audit: r.Audit()}
	for _, e := range []*Entry{&r.settings, &r.cleared, r.pinned, &r.pin} {
		if e != nil && e.ID != "" {
			p.Standing = append(p.Standing, *e)
		}
	}
	all := func(*Entry) bool { return true }
	p.Standing = append(p.Standing, r.mutes.list(all)...)
	p.Standing = append(p.Standing, r.bans.list(all)...)
	return p
}

// Info returns the Room at a glance.
func (r *Room) Info(now time.Time) Info {
	return Info{
		Name: r.name, Position: r.log.position(), People: r.crowd.all().Count, Connections: len(r.crowd.links),
		Settings: r.current(), Pinned: r.shown(), Stream: r.stream,
		Bans: len(r.Bans(now)), Mutes: len(r.Mutes(now)), Kept: len(r.log.held()),
	}
}

// Locals returns everybody who shows on this Node, by role and then by name.
func (r *Room) Locals() []Person {
	var out []Person
	for _, m := range r.crowd.members {
		if m.shown {
			out = append(out, m.person())
		}
	}
	order(out)
	return out
}

func (r *Room) current() Settings {
	if r.settings.Settings == nil {
		return Settings{}
	}
	return *r.settings.Settings
}

// shown is the pinned Entry as everybody sees it, nil when there is none.
func (r *Room) shown() *Entry {
	if r.pinned == nil || r.pin.Target != r.pinned.ID || r.pinned.Text == "" || r.removed(r.pinned) {
		return nil
	}
	e := r.pinned.Public()
	return &e
}
