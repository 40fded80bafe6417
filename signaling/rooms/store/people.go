package store

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/freshet-live/freshet/signaling/rooms/room"
)

// Announce tells other Nodes who is here. It does not wait for Redis, and what
// cannot be told now is dropped: a Room announces every few seconds.
func (r *Redis) Announce(ctx context.Context, name string, p room.People) error {
	s, _, err := r.use(ctx, name)
	if err != nil {
		return err
	}
	defer r.release(s)
	s.mu.Lock()
	if s.people != nil {
		p.Reactions = together(s.people.Reactions, p.Reactions)
	}
	s.people = &p
	s.mu.Unlock()
	r.poke()
	return nil
}

// together adds up the reactions of two times.
func together(a, b []room.Reaction) []room.Reaction {
	out := slices.Clone(b)
	for _, x := range a {
		if i := slices.IndexFunc(out, func(y room.Reaction) bool { return y.Emoji == x.Emoji }); i >= 0 {
			out[i].Count += x.Count
		} else {
			out = append(out, x)
		}
	}
	return out
}

// tellPeople tells who is in the Rooms.
func (r *Redis) tellPeople(ctx context.Context, rooms []*share) {
	for batch := range slices.Chunk(rooms, pipelined) {
		pipe := r.client.Pipeline()
		for _, s := range batch {
			s.mu.Lock()
			p := s.people
			s.people = nil
			s.mu.Unlock()
			if p == nil {
				continue
			}
			b, err := json.Marshal(room.Remote{Node: r.cfg.Node, People: p})
			if err != nil { // People always can be
				r.log.Error("people cannot be told to other nodes", "stream", s.name, "err", err)
				continue
			}
			s.keys.tell(ctx, pipe, &r.cfg, b, p.Count)
		}
		if pipe.Len() > 0 {
			_, err := pipe.Exec(ctx)
			r.note(ctx, err)
		}
	}
}

func (r *Redis) parsePeople(nodes map[string]string) []room.Remote {
	var out []room.Remote
	for node, text := range nodes {
		if x, ok := r.parseRemote(text); ok && x.Node == node {
			x.People.Reactions = nil // of the past
			out = append(out, x)
		}
	}
	return out
}

// parseRemote reads People of another Node.
func (r *Redis) parseRemote(text string) (room.Remote, bool) {
	var x room.Remote
	if len(text) > maxLine || json.Unmarshal([]byte(text), &x) != nil || x.People == nil || x.Node == "" {
		r.metrics.garbage.Inc()
		return x, false
	}
	x.Entries = nil
	return x, x.Node != r.cfg.Node
}

// subscribe asks for the news of a Room. Should that fail, the client asks again
// as soon as it can; until then there are the polls. The connection is that of
// all Rooms, so the end of one must not break a write.
func (r *Redis) subscribe(ctx context.Context, s *share) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadPatience)
	defer cancel()
	_ = r.pubsub.Subscribe(ctx, s.keys.news)
}

// listen brings the news of all Rooms to those who follow them, over one
// connection.
func (r *Redis) listen(ctx context.Context) error {
	news := r.pubsub.ChannelWithSubscriptions()
	for {
		select {
		case <-ctx.Done():
			return r.pubsub.Close() //nolint:wrapcheck // has nothing to say
		case m := <-news:
			switch m := m.(type) {
			case *redis.Subscription:
				r.ring(m.Channel, nil, true)
			case *redis.Message:
				r.hear(m.Channel, m.Payload)
			}
		}
	}
}

func (r *Redis) hear(channel, payload string) {
	switch {
	case payload == "":
	case payload[0] == 'e':
		if payload[1:] != r.cfg.Node {
			r.ring(channel, nil, false)
		}
		return
	case payload[0] == 'p':
		if x, ok := r.parseRemote(payload[1:]); ok {
			r.ring(channel, &x, false)
		}
		return
	}
	r.metrics.garbage.Inc()
}

// ring wakes who follows the Room of a channel. With a fresh subscription, a
// first one or after an outage, something may have been missed.
func (r *Redis) ring(channel string, x *room.Remote, fresh bool) {
	name := nameOf(channel)
	r.mu.Lock()
	s := r.shares[name]
	r.mu.Unlock()
	if s == nil {
		return
	}
	s.mu.Lock()
	if x != nil {
		s.remotes = append(s.remotes[max(0, len(s.remotes)-maxRemotes+1):], *x)
	} else {
		s.stale = true
		s.contacted = s.contacted && !fresh
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
