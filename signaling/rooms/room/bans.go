package room

import (
	"net/netip"
	"time"
)

// Reaches reports whether a ban shuts out an identity in a role that comes from
// an address; the zero Addr is of nobody. Whether the ban still stands is not
// looked at. An address says little about who it is, so that nobody who
// moderates is shut out by it.
func (e *Entry) Reaches(identity string, role Role, address netip.Addr) bool {
	if e.Kind != Banned || !reaches(e.From, role) {
		return false
	}
	return e.Target == identity ||
		!role.moderates() && address.IsValid() && e.hasAddress() && addressOf(e.Address) == addressOf(address)
}

// hasAddress reports whether the Entry is about an address too.
func (e *Entry) hasAddress() bool { return e.Address.IsValid() && !e.Address.IsUnspecified() }

// Bans are the bans of a Room, for those to ask who are not in it. They are
// bounded as those of a Room are.
type Bans struct {
	register register
	purged   int64
}

// NewBans returns the Bans of a Room that is configured so.
func NewBans(cfg Config) *Bans { return &Bans{register: newRegister(cfg.withDefaults().Bans)} }

// Put takes a ban or its end, unless a later one is known; other Entries are
// passed over.
func (b *Bans) Put(now time.Time, e Entry) {
	if e.Kind != Banned && e.Kind != Unbanned {
		return
	}
	b.register.put(e)
	if ms := now.UnixMilli(); ms-b.purged > lapse.Milliseconds() {
		b.purged = ms
		b.register.purge(ms)
	}
}

// Barred reports whether a ban stands that reaches an identity in a role, or
// its address.
func (b *Bans) Barred(now time.Time, identity string, role Role, address netip.Addr) bool {
	_, barred := b.register.barred(now.UnixMilli(), identity, role, address)
	return barred
}

// Sweep forgets what no longer stands, and reports whether anything is left. It
// is for a Room that no Entries come to any more.
func (b *Bans) Sweep(now time.Time) bool {
	ms := now.UnixMilli()
	for identity, e := range b.register.of {
		if !stands(&e, ms) {
			b.register.drop(identity)
		}
	}
	return len(b.register.of) > 0
}
