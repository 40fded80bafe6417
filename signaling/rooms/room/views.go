package room

import (
	"net/netip"
	"slices"
	"time"
)

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
func (r *Room) Locals() []Person { return r.crowd.list() }

func (r *Room) current() Settings {
	if r.settings.Settings == nil {
		return Settings{}
	}
	return *r.settings.Settings
}

// shown is the pinned Entry as everybody sees it, nil when there is none.
func (r *Room) shown() *Entry {
	if r.pinned == nil || r.pinned.Text == "" {
		return nil
	}
	e := r.pinned.Public()
	return &e
}
