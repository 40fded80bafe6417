package hlstest

import (
	"fmt"
	"time"
)

// mediaPlaylist is what one answer says.
type mediaPlaylist struct {
	text          string
	version       int
	target        time.Duration
	control       string // the whole tag
	partHoldBack  time.Duration
	holdBack      time.Duration
	skipUntil     time.Duration
	partTarget    time.Duration
	mediaSequence uint64
	discontinuity uint64
	independent   bool
	skipped       int
	segments      []mediaSegment // the last one may be open
	hints         []attributes
	reports       []attributes
	ended         bool
}

type mediaSegment struct {
	msn           uint64
	uri           string // "" while it is open
	duration      time.Duration
	pdt           time.Time
	discontinuity bool
	number        uint64 // discontinuity sequence number
	mapURI        string
	parts         []mediaPart
}

type mediaPart struct {
	uri         string
	duration    time.Duration
	independent bool
}

// newest returns the place of the newest part.
func (p *mediaPlaylist) newest() (msn uint64, part int, ok bool) {
	if len(p.segments) == 0 {
		return 0, 0, false
	}
	s := p.segments[len(p.segments)-1]
	return s.msn, len(s.parts) - 1, true
}

// next returns the place of the part that comes next.
func (p *mediaPlaylist) next() (msn uint64, part int) {
	msn, part, ok := p.newest()
	switch {
	case !ok:
		return p.mediaSequence, 0
	case p.segments[len(p.segments)-1].uri != "":
		return msn + 1, 0
	default:
		return msn, part + 1
	}
}

// has reports whether a part or a later one is listed.
func (p *mediaPlaylist) has(msn uint64, part int) bool {
	m, n := p.next()
	return msn < m || msn == m && part < n
}

// after returns the duration of what is listed after segment i.
func (p *mediaPlaylist) after(i int) (d time.Duration) {
	for _, s := range p.segments[i+1:] {
		d += s.length()
	}
	return d
}

func (s *mediaSegment) length() (d time.Duration) {
	if s.duration > 0 {
		return s.duration
	}
	for _, p := range s.parts {
		d += p.duration
	}
	return d
}

// merge puts the segments that a delta update has skipped back in (section
// 6.2.5.1).
func (p *mediaPlaylist) merge(old *mediaPlaylist) error {
	if p.skipped == 0 {
		return nil
	}
	var put []mediaSegment
	for _, s := range old.segments {
		if s.msn >= p.mediaSequence && s.msn < p.mediaSequence+uint64(p.skipped) {
			put = append(put, s)
		}
	}
	if len(put) != p.skipped {
		return fmt.Errorf("%d segments are skipped and we have %d of them (L14)", p.skipped, len(put))
	}
	last := put[len(put)-1]
	for i := range p.segments {
		s := &p.segments[i]
		if s.mapURI == "" {
			s.mapURI = last.mapURI
		}
		s.number = last.number
		if i > 0 {
			s.number = p.segments[i-1].number
		}
		if s.discontinuity {
			s.number++
		}
	}
	p.segments = append(put, p.segments...)
	p.skipped = 0
	return nil
}
