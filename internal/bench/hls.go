package bench

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// HLSOptions says what RunHLS does.
type HLSOptions struct {
	// URL is that of the multivariant playlist.
	URL string
	// Clients is how many there are.
	Clients int
	// Duration is how long is measured once all have joined.
	Duration time.Duration
	// Ramp is how many clients join in which time; zero: 100 a second.
	Ramp Rate
	// PID is the server's process on this machine; 0: not known.
	PID int
	// Plain keeps clients from asking for compressed playlists.
	Plain bool
	// NoDelta keeps clients from asking for delta updates.
	NoDelta bool
}

func (o *HLSOptions) check() error {
	switch {
	case o.URL == "":
		return fmt.Errorf("%w: the URL of a multivariant playlist is needed", ErrOptions)
	case o.Clients < 1:
		return fmt.Errorf("%w: at least one client", ErrOptions)
	case o.Duration <= 0:
		return fmt.Errorf("%w: the duration must be positive", ErrOptions)
	}
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%w: %q is no http or https URL", ErrOptions, o.URL)
	}
	return nil
}

// hlsRun is the state of RunHLS.
type hlsRun struct {
	opts   HLSOptions
	report *HLSReport
	parsed playlists

	// measuring is set while it counts.
	measuring atomic.Bool
	requests  atomic.Uint64
	bytes     atomic.Uint64

	turn    atomic.Uint64
	tallies [tallies]*hlsTally

	mu     sync.Mutex
	firsts map[string]time.Time // when the first client had a part listed
	errs   map[string]int
}

// hlsTally is what some of the clients have counted.
type hlsTally struct {
	mu                    sync.Mutex
	reload, part, latency *histogram
	parts, late, errors   uint64
}

// tallies is how many there are: enough that clients seldom wait for each
// other.
const tallies = 16

func newHLSTally() *hlsTally {
	return &hlsTally{reload: newHistogram(), part: newHistogram(), latency: newHistogram()}
}

func (t *hlsTally) failed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.errors++
}

// delivered counts a part; the latency only if it is known.
func (t *hlsTally) delivered(reload, part, latency time.Duration, known, late bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.parts++
	t.reload.add(reload)
	t.part.add(part)
	if known {
		t.latency.add(latency)
	}
	if late {
		t.late++
	}
}

func (t *hlsTally) add(from *hlsTally) {
	t.reload.merge(from.reload)
	t.part.merge(from.part)
	t.latency.merge(from.latency)
	t.parts += from.parts
	t.late += from.late
	t.errors += from.errors
}

func (r *hlsRun) nextTally() *hlsTally { return r.tallies[r.turn.Add(1)%tallies] }

// RunHLS lets clients follow the live edge of a Stream by blocking reloads,
// each one video and one audio rendition, measures for the duration and ends.
// When ctx ends early, the report is of what there was. An error is ErrOptions
// or ErrNobody.
func RunHLS(ctx context.Context, o HLSOptions) (*HLSReport, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	r := &hlsRun{
		opts: o, report: &HLSReport{Clients: o.Clients}, firsts: map[string]time.Time{}, errs: map[string]int{},
	}
	for i := range r.tallies {
		r.tallies[i] = newHLSTally()
	}
	before, err := usageOf(o.PID)
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(ctx)
	var clients sync.WaitGroup
	var joined atomic.Int64
	interval := o.Ramp.interval()
	if interval == 0 {
		interval = defaultInterval
	}
	began := time.Now()
	paced(ctx, o.Clients, interval, func(int) {
		tracks, err := r.join(running)
		if err != nil {
			r.fail(running, err, true)
			return
		}
		joined.Add(1)
		for _, t := range tracks {
			clients.Go(func() { t.follow(running) })
		}
	})
	r.report.JoinTime = time.Since(began).Seconds()
	if joined.Load() > 0 && wait(ctx, settle) == nil {
		err = r.measure(ctx, before, int(joined.Load()))
	}
	stop()
	clients.Wait()
	if joined.Load() == 0 {
		return nil, fmt.Errorf("%w: %s", ErrNobody, r.mostFrequent())
	}
	r.summarize()
	return r.report, err
}

// fail counts an error, and with joining set a client that never played.
func (r *hlsRun) fail(ctx context.Context, err error, joining bool) {
	if ctx.Err() != nil || errors.Is(err, context.Canceled) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs[err.Error()]++
	if joining {
		r.report.Failed++
	}
}

func (r *hlsRun) mostFrequent() (text string) {
	most := 0
	for e, n := range r.errs {
		if n > most {
			text, most = e, n
		}
	}
	return text
}

// measure counts what happens within the duration.
func (r *hlsRun) measure(ctx context.Context, before usage, joined int) error {
	cpu, err := usageOf(r.opts.PID)
	if err != nil {
		return err
	}
	own, _ := usageOf(os.Getpid())
	start, requests, bytes := time.Now(), r.requests.Load(), r.bytes.Load()
	r.measuring.Store(true)
	_ = wait(ctx, r.opts.Duration)
	r.measuring.Store(false)
	took := time.Since(start).Seconds()
	after, err := usageOf(r.opts.PID)
	if err != nil {
		return err
	}
	ownNow, _ := usageOf(os.Getpid())
	rep := r.report
	rep.Seconds = took
	rep.Requests = r.requests.Load() - requests
	rep.RequestsPerSecond = float64(rep.Requests) / took
	rep.BitsPerSecond = 8 * float64(r.bytes.Load()-bytes) / took
	rep.BenchCores = (ownNow.cpu - own.cpu).Seconds() / took
	if r.opts.PID != 0 {
		used := after.cpu - cpu.cpu
		rep.Server = &HLSServer{
			CPUPerThousand: used.Seconds() / float64(max(rep.Requests, 1)) * 1e3, Cores: used.Seconds() / took,
			Resident: (after.resident - before.resident) / int64(max(joined, 1)), ResidentAll: after.resident,
		}
	}
	return nil
}

func (r *hlsRun) summarize() {
	r.mu.Lock()
	defer r.mu.Unlock()
	rep, all := r.report, newHLSTally()
	for _, t := range r.tallies {
		all.add(t)
	}
	rep.Parts, rep.Late, rep.Errors = all.parts, all.late, all.errors
	rep.Reload, rep.Part, rep.Latency = all.reload.spread(), all.part.spread(), all.latency.spread()
	rep.Failure = r.mostFrequent()
}

// first returns when the first client had a part listed: not much later than
// it came to exist.
func (r *hlsRun) first(part string, now time.Time) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.firsts[part]
	if ok {
		return at
	}
	const enough = 10_000
	if len(r.firsts) > enough {
		clear(r.firsts)
	}
	r.firsts[part] = now
	return now
}
