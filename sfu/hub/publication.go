package hub

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/freshet-live/freshet/sfu/forward"
	"github.com/freshet-live/freshet/sfu/media"
)

// Publication is one publisher's turn at a Stream: reserved, then live, then
// over. All its fields belong to its Stream's lock.
type Publication struct {
	stream *Stream
	owner  string
	source media.Source
	epoch  uint64
	live   bool
	over   bool
	layers []*Layer
}

// Start makes the Publication live, in the place of an earlier one of the same
// owner, which ends with ErrReplaced. The Source calls it when its transport
// is up. It returns ErrPublicationOver when the Publication has ended.
func (p *Publication) Start() error {
	s := p.stream
	s.mu.Lock()
	if p.over {
		s.mu.Unlock()
		return ErrPublicationOver
	}
	if p.live {
		s.mu.Unlock()
		return nil
	}
	old := s.current
	if old != nil {
		old.over, old.live = true, false
		old.closeLayers()
	}
	s.pending = slices.DeleteFunc(s.pending, func(x *Publication) bool { return x == p })
	s.epoch++
	p.epoch, p.live, s.current = s.epoch, true, p
	s.setStateLocked(media.Live)
	s.publishLocked()
	s.mu.Unlock()
	s.live.raise()
	if old != nil {
		old.source.End(ErrReplaced)
	}
	return nil
}

// End takes the Publication from its Stream, which then waits for the
// reconnect window: a publisher that restarts says goodbye too. End may be
// called repeatedly.
func (p *Publication) End() {
	s := p.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.over {
		return
	}
	p.over = true
	p.closeLayers()
	if !p.live {
		s.pending = slices.DeleteFunc(s.pending, func(x *Publication) bool { return x == p })
		return
	}
	p.live = false
	s.current = nil
	s.setStateLocked(media.Reconnecting)
	s.publishLocked()
}

// Live reports whether the Publication is the one that its Stream carries.
func (p *Publication) Live() bool {
	p.stream.mu.Lock()
	defer p.stream.mu.Unlock()
	return p.live
}

// Watch returns the Stream's present Snapshot and a channel that closes when
// there is a newer one.
func (p *Publication) Watch() (*media.Snapshot, <-chan struct{}) {
	p.stream.mu.Lock()
	defer p.stream.mu.Unlock()
	return p.stream.snapshot.Load(), p.stream.changed
}

func (p *Publication) closeLayers() {
	for _, l := range p.layers {
		l.over.Store(true)
	}
}

// AddLayer announces a Layer of a live Publication. Rank orders the Layers of
// the video Track from the lowest. It returns ErrPublicationOver unless the
// Publication is live. The Layer shows up in Snapshots when its first Packet
// is written.
func (p *Publication) AddLayer(codec media.Codec, rid string, rank int) (*Layer, error) {
	s := p.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	if !p.live {
		return nil, ErrPublicationOver
	}
	size := videoCacheSize
	if codec.Kind() == media.Audio {
		size = audioCacheSize
	}
	cache := forward.NewCache(size)
	l := &Layer{
		Layer: &media.Layer{
			Kind: codec.Kind(), Codec: codec, RID: rid, Rank: rank, Epoch: p.epoch,
			Source: p.source, History: cache, KeyframeInterval: s.cfg.KeyframeInterval,
		},
		stream: s, cache: cache,
	}
	p.layers = append(p.layers, l)
	slices.SortStableFunc(p.layers, func(a, b *Layer) int { return a.Rank - b.Rank })
	return l, nil
}

// describeLocked fills a Snapshot with the Layers that have sent anything;
// wanted is the highest rank that is.
func (p *Publication) describeLocked(snap *media.Snapshot, wanted int) {
	for _, l := range p.layers {
		switch {
		case !l.announced:
		case l.Kind == media.Audio:
			snap.Audio = l.Layer
		default:
			snap.Video = append(snap.Video, l.Layer)
			snap.Active = append(snap.Active, l.active)
			snap.Wanted = append(snap.Wanted, l.Rank <= wanted)
		}
	}
}

// measureLocked updates every Layer's status and reports whether the set of
// active Layers has changed.
func (p *Publication) measureLocked(now time.Time) (changed bool) {
	newest := int64(0)
	for _, l := range p.layers {
		if l.Kind == media.Video {
			newest = max(newest, l.lastPacket.Load())
		}
	}
	for _, l := range p.layers {
		changed = l.measureLocked(now, newest) || changed
	}
	return changed
}

// Layer is the writing end of a media.Layer. One goroutine, the Source's, may
// write to it.
type Layer struct {
	*media.Layer
	stream *Stream
	cache  *forward.Cache

	over       atomic.Bool
	asleep     atomic.Bool  // was found inactive
	lastPacket atomic.Int64 // Unix nanoseconds
	bytes      atomic.Uint64
	frames     atomic.Uint64
	upper      [media.MaxTemporalLayers - 1]atomic.Uint64 // bytes of temporal layers
	packets    atomic.Uint64
	first      atomic.Uint64 // sequence number of the first Packet
	last       atomic.Uint64 // highest sequence number so far
	size       atomic.Uint64 // width<<32 | height

	// Below belongs to the Stream's lock.
	announced bool
	active    bool
	meter     meter
}

// SetSize tells the picture's size in pixels. It takes effect with the first
// Packet or else with the next measurement.
func (l *Layer) SetSize(width, height int) {
	l.size.Store(uint64(uint32(width))<<32 | uint64(uint32(height))) // sizes are small
}

func (l *Layer) pixels() (width, height int) {
	size := l.size.Load()
	return int(size >> 32), int(uint32(size)) // two halves
}

// Write gives a Packet to the Layer's History and to every Sink. Duplicates
// and packets that come too late are dropped. The Packet must not be changed
// afterwards.
func (l *Layer) Write(p *media.Packet) {
	if l.over.Load() || !l.cache.Put(p) {
		return
	}
	l.count(p)
	if p.Keyframe && l.Kind == media.Video {
		l.KeyframeCame(p.Arrival)
	}
	for _, sink := range *l.stream.sinks.Load() {
		sink.WritePacket(l.Layer, p)
	}
}

func (l *Layer) count(p *media.Packet) {
	l.bytes.Add(uint64(len(p.Payload)))
	if id := p.Descriptor.TemporalID; id > 0 && int(id) <= len(l.upper) && l.Codec.Name == media.VP8 {
		l.upper[id-1].Add(uint64(len(p.Payload)))
	}
	if p.FrameStart {
		l.frames.Add(1)
	}
	if p.Seq > l.last.Load() {
		l.last.Store(p.Seq)
	}
	l.lastPacket.Store(p.Arrival.UnixNano())
	if l.packets.Add(1) == 1 {
		l.first.Store(p.Seq)
		l.announce()
	} else if p.Keyframe && l.asleep.Load() {
		l.wake()
	}
}

func (l *Layer) counted() counts {
	c := counts{bytes: l.bytes.Load(), frames: l.frames.Load()}
	for i := range c.upper {
		c.upper[i] = l.upper[i].Load()
	}
	return c
}

// wake makes an inactive Layer active before its keyframe reaches a Sink, so
// that whoever waits for the Layer can begin with just that keyframe.
func (l *Layer) wake() {
	s := l.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	l.asleep.Store(false)
	if l.over.Load() || l.active {
		return
	}
	l.active = true
	status := l.Status()
	status.Active = true
	status.Width, status.Height = l.pixels()
	l.SetStatus(status)
	s.publishLocked()
}

// announce puts the Layer into the Stream's Snapshot before its first Packet
// reaches a Sink.
func (l *Layer) announce() {
	s := l.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.over.Load() {
		return
	}
	l.announced, l.active = true, true
	l.meter.add(time.Now(), counts{}, &media.LayerStatus{}) // so that the next tick knows a bitrate
	width, height := l.pixels()
	l.SetStatus(media.LayerStatus{Active: true, Width: width, Height: height})
	s.publishLocked()
}
