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
	mu         sync.RWMutex
	identities map[string]room.Entry
	addresses  map[netip.Prefix]room.Entry
}

// load takes what holds from what was kept.
func (b *barList) load(past room.Past) {
	for _, e := range past.Standing {
		b.apply(e)
	}
}

// apply takes a ban that has come into force, or its end.
func (b *barList) apply(e room.Entry) {
	if e.Kind != room.Banned && e.Kind != room.Unbanned {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forget(e.Target)
	if e.Kind == room.Unbanned {
		return
	}
	if b.identities == nil {
		b.identities, b.addresses = map[string]room.Entry{}, map[netip.Prefix]room.Entry{}
	}
	b.identities[e.Target] = e
	if e.Address.IsValid() {
		b.addresses[network(e.Address)] = e
	}
}

// forget lifts a ban. The caller has the lock.
func (b *barList) forget(identity string) {
	key := network(b.identities[identity].Address)
	if b.addresses[key].Target == identity {
		delete(b.addresses, key)
	}
	delete(b.identities, identity)
}

// bars reports whether an identity or an address is banned.
func (b *barList) bars(now time.Time, identity string, addr netip.Addr) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if e, known := b.identities[identity]; known && holds(e, now) {
		return true
	}
	if !addr.IsValid() || len(b.addresses) == 0 {
		return false
	}
	e, known := b.addresses[network(addr)]
	return known && holds(e, now)
}

func holds(ban room.Entry, now time.Time) bool {
	return ban.Until == 0 || now.UnixMilli() < ban.Until
}

// sweep forgets what holds no more, and reports whether anything is left.
func (b *barList) sweep(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for identity, e := range b.identities {
		if !holds(e, now) {
			b.forget(identity)
		}
	}
	return len(b.identities) > 0
}

// barPatience is how long somebody waits whose bans have to be read first.
const barPatience = 2 * time.Second

// Barred reports whether an identity or an address is banned from a Stream. It
// waits where the Room has to be read first, and costs next to nothing after
// that.
func (h *Handler) Barred(stream, identity string, addr netip.Addr) bool {
	b := h.barsOf(stream)
	return b != nil && b.bars(time.Now(), identity, addr)
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
