package store

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/freshet-live/freshet/signaling/rooms/room"
)

const (
	// maxQueue and maxQueueBytes bound what of a Room waits for Redis in memory;
	// the rest waits in its file.
	maxQueue      = 1024
	maxQueueBytes = 1 << 20
	// maxRemotes bounds the news about people that wait for a Follow.
	maxRemotes = 64
	// maxMet is how many ids of Entries a Room's share remembers.
	maxMet = 16 << 10
	// window is for how long, and how many, Entries that Redis has taken are
	// asked for again, in case another Redis has come in its place.
	window      = 30 * time.Second
	windowLimit = 64
)

// share is what a Node knows about one Room in Redis. It can be dropped and be
// made again from the Room's file and its mark.
type share struct {
	name string
	keys keys
	wake chan struct{} // of the Follow; holds one

	prepare sync.Mutex // held while the file is read
	in      sync.Mutex // held while Redis is read; before mu

	mu    sync.Mutex
	ready bool // what follows is true
	users int  // under Redis.mu: calls under way and Follows
	used  time.Time
	life  string

	// What goes out: Entries of this Node up to covered are sent or in queue.
	// While behind, more are in the file.
	log                 string
	last, covered, sent uint64
	queue               []room.Entry
	bytes               int
	behind              bool
	whole               bool // the file is being offered anew, others' Entries too
	acked               []ack
	attempt             int
	retry               time.Time
	people              *room.People // to be told
	unsaved             bool
	// safe was sent for at least a window before safeAt, next just before it.
	safe, nextSafe uint64
	safeAt         time.Time
	indexed        time.Time

	// What comes in: the stream has been read up to place, and what was read is
	// in the file up to settled. flight is what is not.
	following bool
	stale     bool      // there is news in the stream
	contacted bool      // standing Entries have been read
	asked     time.Time // when Load has last read the stream
	erased    bool      // elsewhere: forget the file when nobody is in the Room
	// oldest is the At of the oldest Entry in a file that has been cut off there.
	// Until the stream has once been read to its end, what is older was known.
	oldest   int64
	caughtUp bool
	place    place
	settled  place
	flight   []flight
	met      idSet
	standing map[string]room.Entry // by matter, when the file was read
	remotes  []room.Remote
}

// ack is an Entry that Redis has taken.
type ack struct {
	id  string
	seq uint64
	at  time.Time
}

// flight is an Entry that was handed over and has not come back by Append.
type flight struct {
	id    string
	place place
}

func newShare(name string) *share {
	return &share{name: name, keys: keysOf(name), wake: make(chan struct{}, 1)}
}

// reset takes what is kept of the Room.
func (s *share) reset(past room.Past, m mark, history int) {
	if m.Log != past.Log {
		m = mark{}
	}
	last := past.Next - 1
	if s.log == past.Log {
		last = max(last, s.last) // an Append has overtaken the reading
	}
	s.ready, s.unsaved, s.erased = true, false, false
	s.safe, s.nextSafe, s.safeAt = 0, 0, time.Now()
	s.log, s.last, s.sent = past.Log, last, min(m.Sent, last)
	s.covered, s.behind, s.whole = s.sent, s.last > s.sent, false
	s.queue, s.bytes, s.acked = nil, 0, nil
	s.life, s.contacted, s.caughtUp, s.flight = m.Life, false, false, nil
	s.place, _ = parsePlace(m.Place) // a bad one is the beginning
	s.settled = s.place
	s.met = idSet{limit: maxMet}
	s.oldest = 0
	if len(past.Recent) >= history {
		s.oldest = past.Recent[0].At
	}
	s.standing = map[string]room.Entry{}
	for _, list := range [][]room.Entry{past.Audit, past.Standing, past.Recent} {
		for i := range list {
			s.met.add(list[i].ID)
		}
	}
	for _, e := range past.Standing {
		s.standing[matter(&e)] = e
	}
}

func (s *share) mark() mark {
	return mark{Log: s.log, Sent: s.sent, Place: s.settled.String(), Life: s.life}
}

// appended takes Entries that are in the file.
func (s *share) appended(list []record) {
	for i := range list {
		r := &list[i]
		s.met.add(r.ID)
		s.last = max(s.last, r.Seq)
		s.land(r.ID)
		if s.behind || r.Seq <= s.covered {
			continue
		}
		if len(s.queue) >= maxQueue || s.bytes >= maxQueueBytes {
			s.behind = true
			continue
		}
		s.covered = r.Seq
		if !r.Merged {
			s.enqueue(r.Entry)
		}
	}
	if len(s.queue) == 0 && !s.behind && s.sent < s.covered {
		s.sent, s.unsaved = s.covered, true
	}
}

func (s *share) enqueue(e room.Entry) {
	s.queue = append(s.queue, e)
	s.bytes += len(e.Text) + 256
}

// refill takes Entries from the file; with whole there are no more up to last.
func (s *share) refill(list []room.Entry, last uint64, whole bool) {
	for _, e := range list {
		if e.Seq > s.covered {
			s.enqueue(e)
		}
	}
	s.covered = max(s.covered, last)
	s.behind = !whole || s.last > last
	if !s.behind {
		s.whole = false
	}
	if len(s.queue) == 0 {
		s.sent, s.unsaved = max(s.sent, s.covered), true
	}
}

// delay tries again after some time.
func (s *share) delay(d time.Duration) {
	s.attempt++
	s.retry = time.Now().Add(d)
}

// waiting reports whether others have to be told of something.
func (s *share) waiting() bool { return len(s.queue) > 0 || s.behind }

// take returns the Entries that are next, up to n.
func (s *share) take(n int) []room.Entry { return s.queue[:min(n, len(s.queue))] }

// took says that Redis has the first Entries of the queue, and which life it
// lives; they were offered to the life known.
func (s *share) took(list []room.Entry, known, life string, now time.Time) {
	s.attempt, s.retry = 0, time.Time{}
	if s.life != known && s.life != life { // it was read meanwhile: this answer may be older
		return
	}
	if !s.lives(life) || known != "" && known != life {
		return
	}
	if len(s.queue) < len(list) || len(list) == 0 || s.queue[0].ID != list[0].ID {
		return // the queue was made anew meanwhile
	}
	for i := range list {
		s.bytes -= len(list[i].Text) + 256
		s.acked = append(s.acked, ack{list[i].ID, list[i].Seq, now})
	}
	s.acked = s.acked[max(0, len(s.acked)-windowLimit):]
	s.queue = s.queue[len(list):]
	s.sent, s.unsaved = list[len(list)-1].Seq, true
	if len(s.queue) == 0 {
		s.queue = nil
		if !s.behind {
			s.sent = s.covered
		}
	}
}

// lives reports whether Redis still is the one that it was. If not, it has to be
// read, and told, everything again.
func (s *share) lives(life string) bool {
	switch {
	case life == s.life:
		return true
	case strings.HasPrefix(life, erasedLife):
		s.forget(life)
		return false
	case s.life == "":
		s.life = life
		return true
	default:
		s.begin(life)
		return false
	}
}

// begin starts anew with a Redis that has lost what it held, or another one:
// everything that is kept is offered to it, and read from it.
func (s *share) begin(life string) {
	s.life = life
	s.covered, s.sent, s.whole, s.behind = 0, 0, true, s.last > 0
	s.queue, s.bytes, s.acked = nil, 0, nil
	s.place, s.settled, s.flight, s.contacted, s.caughtUp = place{}, place{}, nil, false, false
	s.unsaved = true
}

// recent returns what Redis must know, if it is the same one still.
func (s *share) recent(now time.Time) []ack {
	for len(s.acked) > 0 && now.Sub(s.acked[0].at) > window {
		s.acked = s.acked[1:]
	}
	return slices.Clone(s.acked)
}

// forgettable is the Seq up to which the file need not hold Entries for Redis:
// what it took lately, others may not have read when it loses everything.
func (s *share) forgettable(now time.Time) uint64 {
	if now.Sub(s.safeAt) > window {
		s.safe, s.nextSafe, s.safeAt = s.nextSafe, s.sent, now
	}
	s.safe, s.nextSafe = min(s.safe, s.sent), min(s.nextSafe, s.sent)
	return s.safe
}

// missing sends again from a Seq on.
func (s *share) missing(seq uint64) {
	if seq > s.sent {
		return
	}
	s.sent, s.covered, s.behind = seq-1, seq-1, true
	s.queue, s.bytes, s.acked = nil, 0, nil
	s.unsaved = true
}

// land notes that an Entry of another Node is in the file now, and so what came
// before it is there, too, or has been passed over.
func (s *share) land(id string) {
	i := slices.IndexFunc(s.flight, func(f flight) bool { return f.id == id })
	if i < 0 {
		return
	}
	s.settled, s.unsaved = s.flight[i].place, true
	if s.flight = s.flight[i+1:]; len(s.flight) == 0 {
		s.settled = s.place
	}
}

// leave ends a Follow. What has not been appended comes again with the next one.
func (s *share) leave() {
	for _, f := range s.flight {
		delete(s.met.in, f.id)
	}
	s.following, s.contacted, s.caughtUp, s.remotes = false, false, false, nil
	s.place, s.flight = s.settled, nil
	s.people = &room.People{}
}

// forget accepts that the Room was erased: nothing of before is offered again.
func (s *share) forget(life string) {
	s.begin(life)
	s.covered, s.sent, s.whole, s.behind = s.last, s.last, false, false
	s.erased = true
}

// idSet is a set of the latest ids.
type idSet struct {
	limit int
	in    map[string]struct{}
	order []string
	next  int
}

// add reports whether the id is new.
func (s *idSet) add(id string) bool {
	if _, ok := s.in[id]; ok {
		return false
	}
	if s.in == nil {
		s.in = map[string]struct{}{}
	}
	s.in[id] = struct{}{}
	if len(s.order) < s.limit {
		s.order = append(s.order, id)
		return true
	}
	delete(s.in, s.order[s.next])
	s.order[s.next] = id
	s.next = (s.next + 1) % s.limit
	return true
}

func (s *idSet) has(id string) bool {
	_, ok := s.in[id]
	return ok
}
