package segtest

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/freshet-live/freshet/hls-egress/segment"
)

// Checker watches the Output of a Ladder and notes what breaks a rule. The
// zero value is not ready: use New.
type Checker struct {
	targets func() (part, segment time.Duration)
	part    time.Duration
	target  time.Duration
	tracks  map[string]*rendition
	starts  map[place]start
	inits   map[*segment.Init]Init
	newest  map[string]segment.Rendition

	// Violations is what was wrong, in words that begin with the rule's
	// number.
	Violations []string
	// Tolerated is the same for parts of odd lengths where Lenient allows them.
	Tolerated []string
	// Lenient allows parts of odd lengths: the source paused.
	Lenient bool
	// Dependent allows segments that begin without a keyframe.
	Dependent bool
}

// place names a segment of all video or all audio renditions.
type place struct {
	msn   uint64
	video bool
}

// start is where a segment begins in the first rendition that has it.
type start struct {
	rendition string
	time      time.Duration
	wall      time.Time
	discont   bool
}

// rendition is what was seen of one.
type rendition struct {
	name     string
	video    bool
	last     segment.Part
	has      bool
	sequence uint32
	end      uint64 // in ticks
	segment  []segment.Part
	segments int
	bits     []span
	parts    int
}

type span struct {
	bits uint64
	time time.Duration
}

// New returns a Checker for a Ladder whose Target is given.
func New(targets func() (part, segment time.Duration)) *Checker {
	return &Checker{
		targets: targets, tracks: map[string]*rendition{}, starts: map[place]start{},
		inits: map[*segment.Init]Init{}, newest: map[string]segment.Rendition{},
	}
}

func (c *Checker) fail(format string, args ...any) {
	if len(c.Violations) < 50 {
		c.Violations = append(c.Violations, fmt.Sprintf(format, args...))
	}
}

// Parts returns how many parts of a rendition came, Segments how many whole
// segments.
func (c *Checker) Parts(name string) int {
	if r := c.tracks[name]; r != nil {
		return r.parts
	}
	return 0
}

// Segments returns how many whole segments of a rendition came.
func (c *Checker) Segments(name string) int {
	if r := c.tracks[name]; r != nil {
		return r.segments
	}
	return 0
}

// Newest returns the number of the newest part of a rendition, and whether it
// ended its segment.
func (c *Checker) Newest(name string) (msn uint64, last bool) {
	if r := c.tracks[name]; r != nil {
		return r.last.MSN, r.last.Last
	}
	return 0, false
}

// Rendition returns what was told last of a rendition.
func (c *Checker) Rendition(name string) segment.Rendition { return c.newest[name] }

// Add takes the next Output.
func (c *Checker) Add(out segment.Output) {
	for _, r := range out.Renditions {
		if old, ok := c.newest[r.Name]; ok && r.Bandwidth < old.Bandwidth {
			c.fail("L27 %s: bandwidth fell from %d to %d", r.Name, old.Bandwidth, r.Bandwidth)
		}
		c.newest[r.Name] = r
	}
	for i := range out.Parts {
		c.fixed()
		c.add(&out.Parts[i])
	}
	for name, r := range c.tracks {
		c.bandwidth(name, r)
	}
	for name, r := range c.tracks {
		gone := func(o segment.Rendition) bool { return o.Name == name }
		if out.Renditions != nil && !slices.ContainsFunc(out.Renditions, gone) {
			r.has, r.bits, r.segment = false, nil, nil // taken back: it may begin anew
			delete(c.newest, name)
		}
	}
}

// fixed checks that the targets never change (L6, L7).
func (c *Checker) fixed() {
	part, target := c.targets()
	if c.part == 0 {
		c.part, c.target = part, target
	}
	if part != c.part || target != c.target || part <= 0 || target <= 0 {
		c.fail("L6 L7 targets went from %v %v to %v %v", c.part, c.target, part, target)
	}
}

func (c *Checker) add(p *segment.Part) {
	r := c.tracks[p.Rendition]
	if r == nil {
		r = &rendition{name: p.Rendition}
		c.tracks[p.Rendition] = r
	}
	init, ok := c.init(p)
	if !ok {
		return
	}
	r.video = init.Video
	m, err := ReadMedia(p.Data)
	if err != nil {
		c.fail("F2 %s %d.%d: %v", p.Rendition, p.MSN, p.Index, err)
		return
	}
	c.order(r, p)
	c.media(r, p, init, m)
	c.length(r, p)
	if p.Index == 0 {
		c.aligned(p, init.Video)
	}
	r.segment = append(r.segment, *p)
	r.parts++
	if p.Last {
		c.whole(r, init)
	}
	r.last, r.has, r.sequence, r.end = *p, true, m.LastSequence, m.End
}

func (c *Checker) init(p *segment.Part) (Init, bool) {
	if p.Init == nil {
		c.fail("F1 %s %d.%d: no init", p.Rendition, p.MSN, p.Index)
		return Init{}, false
	}
	init, ok := c.inits[p.Init]
	if !ok {
		var err error
		if init, err = ReadInit(p.Init.Data); err != nil {
			c.fail("F1 %s: %v", p.Rendition, err)
			return init, false
		}
		c.inits[p.Init] = init
	}
	return init, true
}

// order checks the numbers: no part and no segment is missing.
func (c *Checker) order(r *rendition, p *segment.Part) {
	switch {
	case !r.has && p.Index != 0:
		c.fail("L16 %s begins with part %d.%d", r.name, p.MSN, p.Index)
	case r.has && !r.last.Last && (p.MSN != r.last.MSN || p.Index != r.last.Index+1):
		c.fail("L16 %s: part %d.%d after %d.%d", r.name, p.MSN, p.Index, r.last.MSN, r.last.Index)
	case r.has && r.last.Last && (p.MSN != r.last.MSN+1 || p.Index != 0):
		c.fail("L16 %s: part %d.%d after the last one of %d", r.name, p.MSN, p.Index, r.last.MSN)
	case p.Index > 0 && p.Init != r.last.Init:
		c.fail("F1 %s: init changes within segment %d", r.name, p.MSN)
	case p.Index > 0 && p.Discontinuity:
		c.fail("L16 %s: discontinuity within segment %d", r.name, p.MSN)
	}
}

// media holds a part's tags against its bytes.
func (c *Checker) media(r *rendition, p *segment.Part, init Init, m Media) {
	if got := m.Duration(init.Timescale); (got - p.Duration).Abs() > time.Microsecond {
		c.fail("F3 %s %d.%d: lasts %v, not %v", r.name, p.MSN, p.Index, got, p.Duration)
	}
	begins := time.Duration(float64(m.Start) / float64(init.Timescale) * float64(time.Second))
	if (begins - p.Time).Abs() > time.Microsecond {
		c.fail("F4 %s %d.%d: begins at %v, not %v", r.name, p.MSN, p.Index, begins, p.Time)
	}
	if m.Sync != p.Independent {
		c.fail("F7 %s %d.%d: independent %v, sync sample %v", r.name, p.MSN, p.Index, p.Independent, m.Sync)
	}
	if p.Index == 0 && !m.Sync && !c.Dependent {
		c.fail("F11 %s: segment %d begins without a keyframe", r.name, p.MSN)
	}
	if r.has && !p.Discontinuity && m.Start != r.end {
		c.fail("F4 %s %d.%d: begins at tick %d, the part before ended at %d", r.name, p.MSN, p.Index, m.Start, r.end)
	}
	if r.has && m.Sequence <= r.sequence {
		c.fail("F6 %s %d.%d: sequence number %d after %d", r.name, p.MSN, p.Index, m.Sequence, r.sequence)
	}
	if r.has && !p.Discontinuity {
		// What was captured later is shown as much later.
		if off := p.Wall.Sub(r.last.Wall) - (p.Time - r.last.Time); off.Abs() > 5*time.Millisecond {
			c.fail("L21 %s %d.%d: capture time jumps by %v", r.name, p.MSN, p.Index, off)
		}
	}
}

// length checks a part against PART-TARGET (L7). What comes before it decides
// whether the one before was too short.
func (c *Checker) length(r *rendition, p *segment.Part) {
	const stump = 100 * time.Millisecond
	var odd string
	switch {
	case p.Duration > c.part:
		odd = "is longer than PART-TARGET"
	case !p.Last && float64(p.Duration) < 0.85*float64(c.part):
		odd = "is shorter than 85 % of PART-TARGET"
	case p.Last && p.Index > 0 && p.Duration < stump:
		odd = "is a stump"
	default:
		return
	}
	note := fmt.Sprintf("L7 %s: part %d.%d of %v %s %v (last %v)", r.name, p.MSN, p.Index, p.Duration, odd, c.part, p.Last)
	if c.Lenient {
		c.Tolerated = append(c.Tolerated, note)
		return
	}
	c.fail("%s", note)
}

// aligned checks that a segment begins at the same instant everywhere (L21,
// L31).
func (c *Checker) aligned(p *segment.Part, video bool) {
	mine := place{p.MSN, video}
	for _, kind := range [...]bool{true, false} {
		within := 100 * time.Millisecond
		if video && kind {
			within = 0
		}
		if s, ok := c.starts[place{p.MSN, kind}]; ok {
			c.compare(p, s, within)
		}
	}
	if _, ok := c.starts[mine]; !ok {
		c.starts[mine] = start{p.Rendition, p.Time, p.Wall, p.Discontinuity}
	}
}

func (c *Checker) compare(p *segment.Part, s start, within time.Duration) {
	if (p.Time - s.time).Abs() > within+time.Microsecond {
		c.fail("L31 segment %d begins at %v in %s and at %v in %s", p.MSN, s.time, s.rendition, p.Time, p.Rendition)
	}
	if off := p.Wall.Sub(s.wall) - (p.Time - s.time); off.Abs() > 10*time.Millisecond {
		c.fail("L21 segment %d: %s maps to another capture time than %s, by %v", p.MSN, p.Rendition, s.rendition, off)
	}
	if p.Discontinuity != s.discont {
		c.fail("L31 segment %d: discontinuity %v in %s, %v in %s", p.MSN, s.discont, s.rendition, p.Discontinuity, p.Rendition)
	}
}

// whole checks a segment that is complete (F8, F9, F10, L6).
func (c *Checker) whole(r *rendition, init Init) {
	var data bytes.Buffer
	var sum time.Duration
	for i := range r.segment {
		data.Write(r.segment[i].Data)
		sum += r.segment[i].Duration
	}
	msn := r.segment[0].MSN
	m, err := ReadMedia(data.Bytes())
	if err != nil {
		c.fail("F8 %s: segment %d: %v", r.name, msn, err)
	} else if d := m.Duration(init.Timescale); (d - sum).Abs() > time.Millisecond {
		c.fail("F10 %s: segment %d lasts %v, not %v", r.name, msn, d, sum)
	}
	if math.Round(sum.Seconds()) > c.target.Seconds() {
		c.fail("L6 %s: segment %d of %v exceeds TARGETDURATION %v", r.name, msn, sum, c.target)
	}
	r.bits = append(r.bits, span{uint64(data.Len()) * 8, sum})
	r.segments++
	r.segment = r.segment[:0]
}

// bandwidth checks that no run of segments is above what is declared (L27).
func (c *Checker) bandwidth(name string, r *rendition) {
	if _, told := c.newest[name]; !told || len(r.bits) == 0 {
		return
	}
	var bits uint64
	var spent time.Duration
	for i := len(r.bits) - 1; i >= 0 && spent < c.target*3/2; i-- {
		bits, spent = bits+r.bits[i].bits, spent+r.bits[i].time
		if spent < c.target/2 {
			continue
		}
		if rate := float64(bits) / spent.Seconds(); rate > float64(c.newest[name].Bandwidth) {
			c.fail("L27 %s: %v at %.0f bit/s, declared %d", name, spent, rate, c.newest[name].Bandwidth)
		}
	}
	if len(r.bits) > 16 {
		r.bits = r.bits[1:]
	}
}
