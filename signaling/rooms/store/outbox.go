package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	randv2 "math/rand/v2"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshet-live/freshet/signaling/rooms/room"
)

// pipelined is how many Rooms send at once.
const pipelined = 32

// send brings to Redis what is waiting, until ctx ends, and tries for a moment
// longer.
func (r *Redis) send(ctx context.Context) error {
	for {
		wait := r.round(ctx, time.Now())
		if ctx.Err() != nil {
			break
		}
		if wait == 0 {
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-r.outward:
		case <-timer.C:
		}
		timer.Stop()
	}
	end := time.Now().Add(farewell)
	last, cancel := context.WithDeadline(context.WithoutCancel(ctx), end)
	defer cancel()
	for !r.isAway() && r.round(last, end) == 0 { // no Room's time to try is later than end
	}
	return nil
}

// round sends a batch of each Room whose time has come, and returns how long
// there is nothing to do; 0 is not at all.
func (r *Redis) round(ctx context.Context, now time.Time) time.Duration {
	wait := time.Hour
	var due []*share
	var told []*share
	for _, s := range r.list() {
		s.mu.Lock()
		switch {
		case !s.ready:
		case s.waiting() && !s.retry.After(now):
			due = append(due, s)
		case s.waiting():
			wait = min(wait, s.retry.Sub(now))
		}
		if s.people != nil {
			told = append(told, s)
		}
		s.mu.Unlock()
	}
	r.tellPeople(ctx, told)
	for batch := range slices.Chunk(due, pipelined) {
		r.sendBatch(ctx, batch)
	}
	if len(due) > 0 {
		return 0
	}
	return wait
}

// posting is a batch of one Room on its way.
type posting struct {
	s    *share
	list []room.Entry
	life string
	cmd  *redis.Cmd
}

func (r *Redis) sendBatch(ctx context.Context, due []*share) {
	r.sending.Lock()
	defer r.sending.Unlock()
	pipe := r.client.Pipeline()
	var all []posting
	for _, s := range due {
		p := posting{s: s}
		p.list, p.life = r.gather(s)
		if len(p.list) == 0 {
			s.mu.Lock()
			s.delay(r.backoff(s.attempt + 1)) // should there be something, it cannot be read
			s.mu.Unlock()
			continue
		}
		p.cmd = s.keys.append(ctx, pipe, &r.cfg, p.life, r.offers(ctx, s, p.list))
		all = append(all, p)
	}
	if len(all) == 0 {
		return
	}
	_, failed := pipe.Exec(ctx)
	for _, p := range all {
		life, err := p.cmd.Text()
		if life == "" {
			err = cmp.Or(err, failed, errNoAnswer) // what was not sent has no error of its own
		}
		r.note(ctx, err)
		p.s.mu.Lock()
		if err != nil {
			p.s.delay(r.backoff(p.s.attempt + 1))
		} else {
			p.s.took(p.list, p.life, life, time.Now())
			r.metrics.sent.Add(float64(len(p.list)))
		}
		p.s.mu.Unlock()
		if err == nil {
			r.index(ctx, p.s)
		}
	}
}

// gather returns the next Entries of a Room, from its file where memory has
// none, and the life of Redis that they are for.
func (r *Redis) gather(s *share) ([]room.Entry, string) {
	s.mu.Lock()
	read, from, whole, log := s.behind && len(s.queue) == 0, s.covered, s.whole, s.log
	s.mu.Unlock()
	if read {
		list, last, complete, err := r.file.after(s.name, from, whole, refillSize)
		s.mu.Lock()
		switch {
		case err != nil:
			s.mu.Unlock()
			r.log.Error("entries for other nodes not read", "stream", s.name, "err", err)
			return nil, ""
		case s.log == log && s.covered == from && s.whole == whole:
			s.refill(list, last, complete)
		}
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.take(batchSize)), s.life
}

// offers prepares Entries for Redis.
func (r *Redis) offers(ctx context.Context, s *share, list []room.Entry) []offer {
	out := make([]offer, 0, len(list))
	for _, e := range list {
		b, err := json.Marshal(&e)
		if err != nil { // an Entry always can be
			r.log.Error("an entry cannot be told to other nodes", "stream", s.name, "entry", e.ID, "err", err)
			continue
		}
		o := offer{id: e.ID, json: string(b), matter: matter(&e), at: max(e.At, 0)}
		if e.Kind == room.Pinned && e.Target != "" {
			o.pinned = r.pinned(ctx, s.name, e.Target)
		}
		out = append(out, o)
	}
	return out
}

// pinned returns the Entry that is shown above all, which may be older than what
// Redis holds.
func (r *Redis) pinned(ctx context.Context, name, id string) string {
	past, err := r.file.Load(context.WithoutCancel(ctx), name)
	if err != nil {
		return ""
	}
	for _, list := range [][]room.Entry{past.Standing, past.Recent} {
		for i := range list {
			if list[i].ID != id {
				continue
			}
			if b, err := json.Marshal(&list[i]); err == nil {
				return string(b)
			}
		}
	}
	return ""
}

// index lists the Room among those that something is kept of.
func (r *Redis) index(ctx context.Context, s *share) {
	now := time.Now()
	s.mu.Lock()
	due := now.Sub(s.indexed) > time.Minute
	if due {
		s.indexed = now
	}
	s.mu.Unlock()
	if !due {
		return
	}
	pipe := r.client.Pipeline()
	pipe.ZAdd(ctx, roomsKey, redis.Z{Score: float64(now.UnixMilli()), Member: s.name})
	pipe.ZRemRangeByScore(ctx, roomsKey, "-inf", fmt.Sprint(now.Add(-r.cfg.Keep).UnixMilli()))
	pipe.PExpire(ctx, roomsKey, r.cfg.Keep)
	_, err := pipe.Exec(ctx)
	if isType(err) {
		err = r.client.Del(ctx, roomsKey).Err()
		r.metrics.garbage.Inc()
	}
	r.note(ctx, err)
}

// isType reports the error about a key that holds something else.
func isType(err error) bool {
	return err != nil && redis.HasErrorPrefix(err, "WRONGTYPE")
}

// backoff doubles, up to 50 times the least, with jitter.
func (r *Redis) backoff(attempt int) time.Duration {
	most := 50 * r.cfg.Backoff
	d := most
	if attempt < 8 {
		d = min(most, r.cfg.Backoff<<(attempt-1))
	}
	return d/2 + randv2.N(d/2+1)
}

// findUnsent takes up what was not sent when this Node was last ended.
func (r *Redis) findUnsent(ctx context.Context) error {
	names, err := r.file.Names(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		last, err := r.file.lastSeq(name, time.Now().Add(-r.cfg.Keep))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if last <= r.file.readMark(name).Sent {
			continue
		}
		s, _, err := r.use(ctx, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		r.release(s)
	}
	return errors.Join(errs...)
}
