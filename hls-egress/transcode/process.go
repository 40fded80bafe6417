package transcode

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/freshet-live/freshet/hls-egress/segment"
)

// Why a Process has ended for good.
var (
	// ErrSlow: the machine does not keep up.
	ErrSlow = errors.New("transcode: the machine is too slow")
	// ErrFailed: ffmpeg ends again and again before it has made anything.
	ErrFailed = errors.New("transcode: ffmpeg fails")
)

// Why one run of ffmpeg has ended.
var (
	errStart   = errors.New("did not start")
	errExit    = errors.New("has exited")
	errHang    = errors.New("hangs")
	errGap     = errors.New("gap")
	errStopped = errors.New("stopped")
)

// calm is how long a run must last for the next failure to count as the first.
const calm = 30 * time.Second

// Process makes one rendition out of another until it is stopped. Behind it is
// one ffmpeg at a time.
type Process struct {
	sup   *Supervisor
	job   Job
	out   func(Result)
	log   *slog.Logger
	label string // of metrics

	stop func()
	quit chan struct{}
	done chan struct{}
	err  error // once done is closed

	mu    sync.Mutex
	queue queue
	pace  pace
	slow  bool
	wake  chan struct{}

	// What the output has come to. Only one run's reader is there at a time.
	last  int64
	wrote bool
}

func newProcess(s *Supervisor, job Job, out func(Result)) *Process {
	p := &Process{
		sup: s, job: job, out: out, label: job.Kind.String(),
		log:  s.log.With("stream", job.Stream, "layer", job.Name),
		quit: make(chan struct{}), done: make(chan struct{}), wake: make(chan struct{}, 1),
		queue: newQueue(job.Kind), pace: pace{limit: s.cfg.Slow}, last: math.MinInt64,
	}
	p.stop = sync.OnceFunc(func() { close(p.quit) })
	p.queue.start()
	return p
}

// Write gives a sample. It never blocks: when the process is behind, samples
// are dropped up to the next keyframe, and counted. Samples that do not come
// after the one before are ignored.
func (p *Process) Write(s segment.Sample) {
	p.mu.Lock()
	dropped, behind := p.queue.push(s)
	if behind && p.pace.behind(time.Now()) {
		p.slow = true
	}
	p.mu.Unlock()
	if dropped > 0 {
		p.sup.metrics.dropped.WithLabelValues(p.label).Add(float64(dropped))
	}
	p.nudge()
}

func (p *Process) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Stop ends the Process. It returns at once; Results may come until Done.
func (p *Process) Stop() { p.stop() }

// Done is closed when the Process has ended: after Stop, at the end of
// Supervisor.Run, or because it was given up.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err returns why the Process has ended by itself: ErrSlow, ErrFailed, or nil
// when it was stopped. It is valid after Done.
func (p *Process) Err() error {
	select {
	case <-p.done:
		return p.err
	default:
		return nil
	}
}

// run runs ffmpeg again and again until the Process is stopped or given up.
func (p *Process) run(ctx context.Context) {
	defer close(p.done)
	defer p.shut()
	failures, silent := 0, 0
	for {
		began := time.Now()
		produced, err := p.attempt(ctx)
		if err == nil {
			return
		}
		if time.Since(began) > calm {
			failures = 0
		}
		failures++
		if silent++; produced {
			silent = 0
		}
		p.sup.metrics.ends.WithLabelValues(reason(err)).Inc()
		switch {
		case errors.Is(err, ErrSlow):
			p.err = err
		case silent >= p.sup.cfg.Retries:
			p.err = fmt.Errorf("%w: %w", ErrFailed, err)
		}
		if p.err != nil {
			p.log.Error("transcoding given up", "err", p.err)
			return
		}
		pause := p.sup.cfg.backoff(failures)
		p.log.Warn("transcoding restarts", "err", err, "in", pause)
		select {
		case <-time.After(pause):
		case <-p.quit:
			return
		case <-ctx.Done():
			return
		}
	}
}

// backoff is the pause after a number of failures in a row.
func (c Config) backoff(failures int) time.Duration {
	return min(c.Backoff<<min(failures-1, 16), c.MaxBackoff)
}

// reason is the label of a failure.
func reason(err error) string {
	for _, r := range []struct {
		err  error
		name string
	}{{errStart, "start"}, {errHang, "hang"}, {errGap, "gap"}, {ErrGarbage, "garbage"}, {ErrSlow, "slow"}} {
		if errors.Is(err, r.err) {
			return r.name
		}
	}
	return "exit"
}

// admit lets samples in, for a new run of ffmpeg.
func (p *Process) admit() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.queue.open {
		p.queue.start()
	}
}

// shut lets none in.
func (p *Process) shut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue.stop()
}

// next waits for the next sample. False means that ctx has ended.
func (p *Process) next(ctx context.Context) (segment.Sample, bool) {
	for {
		p.mu.Lock()
		s, ok := p.queue.pop()
		p.mu.Unlock()
		if ok {
			return s, ctx.Err() == nil
		}
		select {
		case <-p.wake:
		case <-ctx.Done():
			return s, false
		}
	}
}

// tooSlow reports whether the Process was behind for too long.
func (p *Process) tooSlow() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.slow
}

// deliver passes a Result on. Nothing goes back in time, so that a new run
// cannot repeat what the one before has made.
func (p *Process) deliver(s segment.Sample, first bool) {
	if s.Time <= p.last {
		return
	}
	p.out(Result{Sample: s, Discontinuity: first && p.wrote})
	p.last, p.wrote = s.Time, true
}
