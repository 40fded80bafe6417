package fanout

import (
	"fmt"
	"sync"
	"time"

	"github.com/freshet-live/freshet/sfu/fanout/seats"
	"github.com/freshet-live/freshet/sfu/fanout/wire"
)

// registry finds viewers: by the local ufrag in a STUN request, by the Route
// that a datagram came over. Readers ask it for every datagram.
type registry struct {
	maxConnecting int

	mu         sync.RWMutex
	closed     bool
	seats      *seats.Table
	viewers    map[*Viewer]struct{}
	connecting int
	ufrags     map[string]*Viewer
	routes     map[wire.Route]*Viewer
	groups     map[groupKey]*group
}

type groupKey struct {
	worker *worker
	stream string
}

func newRegistry(cfg Config) *registry {
	return &registry{
		maxConnecting: cfg.MaxConnecting, seats: seats.New(cfg.limits()),
		viewers: map[*Viewer]struct{}{}, ufrags: map[string]*Viewer{},
		routes: map[wire.Route]*Viewer{}, groups: map[groupKey]*group{},
	}
}

// reserve makes room for a viewer that is about to connect and will cost a
// bitrate, in the group of the worker with the fewest viewers.
func (r *registry) reserve(v *Viewer, stream string, bitrate float64, workers []*worker) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return ErrClosed
	case r.connecting >= r.maxConnecting:
		return fmt.Errorf("%w: %d are still connecting", ErrBusy, r.connecting)
	}
	if err := r.seats.Take(time.Now(), stream, bitrate); err != nil {
		return fmt.Errorf("%w: %w", ErrBusy, err)
	}
	v.bitrate = bitrate
	w := workers[0]
	for _, other := range workers[1:] {
		if other.load < w.load {
			w = other
		}
	}
	key := groupKey{worker: w, stream: stream}
	g := r.groups[key]
	if g == nil {
		g = &group{worker: w, stream: stream}
		r.groups[key] = g
	}
	g.refs++
	w.load++
	r.connecting++
	r.viewers[v] = struct{}{}
	v.worker, v.group = w, g
	return nil
}

// connected notes that a viewer connects no longer.
func (r *registry) connected(v *Viewer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.viewers[v]; ok && !v.counted {
		v.counted = true
		r.connecting--
	}
}

// forget removes all that finds a viewer. Its group goes with the last one.
func (r *registry) forget(v *Viewer, ufrags []string, routes []wire.Route) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.viewers[v]; !ok {
		return
	}
	delete(r.viewers, v)
	if !v.counted {
		r.connecting--
	}
	for _, u := range ufrags {
		if r.ufrags[u] == v {
			delete(r.ufrags, u)
		}
	}
	for _, route := range routes {
		if r.routes[route] == v {
			delete(r.routes, route)
		}
	}
	g := v.group
	r.seats.Free(time.Now(), g.stream, v.bitrate)
	g.worker.load--
	if g.refs--; g.refs == 0 {
		delete(r.groups, groupKey{worker: g.worker, stream: g.stream})
	}
}

// measured takes what all of it costs.
func (r *registry) measured(now time.Time, l seats.Load) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seats.Measure(now, l)
}

// close refuses further viewers and returns those there are.
func (r *registry) close() []*Viewer {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	all := make([]*Viewer, 0, len(r.viewers))
	for v := range r.viewers {
		all = append(all, v)
	}
	return all
}

// count returns the viewers that are connected and those that are not yet.
func (r *registry) count() (connected, connecting int) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.viewers) - r.connecting, r.connecting
}

func (r *registry) byUfrag(ufrag string) *Viewer {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.ufrags[ufrag]
}

func (r *registry) byRoute(route wire.Route) *Viewer {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.routes[route]
}

// bindUfrag makes a viewer findable by a local ufrag, unless it is gone.
func (r *registry) bindUfrag(ufrag string, v *Viewer) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.viewers[v]; !ok {
		return false
	}
	r.ufrags[ufrag] = v
	return true
}

// bindRoute makes a viewer findable by a Route over which it proved its
// credentials. The latest proof wins: behind a NAT an address finds new owners.
func (r *registry) bindRoute(route wire.Route, v *Viewer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.viewers[v]; ok {
		r.routes[route] = v
	}
}

func (r *registry) unbindUfrag(ufrag string, v *Viewer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ufrags[ufrag] == v {
		delete(r.ufrags, ufrag)
	}
}

func (r *registry) unbindRoute(route wire.Route, v *Viewer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.routes[route] == v {
		delete(r.routes, route)
	}
}
