package room

import "time"

// Merge takes the Entries of other Nodes. Those known by their ids are passed
// over, and so is what no Room can have made. What a later Entry has replaced
// already goes to the audit only.
func (r *Room) Merge(now time.Time, entries []Entry) {
	for _, e := range entries {
		if !plausible(now, &e) || r.log.met.has(e.ID) {
			continue
		}
		if e.At <= now.Add(ahead).UnixMilli() {
			r.clock = max(r.clock, e.At)
		}
		if reg := r.registered(&e); reg.ID != "" && !e.After(reg) {
			r.log.met.put(e.ID, struct{}{})
			if e.ID != reg.ID {
				r.keep(e)
			}
			continue
		}
		r.record(e)
		r.lendAddress(now, &e)
	}
	r.sweep(now)
}

// registered returns the Entry that stands where e would.
func (r *Room) registered(e *Entry) Entry {
	switch e.Kind {
	case Cleared:
		return r.cleared
	case Pinned:
		return r.pin
	case Changed:
		return r.settings
	case Muted, Unmuted:
		return r.mutes.of[e.Target]
	case Banned, Unbanned:
		return r.bans.of[e.Target]
	default:
		return Entry{}
	}
}

// plausible reports whether an Entry of another Node can be one.
func plausible(now time.Time, e *Entry) bool {
	from := e.From == nil || e.From.Identity != "" && len(e.From.Identity) <= maxTarget && len(e.From.Name) <= maxNameBytes
	return e.ID != "" && len(e.ID) <= maxCommandID && e.Kind != "" && len(e.Kind) <= maxCommandID && from &&
		e.At > 0 && e.At <= now.Add(future).UnixMilli() && len(e.Text) <= maxTextBytes && len(e.Client) <= maxCommandID &&
		len(e.Target) <= maxTarget && len(e.ReplyTo) <= maxTarget && len(e.Reason) <= maxNameBytes &&
		(e.Kind == Changed) == (e.Settings != nil) && (e.Kind != Message || e.From != nil) &&
		(e.Settings == nil || e.Settings.SlowMode >= 0 && e.Settings.SlowMode <= maxSlowMode)
}
