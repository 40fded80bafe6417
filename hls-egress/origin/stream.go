package origin

import (
	"crypto/rand"
	"encoding/base32"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/freshet-live/freshet/hls-egress/playlist"
	"github.com/freshet-live/freshet/hls-egress/segment"
)

const (
	// hideAfter is how long a rendition may carry another one's media before
	// new viewers are no longer told of it.
	hideAfter = 10 * time.Second
	// askAgain is after which time Demand is told again of a rendition that
	// somebody waits for.
	askAgain   = 2 * time.Second
	demandRoom = 32
	// liveEdge is how much of the newest media stays in memory, in target
	// durations: parts can be had for 3 after they were listed for 3 (L18,
	// L19), and most requests are for these.
	liveEdge = 6
)

// Stream is one run of a Stream at the Origin. Its methods are safe for
// concurrent use and never wait for a viewer.
type Stream struct {
	o      *Origin
	name   string
	run    string
	format playlist.Format
	// What Cache-Control says of media, of playlists that were waited for, and
	// of others, by scope.
	cacheMedia, cacheTarget, cacheSecond [2][]string

	renditions atomic.Pointer[map[string]*rendition]
	offer      atomic.Pointer[offer]
	expected   atomic.Pointer[string] // the name of a rendition that is about to come
	demand     chan string
	used       atomic.Int64 // Unix nanoseconds of the last request for a playlist

	mu    sync.Mutex
	ended time.Time
	done  atomic.Bool // as ended, for readers
	// dependent is set when segments may begin without a keyframe.
	dependent atomic.Bool
}

func newStream(o *Origin, name string, format playlist.Format) *Stream {
	var id [5]byte
	_, _ = rand.Read(id[:]) // never fails
	s := &Stream{
		o: o, name: name, format: format, demand: make(chan string, demandRoom),
		run: strings.ToLower(base32.StdEncoding.EncodeToString(id[:])),
	}
	s.setCaching(o.cfg.Window)
	s.renditions.Store(&map[string]*rendition{})
	s.offer.Store(&offer{})
	return s
}

// Dependent keeps playlists from promising that every segment begins with a
// keyframe. It is called before the first Apply: playlists may not change
// their mind.
func (s *Stream) Dependent() { s.dependent.Store(true) }

// Apply publishes what a Ladder has put out.
func (s *Stream) Apply(out segment.Output) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended.IsZero() {
		return
	}
	var touched []*rendition
	for i := range out.Parts {
		p := &out.Parts[i]
		r := s.rendition(p.Rendition)
		if r.listing == nil {
			r.listing = playlist.NewListing(s.format, s.o.cfg.Window, s.discontinuities())
			if s.dependent.Load() {
				r.listing.Dependent()
			}
		}
		r.add(p, s.mapURI(p))
		if !slices.Contains(touched, r) {
			touched = append(touched, r)
		}
	}
	news := out.Renditions != nil
	if news {
		s.present(out.Renditions)
	}
	for _, r := range touched {
		if r.listing == nil {
			continue // it went with its last part
		}
		news = news || r.current.Load() == nil
		r.publish(s.reports(r))
	}
	if news {
		s.o.changed.fire()
	}
}

// mapURI returns where a part's initialization section is, as seen from the
// part's rendition: another one's media may stand in.
func (s *Stream) mapURI(p *segment.Part) string {
	if p.Init == nil {
		return ""
	}
	if p.Init.Rendition == "" || p.Init.Rendition == p.Rendition {
		return s.rendition(p.Rendition).register(p.Init, p.MSN)
	}
	return "../" + p.Init.Rendition + "/" + s.rendition(p.Init.Rendition).register(p.Init, p.MSN)
}

// rendition returns the one of a name, new if need be. The map is replaced,
// never changed.
func (s *Stream) rendition(name string) *rendition {
	all := *s.renditions.Load()
	if r := all[name]; r != nil {
		return r
	}
	r := newRendition(name, s.run)
	all = maps.Clone(all)
	all[name] = r
	s.renditions.Store(&all)
	return r
}

// present takes the list of the renditions that there are.
func (s *Stream) present(list []segment.Rendition) {
	list = slices.Clone(list)
	here := map[string]bool{}
	for _, r := range list {
		here[r.Name] = true
		s.rendition(r.Name).gone.Store(false)
	}
	for name, r := range *s.renditions.Load() {
		if !here[name] && !r.gone.Swap(true) {
			r.asked.Store(0)
			r.leave()
		}
	}
	s.offer.Store(&offer{present: list, onDemand: s.offer.Load().onDemand})
}

// discontinuities returns the number that a rendition begins with which comes
// to others (L31).
func (s *Stream) discontinuities() uint64 {
	var n uint64
	for _, r := range *s.renditions.Load() {
		if r.listing != nil {
			n = max(n, r.listing.Discontinuities())
		}
	}
	return n
}

// reports tells how far the others are.
func (s *Stream) reports(of *rendition) []playlist.Report {
	var out []playlist.Report
	for _, r := range *s.renditions.Load() {
		if r == of || r.listing == nil {
			continue
		}
		if rep, ok := r.report(); ok {
			out = append(out, rep)
		}
	}
	slices.SortFunc(out, func(a, b playlist.Report) int { return strings.Compare(a.URI, b.URI) })
	return out
}

// End ends all playlists (EXT-X-ENDLIST). They can be had for another window.
func (s *Stream) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended.IsZero() {
		return
	}
	s.ended = time.Now()
	s.done.Store(true)
	for _, r := range *s.renditions.Load() {
		if r.listing != nil {
			r.end()
			r.publish(nil)
		}
	}
	s.o.changed.fire()
}

// over reports whether End was called.
func (s *Stream) over() bool { return s.done.Load() }

// offers reports whether a rendition is made on demand.
func (s *Stream) offers(name string) bool {
	return slices.ContainsFunc(s.offer.Load().onDemand, func(r segment.Rendition) bool { return r.Name == name })
}

// sweep does the housekeeping. It returns false when the run is over and
// nobody can want it any more.
func (s *Stream) sweep(now time.Time, todo *chores) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	over := !s.ended.IsZero() && now.Sub(s.ended) > s.o.cfg.Window
	edge := time.Duration(0)
	if s.o.cfg.Dir != "" {
		edge = liveEdge * s.format.Target
	}
	for _, r := range *s.renditions.Load() {
		if over {
			r.drop(todo)
			continue
		}
		r.sweep(now, s.o.cfg.Window+2*s.format.Target, edge, todo)
	}
	s.forget()
	return !over
}

// forget removes renditions of which nothing is left. A publisher may come back
// under ever new names.
func (s *Stream) forget() {
	all := *s.renditions.Load()
	kept := maps.Clone(all)
	maps.DeleteFunc(kept, func(name string, r *rendition) bool {
		return r.gone.Load() && r.listing == nil && len(r.kept) == 0 && !s.offers(name)
	})
	if len(kept) < len(all) {
		s.renditions.Store(&kept)
	}
}
