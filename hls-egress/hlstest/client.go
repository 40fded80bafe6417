package hlstest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Client is a strict LL-HLS client. It follows every rendition of a Stream at
// once by blocking reloads and preload hints.
type Client struct {
	// URL is that of the multivariant playlist.
	URL string
	// HTTP makes the requests; nil: http.DefaultClient.
	HTTP *http.Client
	// Slack is how much later than allowed things may come on a busy machine;
	// 0: 300 ms.
	Slack time.Duration
	// SameClock is set when the publisher's clock is that of this machine, so
	// that the latency can be told (L32).
	SameClock bool
	// Jitter is how far the publisher's clock may jump between its sender
	// reports: dates follow it (L21). 0: not at all.
	Jitter time.Duration
	// FMP4 is set when the bytes are fMP4, to be held against the F rules.
	FMP4 bool
}

// Violation is a rule that was broken.
type Violation struct {
	Rule, Where, Detail string
}

// String returns all of it on a line.
func (v Violation) String() string { return v.Rule + " " + v.Where + ": " + v.Detail }

// Report is what a Client has seen.
type Report struct {
	// Violations holds each different one once, up to a bound.
	Violations []Violation
	// Renditions holds the URIs that were followed.
	Renditions []string
	// Reloads, Parts and Segments count what was asked for, Discontinuities
	// what was listed.
	Reloads, Parts, Segments, Discontinuities int
	// Latency is from the capture of a part's end to its listing, per part.
	Latency []time.Duration
	// Ended is set when all playlists have ended.
	Ended bool
}

const maxViolations = 100

// watch is one run of a Client.
type watch struct {
	c *Client
	// ctx bounds all of it.
	ctx context.Context //nolint:containedctx // it lives as long as this value

	mu     sync.Mutex
	report Report
	seen   map[string]bool
	all    []*follower
	tasks  sync.WaitGroup
}

// Watch follows the Stream until ctx ends or all playlists do, and tells what
// it has seen. The error says that there was nothing to follow.
func (c *Client) Watch(ctx context.Context) (*Report, error) {
	w := &watch{c: c, ctx: ctx, seen: map[string]bool{}}
	first, err := w.get(c.URL, "")
	if err != nil {
		return nil, err
	}
	if first.status != http.StatusOK {
		return nil, fmt.Errorf("%s: status %d", c.URL, first.status)
	}
	w.checkAnswer("multivariant", first, true)
	for _, v := range parseMultivariant(string(first.body), w.reporter("multivariant")) {
		if slices.ContainsFunc(w.all, func(f *follower) bool { return f.uri == v.uri }) {
			continue
		}
		w.all = append(w.all, newFollower(w, v, first.url))
	}
	if len(w.all) == 0 {
		return nil, errors.New("there are no renditions")
	}
	var group sync.WaitGroup
	for _, f := range w.all {
		group.Go(f.run)
	}
	group.Go(w.probe)
	group.Wait()
	w.tasks.Wait()
	w.again(first.url.String())
	w.checkTogether()
	w.report.Ended = true
	for _, f := range w.all {
		w.report.Renditions = append(w.report.Renditions, f.uri)
		w.report.Ended = w.report.Ended && f.playlist != nil && f.playlist.ended
	}
	return &w.report, nil
}

// again reads what the multivariant playlist says at the end: how much a live
// Stream takes at most shows in time.
func (w *watch) again(address string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), 5*time.Second)
	defer cancel()
	late := &watch{c: w.c, ctx: ctx, seen: map[string]bool{}}
	a, err := late.get(address, "")
	if err != nil || a.status != http.StatusOK {
		return
	}
	for _, v := range parseMultivariant(string(a.body), late.reporter("multivariant")) {
		for _, f := range w.all {
			if f.uri == v.uri {
				f.of.attrs = v.attrs
			}
		}
	}
}

func (w *watch) reporter(where string) func(rule, format string, args ...any) {
	return func(rule, format string, args ...any) { w.violation(rule, where, fmt.Sprintf(format, args...)) }
}

func (w *watch) violation(rule, where, detail string) {
	if w.ctx.Err() != nil {
		return // what is cut short looks wrong
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	v := Violation{rule, where, detail}
	if !w.seen[v.String()] && len(w.report.Violations) < maxViolations {
		w.seen[v.String()] = true
		w.report.Violations = append(w.report.Violations, v)
	}
}

func (w *watch) count(f func(*Report)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.report)
}

func (w *watch) slack() time.Duration {
	if w.c.Slack > 0 {
		return w.c.Slack
	}
	return 300 * time.Millisecond
}

// answer is what came of a request.
type answer struct {
	url    *url.URL
	status int
	header http.Header
	body   []byte
	asked  time.Time
	came   time.Time
}

// get asks for a URL with a query added.
func (w *watch) get(address, query string) (*answer, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	if query != "" {
		u.RawQuery = strings.TrimPrefix(u.RawQuery+"&"+query, "&")
	}
	req, err := http.NewRequestWithContext(w.ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	client := w.c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	a := &answer{url: u, asked: time.Now()}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	a.status, a.header = res.StatusCode, res.Header
	if a.body, err = io.ReadAll(res.Body); err != nil {
		return nil, err
	}
	a.came = time.Now()
	return a, nil
}

// checkAnswer holds an answer's headers against L1, L22, L23 and L26. The
// standard client asks for gzip by itself, and then hides that it got it.
func (w *watch) checkAnswer(where string, a *answer, playlist bool) {
	if a.header.Get("Access-Control-Allow-Origin") == "" {
		w.violation("L26", where, "no cross-origin headers")
	}
	age, ok := maxAge(a.header.Get("Cache-Control"))
	if !playlist {
		if !ok || age < 6*time.Second {
			w.violation("L23", where, "media may not be cached: "+a.header.Get("Cache-Control"))
		}
		return
	}
	switch t := a.header.Get("Content-Type"); t {
	case "application/vnd.apple.mpegurl", "audio/mpegurl":
	default:
		w.violation("L1", where, "content type "+t)
	}
	if ok && age > 4*time.Second {
		w.violation("L23", where, "a live playlist may be cached for "+age.String())
	}
}

func maxAge(control string) (time.Duration, bool) {
	for part := range strings.SplitSeq(control, ",") {
		if text, ok := strings.CutPrefix(strings.TrimSpace(part), "max-age="); ok {
			n, err := strconv.Atoi(text)
			return time.Duration(n) * time.Second, err == nil
		}
	}
	return 0, false
}
