package rooms

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/freshet-live/freshet/signaling/rooms/room"
)

// barList is who is banned from a Room, for those to ask who are not its
// keeper.
type barList struct {
	mu   sync.RWMutex
	bans *room.Bans
}

// load takes what holds from what was kept.
func (b *barList) load(now time.Time, past room.Past) {
	for _, list := range [][]room.Entry{past.Standing, past.Audit, past.Recent} {
		for i := range list {
			b.apply(now, list[i])
		}
	}
}

// apply takes a ban that has come into force, or its end.
func (b *barList) apply(now time.Time, e room.Entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bans.Put(now, e)
}

// bars reports whether an identity in a role or its address is banned.
func (b *barList) bars(now time.Time, identity string, role room.Role, addr netip.Addr) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.bans.Barred(now, identity, role, addr)
}

// sweep forgets what holds no more, and reports whether anything is left.
func (b *barList) sweep(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bans.Sweep(now)
}

// barPatience is how long somebody waits whose bans have to be read first.
const barPatience = 2 * time.Second

// Barred reports whether a ban stands that reaches somebody in a role, or the
// address, as room.Entry.Reaches says. It waits where the Room has to be read
// first, and costs next to nothing after that.
func (h *Handler) Barred(stream, identity string, role room.Role, addr netip.Addr) bool {
	if role == room.Operator {
		return false // whom no ban reaches; the Room need not be read
	}
	b := h.barsOf(stream)
	return b != nil && b.bars(time.Now(), identity, role, addr)
}

// barsOf returns who is banned from a Stream, nil for nobody.
func (h *Handler) barsOf(stream string) *barList {
	h.mu.Lock()
	k, b, unread := h.open[stream], h.barred[stream], h.kept[stream]
	h.mu.Unlock()
	switch {
	case k != nil:
		select {
		case <-k.loaded:
			return &k.bars
		default:
		}
	case !unread && h.isReady():
		return b
	}
	ctx, cancel := context.WithTimeout(context.Background(), barPatience)
	defer cancel()
	err := h.with(ctx, stream, func(keeper *keeper, _ time.Time) { b = &keeper.bars })
	if err != nil {
		h.calm.Error(time.Now(), h.log, "bans not read", "stream", stream, "err", err)
		return nil
	}
	return b
}

func (h *Handler) isReady() bool {
	select {
	case <-h.ready:
		return true
	default:
		return false
	}
}

// remember notes which Rooms there are, each of which may have bans.
func (h *Handler) remember(ctx context.Context) {
	names, err := h.store.Names(ctx)
	if err != nil && ctx.Err() == nil {
		h.log.Error("rooms not listed; their bans hold once they are open", "err", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range names {
		if h.open[name] == nil {
			h.kept[name] = true
		}
	}
}
