package transcode

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/sfu/media"
)

// run is one run of ffmpeg: a goroutine writes to it, one reads what it makes,
// one what it says, and one watches the time.
type run struct {
	p     *Process
	child *child

	mu    sync.Mutex
	clock *clock
	watch watch

	produced bool // the reader's
}

// watch notices that nothing comes out though something goes in.
type watch struct {
	hang    time.Duration
	since   time.Time // of the first input that no output has followed
	lastIn  time.Time
	writing bool
	began   bool // output
}

func (w *watch) in(now time.Time) {
	if w.since.IsZero() {
		w.since = now
	}
	w.lastIn = now
}

func (w *watch) out() { w.since, w.began = time.Time{}, true }

// hangs reports whether it is time to give up. A decoder may swallow what it
// cannot use, so an input that nothing follows proves nothing.
func (w *watch) hangs(now time.Time) bool {
	limit := w.hang
	if !w.began {
		limit *= 3
	}
	flows := w.writing || now.Sub(w.lastIn) < w.hang/2
	return !w.since.IsZero() && now.Sub(w.since) > limit && flows
}

// attempt runs ffmpeg until it ends or has to be ended. It reports whether
// anything came out, and nil when the Process is to end.
func (p *Process) attempt(parent context.Context) (produced bool, err error) {
	// The kernel kills the child when the thread that started it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)

	p.admit()
	defer p.shut()
	cfg := &p.sup.cfg
	c, err := startChild(ctx, cfg.Path, p.job.args(cfg.Threads), cfg.Nice)
	if err != nil {
		return false, err
	}
	r := &run{p: p, child: c, clock: newClock(p.job.Kind), watch: watch{hang: cfg.Hang}}
	words := &words{log: p.log}
	var g errgroup.Group
	for _, f := range []func(context.Context) error{
		r.write, r.read, r.guard,
		func(context.Context) error { return words.read(c.stderr) },
	} {
		g.Go(func() error {
			if err := f(ctx); err != nil {
				cancel(err)
			}
			return nil
		})
	}
	<-ctx.Done()
	c.kill()
	_ = g.Wait() // they only end, the cause is ctx's
	how := c.wait()
	switch cause := context.Cause(ctx); {
	case parent.Err() != nil, errors.Is(cause, errStopped):
		return r.produced, nil
	case errors.Is(cause, errExit):
		return r.produced, fmt.Errorf("%w: %s: %s", errExit, how, words.last)
	default:
		return r.produced, cause
	}
}

// write feeds the process.
func (r *run) write(ctx context.Context) error {
	if _, err := r.child.stdin.Write(r.p.job.header()); err != nil {
		return errExit
	}
	var buf, payload []byte
	for {
		s, ok := r.p.next(ctx)
		if !ok {
			return nil
		}
		at, ok, err := r.enter(s)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		payload = appendPayload(payload[:0], r.p.job.From.Name, s.Units)
		buf = appendCluster(buf[:0], at, s.Key, payload)
		_, err = r.child.stdin.Write(buf)
		r.mu.Lock()
		r.watch.writing = false
		r.mu.Unlock()
		if err != nil {
			return errExit
		}
	}
}

func (r *run) enter(s segment.Sample) (at int64, ok bool, err error) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok, err = r.clock.enter(now, s)
	if ok {
		r.watch.in(now)
		r.watch.writing = true
	}
	return at, ok, err
}

// read takes what the process makes.
func (r *run) read(context.Context) error {
	d := newDemuxer(r.child.stdout, r.p.job.Kind == media.Video)
	latency := r.p.sup.metrics.latency.WithLabelValues(r.p.label)
	for {
		packet, err := d.next()
		if errors.Is(err, ErrGarbage) {
			return err
		}
		if err != nil {
			return errExit
		}
		r.mu.Lock()
		s, sent, ok, err := r.clock.leave(packet)
		r.watch.out()
		r.mu.Unlock()
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if !sent.IsZero() {
			latency.Observe(time.Since(sent).Seconds())
		}
		r.p.deliver(s, !r.produced)
		r.produced = true
	}
}

// guard ends the run when it hangs, is too slow, or the Process is to stop.
func (r *run) guard(ctx context.Context) error {
	ticker := time.NewTicker(min(r.p.sup.cfg.Hang/8, 250*time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.p.quit:
			return errStopped
		case now := <-ticker.C:
			if r.p.tooSlow() {
				return ErrSlow
			}
			r.mu.Lock()
			hangs := r.watch.hangs(now)
			r.mu.Unlock()
			if hangs {
				return fmt.Errorf("%w: no output for %v", errHang, r.p.sup.cfg.Hang)
			}
		}
	}
}
