package playlist

import (
	"slices"
	"time"
)

// Format is what a media playlist says once and for all: Apple's players stop
// for good when one of these changes.
type Format struct {
	// Part is PART-TARGET, the longest duration of a part.
	Part time.Duration
	// Target is TARGETDURATION, in whole seconds: no segment's duration
	// rounds to more.
	Target time.Duration
}

// Part is a partial segment as a playlist lists it.
type Part struct {
	// MSN is the media sequence number of its segment.
	MSN uint64
	// URI is relative to the playlist.
	URI string
	// Segment is the URI of the segment that it belongs to, and Map that of
	// the initialization section that it needs.
	Segment, Map string
	Duration     time.Duration
	// Wall is when its first sample was captured.
	Wall time.Time
	// Independent is set when decoding can begin with it.
	Independent bool
	// Discontinuity is set on the first part of a segment that does not
	// continue the one before.
	Discontinuity bool
	// Last is set when it ends its segment.
	Last bool
}

// segment is a complete media segment as it is listed for as long as the window
// lasts, which may be a day.
type segment struct {
	msn      uint64
	duration time.Duration
	// number is the discontinuity sequence number, the segment's own
	// EXT-X-DISCONTINUITY counted.
	number        uint64
	discontinuity bool
	segmentMap    string
	// head and tail are its lines in a playlist before and after its parts.
	// mapped is set when head has the EXT-X-MAP.
	head, tail []byte
	mapped     bool
}

// parts are those of a segment: how many, and their lines.
type parts struct {
	count int
	lines []byte
}

// openSegment is the one that is being made.
type openSegment struct {
	segment
	parts
	uri string
}

// Listing is what one rendition's media playlist lists: the newest segments up
// to a window's duration, and the one that is being made. The zero value is
// not usable.
type Listing struct {
	format Format
	window time.Duration

	segments []*segment // complete, oldest first
	duration time.Duration
	// recent has the parts of the last segments, as many as may be listed with
	// them; at least of one.
	recent []parts
	open   *openSegment
	// dependent is set once a segment began with something else than a
	// keyframe.
	dependent bool
	ended     bool
	// next is the discontinuity number that a first segment gets.
	next uint64
}

// NewListing returns an empty Listing. The window is how long complete
// segments stay; it is at least 4 target durations (L17). The first segment's
// discontinuity sequence number is that of other renditions at the same time
// (L31).
func NewListing(format Format, window time.Duration, discontinuities uint64) *Listing {
	const least = 4
	return &Listing{format: format, window: max(window, least*format.Target), next: discontinuities}
}

// Dependent takes back the promise that every segment begins with a keyframe
// (EXT-X-INDEPENDENT-SEGMENTS). A segment that does not takes it back, too, but
// by then players have read it.
func (l *Listing) Dependent() { l.dependent = true }

// Add lists one more part. A part of another segment than the open one
// completes that first. Where segments are missing in between, the listing
// begins anew: a playlist has no holes.
func (l *Listing) Add(p Part) {
	if l.open != nil && l.open.msn != p.MSN {
		l.complete()
	}
	if l.open == nil {
		l.begin(p)
	}
	s := l.open
	s.count++
	s.lines = appendPart(s.lines, p)
	s.duration += p.Duration
	if p.Last {
		l.complete()
	}
}

func (l *Listing) begin(p Part) {
	number, previous := l.next, ""
	last := l.last()
	switch {
	case last == nil && p.Discontinuity:
		number = max(number, 1)
	case last != nil && p.Discontinuity:
		number = last.number + 1
	case last != nil:
		number = last.number
	}
	if last != nil && last.msn+1 == p.MSN {
		previous = last.segmentMap
	} else {
		l.segments, l.recent, l.duration = nil, nil, 0
	}
	l.dependent = l.dependent || !p.Independent
	s := &openSegment{uri: p.Segment, segment: segment{
		msn: p.MSN, number: number, discontinuity: p.Discontinuity, segmentMap: p.Map,
	}}
	if p.Discontinuity {
		s.head = append(s.head, "#EXT-X-DISCONTINUITY\n"...)
	}
	if previous != "" && (p.Map != previous || p.Discontinuity) {
		s.head, s.mapped = appendMap(s.head, p.Map), true
	}
	s.head = appendDateTime(s.head, p.Wall)
	l.open = s
}

// complete ends the open segment and drops what has left the window.
func (l *Listing) complete() {
	s := l.open
	if s == nil {
		return
	}
	l.open = nil
	s.tail = appendSegment(nil, s.duration, s.uri)
	whole := s.segment
	// Views share the arrays: they are only ever appended to.
	l.segments = append(l.segments, &whole)
	l.duration += s.duration
	for len(l.segments) > 1 && l.duration-l.segments[0].duration >= l.window {
		l.duration -= l.segments[0].duration
		l.segments = l.segments[1:]
	}
	l.recent = append(l.recent, s.parts)
	for len(l.recent) > 1 && l.recentDuration() > partsUntil*l.format.Target {
		l.recent = l.recent[1:]
	}
}

func (l *Listing) recentDuration() (d time.Duration) {
	for _, s := range l.segments[max(0, len(l.segments)-len(l.recent)):] {
		d += s.duration
	}
	return d
}

// End completes the last segment and ends the playlist (EXT-X-ENDLIST).
func (l *Listing) End() {
	l.complete()
	l.ended = true
}

// Discontinuities returns the discontinuity sequence number at the end.
func (l *Listing) Discontinuities() uint64 {
	if s := l.last(); s != nil {
		return s.number
	}
	return l.next
}

// First returns the media sequence number of the oldest listed segment, false
// when there is none.
func (l *Listing) First() (uint64, bool) {
	switch {
	case len(l.segments) > 0:
		return l.segments[0].msn, true
	case l.open != nil:
		return l.open.msn, true
	default:
		return 0, false
	}
}

func (l *Listing) last() *segment {
	switch {
	case l.open != nil:
		return &l.open.segment
	case len(l.segments) > 0:
		return l.segments[len(l.segments)-1]
	default:
		return nil
	}
}

// View returns the playlist as it is now. The hint is the URI of the part that
// comes next, and the reports tell of the other renditions.
func (l *Listing) View(hint string, reports []Report) *View {
	v := &View{
		format: l.format, segments: slices.Clip(l.segments), recent: slices.Clip(l.recent), hint: hint, reports: reports,
		independent: !l.dependent, ended: l.ended,
	}
	if l.open != nil {
		open := *l.open // its lines are only ever appended to
		open.lines = slices.Clip(open.lines)
		v.open = &open
	}
	return v
}
