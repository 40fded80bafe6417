package rooms

import (
	"strconv"
	"time"

	"github.com/freshet-live/freshet/signaling/rooms/room"
)

// outbox gathers what all members of a Room are to be told, and puts it into
// the ring as frames, no more often than batchTime allows.
type outbox struct {
	k   *keeper
	log string // room.Past.Log
	// published is the Seq of the last Entry that is in the ring.
	published uint64
	entries   []room.Entry
	changed   *room.State
	last      time.Time // when frames were put last
}

// add queues Entries that are in the Store.
func (o *outbox) add(entries []room.Entry) { o.entries = append(o.entries, entries...) }

// state queues what has changed; the newest value of each field counts, but
// reactions add up.
func (o *outbox) state(s *room.State) {
	if s == nil {
		return
	}
	if o.changed == nil {
		o.changed = &room.State{Type: s.Type}
	}
	if s.People != nil {
		o.changed.People = s.People
	}
	if s.Stream != nil {
		o.changed.Stream = s.Stream
	}
	o.changed.Reactions = addReactions(o.changed.Reactions, s.Reactions)
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

// flush puts what has gathered into the ring, or returns when it will be time.
func (o *outbox) flush(now time.Time, members int) (later time.Time) {
	if len(o.entries) == 0 && o.changed == nil {
		return time.Time{}
	}
	if at := o.last.Add(batchTime(members)); now.Before(at) {
		return at
	}
	o.last = now
	var frames []*frame
	if len(o.entries) > 0 {
		o.published = o.entries[len(o.entries)-1].Seq
		frames = append(frames, newFrame("events", o.position(), encodeEvents(o.position(), o.entries), now))
		o.k.h.metrics.entries.Add(float64(len(o.entries)))
		o.entries = nil
	}
	if o.changed != nil {
		frames = append(frames, newFrame("state", "", encode(o.changed), now))
		o.changed = nil
	}
	o.k.ring.put(now, frames...)
	o.k.h.metrics.frames.Add(float64(len(frames)))
	for _, m := range o.k.members {
		m.nudge()
	}
	return time.Time{}
}

// position names the last Entry that is in the ring.
func (o *outbox) position() string {
	return o.log + "." + strconv.FormatUint(o.published, 10)
}
