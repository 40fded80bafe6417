package room

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// lapse is how long what has been lifted or has run out is still known, so that
// an older Entry that comes late from another Node does not revive it.
const lapse = time.Hour

// register holds the latest Entry about each identity: Muted or Unmuted, Banned
// or Unbanned.
type register struct {
	of map[string]Entry
	// at are the identities by the address that is shut out with them.
	at  map[netip.Addr][]string
	max int
}

func newRegister(n int) register {
	return register{of: map[string]Entry{}, at: map[netip.Addr][]string{}, max: n}
}

func stands(e *Entry, now int64) bool {
	return (e.Kind == Muted || e.Kind == Banned) && (e.Until == 0 || e.Until > now)
}

// put takes an Entry unless a later one is known.
func (r *register) put(e Entry) bool {
	old, known := r.of[e.Target]
	if known && !e.After(old) {
		return false
	}
	r.drop(e.Target)
	r.of[e.Target] = e
	if e.Kind == Banned && e.hasAddress() {
		a := addressOf(e.Address)
		r.at[a] = append(r.at[a], e.Target)
	}
	if len(r.of) > 2*r.max {
		r.shrink()
	}
	return true
}

func (r *register) drop(identity string) {
	old, ok := r.of[identity]
	if !ok {
		return
	}
	delete(r.of, identity)
	if !old.Address.IsValid() {
		return
	}
	a := addressOf(old.Address)
	if r.at[a] = slices.DeleteFunc(r.at[a], func(s string) bool { return s == identity }); len(r.at[a]) == 0 {
		delete(r.at, a)
	}
}

// shrink forgets the oldest half; what was lifted goes first.
func (r *register) shrink() {
	all := r.list(func(*Entry) bool { return true })
	slices.SortStableFunc(all, func(a, b Entry) int {
		return cmp.Compare(lifted(&b), lifted(&a))
	})
	for _, e := range all[:len(all)-r.max] {
		r.drop(e.Target)
	}
}

func lifted(e *Entry) int {
	if e.Kind == Unmuted || e.Kind == Unbanned {
		return 1
	}
	return 0
}

// purge forgets what has not held for a while.
func (r *register) purge(now int64) {
	old := now - lapse.Milliseconds()
	for id, e := range r.of {
		if over := lifted(&e) == 1 && e.At < old || e.Until != 0 && e.Until < old; over {
			r.drop(id)
		}
	}
}

// list returns the Entries that keep says yes to, oldest first.
func (r *register) list(keep func(*Entry) bool) []Entry {
	var out []Entry
	for _, e := range r.of {
		if keep(&e) {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b Entry) int {
		if a.After(b) {
			return 1
		}
		return -1
	})
	return out
}

func (r *register) standing(now int64) []Entry {
	return r.list(func(e *Entry) bool { return stands(e, now) })
}

// count is the number of those that stand.
func (r *register) count(now int64) int {
	n := 0
	for _, e := range r.of {
		if stands(&e, now) {
			n++
		}
	}
	return n
}

// on returns what stands against an identity in a role: a moderator is touched
// by hosts only, and a host by the operator.
func (r *register) on(now int64, identity string, role Role) (Entry, bool) {
	e, ok := r.of[identity]
	return e, ok && stands(&e, now) && reaches(e.From, role)
}

// reaches reports whether by has power over somebody in a role; nil is the
// operator.
func reaches(by *Person, role Role) bool {
	power := Operator.rank()
	if by != nil {
		power = by.Role.rank()
	}
	return power >= Moderator.rank() && power > role.rank()
}

// barred returns the ban that an identity in a role or its address is under.
func (r *register) barred(now int64, identity string, role Role, address netip.Addr) (Entry, bool) {
	if e, ok := r.of[identity]; ok && stands(&e, now) && e.Reaches(identity, role, address) {
		return e, true
	}
	if !address.IsValid() {
		return Entry{}, false
	}
	for _, other := range r.at[addressOf(address)] {
		if e := r.of[other]; stands(&e, now) && e.Reaches(identity, role, address) {
			return e, true
		}
	}
	return Entry{}, false
}
