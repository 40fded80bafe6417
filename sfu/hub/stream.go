package hub

import (
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/freshet-live/freshet/sfu/media"
)

// Stream is one live broadcast under a name. It outlives its Publications.
type Stream struct {
	name string
	cfg  Config
	log  *slog.Logger
	live *signal // the hub's

	// sinks is replaced whole on each change, so that packets pass unlocked.
	sinks    atomic.Pointer[[]media.Sink]
	snapshot atomic.Pointer[media.Snapshot]

	mu      sync.Mutex
	state   media.State
	since   time.Time
	epoch   uint64
	current *Publication
	pending []*Publication
	refs    map[media.Sink]int
	viewers int
	demand  demand
	dirty   bool // a viewer came or went since the last Snapshot
	changed chan struct{}
}

func newStream(name string, cfg Config, log *slog.Logger) *Stream {
	s := &Stream{
		name: name, cfg: cfg, log: log,
		state: media.Idle, since: time.Now(),
		refs: map[media.Sink]int{}, demand: newDemand(), changed: make(chan struct{}),
	}
	s.sinks.Store(&[]media.Sink{})
	s.snapshot.Store(&media.Snapshot{Name: name, State: media.Idle, Since: s.since})
	return s
}

// publishLocked makes a new Snapshot and gives it to everybody.
func (s *Stream) publishLocked() {
	snap := &media.Snapshot{
		Name: s.name, State: s.state, Since: s.since, Epoch: s.epoch, Viewers: s.viewers,
	}
	if s.current != nil {
		s.current.describeLocked(snap, s.demand.highest)
	}
	s.dirty = false
	s.snapshot.Store(snap)
	close(s.changed)
	s.changed = make(chan struct{})
	for _, sink := range *s.sinks.Load() {
		sink.Update(snap)
	}
	if s.cfg.OnChange != nil {
		s.cfg.OnChange(snap)
	}
}

func (s *Stream) setStateLocked(state media.State) {
	if s.state != state {
		s.log.Info("stream is "+string(state), "epoch", s.epoch)
		s.state, s.since = state, time.Now()
	}
}

// reserveLocked admits a pending Publication. The oldest pending one makes way
// when there are too many.
func (s *Stream) reserveLocked(p *Publication) (evicted *Publication, err error) {
	if s.current != nil && s.current.owner != p.owner {
		return nil, ErrPublisherExists
	}
	for _, other := range s.pending {
		if other.owner != p.owner {
			return nil, ErrPublisherExists
		}
	}
	if len(s.pending) >= maxPending {
		evicted = s.pending[0]
		evicted.over = true
		s.pending = slices.Delete(s.pending, 0, 1)
	}
	s.pending = append(s.pending, p)
	return evicted, nil
}

// endLocked ends the Stream and returns the Publications that are over by it.
func (s *Stream) endLocked() (ended bool, over []*Publication) {
	over, s.pending = s.pending, nil
	if s.current != nil {
		over = append(over, s.current)
		s.current.live = false
		s.current.closeLayers()
		s.current = nil
	}
	for _, p := range over {
		p.over = true
	}
	if s.state == media.Live || s.state == media.Reconnecting {
		s.setStateLocked(media.Ended)
		s.publishLocked()
		return true, over
	}
	return len(over) > 0, over
}

func (s *Stream) unusedLocked() bool {
	return s.current == nil && len(s.pending) == 0 && len(s.refs) == 0 && s.state != media.Reconnecting
}

func (s *Stream) tickLocked(now time.Time) {
	if s.state == media.Reconnecting && now.Sub(s.since) >= s.cfg.ReconnectWindow {
		s.setStateLocked(media.Ended)
		s.dirty = true
	}
	if s.current != nil && s.current.measureLocked(now) {
		s.dirty = true
	}
	if s.dirty {
		s.publishLocked()
	}
}

func (s *Stream) subscribeLocked(sink media.Sink, viewer bool) *Subscription {
	s.refs[sink]++
	if s.refs[sink] == 1 {
		sink.Update(s.snapshot.Load()) // before any Packet
		sinks := append(slices.Clone(*s.sinks.Load()), sink)
		s.sinks.Store(&sinks)
	}
	if viewer {
		s.viewers++
		s.dirty = true
	}
	// A Sink that has said nothing may need every Layer, and needs it soon.
	if s.demand.add(WantAll) && s.current != nil {
		s.publishLocked()
	}
	return &Subscription{stream: s, sink: sink, viewer: viewer, want: WantAll}
}

func (s *Stream) unsubscribe(sub *Subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sink, viewer := sub.sink, sub.viewer
	if s.refs[sink]--; s.refs[sink] == 0 {
		delete(s.refs, sink)
		sinks := slices.DeleteFunc(slices.Clone(*s.sinks.Load()), func(x media.Sink) bool { return x == sink })
		s.sinks.Store(&sinks)
	}
	if s.demand.remove(sub.want) {
		s.dirty = true
	}
	sub.closed = true
	if viewer {
		s.viewers--
		s.dirty = true
	}
}

// Subscription is one consumer's connection to a Stream. It keeps the Stream
// in the hub.
type Subscription struct {
	stream *Stream
	sink   media.Sink
	viewer bool
	once   sync.Once

	// Below belongs to the Stream's lock.
	want   int
	closed bool
}

// Watch returns the Stream's present Snapshot and a channel that closes when
// there is a newer one.
func (s *Subscription) Watch() (*media.Snapshot, <-chan struct{}) {
	s.stream.mu.Lock()
	defer s.stream.mu.Unlock()
	return s.stream.snapshot.Load(), s.stream.changed
}

// Close disconnects the Sink when this was its last Subscription. A Packet
// that is being written may still reach it afterwards.
func (s *Subscription) Close() {
	s.once.Do(func() { s.stream.unsubscribe(s) })
}

// Want declares up to which rank the Sink has a use for video Layers, on behalf
// of this Subscription: WantNone, a media.Layer.Rank, or WantAll, as at the
// beginning. What nobody wants shows in Snapshot.Wanted. It is not for Update
// or WritePacket to call.
func (s *Subscription) Want(rank int) {
	st := s.stream
	st.mu.Lock()
	defer st.mu.Unlock()
	rank = max(rank, WantNone)
	if s.closed || s.want == rank {
		return
	}
	before := st.demand.highest
	st.demand.add(rank)
	st.demand.remove(s.want)
	s.want = rank
	if st.demand.highest != before && st.current != nil {
		st.publishLocked()
	}
}
