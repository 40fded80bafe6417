package segment

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrRendition is returned for a rendition that is there already, or for one
// too many.
var ErrRendition = errors.New("rendition cannot be added")

// maxRenditions bounds a Ladder.
const maxRenditions = 16

// state is where a Ladder stands.
type state uint8

const (
	// starting: it gathers what the first segment, or the first after a
	// Discontinuity, can begin with.
	starting state = iota
	live
	ended
)

// cut is where a segment begins, in all renditions.
type cut struct {
	msn uint64
	at  int64 // in ticks of 90 kHz
	// wall is when that was captured.
	wall time.Time
	// keyed is set when a keyframe made it.
	keyed   bool
	discont bool
	// opens is set when the next one was made with it.
	opens bool
}

// Stats is what a Ladder has counted.
type Stats struct {
	// Malformed counts samples that could not be packaged; Dropped those that
	// came too late, twice, or without the keyframe they need.
	Malformed, Dropped uint64
	// Forced counts segments that had to begin without a keyframe, StandIns
	// those that carried another rendition's media.
	Forced, StandIns uint64
	// LongParts counts parts above PART-TARGET: the source paused.
	LongParts uint64
	// Skew is how far apart the renditions' keyframes were at the last cut.
	Skew time.Duration
}

// Ladder cuts all renditions of a Stream at the same instants and makes parts
// of them. It is a value without goroutine or clock: feed it samples with
// Write, and time with Tick, and publish what it puts out.
type Ladder struct {
	cfg    Config
	state  state
	tracks []*track
	stats  Stats
	dirty  bool // what a multivariant playlist says has changed

	// part and segment are PART-TARGET and TARGETDURATION; 0 before the first
	// segment.
	part, segment time.Duration
	independent   bool
	deaf          bool          // the encoder ignores requests for keyframes
	gop           time.Duration // and makes them this far apart

	cuts     []cut // the newest are what is decided
	msn      uint64
	discont  bool
	earliest int64 // where the next cut may be, in ticks of 90 kHz
	expected int64 // how long segments are likely to be

	began time.Time // first media since starting
	asked time.Time // the last request for keyframes
	tries int       // requests for the present cut
	found time.Time // when the first candidate for the next cut was seen
	// time and wall belong together, and are the newest that is known.
	time int64
	wall time.Time
}

// NewLadder returns a Ladder without renditions.
func NewLadder(cfg Config) *Ladder {
	if cfg.Part <= 0 {
		cfg.Part = 200 * time.Millisecond
	}
	if cfg.Segment <= 0 {
		cfg.Segment = 2 * time.Second
	}
	cfg.Segment = max(cfg.Segment, time.Second)
	cfg.Part = min(cfg.Part, cfg.Segment/2)
	return &Ladder{cfg: cfg}
}

// Target returns PART-TARGET and TARGETDURATION. They are 0 until the first
// part comes out, as they depend on the encoder, and then never change.
func (l *Ladder) Target() (part, segment time.Duration) { return l.part, l.segment }

// Independent reports whether all segments may be expected to begin with a
// keyframe (EXT-X-INDEPENDENT-SEGMENTS): not so with an encoder that ignores
// requests and makes keyframes more rarely than TARGETDURATION. It holds once
// Target does.
func (l *Ladder) Independent() bool { return l.independent }

// Stats returns what was counted so far.
func (l *Ladder) Stats() Stats { return l.stats }

// Add lets a rendition join: with the first segment, or at a cut that falls on
// one of its keyframes. It returns ErrCodec or ErrRendition. After Discontinue a
// rendition may be added again to change its Spec.
func (l *Ladder) Add(_ time.Time, s Spec) error {
	t, err := newTrack(s, &l.stats)
	if err != nil {
		return fmt.Errorf("rendition %q: %w", s.Name, err)
	}
	i := slices.IndexFunc(l.tracks, func(o *track) bool { return o.spec.Name == s.Name && !o.leaving })
	switch {
	case l.state == ended, i < 0 && len(l.tracks) >= maxRenditions:
		return fmt.Errorf("%w: %q", ErrRendition, s.Name)
	case i < 0:
		l.tracks = append(l.tracks, t)
	case l.tracks[i].came:
		return fmt.Errorf("%w: there is already a %q", ErrRendition, s.Name)
	default:
		// Numbers of initialization sections go on.
		o := l.tracks[i]
		t.inits, t.rate, t.listed, t.next, t.shown = o.inits, o.rate, o.listed, o.next, o.shown
		l.tracks[i] = t
	}
	return nil
}

// Remove ends a rendition.
func (l *Ladder) Remove(now time.Time, name string) Output {
	var out Output
	if t := l.find(name); t != nil {
		if l.carries(t) {
			// Others need the end of its segment, which is at the next cut.
			t.leaving = true
		} else {
			l.flush(t, now, &out)
			l.tracks = slices.DeleteFunc(l.tracks, func(o *track) bool { return o == t })
		}
		l.dirty = true
	}
	return l.finish(out)
}

// carries reports whether another rendition has the media of t.
func (l *Ladder) carries(t *track) bool {
	return slices.ContainsFunc(l.tracks, func(o *track) bool { return o.standIn == t })
}

// Write takes the next sample of a rendition. Samples of one rendition come in
// the order of their times; renditions need not be in step.
func (l *Ladder) Write(now time.Time, name string, s Sample) Output {
	var out Output
	t := l.find(name)
	if t == nil || l.state == ended {
		return out
	}
	if l.paused(t, &s) {
		l.discontinue(now, &out)
	}
	if err := t.accept(now, s); err != nil {
		l.stats.Malformed++
	}
	if t.askKey {
		t.askKey = false
		out.KeyframesOf = append(out.KeyframesOf, name)
	}
	if l.leads(t) || l.wall.IsZero() {
		l.time, l.wall = t.common(s.Time), s.Wall
	}
	l.run(now, &out)
	return l.finish(out)
}

// Tick lets time pass. Call it every 10 ms or so.
func (l *Ladder) Tick(now time.Time) Output {
	var out Output
	if l.state != ended {
		l.schedule(now, &out)
		l.run(now, &out)
	}
	return l.finish(out)
}

// Discontinue closes all segments, because another publisher or codec follows.
// The next segments begin with a Discontinuity, when all renditions are ready
// again. Add those that go on, with their Spec as it is now, and Remove those
// that do not; what is left is carried by the others as if it were silent.
func (l *Ladder) Discontinue(now time.Time) Output {
	var out Output
	if l.state != ended {
		l.discontinue(now, &out)
		for _, t := range l.tracks {
			t.stale = true
		}
	}
	return l.finish(out)
}

// End closes all segments for good.
func (l *Ladder) End(now time.Time) Output {
	var out Output
	if l.state != ended {
		l.discontinue(now, &out)
		l.state = ended
	}
	return l.finish(out)
}

func (l *Ladder) find(name string) *track {
	for _, t := range l.tracks {
		if t.spec.Name == name && !t.leaving {
			return t
		}
	}
	return nil
}

// run does what has become possible.
func (l *Ladder) run(now time.Time, out *Output) {
	if l.state == starting {
		l.start(now, out)
	}
	l.cutAll(now, out)
	l.tracks = slices.DeleteFunc(l.tracks, func(t *track) bool { return t.leaving && !l.carries(t) })
}

func (l *Ladder) finish(out Output) Output {
	if l.dirty {
		l.dirty = false
		out.Renditions = l.renditions()
		for _, t := range l.tracks {
			t.left = false
		}
	}
	return out
}
