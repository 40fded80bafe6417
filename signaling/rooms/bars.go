package rooms

import (
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
