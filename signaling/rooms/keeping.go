package rooms

import (
	"context"
	"time"

	"github.com/freshet-live/freshet/signaling/rooms/room"
)

// batch is what goes to the Store at once, and what to do when it is there.
type batch struct {
	entries []room.Entry
	then    []func(durable bool)
}

// stored is a batch that the Store has taken, or has failed to take.
type stored struct {
	batch
	err error
}

// store hands what has gathered to the Store, unless that is at work.
func (k *keeper) store() {
	if k.storing > 0 {
		return
	}
	if len(k.next.entries) == 0 {
		k.next.done(true) // nothing to wait for
		return
	}
	k.storing = len(k.next.entries)
	k.batches <- k.next // has room: one is under way at most
	k.next = batch{}
}

// done tells those who wait for a batch.
func (b *batch) done(durable bool) {
	for _, f := range b.then {
		f(durable)
	}
	b.then = nil
}

// kept goes on with a batch that is in the Store. One that the Store could not
// take is told all the same: the Room works without it.
func (k *keeper) kept(now time.Time, s stored) {
	k.storing = 0
	if s.err != nil {
		k.h.metrics.lost.Add(float64(len(s.entries)))
		k.h.calm.Error(now, k.log, "entries not kept", "entries", len(s.entries), "err", s.err)
	}
	k.publish(now, s.entries)
	s.done(s.err == nil)
}

// append gives batches to the Store, one at a time, and tells it who is here,
// until there are no more batches.
func (k *keeper) append(ctx context.Context) {
	for {
		select {
		case b, more := <-k.batches:
			if !more {
				return
			}
			k.stored <- stored{b, k.appendOnce(ctx, b)}
		case p := <-k.people:
			if err := k.h.store.Announce(ctx, k.name, p); err != nil && ctx.Err() == nil {
				k.h.calm.Error(time.Now(), k.log, "people not announced", "err", err)
			}
		}
	}
}

// appendOnce is not cut short by ctx: what has been accepted shall be kept.
func (k *keeper) appendOnce(ctx context.Context, b batch) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), appendTime)
	defer cancel()
	begin := time.Now()
	err := k.h.store.Append(ctx, k.name, b.entries)
	k.h.metrics.append.Observe(time.Since(begin).Seconds())
	return err
}

// announce leaves the newest People for the Store.
func (k *keeper) announce(p room.People) {
	for {
		select {
		case k.people <- p:
			return
		default:
		}
		select {
		case <-k.people:
		default:
		}
	}
}

// follow brings in what happens on other Nodes.
func (k *keeper) follow(ctx context.Context) {
	err := k.h.store.Follow(ctx, k.name, func(r room.Remote) {
		_ = k.post(ctx, func(now time.Time) { // fails when ctx has ended
			k.room.Merge(now, r.Entries)
			if r.People != nil {
				k.room.Others(now, r.Node, *r.People)
			}
		})
	})
	if ctx.Err() == nil {
		k.log.Error("other nodes not followed", "err", err)
	}
}
