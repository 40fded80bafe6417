package hlstest

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

// follower follows one rendition.
type follower struct {
	w    *watch
	uri  string
	name string // the folder
	at   *url.URL
	of   variant

	playlist *mediaPlaylist
	// listed is when each part came to be listed; newest is when the last one
	// did.
	listed []listing
	newest time.Time
	starts map[uint64]start
	parts  map[string]*download
	inits  map[string]*download
	hint   string
	claims []claim
	begun  bool
	// bandwidth is the highest of a segment.
	bandwidth float64
	reloads   int
	// spans is where segments lie on the media timeline; it belongs to the
	// lock of the watch.
	spans            map[uint64]span
	playsIndependent bool
}

type listing struct {
	msn  uint64
	part int
	at   time.Time
}

// start is where a segment begins.
type start struct {
	pdt    time.Time
	number uint64
}

// claim is a rendition report.
type claim struct {
	listing
	uri string
}

// download is a resource on its way.
type download struct {
	done   chan struct{}
	answer *answer
	err    error
}

func newFollower(w *watch, v variant, base *url.URL) *follower {
	at, err := base.Parse(v.uri)
	if err != nil {
		w.violation("L1", "multivariant", err.Error())
		at = base
	}
	return &follower{
		w: w, uri: v.uri, name: path.Base(path.Dir(at.Path)), at: at, of: v,
		starts: map[uint64]start{}, parts: map[string]*download{}, inits: map[string]*download{}, spans: map[uint64]span{},
	}
}

func (f *follower) fail(rule, format string, args ...any) {
	f.w.violation(rule, f.name, fmt.Sprintf(format, args...))
}

// run reloads until the playlist ends.
func (f *follower) run() {
	query := ""
	for f.w.ctx.Err() == nil {
		a, err := f.w.get(f.at.String(), query)
		if err != nil {
			f.fail("L8", "reload: %v", err)
			return
		}
		f.w.count(func(r *Report) { r.Reloads++ })
		if a.status != http.StatusOK {
			f.fail("L8", "a reload with %q got status %d", query, a.status)
			return
		}
		if !f.take(a, query) || f.playlist.ended {
			return
		}
		msn, part := f.playlist.next()
		query = fmt.Sprintf("_HLS_msn=%d&_HLS_part=%d", msn, part)
		if f.reloads++; f.reloads%3 != 0 {
			query += "&_HLS_skip=YES"
		}
	}
}

// take checks a playlist and starts what it tells to load.
func (f *follower) take(a *answer, query string) bool {
	p, err := parseMedia(string(a.body))
	if err != nil {
		f.fail("L4", "%v", err)
		return false
	}
	f.w.checkAnswer(f.name, a, true)
	old := f.playlist
	if p.skipped > 0 {
		if old == nil || !strings.Contains(query, "_HLS_skip") {
			f.fail("L14", "a delta update that nobody asked for")
			return false
		}
		if p.version != 9 {
			f.fail("L25", "a delta update has version %d", p.version)
		}
		f.checkBoundary(p)
		if err := p.merge(old); err != nil {
			f.fail("L14", "%v", err)
			return false
		}
	}
	checkOne(p, f.w.c.Jitter, f.fail)
	if old != nil {
		checkNext(old, p, f.fail)
		msn, part := old.next()
		if !p.ended && !p.has(msn, part) {
			f.fail("L8", "it was answered before part %d.%d was there", msn, part)
		}
	}
	if old == nil {
		f.playsIndependent = p.independent
	}
	f.playlist = p
	f.note(a.came)
	f.load(a.url)
	f.forget()
	return true
}

// checkBoundary sees that no segment within the skip boundary was skipped.
func (f *follower) checkBoundary(p *mediaPlaylist) {
	if left := p.after(-1); left < p.skipUntil {
		f.fail("L14", "a delta update holds %v, the skip boundary is %v", left, p.skipUntil)
	}
}

// note keeps what is checked when all renditions have been seen.
func (f *follower) note(now time.Time) {
	p := f.playlist
	for i := range p.segments {
		s := &p.segments[i]
		if _, known := f.starts[s.msn]; !known {
			f.starts[s.msn] = start{s.pdt, s.number}
			if s.discontinuity {
				f.w.count(func(r *Report) { r.Discontinuities++ })
			}
		}
		at := s.pdt
		for k, part := range s.parts {
			at = at.Add(part.duration)
			if n := len(f.listed); n > 0 && !later(s.msn, k, f.listed[n-1]) {
				continue
			}
			if k > 0 || !s.discontinuity { // a publisher may have been gone
				f.checkPace(now)
			}
			if !f.begun {
				f.listed = append(f.listed, listing{msn: s.msn, part: k}) // nobody knows since when
				continue
			}
			f.newest = now
			f.listed = append(f.listed, listing{s.msn, k, now})
			f.w.count(func(r *Report) { r.Latency = append(r.Latency, now.Sub(at)) })
		}
	}
	if !f.begun {
		f.begun, f.newest = true, now
	}
	for _, r := range p.reports {
		var c claim
		if _, err := fmt.Sscan(r["LAST-MSN"], &c.msn); err != nil {
			f.fail("L30", "report %v", r)
		}
		if _, err := fmt.Sscan(r["LAST-PART"], &c.part); err != nil {
			f.fail("L30", "report %v", r)
		}
		u, err := f.at.Parse(r["URI"])
		if err != nil || strings.Contains(r["URI"], "://") {
			f.fail("L30", "the URI %q is not relative", r["URI"])
			continue
		}
		c.at, c.uri = now, u.Path
		f.claims = append(f.claims, c)
	}
}

func later(msn uint64, part int, than listing) bool {
	return msn > than.msn || msn == than.msn && part > than.part
}

// checkPace is L20. What comes with the end may come late: nobody knew.
func (f *follower) checkPace(now time.Time) {
	if !f.begun || f.playlist.ended {
		return
	}
	if gap := now.Sub(f.newest); gap > f.playlist.partTarget+f.w.slack() {
		f.fail("L20", "a part came %v after the one before", gap.Round(time.Millisecond))
	}
}
