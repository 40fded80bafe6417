package rooms

import (
	"fmt"
	"net/netip"
	"sync"
)

// seats counts the connections of this Node, in all and by address.
type seats struct {
	max, perAddress int

	mu    sync.Mutex
	taken int
	by    map[netip.Prefix]int
}

func newSeats(limit, perAddress int) *seats {
	return &seats{max: limit, perAddress: perAddress, by: map[netip.Prefix]int{}}
}

// take gives a seat away. The errors wrap ErrBusy and ErrTooMany.
func (s *seats) take(addr netip.Addr) (giveBack func(), err error) {
	key := network(addr)
	limited := key.IsValid() && !key.Addr().IsLoopback()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.taken >= s.max:
		return nil, fmt.Errorf("%w: the server is full", ErrBusy)
	case limited && s.by[key] >= s.perAddress:
		return nil, fmt.Errorf("%w: there are %d from this address", ErrTooMany, s.perAddress)
	}
	s.taken++
	if limited {
		s.by[key]++
	}
	return sync.OnceFunc(func() { s.giveBack(key, limited) }), nil
}

func (s *seats) giveBack(key netip.Prefix, limited bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	if !limited {
		return
	}
	if s.by[key]--; s.by[key] == 0 {
		delete(s.by, key)
	}
}

// network is what counts as one address: an IPv6 user owns a whole /64.
func network(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 64
		if addr.IsLoopback() {
			bits = 128
		}
	}
	p, _ := addr.Prefix(bits)
	return p
}
