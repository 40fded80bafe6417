package webhook

import (
	"maps"
	"slices"
	"time"

	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/signaling/rooms/room"
)

const (
	// batchTime is how long a viewer's coming or going waits for others,
	// batchSize how many share an Event, and batchText how much there may be of
	// what they bring, in bytes: a token has room for very long names.
	batchTime = time.Second
	batchSize = 100
	batchText = 24 << 10
)

// states of a participant, in LiveKit's words.
const (
	active       = "ACTIVE"
	disconnected = "DISCONNECTED"
)

// book turns what happens into Events, in an order that makes sense to who
// reads them: what viewers did comes before what the Stream did next. It is
// pure, and for one goroutine at a time.
type book struct {
	node    string
	id      func(prefix string) string
	live    map[string]*broadcast
	batches map[string]*batch
}

// broadcast is a Stream from its start to its end.
type broadcast struct {
	sid     string
	started time.Time
	last    Stream
}

// batch is what viewers of one Stream did since first.
type batch struct {
	first        time.Time
	joined, left []*Participant
	text         int
}

func newBook(node string, id func(prefix string) string) *book {
	return &book{node: node, id: id, live: map[string]*broadcast{}, batches: map[string]*batch{}}
}

// snapshot takes a Stream's newest Snapshot.
func (b *book) snapshot(now time.Time, s *media.Snapshot) []*Event {
	c := b.live[s.Name]
	if c == nil {
		if s.State != media.Live {
			return nil
		}
		c = &broadcast{sid: b.id("RM_"), started: now, last: ofSnapshot(s)}
		b.live[s.Name] = c
		return append(b.flush(now, s.Name), b.ofStream(now, RoomStarted, s.Name, c))
	}
	before := c.last.State
	c.last = ofSnapshot(s)
	if c.last.State == before {
		return nil
	}
	switch s.State {
	case media.Live:
		return append(b.flush(now, s.Name), b.ofStream(now, StreamResumed, s.Name, c))
	case media.Reconnecting:
		return append(b.flush(now, s.Name), b.ofStream(now, StreamReconnecting, s.Name, c))
	default:
		return b.finish(now, s.Name, c)
	}
}

// finish ends a broadcast.
func (b *book) finish(now time.Time, stream string, c *broadcast) []*Event {
	events := append(b.flush(now, stream), b.ofStream(now, RoomFinished, stream, c))
	delete(b.live, stream)
	return events
}

// begun returns the broadcasts that have not ended.
func (b *book) begun() map[string]begun {
	all := map[string]begun{}
	for stream, c := range b.live {
		s := c.last
		s.Viewers = 0 // changes all the time
		all[stream] = begun{c.sid, c.started.UnixMilli(), s}
	}
	return all
}

// lost ends broadcasts of an earlier process.
func (b *book) lost(now time.Time, all map[string]begun) []*Event {
	var events []*Event
	for _, stream := range slices.Sorted(maps.Keys(all)) {
		old := all[stream]
		c := &broadcast{sid: old.SID, started: time.UnixMilli(old.Started), last: old.Stream}
		c.last.State, c.last.Since = string(media.Ended), now.UnixMilli()
		present := b.live[stream]
		b.live[stream] = c
		events = append(events, b.ofStream(now, RoomFinished, stream, c))
		if delete(b.live, stream); present != nil {
			b.live[stream] = present
		}
	}
	return events
}

// joined and left take a session's beginning and end.
func (b *book) joined(now time.Time, v Visit) []*Event {
	p := describe(v)
	if v.Publisher {
		return append(b.flush(now, v.Stream), b.ofPeople(now, ParticipantJoined, v.Stream, p))
	}
	c := b.batch(now, v)
	c.joined = append(c.joined, p)
	return b.full(now, v.Stream, c)
}

func (b *book) left(now time.Time, v Visit) []*Event {
	p := describe(v)
	p.State, p.LeftAtMs = disconnected, now.UnixMilli()
	if v.Publisher {
		return append(b.flush(now, v.Stream), b.ofPeople(now, ParticipantLeft, v.Stream, p))
	}
	c := b.batch(now, v)
	c.left = append(c.left, p)
	return b.full(now, v.Stream, c)
}

// message takes an Entry of a Room.
func (b *book) message(now time.Time, stream string, e room.Entry) []*Event {
	e = e.Public()
	event := b.event(now, RoomMessage, stream)
	event.Message = &e
	return []*Event{event}
}

// due returns the batches whose time is up.
func (b *book) due(now time.Time) []*Event {
	var events []*Event
	for _, stream := range b.waiting() {
		if now.Sub(b.batches[stream].first) >= batchTime {
			events = append(events, b.flush(now, stream)...)
		}
	}
	return events
}

// next returns when due has something; zero: nothing waits.
func (b *book) next() time.Time {
	var next time.Time
	for _, c := range b.batches {
		if at := c.first.Add(batchTime); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}

// close ends everything: the Node stops.
func (b *book) close(now time.Time) []*Event {
	var events []*Event
	for _, stream := range b.waiting() {
		events = append(events, b.flush(now, stream)...)
	}
	for _, stream := range slices.Sorted(maps.Keys(b.live)) {
		c := b.live[stream]
		c.last.State, c.last.Since = string(media.Ended), now.UnixMilli()
		events = append(events, b.finish(now, stream, c)...)
	}
	return events
}

// waiting returns the Streams that have a batch, the oldest first.
func (b *book) waiting() []string {
	names := make([]string, 0, len(b.batches))
	for name := range b.batches {
		names = append(names, name)
	}
	slices.SortFunc(names, func(x, y string) int { return b.batches[x].first.Compare(b.batches[y].first) })
	return names
}

func (b *book) batch(now time.Time, v Visit) *batch {
	c := b.batches[v.Stream]
	if c == nil {
		c = &batch{first: now}
		b.batches[v.Stream] = c
	}
	c.text += len(v.Identity) + len(v.Name) + len(v.UserAgent)
	return c
}

func (b *book) full(now time.Time, stream string, c *batch) []*Event {
	if len(c.joined) < batchSize && len(c.left) < batchSize && c.text < batchText {
		return nil
	}
	return b.flush(now, stream)
}

// flush returns what viewers of a Stream did. Whoever came and went within it
// is in both Events.
func (b *book) flush(now time.Time, stream string) []*Event {
	c := b.batches[stream]
	if c == nil {
		return nil
	}
	delete(b.batches, stream)
	var events []*Event
	if len(c.joined) > 0 {
		events = append(events, b.ofPeople(now, ParticipantJoined, stream, c.joined...))
	}
	if len(c.left) > 0 {
		events = append(events, b.ofPeople(now, ParticipantLeft, stream, c.left...))
	}
	return events
}

func (b *book) event(now time.Time, name, stream string) *Event {
	e := &Event{
		Event: name, ID: b.id("EV_"), CreatedAt: now.Unix(), CreatedAtMs: now.UnixMilli(), Node: b.node,
		Room: &Room{Name: stream},
	}
	if c := b.live[stream]; c != nil {
		e.Room.SID, e.Room.CreationTime, e.Room.CreationTimeMs = c.sid, c.started.Unix(), c.started.UnixMilli()
		e.Room.NumParticipants = c.last.Viewers
		if c.last.State == string(media.Live) {
			e.Room.NumPublishers = 1
			e.Room.NumParticipants++
		}
	}
	return e
}

func (b *book) ofStream(now time.Time, name, stream string, c *broadcast) *Event {
	e, last := b.event(now, name, stream), c.last
	e.Stream = &last
	return e
}

func (b *book) ofPeople(now time.Time, name, stream string, all ...*Participant) *Event {
	e := b.event(now, name, stream)
	e.Participant = all[0]
	if len(all) > 1 {
		e.Participants = all
	}
	return e
}

func describe(v Visit) *Participant {
	return &Participant{
		SID: v.Session, Identity: v.Identity, Name: v.Name, State: active, IsPublisher: v.Publisher,
		JoinedAt: v.Since.Unix(), JoinedAtMs: v.Since.UnixMilli(), Via: v.Via, Address: v.Address, UserAgent: v.UserAgent,
	}
}

func ofSnapshot(s *media.Snapshot) Stream {
	return Stream{State: string(s.State), Since: s.Since.UnixMilli(), Epoch: s.Epoch, Viewers: s.Viewers}
}
