package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ChatOptions says what RunChat does.
type ChatOptions struct {
	// URL is that of a Room, such as http://127.0.0.1:8080/rooms/x.
	URL string
	// Sockets is how many there are.
	Sockets int
	// Rate is how many messages all of them send in which time; zero: 20 a second.
	Rate Rate
	// Text is how many characters a message has at least.
	Text int
	// Duration is how long is measured once all have joined.
	Duration time.Duration
	// Ramp is how many join in which time; zero: 500 a second.
	Ramp Rate
	// Storm is how many lose their connections in which time while it is
	// measured, and come back at once; zero: none.
	Storm Rate
	// Slow is how many of the sockets stop reading once all have joined.
	Slow int
	// PID is the server's process on this machine; 0: not known.
	PID int
	// Token returns the access token of socket i; nil: the server is open, and
	// each has a token that says who it is.
	Token func(i int) (string, error)
}

const (
	// chatInterval is the default pause from one join to the next.
	chatInterval = 2 * time.Millisecond
	chatRate     = 50 * time.Millisecond
	// chatTail is how long the last messages may take.
	chatTail = 15 * time.Second
)

func (o *ChatOptions) check() (*url.URL, error) {
	switch {
	case o.Sockets < 1:
		return nil, fmt.Errorf("%w: at least one socket", ErrOptions)
	case o.Duration <= 0:
		return nil, fmt.Errorf("%w: the duration must be positive", ErrOptions)
	case o.Slow < 0 || o.Slow >= o.Sockets:
		return nil, fmt.Errorf("%w: somebody has to read", ErrOptions)
	case o.Text < 0 || o.Text > 400:
		return nil, fmt.Errorf("%w: a text has up to 400 characters", ErrOptions)
	}
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%w: %q is no http or https URL", ErrOptions, o.URL)
	}
	if !strings.HasSuffix(u.Path, "/ws") {
		u = u.JoinPath("ws")
	}
	return u, nil
}

// chatRun is the state of RunChat.
type chatRun struct {
	opts    ChatOptions
	url     *url.URL
	report  *ChatReport
	begun   time.Time
	filler  string
	clients []*chatClient // that have joined; grows while they do
	since   atomic.Int64  // when measuring began, in ns of now; 0: not yet
	newest  atomic.Uint64 // the Seq acknowledged last
	tallies [tallies]*chatTally

	mu   sync.Mutex
	errs map[string]int
}

// chatTally is what some of the clients have counted.
type chatTally struct {
	frames, acks, refused, unresumed, resumed, cut atomic.Uint64

	mu                          sync.Mutex
	latency                     *histogram
	delivered, missed, repeated uint64
}

// now is in ns since the run began, and never 0.
func (r *chatRun) now() int64 { return int64(time.Since(r.begun)) + 1 }

func (r *chatRun) acked(seq uint64) {
	for {
		old := r.newest.Load()
		if seq <= old || r.newest.CompareAndSwap(old, seq) {
			return
		}
	}
}

func (r *chatRun) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs[err.Error()]++
}

// RunChat fills a Room, lets people talk in it, measures for the duration and
// ends. When ctx ends early, the report is of what there was. An error is
// ErrOptions or ErrNobody.
func RunChat(ctx context.Context, o ChatOptions) (*ChatReport, error) {
	u, err := o.check()
	if err != nil {
		return nil, err
	}
	r := &chatRun{
		opts: o, url: u, report: &ChatReport{Sockets: o.Sockets}, begun: time.Now(), errs: map[string]int{},
		filler: " " + strings.Repeat("x", max(0, o.Text-20)),
	}
	for i := range r.tallies {
		r.tallies[i] = &chatTally{latency: newHistogram()}
	}
	before, err := usageOf(o.PID)
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(ctx)
	var readers sync.WaitGroup
	r.join(running, &readers)
	if len(r.clients) > 0 && wait(ctx, settle) == nil {
		err = r.measure(running, before)
	}
	stop()
	for _, c := range r.clients {
		c.drop()
	}
	readers.Wait()
	if len(r.clients) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrNobody, r.mostFrequent())
	}
	r.summarize()
	return r.report, err
}

// join lets everybody in.
func (r *chatRun) join(ctx context.Context, readers *sync.WaitGroup) {
	interval := r.opts.Ramp.interval()
	if interval == 0 {
		interval = chatInterval
	}
	began := time.Now()
	var mu sync.Mutex
	paced(ctx, r.opts.Sockets, interval, func(i int) {
		c := &chatClient{run: r, n: i, tally: r.tallies[i%tallies]}
		err := c.identify()
		if err == nil {
			err = c.dial(ctx)
		}
		if err != nil {
			r.fail(err)
			return
		}
		mu.Lock()
		r.clients = append(r.clients, c)
		slow := len(r.clients) <= r.opts.Slow
		mu.Unlock()
		readers.Go(func() { c.live(ctx, slow) })
	})
	r.report.Failed = r.opts.Sockets - len(r.clients)
	r.report.JoinTime = time.Since(began).Seconds()
}

// identify chooses who the client is.
func (c *chatClient) identify() error {
	token, name := "bench-"+strconv.Itoa(c.n), "Bench "+strconv.Itoa(c.n)
	if c.run.opts.Token != nil {
		var err error
		if token, err = c.run.opts.Token(c.n); err != nil {
			return err
		}
	}
	c.query = url.Values{"token": {token}, "name": {name}}.Encode()
	return nil
}

// live reads, and comes again after a lost connection, until ctx ends.
func (c *chatClient) live(ctx context.Context, slow bool) {
	for {
		c.mu.Lock()
		conn := c.conn
		c.mu.Unlock()
		if slow {
			c.stall(ctx, conn)
			return
		}
		err := c.follow(conn)
		c.mu.Lock()
		c.conn = nil
		c.mu.Unlock()
		_ = conn.Close()
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errClosed) {
			c.tally.cut.Add(1)
			c.run.fail(fmt.Errorf("%w: %d %s", err, c.closed, c.left))
		}
		if err := c.dial(ctx); err != nil {
			c.run.fail(err)
			return
		}
		c.tally.resumed.Add(1)
	}
}

// stall reads nothing until the server has cut the connection, or ctx ends.
func (c *chatClient) stall(ctx context.Context, conn net.Conn) {
	c.mu.Lock()
	c.conn = nil // others speak
	c.mu.Unlock()
	c.slow = true
	defer conn.Close()
	_ = wait(ctx, c.run.opts.Duration+settle)
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	const tooSlow = 4008
	if err := c.follow(conn); errors.Is(err, errClosed) && c.closed == tooSlow && strings.HasPrefix(c.left, "resume=") {
		c.run.mu.Lock()
		c.run.report.SlowCut++
		c.run.mu.Unlock()
	}
}

// measure lets people talk for the duration, and waits for the last words.
func (r *chatRun) measure(ctx context.Context, before usage) error {
	cpu, err := usageOf(r.opts.PID)
	if err != nil {
		return err
	}
	own, _ := usageOf(os.Getpid())
	start := time.Now()
	frames := r.frames()
	r.since.Store(r.now())
	talking, stop := context.WithTimeout(ctx, r.opts.Duration)
	defer stop()
	var others sync.WaitGroup
	others.Go(func() { r.storm(talking) })
	r.talk(talking)
	others.Wait()
	took := time.Since(start).Seconds()
	after, err := usageOf(r.opts.PID)
	if err != nil {
		return err
	}
	ownNow, _ := usageOf(os.Getpid())
	rep := r.report
	rep.Seconds = took
	rep.Frames = r.frames() - frames
	rep.BenchCores = (ownNow.cpu - own.cpu).Seconds() / took
	if r.opts.PID != 0 {
		rep.Server = &ChatServer{
			Cores:         (after.cpu - cpu.cpu).Seconds() / took,
			Resident:      (after.resident - before.resident) / int64(len(r.clients)),
			ResidentAll:   after.resident,
			CPUPerMillion: (after.cpu - cpu.cpu).Seconds() / float64(max(rep.Frames, 1)) * 1e6,
		}
	}
	r.tail(ctx)
	return nil
}

func (r *chatRun) frames() (n uint64) {
	for _, t := range r.tallies {
		n += t.frames.Load()
	}
	return n
}

// talk has one after the other say something.
func (r *chatRun) talk(ctx context.Context) {
	interval := r.opts.Rate.interval()
	if interval == 0 {
		interval = chatRate
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for i := uint64(0); ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		// Strides spread the speakers over those who came early and late.
		for try := range uint64(len(r.clients)) {
			if r.clients[(i*7919+try)%uint64(len(r.clients))].say(i + 1) {
				r.report.Sent++
				break
			}
		}
	}
}

// storm breaks connections off.
func (r *chatRun) storm(ctx context.Context) {
	if r.opts.Storm.Count == 0 {
		return
	}
	r.report.Storm = min(r.opts.Storm.Count, len(r.clients)-r.opts.Slow)
	paced(ctx, r.report.Storm, r.opts.Storm.interval(), func(i int) { r.clients[r.opts.Slow+i].drop() })
}

// tail waits until everybody has heard everything, for some seconds at most.
func (r *chatRun) tail(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, chatTail)
	defer stop()
	const look = 50 * time.Millisecond
	for ctx.Err() == nil {
		_ = wait(ctx, look)
		var acks, refused uint64
		for _, t := range r.tallies {
			acks += t.acks.Load()
			refused += t.refused.Load()
		}
		if acks+refused >= r.report.Sent && r.heardAll() {
			return
		}
	}
}

// heardAll reports whether as much was delivered as there were messages for
// each socket.
func (r *chatRun) heardAll() bool {
	var delivered uint64
	for _, t := range r.tallies {
		t.mu.Lock()
		delivered += t.delivered + t.missed
		t.mu.Unlock()
	}
	return delivered >= r.accepted()*uint64(len(r.clients)-r.opts.Slow)
}

func (r *chatRun) accepted() (n uint64) {
	for _, t := range r.tallies {
		n += t.acks.Load()
	}
	return n
}
