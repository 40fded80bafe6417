package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"text/tabwriter"
	"time"
)

// PublisherReport is what RunPublishers has measured.
type PublisherReport struct {
	Publishers int `json:"publishers"`
	// Failed is how many did not connect, with the most frequent reason.
	Failed  int    `json:"failed"`
	Failure string `json:"failure,omitempty"`
	// Connect is the time from POST to the end of the DTLS handshake.
	Connect Spread `json:"connect"`
	// Seconds is how long was measured; the next three are of that time.
	Seconds          float64 `json:"seconds"`
	Packets          uint64  `json:"packets"`
	PacketsPerSecond float64 `json:"packets_per_second"`
	// Nacked is how many packets the server asked for again, KeyframesAsked how
	// often it asked for a keyframe.
	Nacked         uint64 `json:"nacked"`
	KeyframesAsked uint64 `json:"keyframes_asked"`
	// Server is nil when its process is not known.
	Server *ServerReport `json:"server,omitempty"`
}

// publishersRun is the state of RunPublishers.
type publishersRun struct {
	*rig
	opts    PublisherOptions
	report  *PublisherReport
	sending sync.WaitGroup

	mu      sync.Mutex
	present []*publisher
	took    []time.Duration
}

// RunPublishers connects publishers, each to a stream of its own, and measures
// for the duration. Its errors are ErrOptions and ErrNobody.
func RunPublishers(ctx context.Context, o PublisherOptions) (_ *PublisherReport, err error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	o.Media = o.Media.withDefaults()
	shared, err := newRig(false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, shared.stop()) }()
	r := &publishersRun{rig: shared, opts: o, report: &PublisherReport{Publishers: o.Publishers}}
	sending, halt := context.WithCancel(ctx)
	defer r.clear(context.WithoutCancel(ctx), halt)
	return r.run(ctx, sending)
}

func (r *publishersRun) run(ctx, sending context.Context) (*PublisherReport, error) {
	before, err := usageOf(r.opts.PID)
	if err != nil {
		return nil, err
	}
	interval := r.opts.Ramp.interval()
	if interval == 0 {
		interval = time.Second / 20
	}
	paced(ctx, r.opts.Publishers, interval, func(i int) { r.join(ctx, sending, i+1) })
	if len(r.present) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrNobody, r.report.Failure)
	}
	joined, err := usageOf(r.opts.PID)
	if err != nil {
		return nil, err
	}
	if wait(ctx, settle) == nil {
		r.measure(ctx)
	}
	after, err := usageOf(r.opts.PID)
	if err != nil {
		return nil, err
	}
	rep := r.report
	rep.Connect = spreadOf(r.took)
	for _, p := range r.present {
		rep.Nacked += p.lost.Load()
		rep.KeyframesAsked += p.keyframes.Load()
	}
	rep.Server.perViewer(before, joined, after, len(r.present))
	return rep, nil
}

func (r *publishersRun) join(ctx, sending context.Context, i int) {
	r.mu.Lock()
	peer, _ := r.newPeer()
	r.mu.Unlock()
	joining, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	began := r.now()
	p, err := newPublisher(r.opts.Media, r.session(r.opts.Token), peer)
	if err == nil {
		err = p.join(joining, fmt.Sprintf("%s-%d", r.opts.URL, i))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		peer.close()
		r.report.Failed++
		r.report.Failure = err.Error()
		return
	}
	r.took = append(r.took, r.now()-began)
	r.present = append(r.present, p)
	r.sending.Go(func() { p.run(sending) })
}

func (r *publishersRun) measure(ctx context.Context) {
	sent := func() (n uint64) {
		for _, p := range r.present {
			n += p.sent.Load()
		}
		return n
	}
	start, first := r.now(), sent()
	cpu, _ := usageOf(r.opts.PID) // it was there a moment ago
	_ = wait(ctx, r.opts.Duration)
	rep := r.report
	now, _ := usageOf(r.opts.PID)
	rep.Seconds = (r.now() - start).Seconds()
	rep.Packets = sent() - first
	rep.PacketsPerSecond = float64(rep.Packets) / rep.Seconds
	if r.opts.PID != 0 {
		rep.Server = serverReport(now.cpu-cpu.cpu, rep.Packets, rep.Seconds)
	}
}

// clear ends all publishers.
func (r *publishersRun) clear(ctx context.Context, halt func()) {
	halt()
	r.sending.Wait()
	paced(ctx, len(r.present), 0, func(i int) {
		leaving, cancel := context.WithTimeout(ctx, leaveTimeout)
		defer cancel()
		r.present[i].leave(leaving)
	})
}

// Print writes the report as a table.
func (rep *PublisherReport) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) }
	line("publishers\t%d connected, %d failed %s", rep.Publishers-rep.Failed, rep.Failed, rep.Failure)
	line("sent\t%.0f packets/s for %.1f s", rep.PacketsPerSecond, rep.Seconds)
	line("asked for again\t%d packets; %d keyframes were asked for", rep.Nacked, rep.KeyframesAsked)
	rep.Server.print(line, "publisher")
	line("connect (ms)\tp50 %.1f, p95 %.1f, p99 %.1f, max %.1f", rep.Connect.P50, rep.Connect.P95, rep.Connect.P99, rep.Connect.Max)
	return t.Flush()
}
