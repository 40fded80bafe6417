package store

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	randv2 "math/rand/v2"

	"github.com/redis/go-redis/v9"

	"github.com/freshet-live/freshet/signaling/rooms/room"
)

// Follow tells f what other Nodes do, in the order in which Redis has taken it,
// until ctx ends, whose error it returns. Only one may follow a Room at a time.
// What f has been told and is not appended before Follow ends, it is told again
// by the next one.
func (r *Redis) Follow(ctx context.Context, name string, f func(room.Remote)) error {
	s, _, err := r.use(ctx, name)
	if err != nil {
		return err
	}
	defer r.release(s)
	s.mu.Lock()
	s.following = true
	s.mu.Unlock()
	defer r.unfollow(ctx, s)
	r.subscribe(ctx, s)
	attempt := 0
	polled := true
	for ctx.Err() == nil {
		more, err := r.receive(ctx, s, polled, f)
		polled = false
		if more {
			continue
		}
		wait := r.cfg.Poll/2 + randv2.N(r.cfg.Poll)
		if attempt++; err == nil {
			attempt = 0
		} else if ctx.Err() == nil {
			wait = r.backoff(attempt)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
			polled = true
		}
		timer.Stop()
	}
	return ctx.Err() //nolint:wrapcheck // says it all
}

func (r *Redis) unfollow(ctx context.Context, s *share) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadPatience)
	defer cancel()
	_ = r.pubsub.Unsubscribe(ctx, s.keys.news) // nobody is told any more
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave()
	r.poke()
}

// receive hands over what is new. polled tells that it is time to look
// thoroughly, more that there is more at once.
func (r *Redis) receive(ctx context.Context, s *share, polled bool, f func(room.Remote)) (more bool, err error) {
	s.mu.Lock()
	remotes, stale := s.remotes, s.stale
	s.remotes, s.stale = nil, false
	s.mu.Unlock()
	for _, x := range remotes {
		f(x)
	}
	if !polled && !stale {
		return false, nil
	}
	s.in.Lock()
	defer s.in.Unlock()
	got, err := r.fetch(ctx, s, polled)
	if got.more || err != nil {
		s.mu.Lock()
		s.stale = true
		s.mu.Unlock()
	}
	if err != nil {
		return false, err
	}
	for _, x := range got.people {
		f(x)
	}
	for i := 0; i < len(got.entries); {
		n := 1
		for i+n < len(got.entries) && got.entries[i+n].Node == got.entries[i].Node {
			n++
		}
		f(room.Remote{Node: got.entries[i].Node, Entries: got.entries[i : i+n : i+n]})
		i += n
	}
	return got.more, nil
}

// catchUp appends what other Nodes have added while the Room was closed here,
// with the Seqs from next on. It reports whether there was something.
func (r *Redis) catchUp(ctx context.Context, s *share, next uint64) bool {
	ctx, cancel := context.WithTimeout(ctx, loadPatience)
	defer cancel()
	s.in.Lock()
	defer s.in.Unlock()
	some := false
	for {
		got, err := r.fetch(ctx, s, false)
		if err != nil {
			return some // Follow will tell the rest
		}
		list := make([]record, len(got.entries))
		for i, e := range got.entries {
			e.Seq = next
			next++
			list[i] = record{Entry: e, Merged: true}
		}
		if err := r.file.put(context.WithoutCancel(ctx), s.name, list); err != nil {
			r.log.Warn("what other nodes have added waits in memory", "stream", s.name, "err", err)
		}
		s.mu.Lock()
		s.appended(list)
		s.remotes = append(s.remotes, got.people...) // for the Follow
		s.mu.Unlock()
		some = some || len(list) > 0
		if !got.more {
			return some
		}
	}
}

// fetched is what is new of a Room.
type fetched struct {
	entries []room.Entry
	people  []room.Remote
	more    bool
}

// errNoAnswer is the error about a command that was never sent.
var errNoAnswer = errors.New("no answer from redis")

// question is what Redis is asked about a Room.
type question struct {
	known    string // life, when it was asked
	life     *redis.StringCmd
	messages *redis.XMessageSliceCmd
	newest   *redis.XMessageSliceCmd   // nil: not asked
	standing *redis.MapStringStringCmd // nil: known
	people   *redis.MapStringStringCmd // nil: known
	acked    []ack
	scores   *redis.FloatSliceCmd // of acked; nil: none
}

func (r *Redis) ask(ctx context.Context, s *share, thorough bool) (q question, err error) {
	s.mu.Lock()
	from, contacted := "-", s.contacted
	q.known = s.life
	if s.place != (place{}) {
		from = "(" + s.place.String()
	}
	if thorough {
		q.acked = s.recent(time.Now())
	}
	s.mu.Unlock()
	pipe := r.client.Pipeline()
	q.life = pipe.Get(ctx, s.keys.life)
	q.messages = pipe.XRangeN(ctx, s.keys.log, from, "+", batchSize)
	if thorough {
		q.newest = pipe.XRevRangeN(ctx, s.keys.log, "+", "-", 1)
	}
	if !contacted {
		q.standing = pipe.HGetAll(ctx, s.keys.standing)
		q.people = pipe.HGetAll(ctx, s.keys.people)
	}
	if len(q.acked) > 0 {
		ids := make([]string, len(q.acked))
		for i, a := range q.acked {
			ids[i] = a.id
		}
		q.scores = pipe.ZMScore(ctx, s.keys.ids, ids...)
	}
	cmds, all := pipe.Exec(ctx)
	for _, c := range cmds {
		switch e := c.Err(); {
		case isType(e):
			r.metrics.garbage.Inc() // the next append removes it
		case e != nil && !errors.Is(e, redis.Nil):
			err = e
		}
	}
	if q.life.Val() == "" && !errors.Is(q.life.Err(), redis.Nil) && !isType(q.life.Err()) {
		err = cmp.Or(err, all, errNoAnswer) // what was not asked has no error of its own
	}
	r.note(ctx, err)
	return q, err
}

// fetch asks Redis, and returns what is new. The caller has s.in.
func (r *Redis) fetch(ctx context.Context, s *share, thorough bool) (got fetched, err error) {
	q, err := r.ask(ctx, s, thorough)
	if err != nil {
		return got, err
	}
	messages := q.messages.Val()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life != q.known { // by an append, meanwhile: this answer may be older
		return fetched{more: true}, nil
	}
	if life := q.life.Val(); !s.lives(life) {
		r.metrics.resent.Inc()
		r.log.Warn("redis does not have a room any more", "stream", s.name)
		r.poke()
		return fetched{more: life != "" && !s.erased}, nil
	}
	r.checkAcked(s, &q)
	if q.newest != nil && len(q.newest.Val()) == 1 {
		if p, err := parsePlace(q.newest.Val()[0].ID); err == nil && p.before(s.place) { // an older copy has taken over
			s.place, s.settled, s.flight = place{}, place{}, nil
			return fetched{more: true}, nil
		}
	}
	fresh := r.parse(messages)
	if q.standing != nil {
		got.entries = r.parseStanding(s, q.standing.Val(), fresh)
		got.people = r.parsePeople(q.people.Val())
		s.contacted = true
	}
	for i := range got.entries {
		s.met.add(got.entries[i].ID)
		s.flight = append(s.flight, flight{got.entries[i].ID, s.place})
	}
	for _, m := range fresh {
		s.place = m.place
		past := !s.caughtUp && m.entry.At < s.oldest
		if m.entry.ID != "" && !past && s.met.add(m.entry.ID) {
			s.flight = append(s.flight, flight{m.entry.ID, m.place})
			got.entries = append(got.entries, m.entry)
		}
	}
	s.flight = s.flight[max(0, len(s.flight)-maxMet):]
	if len(s.flight) == 0 && s.settled != s.place {
		s.settled, s.unsaved = s.place, true
	}
	got.more = len(messages) == batchSize
	s.caughtUp = s.caughtUp || !got.more
	r.metrics.received.Add(float64(len(got.entries)))
	return got, nil
}

// checkAcked sends again what Redis had taken and does not know any more: a
// replica that was a little behind has taken over.
func (r *Redis) checkAcked(s *share, q *question) {
	if q.scores == nil || len(q.scores.Val()) != len(q.acked) {
		return
	}
	for i, score := range q.scores.Val() {
		if score == 0 { // no time is
			s.missing(q.acked[i].seq)
			r.metrics.resent.Inc()
			r.poke()
			return
		}
	}
}

// message is one of a stream. entry is zero where it made no sense.
type message struct {
	place place
	entry room.Entry
}

func (r *Redis) parse(messages []redis.XMessage) []message {
	var out []message
	for _, x := range messages {
		p, err := parsePlace(x.ID)
		if err != nil {
			continue // Redis makes none such
		}
		m := message{place: p}
		text, _ := x.Values["e"].(string)
		if m.entry, err = parseEntry(text); err != nil {
			r.metrics.garbage.Inc()
			m.entry = room.Entry{}
		}
		out = append(out, m)
	}
	return out
}

// parseStanding returns what holds in the Room and is not known, in the order of
// time.
func (r *Redis) parseStanding(s *share, fields map[string]string, fresh []message) []room.Entry {
	later := map[string]bool{} // those in the stream come at their place there
	for _, m := range fresh {
		later[m.entry.ID] = true
	}
	now := time.Now().UnixMilli()
	var out []room.Entry
	var shown *room.Entry
	target := ""
	for field, value := range fields {
		_, rest, _ := strings.Cut(value, " ")
		_, text, _ := strings.Cut(rest, " ")
		e, err := parseEntry(text)
		if err != nil {
			r.metrics.garbage.Inc()
			continue
		}
		if field == "pinned" {
			shown = &e
			continue
		}
		old, held := s.standing[field]
		switch over := lifted(&e) || e.Until != 0 && e.Until <= now; {
		case matter(&e) != field:
			r.metrics.garbage.Inc()
			continue
		case s.met.has(e.ID), later[e.ID], held && !e.After(old), !held && over:
			continue
		}
		if e.Kind == room.Pinned {
			target = e.Target
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b room.Entry) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.ID, b.ID))
	})
	if shown != nil && target == shown.ID && !s.met.has(shown.ID) && !later[shown.ID] {
		out = append([]room.Entry{*shown}, out...)
	}
	return out
}
