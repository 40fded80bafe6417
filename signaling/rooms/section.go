package rooms

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-live/freshet/signaling/rooms/room"
)

const (
	// fullSection is from how many members on a Room gets another section.
	fullSection = 1000
	// maxSections bounds them; each makes frames of its own.
	maxSections = 10
)

// section is some of the members of a Room, who are told at the same time. The
// sections of a large Room take turns: to write to ten thousand sockets in one
// go would hold up all else that the machine does, the pictures first of all.
type section struct {
	ring    ring
	members map[room.Conn]*member
	// published is the Seq of the last Entry that is in the ring.
	published uint64
	// entries and changed are what members have not been told yet, due when they
	// will be; zero while there is nothing.
	entries []told
	changed *room.State
	due     time.Time
	last    time.Time // when frames were put last
}

// told is an Entry as everybody gets it, encoded once for all sections.
type told struct {
	seq  uint64
	text []byte
}

// place returns the section for another member, who has read up to a Seq: one
// that has been told as much, or what it is told next would be told again.
func (k *keeper) place(now time.Time, read uint64) *section {
	if n := len(k.sections); n == 0 || n < maxSections && len(k.members) >= n*k.h.cfg.sectionSize {
		k.sections = append(k.sections, &section{members: map[room.Conn]*member{}, published: k.last})
	}
	var least *section
	for _, s := range k.sections {
		if s.published >= read && (least == nil || len(s.members) < len(least.members)) {
			least = s
		}
	}
	if least == nil {
		least = k.sections[0]
		k.tell(now, least)
	}
	return least
}

// readUpTo returns the Seq of a position (docs/rooms.md).
func readUpTo(position string) uint64 {
	_, seq, _ := strings.Cut(position, ".")
	n, err := strconv.ParseUint(seq, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// publish queues what is in the Store for all sections.
func (k *keeper) publish(now time.Time, entries []room.Entry) {
	if len(entries) == 0 {
		return
	}
	list := make([]told, len(entries))
	for i := range entries {
		list[i] = told{entries[i].Seq, encode(entries[i].Public())}
	}
	k.last = entries[len(entries)-1].Seq
	if f := k.h.cfg.OnEntries; f != nil {
		own := slices.Clone(entries)
		own = slices.DeleteFunc(own, func(e room.Entry) bool { return e.Node != k.h.cfg.Room.Node })
		if len(own) > 0 {
			f(k.name, own)
		}
	}
	k.h.metrics.entries.Add(float64(len(entries)))
	for i, s := range k.sections {
		s.entries = append(s.entries, list...)
		k.plan(now, i)
	}
}

// change queues what has changed; the newest value of each field counts, but
// reactions add up.
func (k *keeper) change(now time.Time, c *room.State) {
	if c == nil {
		return
	}
	for i, s := range k.sections {
		if s.changed == nil {
			s.changed = &room.State{Type: c.Type}
		}
		if c.People != nil {
			s.changed.People = c.People
		}
		if c.Stream != nil {
			s.changed.Stream = c.Stream
		}
		s.changed.Reactions = addReactions(s.changed.Reactions, c.Reactions)
		k.plan(now, i)
	}
}

func addReactions(sum, more []room.Reaction) []room.Reaction {
next:
	for _, r := range more {
		for i := range sum {
			if sum[i].Emoji == r.Emoji {
				sum[i].Count += r.Count
				sum[i].MediaTime = r.MediaTime
				continue next
			}
		}
		sum = append(sum, r)
	}
	return sum
}

// plan decides when a section is told of what has come.
func (k *keeper) plan(now time.Time, i int) {
	s := k.sections[i]
	if s.due.IsZero() {
		s.due = dueTime(now, s.last, batchTime(len(k.members)), i, len(k.sections))
	}
}

// dueTime returns when section i of n is told of something that has come now. A
// Room with one section is told at once after a pause; more of them have their
// turns within the batch time.
func dueTime(now, last time.Time, batch time.Duration, i, n int) time.Time {
	switch {
	case batch == 0:
		return now
	case n == 1:
		if at := last.Add(batch); at.After(now) {
			return at
		}
		return now
	default:
		turn := time.Duration(i) * batch / time.Duration(n)
		since := (time.Duration(now.UnixNano()) - turn) % batch
		return now.Add((batch - since) % batch)
	}
}

// flush tells the sections whose turn it is, and returns when to come again;
// zero: there is nothing to tell.
func (k *keeper) flush(now time.Time) (again time.Time) {
	for _, s := range k.sections {
		switch {
		case s.due.IsZero():
		case !s.due.After(now):
			k.tell(now, s)
		case again.IsZero() || s.due.Before(again):
			again = s.due
		}
	}
	return again
}

// tell puts what has gathered for a section into its ring.
func (k *keeper) tell(now time.Time, s *section) {
	s.due, s.last = time.Time{}, now
	var frames []*frame
	if n := len(s.entries); n > 0 {
		s.published = s.entries[n-1].seq
		position := k.position(s)
		frames = append(frames, newFrame("events", position, encodeEvents(position, s.entries), now))
		s.entries = s.entries[:0]
	}
	if s.changed != nil {
		frames = append(frames, newFrame("state", "", encode(s.changed), now))
		s.changed = nil
	}
	s.ring.put(now, frames...)
	k.h.metrics.frames.Add(float64(len(frames)))
	for _, m := range s.members {
		m.nudge()
	}
}

// position names the last Entry that is in a section's ring.
func (k *keeper) position(s *section) string {
	return k.logName + "." + strconv.FormatUint(s.published, 10)
}

// encodeEvents returns the frame events (docs/rooms.md).
func encodeEvents(position string, entries []told) []byte {
	var b bytes.Buffer
	b.WriteString(`{"type":"events","position":`)
	b.Write(encode(position))
	b.WriteString(`,"entries":[`)
	for i, e := range entries {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(e.text)
	}
	b.WriteString("]}")
	return b.Bytes()
}
