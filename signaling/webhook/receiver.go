package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
)

// receiver is one URL that gets all Events, and what it has yet to get.
type receiver struct {
	url string
	// id names it in files and the API, host to people: the rest of a URL may
	// be secret.
	id, host string
	client   *http.Client
	signer   Signer
	timeout  time.Duration
	log      *slog.Logger
	metrics  receiverMetrics
	// bury takes what is given up.
	bury func(r *receiver, it *item)

	wake  chan struct{} // capacity 1
	often rate.Sometimes

	mu    sync.Mutex
	queue *queue
	lost  []*item // fell out of the queue, to be buried by run
	last  attempt
}

// attempt is how the latest try ended.
type attempt struct {
	at    time.Time
	error string
}

// receiverID names a URL without giving it away.
func receiverID(rawURL string) string {
	const enough = 6
	sum := sha256.Sum256([]byte(rawURL))
	return hex.EncodeToString(sum[:enough])
}

// hostOf returns what of a URL may be shown.
func hostOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// push queues an item. It never blocks.
func (r *receiver) push(now time.Time, it *item) {
	r.mu.Lock()
	lost, dropped := r.queue.push(now, it)
	r.lost = append(r.lost, lost...)
	r.metrics.queued.Set(float64(r.queue.len()))
	r.mu.Unlock()
	r.metrics.dropped.Add(float64(dropped))
	r.stir()
}

func (r *receiver) stir() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// run sends until ctx ends, then what is left and can be sent at once, until
// work ends. It returns when nothing is on the wire.
func (r *receiver) run(ctx, work context.Context) error {
	var g errgroup.Group
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	last := ctx.Done()
	for {
		again, idle := r.send(work, &g)
		if last == nil && idle {
			return g.Wait()
		}
		timer.Reset(until(again))
		select {
		case <-last:
			last = nil // from now on, leave when there is nothing to do
		case <-work.Done():
			return g.Wait()
		case <-r.wake:
		case <-timer.C:
		}
	}
}

func until(t time.Time) time.Duration {
	if t.IsZero() {
		return time.Hour
	}
	return time.Until(t)
}

// send starts what can be sent now, and returns when to look again. Idle is
// when nothing is on the wire and all that is left has to wait.
func (r *receiver) send(work context.Context, g *errgroup.Group) (again time.Time, idle bool) {
	for {
		now := time.Now()
		r.mu.Lock()
		it, dead, again := r.queue.next(now)
		lost := r.lost
		r.lost = nil
		idle = r.queue.flying == 0
		r.metrics.queued.Set(float64(r.queue.len()))
		r.mu.Unlock()
		if dead != nil {
			lost = append(lost, dead)
		}
		for _, d := range lost {
			r.metrics.buried.Inc()
			r.bury(r, d)
		}
		switch {
		case it != nil:
			g.Go(func() error { r.try(work, it); return nil })
		case dead == nil:
			return again, idle
		}
	}
}

// try sends an item once.
func (r *receiver) try(work context.Context, it *item) {
	ctx, cancel := context.WithTimeout(work, r.timeout)
	defer cancel()
	began := time.Now()
	o, reason, after := r.attempt(ctx, it)
	now := time.Now()
	r.metrics.took.Observe(now.Sub(began).Seconds())
	r.metrics.count(o)
	r.mu.Lock()
	dead := r.queue.done(now, it, o, reason, after)
	r.last = attempt{now, reason}
	tries := it.tries
	r.mu.Unlock()
	if o != taken {
		r.often.Do(func() {
			r.log.Warn("webhook not taken", "receiver", r.host, "event", it.name, "stream", it.stream, "try", tries, "err", reason)
		})
	}
	if dead != nil {
		r.metrics.buried.Inc()
		r.bury(r, dead)
	}
	r.stir()
}

func (r *receiver) attempt(ctx context.Context, it *item) (o outcome, reason string, after time.Time) {
	resp, err := post(ctx, r.client, r.signer, r.url, it.id, it.body)
	if err != nil {
		return failed, err.Error(), time.Time{}
	}
	defer finish(resp)
	o = judge(resp.StatusCode)
	if o == taken {
		return o, "", time.Time{}
	}
	return o, fmt.Sprintf("status %d", resp.StatusCode), retryAfter(resp.Header, time.Now(), r.queue.limits.GiveUp)
}
