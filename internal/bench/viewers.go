package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"
)

const (
	defaultBitrate  = 2_500_000
	defaultInterval = 10 * time.Millisecond // between joins
	// warmUp is how long a publisher sends before anybody joins, and settle how
	// long all have been there before it is measured.
	warmUp = time.Second
	settle = time.Second
)

// ErrNobody is a run in which no viewer, or no publisher, connected.
var ErrNobody = errors.New("nobody connected")

// viewersRun is the state of RunViewers.
type viewersRun struct {
	*rig
	opts      ViewerOptions
	report    *ViewerReport
	publisher *publisher
	measured  atomic.Int64 // when the measurement began; 0: not yet
	ended     time.Duration
	ffmpeg    string
	decoding  sync.WaitGroup

	mu       sync.Mutex
	present  []*viewer // in the order of joining
	gone     []*viewer
	errs     map[string]int
	decoders []*decoder
	closed   bool // who joins from now on came too late
}

// RunViewers publishes, lets the viewers join, measures for the duration and
// lets them leave. When ctx ends early, the report is of what there was. An
// error is ErrOptions, ErrNobody, or what kept the publisher from publishing.
func RunViewers(ctx context.Context, o ViewerOptions) (_ *ViewerReport, err error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	o.Media = o.Media.withDefaults()
	shared, err := newRig(o.GRO)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, shared.stop()) }()
	r := &viewersRun{rig: shared, opts: o, report: &ViewerReport{Viewers: o.Viewers}, errs: map[string]int{}}
	defer func() { // also where it ended early
		r.finish()
		r.decoding.Wait()
	}()
	if o.Decode > 0 {
		r.ffmpeg, _ = exec.LookPath("ffmpeg")
	}
	if o.Publish != "" {
		stop, err := r.publish(ctx)
		if err != nil {
			return nil, err
		}
		defer stop()
	}
	defer r.clear(context.WithoutCancel(ctx))
	return r.run(ctx)
}

func (o MediaOptions) withDefaults() MediaOptions {
	if o.Bitrate == 0 {
		o.Bitrate = defaultBitrate
	}
	return o
}

// publish goes live; stop ends it.
func (r *viewersRun) publish(ctx context.Context) (stop func(), err error) {
	p, _ := r.newPeer()
	bearer := r.opts.PublishToken
	if bearer == "" {
		bearer = r.opts.Token
	}
	if r.publisher, err = newPublisher(r.opts.Media, r.session(bearer), p); err != nil {
		return nil, err
	}
	joining, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	if err := r.publisher.join(joining, r.opts.Publish); err != nil {
		r.publisher.peer.close()
		return nil, err
	}
	sending, halt := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { r.publisher.run(sending) })
	stop = func() {
		halt()
		running.Wait()
		leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
		defer cancel()
		r.publisher.leave(leaving)
	}
	if err := wait(ctx, warmUp); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

func (r *viewersRun) run(ctx context.Context) (*ViewerReport, error) {
	before, err := usageOf(r.opts.PID)
	if err != nil {
		return nil, err
	}
	interval := r.opts.Ramp.interval()
	if interval == 0 {
		interval = defaultInterval
	}
	began := r.now()
	paced(ctx, r.opts.Viewers, interval, func(int) { r.join(ctx) })
	r.report.JoinTime = (r.now() - began).Seconds()
	if len(r.present) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrNobody, r.mostFrequent())
	}
	joinedUsage, err := usageOf(r.opts.PID)
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
	r.summarize()
	r.report.Server.perViewer(before, joinedUsage, after, len(r.present))
	return r.report, nil
}

// join adds a viewer.
func (r *viewersRun) join(ctx context.Context) {
	r.mu.Lock()
	p, t := r.newPeer()
	r.mu.Unlock()
	v := newViewer(&r.opts, r.session(r.opts.Token), p, t, &r.measured)
	r.decode(ctx, v)
	joining, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	err := v.join(joining)
	r.mu.Lock()
	late := r.closed
	if err == nil && !late {
		r.present = append(r.present, v)
	}
	r.mu.Unlock()
	if err == nil && !late {
		return
	}
	v.peer.shard.call(func() { v.finish(r.now()) })
	if err == nil {
		v.leave(joining)
		return
	}
	p.close()
	r.fail(ctx, err)
}

// decode lets the first viewers' pictures be decoded.
func (r *viewersRun) decode(ctx context.Context, v *viewer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ffmpeg == "" || len(r.decoders) >= r.opts.Decode || r.closed {
		return
	}
	d := newDecoder()
	r.decoders = append(r.decoders, d)
	v.player.decoder = d
	r.decoding.Go(func() {
		if err := d.run(ctx, r.ffmpeg); err != nil {
			d.problem(err.Error())
			for range d.frames { // nobody decodes them
			}
		}
	})
}

// fail counts a viewer that did not connect.
func (r *viewersRun) fail(ctx context.Context, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() == nil && !r.closed {
		r.report.Failed++
		r.errs[err.Error()]++
	}
}

// measure counts what happens within the duration.
func (r *viewersRun) measure(ctx context.Context) {
	start, first := r.now(), r.sum(true)
	r.measured.Store(int64(start))
	cpu, _ := usageOf(r.opts.PID) // it was there a moment ago
	own, _ := usageOf(os.Getpid())
	var churn sync.WaitGroup
	limited, cancel := context.WithTimeout(ctx, r.opts.Duration)
	defer cancel()
	if every := r.opts.Churn.interval(); every > 0 {
		churn.Go(func() {
			paced(limited, int(r.opts.Duration/every), every, func(int) { r.replace(ctx) })
		})
	}
	<-limited.Done()
	last := r.sum(false)
	now, _ := usageOf(r.opts.PID)
	ownNow, _ := usageOf(os.Getpid())
	r.ended = r.now()
	took := r.ended - start
	r.finish()
	churn.Wait()
	rep := r.report
	rep.Seconds = took.Seconds()
	rep.BenchCores = (ownNow.cpu - own.cpu).Seconds() / took.Seconds()
	rep.Packets = last.packets - first.packets
	rep.PacketsPerSecond = float64(rep.Packets) / took.Seconds()
	rep.BitsPerSecond = float64(8*(last.bytes-first.bytes)) / took.Seconds()
	if r.opts.PID != 0 && rep.Packets > 0 {
		rep.Server = serverReport(now.cpu-cpu.cpu, rep.Packets, rep.Seconds)
	}
}

// sum adds up what all shards have counted, and switches latencies on or off.
func (r *viewersRun) sum(measuring bool) (all tally) {
	r.each(func(t *tally) {
		t.measuring = measuring
		all.packets += t.packets
		all.bytes += t.bytes
	})
	return all
}

// replace lets the viewer that has been there longest leave and another join.
func (r *viewersRun) replace(ctx context.Context) {
	r.mu.Lock()
	v := r.present[0]
	r.present = r.present[1:]
	r.gone = append(r.gone, v)
	r.mu.Unlock()
	leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	v.peer.shard.call(func() { v.finish(r.now()) })
	v.leave(leaving)
	r.join(ctx)
}

// clear lets everybody leave.
func (r *viewersRun) clear(ctx context.Context) {
	paced(ctx, len(r.present), 0, func(i int) {
		leaving, cancel := context.WithTimeout(ctx, leaveTimeout)
		defer cancel()
		r.present[i].leave(leaving)
	})
}

func (r *viewersRun) mostFrequent() (text string) {
	most := 0
	for e, n := range r.errs {
		if n > most {
			text, most = e, n
		}
	}
	return text
}
