package origin

import (
	"slices"
	"time"

	"github.com/freshet-live/freshet/hls-egress/playlist"
	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/sfu/media"
)

// offer is what the multivariant playlist is made of. It is immutable.
type offer struct {
	present  []segment.Rendition
	onDemand []segment.Rendition
}

// Offer names renditions that are made when somebody asks for them. They are
// in the multivariant playlist whether or not they run.
func (s *Stream) Offer(rungs []segment.Rendition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range rungs {
		if !slices.ContainsFunc(s.offer.Load().present, func(p segment.Rendition) bool { return p.Name == r.Name }) {
			s.rendition(r.Name).gone.Store(true)
		}
	}
	s.offer.Store(&offer{present: s.offer.Load().present, onDemand: slices.Clone(rungs)})
	s.o.changed.fire()
}

// Expect lets players wait for a rendition that is about to come: one that has
// read the multivariant playlist without its sound would never have any. "" is
// for none. It is called before the first Apply.
func (s *Stream) Expect(name string) {
	if old := s.expected.Swap(&name); old == nil || *old != name {
		s.o.changed.fire()
	}
}

// expects reports whether a rendition is about to come; "": any.
func (s *Stream) expects(name string) bool {
	want := s.expected.Load()
	if want == nil || *want == "" || name != "" && name != *want {
		return false
	}
	return !s.over() && !slices.ContainsFunc(s.offer.Load().present, func(r segment.Rendition) bool { return r.Name == *want })
}

// Demand tells the names of offered renditions that somebody asks for and that
// do not run. While somebody waits, a name comes again every two seconds.
func (s *Stream) Demand() <-chan string { return s.demand }

// Used returns when somebody last asked for any playlist, zero when nobody
// has.
func (s *Stream) Used() time.Time {
	if at := s.used.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

// LastUse returns when somebody last asked for a rendition's playlist, zero
// when nobody has.
func (s *Stream) LastUse(name string) time.Time {
	r := (*s.renditions.Load())[name]
	if r == nil || r.used.Load() == 0 {
		return time.Time{}
	}
	return time.Unix(0, r.used.Load())
}

// ask notes that somebody wants a rendition that does not run.
func (s *Stream) ask(r *rendition, now time.Time) {
	last := r.asked.Load()
	if now.UnixNano()-last < int64(askAgain) || !r.asked.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	select {
	case s.demand <- r.name:
	default: // there are others before it; it is asked for again
		r.asked.Store(last)
	}
}

// multivariant writes the playlist for a viewer who comes now. The prefix goes
// before each URI. It returns nil when there is nothing to play yet.
func (s *Stream) multivariant(now time.Time, prefix string) []byte {
	if s.expects("") {
		return nil
	}
	o := s.offer.Load()
	var all []playlist.Rendition
	add := func(r segment.Rendition, onDemand bool) {
		all = append(all, playlist.Rendition{
			Name: r.Name, URI: prefix + r.Name + "/index.m3u8", Video: r.Kind == media.Video, Codecs: r.Codecs,
			Width: r.Width, Height: r.Height, FrameRate: r.FrameRate, Channels: r.Channels,
			Bandwidth: r.Bandwidth, AverageBandwidth: r.AverageBandwidth, Rank: r.Rank, OnDemand: onDemand,
		})
	}
	for _, r := range o.present {
		if r.Silent.IsZero() || now.Sub(r.Silent) < hideAfter {
			add(r, false)
		}
	}
	if len(all) == 0 { // something has to be there to play
		for _, r := range o.present {
			add(r, false)
		}
	}
	for _, r := range o.onDemand {
		if !slices.ContainsFunc(o.present, func(p segment.Rendition) bool { return p.Name == r.Name }) {
			add(r, true)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return playlist.AppendMultivariant(nil, all, s.independent())
}

// independent reports whether all segments begin with keyframes.
func (s *Stream) independent() bool {
	if s.dependent.Load() {
		return false
	}
	for _, r := range *s.renditions.Load() {
		if v := r.current.Load(); v != nil && !v.view.Independent() {
			return false
		}
	}
	return true
}
