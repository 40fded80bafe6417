package forward

import "github.com/freshet-live/freshet/sfu/media"

// Limit is what a viewer chose or can show. The zero value means automatic:
// the highest active Layer.
type Limit struct {
	// RID is a choice by hand: this Layer while it is active, else the next
	// lower active one, else the next higher. The other fields do not count
	// then. A RID that the Track does not have is as good as none.
	RID string
	// MaxWidth and MaxHeight are in pixels; 0: no limit. A Layer of unknown
	// size fits.
	MaxWidth, MaxHeight int
	// Ranks is how many ranks may be used, counted from the lowest; 0: all.
	// A viewer that asks for at most spatial layer n gets Ranks n+1.
	Ranks int
	// Temporal is how many temporal layers of VP8 may be sent, from the base;
	// 0: all. It holds with a RID too.
	Temporal int
}

// Selector decides which Layer of one Track a viewer gets. A change of Layer
// waits for a keyframe of the new one; until then the old one goes on. The
// zero value is ready and wants nothing. It is not safe for concurrent use.
type Selector struct {
	// layers and active belong to a Snapshot and are never changed.
	layers []*media.Layer
	active []bool
	limit  Limit

	// ceiling bounds the choice by what the viewer's path carries: an index
	// into layers + 1, 0 for none. paused: it carries no video at all.
	ceiling int
	paused  bool

	target, current *media.Layer
	refresh         bool // the viewer lost its decoder state
}

// SetLayers takes the Track's Layers, lowest first, and which of them send, as
// a Snapshot has them; nil for active means all. The Selector keeps both
// slices, which must not change.
func (s *Selector) SetLayers(layers []*media.Layer, active []bool) {
	s.layers, s.active = layers, active
	s.choose()
}

// SetLimit takes what the viewer chose.
func (s *Selector) SetLimit(l Limit) {
	s.limit = l
	s.choose()
}

// Allocate bounds the choice by an Allocator's decision. With Paused or
// Emergency the present Layer ends at once, and the next one begins with a
// keyframe.
func (s *Selector) Allocate(a Allocation) {
	s.ceiling, s.paused = a.Index+1, a.Paused
	if a.Paused || a.Emergency {
		s.current, s.refresh = nil, false
	}
	s.choose()
}

// Offered returns what SetLayers was given, and the index of the Layer that
// the viewer gets where nothing but its Limit bounds it, -1 for none.
func (s *Selector) Offered() (layers []*media.Layer, active []bool, best int) {
	return s.layers, s.active, s.pick(s.sends)
}

// Limit returns what the viewer chose.
func (s *Selector) Limit() Limit { return s.limit }

// Target returns the Layer that the viewer should have, nil when the Track has
// none.
func (s *Selector) Target() *media.Layer { return s.target }

// Current returns the Layer that the viewer is being sent, nil before its
// first keyframe. It may belong to a Publication that is over.
func (s *Selector) Current() *media.Layer { return s.current }

// Bound returns the highest rank that the Limit allows, whether or not that
// Layer sends at present, and false when the Track has no Layers.
func (s *Selector) Bound() (rank int, ok bool) {
	i := s.pick(func(int) bool { return true })
	if i < 0 {
		return 0, false
	}
	return s.layers[i].Rank, true
}

// NeedKeyframe returns the Layer of which a keyframe is needed: the Target
// while it is not yet the Current one, or after Restart. It is nil when
// nothing waits.
func (s *Selector) NeedKeyframe() *media.Layer {
	if s.target != s.current || s.refresh {
		return s.target
	}
	return nil
}

// Restart notes that the viewer asked for a keyframe (RFC 4585 section 6.3.1).
// Packets go on, and NeedKeyframe returns the Target until one has passed.
func (s *Selector) Restart() { s.refresh = s.current != nil }

// Start makes a Layer the Current one: the viewer is served a keyframe of it
// from the History.
func (s *Selector) Start(l *media.Layer) { s.current, s.refresh = l, false }

// Accept decides on one Packet of a Layer. With take the viewer gets it. With
// switched it is the first one of a new Layer, and a keyframe: call
// Munger.Switch before Munger.Munge.
func (s *Selector) Accept(l *media.Layer, p *media.Packet) (take, switched bool) {
	if l == nil {
		return false, false
	}
	if l == s.current {
		if p.Keyframe && s.target == s.current {
			s.refresh = false
		}
		return true, false
	}
	if l != s.target || !p.Keyframe {
		return false, false
	}
	s.current, s.refresh = l, false
	return true, true
}

// choose sets the Target from the Layers and the Limit.
func (s *Selector) choose() {
	if s.paused {
		s.target = nil
		return
	}
	if i := s.pick(s.sends); i >= 0 {
		if s.ceiling > 0 && i >= s.ceiling {
			i = s.nearest(min(s.ceiling, len(s.layers))-1, s.sends)
		}
		s.target = s.layers[i]
		return
	}
	// Nothing sends. A Target that is still announced stays, so that a picture
	// that stands still does not start a switch.
	for _, l := range s.layers {
		if l == s.target {
			return
		}
	}
	s.target = nil
	if i := s.pick(func(int) bool { return true }); i >= 0 {
		s.target = s.layers[i]
	}
}

func (s *Selector) sends(i int) bool { return i >= len(s.active) || s.active[i] }

// pick returns the index of the best Layer among the usable, -1 for none.
func (s *Selector) pick(usable func(int) bool) int {
	if i := s.chosen(); i >= 0 {
		return s.nearest(i, usable)
	}
	lowest := -1
	for i := len(s.layers) - 1; i >= 0; i-- {
		if !usable(i) {
			continue
		}
		if s.fits(s.layers[i]) {
			return i
		}
		lowest = i
	}
	return lowest // nothing fits: rather too much than nothing
}

// chosen returns the index of the Layer chosen by hand, -1 for none.
func (s *Selector) chosen() int {
	if s.limit.RID == "" {
		return -1
	}
	for i, l := range s.layers {
		if l.RID == s.limit.RID {
			return i
		}
	}
	return -1
}

func (s *Selector) nearest(i int, usable func(int) bool) int {
	for j := i; j >= 0; j-- {
		if usable(j) {
			return j
		}
	}
	for j := i + 1; j < len(s.layers); j++ {
		if usable(j) {
			return j
		}
	}
	return -1
}

func (s *Selector) fits(l *media.Layer) bool {
	if s.limit.Ranks > 0 && l.Rank >= s.limit.Ranks {
		return false
	}
	if s.limit.MaxWidth <= 0 && s.limit.MaxHeight <= 0 {
		return true
	}
	status := l.Status()
	return (s.limit.MaxWidth <= 0 || status.Width <= s.limit.MaxWidth) &&
		(s.limit.MaxHeight <= 0 || status.Height <= s.limit.MaxHeight)
}
