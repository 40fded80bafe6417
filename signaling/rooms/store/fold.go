package store

import (
	"cmp"
	"slices"
	"time"

	"github.com/freshet-live/freshet/signaling/rooms/room"
)

// maxStanding bounds the Entries about persons that a Room keeps for as long
// as they hold. Beyond it the oldest go.
const maxStanding = 10_000

// limits tell how many Entries are kept.
type limits struct {
	history, audit, outbox int
}

// kept is a record with the line that it came in, which may hold more than
// this version knows of. raw is nil where the line no longer fits.
type kept struct {
	record
	raw []byte
}

// fold turns the lines of a file, added in their order, into what is kept of a
// Room. Its memory is bounded by the limits.
type fold struct {
	limits limits
	// sent is the Seq up to which others know what this Node has accepted. What
	// is later stays, up to limits.outbox. Without other Nodes it is the
	// largest number.
	sent uint64

	control
	last     uint64 // Seq of the last Entry
	lines    int
	bad      int  // lines that are nothing
	untold   int  // Entries that others have not been told of, kept or not
	disorder bool // Entries are missing, or out of order

	recent   []*kept
	audit    []*kept
	unsent   []*kept
	standing map[string]*kept
	old      []*kept // what was left of a part without the rest
	shown    *kept   // what is pinned
}

func newFold(l limits, sent uint64) *fold {
	return &fold{limits: l, sent: sent, standing: map[string]*kept{}}
}

// add takes the next line, without its newline.
func (f *fold) add(b []byte) {
	f.lines++
	l, err := parseLine(b)
	switch {
	case err != nil:
		f.bad++
		f.disorder = true
	case l.Clean:
		f.Clean = true
	case l.Log != "":
		first := cmp.Or(l.First, f.First)
		f.control = l.control
		f.First = first
	default:
		f.entry(&kept{record: l.record, raw: slices.Clone(b)})
	}
}

func (f *fold) entry(k *kept) {
	f.Clean = false
	if k.Seq != f.last+1 && (k.Seq <= f.last || k.Seq > f.First) {
		f.disorder = true
	}
	f.last = max(f.last, k.Seq)
	if k.Seq >= f.First {
		f.recent = push(f.recent, k, f.limits.history)
	} else {
		f.old = push(f.old, k, f.limits.history)
	}
	if audited(&k.Entry) {
		f.audit = push(f.audit, k, f.limits.audit)
	}
	if !k.Merged && k.Seq > f.sent {
		f.unsent = push(f.unsent, k, f.limits.outbox)
		f.untold++
	}
	f.stand(k)
	switch k.Kind {
	case room.Deleted:
		f.blank(func(m *kept) bool { return m.ID == k.Target })
	case room.Cleared:
		f.blank(func(m *kept) bool { return !m.After(k.Entry) })
	default:
		if c := f.standing["clear"]; c != nil && !k.After(c.Entry) {
			k.blank()
		}
	}
}

// blank takes the text of a Message away.
func (k *kept) blank() {
	if k.Text != "" && (k.Kind == room.Message || k.Kind == room.Announcement) {
		k.Text, k.raw = "", nil
	}
}

// push appends to a list that keeps the latest n, in amortised constant time.
// tail cuts it.
func push(list []*kept, k *kept, n int) []*kept {
	if len(list) >= 2*n+16 {
		list = slices.Delete(list, 0, len(list)-n)
	}
	return append(list, k)
}

func tail(list []*kept, n int) []*kept {
	return list[max(0, len(list)-n):]
}

// stand keeps the Entry if it is the latest word on its matter.
func (f *fold) stand(k *kept) {
	key := matter(&k.Entry)
	if key == "" {
		return
	}
	if old := f.standing[key]; old != nil && old.After(k.Entry) {
		return
	}
	f.standing[key] = k
	if k.Kind == room.Pinned {
		f.shown = nil
		for _, list := range [][]*kept{f.old, f.recent} {
			if i := slices.IndexFunc(list, func(m *kept) bool { return m.ID == k.Target }); i >= 0 {
				f.shown = list[i]
			}
		}
	}
	if len(f.standing) > 2*maxStanding {
		f.prune(time.Now())
	}
}

// blank takes the texts of Messages away, so that no file keeps what a
// moderator has deleted for longer than until its next compaction.
func (f *fold) blank(which func(*kept) bool) {
	for _, list := range [][]*kept{f.recent, f.unsent, {f.shown}} {
		for _, m := range list {
			if m != nil && which(m) {
				m.blank()
			}
		}
	}
}

// prune drops what no longer holds, and the oldest beyond the bound.
func (f *fold) prune(now time.Time) {
	for key, k := range f.standing {
		if lifted(&k.Entry) || k.Until != 0 && k.Until <= now.UnixMilli() {
			delete(f.standing, key)
		}
	}
	if over := len(f.standing) - maxStanding; over > 0 {
		for _, k := range f.holding()[:over] {
			delete(f.standing, matter(&k.Entry))
		}
	}
}

// holding returns the standing Entries by their Seq.
func (f *fold) holding() []*kept {
	list := make([]*kept, 0, len(f.standing)+1)
	for _, k := range f.standing {
		list = append(list, k)
	}
	slices.SortFunc(list, bySeq)
	return list
}

func bySeq(a, b *kept) int { return cmp.Compare(a.Seq, b.Seq) }

// finish ends the lines. If some are missing, what is left is numbered anew,
// under a new Log: positions from before would skip some.
func (f *fold) finish(now time.Time, newLog string) {
	f.recent = tail(f.recent, f.limits.history)
	f.audit = tail(f.audit, f.limits.audit)
	f.unsent = tail(f.unsent, f.limits.outbox)
	f.prune(now)
	if !f.disorder && f.Log != "" {
		return
	}
	f.Log = newLog
	all := f.all()
	for i, k := range all {
		k.Seq, k.raw = uint64(i)+1, nil
	}
	f.last = uint64(len(all))
	f.First = f.last + 1
	if len(f.recent) > 0 {
		f.First = f.recent[0].Seq
	}
}

// all returns what a compaction keeps: the recent Entries last, the others
// before them, all in order.
func (f *fold) all() []*kept {
	in := map[*kept]bool{}
	for _, k := range f.recent {
		in[k] = true
	}
	var old []*kept
	for _, list := range [][]*kept{f.audit, f.unsent, f.holding(), {f.shown}} {
		for _, k := range list {
			if k != nil && !in[k] {
				in[k] = true
				old = append(old, k)
			}
		}
	}
	slices.SortStableFunc(old, bySeq)
	return append(old, f.recent...)
}

// past is what finish has left.
func (f *fold) past() room.Past {
	standing := f.holding()
	if f.shown != nil && !slices.Contains(standing, f.shown) {
		standing = append(standing, f.shown)
		slices.SortFunc(standing, bySeq)
	}
	return room.Past{
		Log: f.Log, Next: f.last + 1,
		Standing: entries(standing), Recent: entries(f.recent), Audit: entries(f.audit),
	}
}

func entries(list []*kept) []room.Entry {
	if len(list) == 0 {
		return nil
	}
	out := make([]room.Entry, len(list))
	for i, k := range list {
		out[i] = k.Entry
	}
	return out
}

// matter names what a standing Entry decides; "" is none.
func matter(e *room.Entry) string {
	switch e.Kind {
	case room.Changed:
		return "settings"
	case room.Cleared:
		return "clear"
	case room.Pinned:
		return "pin"
	case room.Muted, room.Unmuted:
		return "mute:" + e.Target
	case room.Banned, room.Unbanned:
		return "ban:" + e.Target
	default:
		return ""
	}
}

// lifted tells whether the Entry ends what it is about.
func lifted(e *room.Entry) bool {
	switch e.Kind {
	case room.Unmuted, room.Unbanned:
		return true
	case room.Pinned:
		return e.Target == ""
	default:
		return false
	}
}

// audited tells whether moderators are to find an Entry again. What authors
// delete of their own is nobody's business.
func audited(e *room.Entry) bool {
	if e.Kind == room.Message || e.Kind == room.Announcement {
		return false
	}
	return e.From == nil || e.From.Role != room.Viewer && e.From.Role != room.Speaker
}
