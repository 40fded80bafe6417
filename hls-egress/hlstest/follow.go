package hlstest

import (
	"bytes"
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
	// listed is when each part came to be listed.
	listed []listing
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
			f.checkPace(now)
			f.listed = append(f.listed, listing{s.msn, k, now})
			if f.begun {
				f.w.count(func(r *Report) { r.Latency = append(r.Latency, now.Sub(at)) })
			}
		}
	}
	f.begun = true
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
	n := len(f.listed)
	if n == 0 || !f.begun || f.playlist.ended {
		return
	}
	if gap := now.Sub(f.listed[n-1].at); gap > f.playlist.partTarget+f.w.slack() {
		f.fail("L20", "a part came %v after the one before", gap.Round(time.Millisecond))
	}
}

// load starts what is new: parts, the hinted part, sections and segments.
func (f *follower) load(base *url.URL) {
	p := f.playlist
	listed := ""
	for i := range p.segments {
		s := &p.segments[i]
		init := f.fetch(f.inits, base, s.mapURI)
		var parts []*download
		for _, part := range s.parts {
			_, known := f.parts[part.uri]
			if !known && f.hint != "" && listed == "" {
				listed = part.uri
			}
			if part.uri == f.hint {
				f.hint = ""
			}
			parts = append(parts, f.fetch(f.parts, base, part.uri))
		}
		if s.uri == "" || len(parts) == 0 || f.parts[s.uri] != nil {
			continue
		}
		f.parts[s.uri] = &download{} // it is checked once
		segment, least := *s, p.target/2
		f.w.tasks.Go(func() { f.checkSegment(base, &segment, init, parts, least) })
	}
	if listed != "" && f.hint != "" {
		f.fail("L15", "the hint was %s, and %s was listed", f.hint, listed)
	}
	if len(p.hints) == 1 {
		f.hint = p.hints[0]["URI"]
		f.fetch(f.parts, base, f.hint)
	}
}

// fetch loads a resource once.
func (f *follower) fetch(from map[string]*download, base *url.URL, uri string) *download {
	if d := from[uri]; d != nil {
		return d
	}
	d := &download{done: make(chan struct{})}
	from[uri] = d
	u, err := base.Parse(uri)
	if err != nil {
		d.err = err
		close(d.done)
		return d
	}
	u.RawQuery = base.Query().Get("keep")
	f.w.tasks.Go(func() {
		defer close(d.done)
		d.answer, d.err = f.w.get(u.String(), "")
	})
	return d
}

// wait returns the bytes of a download, nil when it failed.
func (d *download) wait() []byte {
	<-d.done
	if d.err != nil || d.answer.status != http.StatusOK {
		return nil
	}
	return d.answer.body
}

// forget keeps memory bounded.
func (f *follower) forget() {
	const enough = 4000
	if len(f.parts) > enough {
		clear(f.parts)
	}
}

// checkSegment loads a complete segment and compares it with its parts (F9).
// Its bandwidth counts if it is not shorter than least.
func (f *follower) checkSegment(base *url.URL, s *mediaSegment, init *download, parts []*download, least time.Duration) {
	u, err := base.Parse(s.uri)
	if err != nil {
		f.fail("L15", "%v", err)
		return
	}
	u.RawQuery = ""
	a, err := f.w.get(u.String(), "")
	if err != nil || a.status != http.StatusOK {
		f.fail("L15", "segment %s: %v", s.uri, statusOf(a, err))
		return
	}
	f.w.checkAnswer(s.uri, a, false)
	var joined []byte
	var each [][]byte
	for k, d := range parts {
		b := d.wait()
		if b == nil {
			f.fail("L15", "part %s: %v", s.parts[k].uri, statusOf(d.answer, d.err))
			return
		}
		joined, each = append(joined, b...), append(each, b)
	}
	if !bytes.Equal(joined, a.body) {
		f.fail("F9", "segment %s has %d bytes, its parts have %d", s.uri, len(a.body), len(joined))
	}
	section := init.wait()
	if section == nil {
		f.fail("L15", "section %s: %v", s.mapURI, statusOf(init.answer, init.err))
	}
	f.w.mu.Lock()
	if s.duration > least {
		f.bandwidth = max(f.bandwidth, float64(8*len(a.body))/s.duration.Seconds())
	}
	f.w.report.Segments++
	f.w.report.Parts += len(parts)
	f.w.mu.Unlock()
	if f.w.c.FMP4 && section != nil {
		f.checkMedia(s, section, each)
	}
}

func statusOf(a *answer, err error) string {
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("status %d", a.status)
}
