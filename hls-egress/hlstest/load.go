package hlstest

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

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
