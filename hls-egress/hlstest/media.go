package hlstest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-live/freshet/hls-egress/segment/segtest"
)

// exact is the limit of F3, and about that of F10 and of L21 between media
// time and dates.
const exact = 12 * time.Millisecond

// span is where a segment lies on the media timeline.
type span struct{ from, to time.Duration }

// checkMedia holds a segment's bytes against the F rules.
func (f *follower) checkMedia(s *mediaSegment, init []byte, parts [][]byte) {
	section, err := segtest.ReadInit(init)
	if err != nil {
		f.fail("F1", "%s: %v", s.mapURI, err)
		return
	}
	own := !strings.Contains(s.mapURI, "/") // another rendition's media may stand in
	if want := f.of.attrs["RESOLUTION"]; own && section.Video && want != "" {
		if got := fmt.Sprintf("%dx%d", section.Width, section.Height); got != want {
			f.fail("L27", "the section %s says %s, RESOLUTION is %s", s.mapURI, got, want)
		}
	}
	ticks := func(n uint64) time.Duration {
		return time.Duration(float64(n) / float64(section.Timescale) * float64(time.Second))
	}
	var whole span
	for k, data := range parts {
		m, err := segtest.ReadMedia(data)
		if err != nil {
			f.fail("F2", "part %s: %v", s.parts[k].uri, err)
			return
		}
		if d := m.Duration(section.Timescale) - s.parts[k].duration; d.Abs() > exact {
			f.fail("F3", "part %s lasts %v longer than it says", s.parts[k].uri, d)
		}
		if m.Sync != s.parts[k].independent {
			f.fail("F7", "part %s: INDEPENDENT is %v, its first sample's sync flag %v", s.parts[k].uri, s.parts[k].independent, m.Sync)
		}
		from, to := ticks(m.Start), ticks(m.End)
		switch {
		case k == 0:
			whole.from = from
			if !m.Sync && f.playsIndependent {
				f.fail("F11", "segment %s does not begin with a sync sample", s.uri)
			}
		case (from - whole.to).Abs() > time.Millisecond:
			f.fail("F4", "part %s begins %v after the end of the one before", s.parts[k].uri, from-whole.to)
		}
		whole.to = to
	}
	if d := whole.to - whole.from - s.duration; d.Abs() > rounding {
		f.fail("F10", "segment %s lasts %v longer than EXTINF", s.uri, d)
	}
	f.w.mu.Lock()
	f.spans[s.msn] = whole
	f.w.mu.Unlock()
}

// checkSpans holds the media timeline against itself, against the dates, and
// against the lead's (F4, L21, L31).
func (w *watch) checkSpans(lead, f *follower) {
	for msn, s := range f.spans {
		where := "segment " + strconv.FormatUint(msn, 10)
		if next, ok := f.spans[msn+1]; ok && f.starts[msn].number == f.starts[msn+1].number {
			if hole := next.from - s.to; hole.Abs() > time.Millisecond {
				w.add("F4", f.name, where+" ends "+hole.String()+" before the next one begins")
			}
			dates := f.starts[msn+1].pdt.Sub(f.starts[msn].pdt)
			if d := dates - (next.from - s.from); d.Abs() > exact+w.c.Jitter {
				w.add("L21", f.name, where+": date and media time differ by "+d.String())
			}
		}
		other, ok := lead.spans[msn]
		if !ok || f == lead {
			continue
		}
		limit := sameInstant
		if f.of.audio {
			limit = audioInstant
		}
		if d := s.from - other.from; d.Abs() > limit {
			w.add("L31", f.name, where+" begins "+d.String()+" off "+lead.name+" on the media timeline")
		}
		// The same mapping from media time to dates in both.
		mine, theirs := f.starts[msn].pdt.Add(-s.from), lead.starts[msn].pdt.Add(-other.from)
		if d := mine.Sub(theirs); d.Abs() > exact {
			w.add("L21", f.name, where+": its dates are "+d.String()+" off those of "+lead.name)
		}
	}
}
