package bench

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// joinTimeout bounds how long a viewer or publisher takes to connect, and
	// leaveTimeout a DELETE.
	joinTimeout  = 20 * time.Second
	leaveTimeout = 10 * time.Second
	// inFlight bounds the joins, and the leaves, that are under way at once.
	inFlight = 128
)

// rig is what all peers of a run share.
type rig struct {
	start   time.Time
	id      *identity
	http    *http.Client
	shards  []*shard
	tallies []*tally
	stop    func() error // ends the shards and waits
	turn    int
}

func newRig(gro bool) (*rig, error) {
	id, err := newIdentity()
	if err != nil {
		return nil, err
	}
	r := &rig{start: time.Now(), id: id, http: &http.Client{
		Timeout: joinTimeout,
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			MaxIdleConnsPerHost: inFlight, IdleConnTimeout: 30 * time.Second,
		},
	}}
	ctx, cancel := context.WithCancel(context.Background())
	var g errgroup.Group
	r.stop = func() error {
		cancel()
		r.http.CloseIdleConnections()
		return g.Wait()
	}
	for range runtime.GOMAXPROCS(0) {
		s, err := newShard(r.start, gro)
		if err != nil {
			cancel()
			return nil, err
		}
		r.shards = append(r.shards, s)
		r.tallies = append(r.tallies, &tally{latencies: newHistogram()})
		g.Go(func() error { return s.run(ctx) })
	}
	return r, nil
}

// newPeer returns an unconnected peer on the next shard.
func (r *rig) newPeer() (*peer, *tally) {
	i := r.turn % len(r.shards)
	r.turn++
	s := r.shards[i]
	p := &peer{
		id: r.id, shard: s, ufrag: token(6), pwd: token(18), fd: -1, closed: true, reached: make(chan struct{}),
	}
	p.pipe = newPipe(p.send)
	return p, r.tallies[i]
}

// token returns random characters that ICE allows, from n bytes.
func token(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return base64.RawStdEncoding.EncodeToString(b)
}

func (r *rig) session(bearer string) session { return session{http: r.http, token: bearer} }

// now is the time since the start of the run.
func (r *rig) now() time.Duration { return time.Since(r.start) }

// each runs f on every shard's goroutine, with what the shard counts.
func (r *rig) each(f func(*tally)) {
	for i, s := range r.shards {
		s.call(func() { f(r.tallies[i]) })
	}
}

// paced calls f for each number below n, one per interval, each on its own
// goroutine, and waits for all.
func paced(ctx context.Context, n int, interval time.Duration, f func(i int)) {
	var running sync.WaitGroup
	defer running.Wait()
	slots := make(chan struct{}, inFlight)
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i := range n {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		select {
		case <-ctx.Done():
			return
		case slots <- struct{}{}:
		}
		running.Go(func() {
			defer func() { <-slots }()
			f(i)
		})
		timer.Reset(time.Duration(i+1)*interval - time.Since(start))
	}
}

// wait waits for a time, or returns ctx's error.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return fmt.Errorf("stopped: %w", ctx.Err())
	case <-timer.C:
		return nil
	}
}
