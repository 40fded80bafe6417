package hlstest

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// probe asks what a well-behaved player would not, once the Stream has gone on
// for a while.
func (w *watch) probe() {
	f := w.all[len(w.all)-1]
	select {
	case <-w.ctx.Done():
		return
	case <-time.After(500 * time.Millisecond):
	}
	a, err := w.get(f.at.String(), "")
	if err != nil || a.status != http.StatusOK {
		w.violation("L12", f.name, "the playlist: "+statusOf(a, err))
		return
	}
	p, err := parseMedia(string(a.body))
	if err != nil || p.ended {
		return
	}
	last := p.mediaSequence
	for _, s := range p.segments {
		if s.uri != "" {
			last = s.msn
		}
	}
	for query, want := range map[string]int{
		"_HLS_part=1":                       http.StatusBadRequest, // L10
		"_HLS_msn=x":                        http.StatusBadRequest, // L11
		"_HLS_msn=-1":                       http.StatusBadRequest,
		"_HLS_msn=1.5":                      http.StatusBadRequest,
		fmt.Sprintf("_HLS_msn=%d", last+50): http.StatusBadRequest,
		fmt.Sprintf("_HLS_msn=%d&_HLS_part=5000", last+1): http.StatusBadRequest,
		"_HLS_msn=18446744073709551615":                   http.StatusBadRequest,
		"_HLS_msn=99999999999999999999999":                http.StatusBadRequest,
		fmt.Sprintf("_HLS_msn=%d", p.mediaSequence):       http.StatusOK, // L12
		fmt.Sprintf("_HLS_msn=%d&_HLS_part=5000", last-1): http.StatusOK,
		fmt.Sprintf("_HLS_msn=%d&_HLS_part=0", last):      http.StatusOK,
		"_HLS_msn=0": http.StatusOK,
		fmt.Sprintf("_HLS_msn=%d&_HLS_skip=nonsense", last): http.StatusOK,
	} {
		if strings.Contains(query, "5000") && last <= p.mediaSequence {
			continue
		}
		a, err := w.get(f.at.String(), query)
		if err != nil {
			w.violation("L11", f.name, query+": "+err.Error())
			continue
		}
		if a.status != want {
			w.violation("L11", f.name, fmt.Sprintf("%s: status %d, not %d", query, a.status, want))
		}
		if took := a.came.Sub(a.asked); took > w.slack() {
			w.violation("L11", f.name, query+": it took "+took.String())
		}
		if a.status >= 400 && a.header.Get("Content-Type") != "application/problem+json" {
			w.violation("L11", f.name, query+": no problem document")
		}
	}
	w.probeSegment(f, last+1)
	w.probeFiles(f)
	w.probeGzip(f)
}

// probeSegment is L9 and L13.
func (w *watch) probeSegment(f *follower, msn uint64) {
	for _, query := range []string{fmt.Sprintf("_HLS_msn=%d", msn), fmt.Sprintf("_HLS_msn=%d&_HLS_part=0", msn+1)} {
		a, err := w.get(f.at.String(), query)
		if err != nil || a.status != http.StatusOK {
			w.violation("L9", f.name, query+": "+statusOf(a, err))
			return
		}
		p, err := parseMedia(string(a.body))
		if err != nil {
			w.violation("L4", f.name, err.Error())
			return
		}
		complete := false
		for _, s := range p.segments {
			complete = complete || s.msn == msn && s.uri != ""
		}
		if !complete && !p.ended {
			w.violation("L9", f.name, query+" was answered before the segment was complete")
		}
	}
}

// probeFiles is L28.
func (w *watch) probeFiles(f *follower) {
	for _, name := range []string{"nothing.mp4", "../nothing/index.m3u8", "%2e%2e/%2e%2e/etc/passwd", "x-1.0.mp4", "init-x-0.mp4"} {
		base := strings.TrimSuffix(f.at.String(), "index.m3u8")
		base, _, _ = strings.Cut(base, "?")
		a, err := w.get(strings.TrimSuffix(base, "index.m3u8")+name, "")
		if err != nil {
			w.violation("L28", f.name, name+": "+err.Error())
			continue
		}
		if a.status != http.StatusNotFound && a.status != http.StatusForbidden {
			w.violation("L28", f.name, fmt.Sprintf("%s: status %d", name, a.status))
		}
		if age, ok := maxAge(a.header.Get("Cache-Control")); ok && age > 5*time.Second {
			w.violation("L23", f.name, "an error may be cached for "+age.String())
		}
	}
}

// probeGzip is L22.
func (w *watch) probeGzip(f *follower) {
	req, err := http.NewRequestWithContext(w.ctx, http.MethodGet, f.at.String(), nil)
	if err != nil {
		return
	}
	req.Header.Set("Accept-Encoding", "gzip") // now it is not done behind our back
	client := w.c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	res, err := client.Do(req)
	if err != nil {
		w.violation("L22", f.name, err.Error())
		return
	}
	defer func() { _ = res.Body.Close() }()
	if res.Header.Get("Content-Encoding") != "gzip" {
		w.violation("L22", f.name, "the playlist is not compressed")
		return
	}
	z, err := gzip.NewReader(res.Body)
	if err == nil {
		_, err = io.Copy(io.Discard, io.LimitReader(z, 64<<20))
	}
	if err != nil {
		w.violation("L22", f.name, err.Error())
	}
}
