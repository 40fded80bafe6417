package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/signaling/rooms/room"
)

// Config says who is told what. The zero value tells nobody.
type Config struct {
	// URLs are the receivers; each gets every Event.
	URLs []string
	// RoomMessages is whether what is said in Rooms is told too.
	RoomMessages bool
	// GiveUp is how long an Event is tried before it goes to the dead letters.
	GiveUp time.Duration
	// Dir is where dead letters and pending Events lie; it is made when it is
	// needed. "": they are not kept.
	Dir string
	// Node is this Node's name, in every Event.
	Node string
	// Timeout bounds one request; Retry is the first pause between two, which
	// doubles up to a minute.
	Timeout, Retry time.Duration
	// Grace is how long the end of the server waits for receivers.
	Grace time.Duration
	// Save is how often what waits is written down, for the case that the
	// process is killed.
	Save time.Duration
	// Queue bounds what waits for one receiver, in Events.
	Queue int
	// DeadLetters bounds the dead letters on the disk, in bytes.
	DeadLetters int64
	// Transport may change how receivers are reached; nil leaves it.
	Transport func(*http.Transport)
}

const (
	// DefaultGiveUp is how long an Event is tried.
	DefaultGiveUp = 10 * time.Minute

	defaultTimeout     = 10 * time.Second
	defaultRetry       = 500 * time.Millisecond
	longestRetry       = time.Minute
	defaultGrace       = 2 * time.Second
	defaultSave        = 5 * time.Second
	defaultQueue       = 10_000
	queueBytes         = 32 << 20
	flyingPerReceiver  = 4
	defaultDeadLetters = 16 << 20
	logInterval        = time.Second
)

// ErrURL is wrapped by errors about a URL that cannot be sent to.
var ErrURL = errors.New("bad webhook URL")

// CheckURL says what is wrong with a receiver's URL. The error does not show
// it.
func CheckURL(rawURL string) error {
	u, err := url.Parse(rawURL)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return fmt.Errorf("%w: it is not of the form https://host/path", ErrURL)
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%w: it is neither https nor http", ErrURL)
	case u.User != nil:
		return fmt.Errorf("%w: it cannot carry a user and password, as Authorization carries the signature", ErrURL)
	case u.Fragment != "":
		return fmt.Errorf("%w: what follows # is never sent", ErrURL)
	}
	return nil
}

// Dispatcher tells the receivers what happens. Its methods that are told what
// happens never block, and may be called whether or not it runs.
type Dispatcher struct {
	cfg       Config
	log       *slog.Logger
	receivers []*receiver
	dead      *letters
	often     rate.Sometimes // for the log
	wake      chan struct{}  // capacity 1: a batch has begun
	liveText  []byte         // what is in the file of broadcasts; Run's

	saving  sync.Mutex // the file of what waits, and:
	saved   bool       // whether there is one
	resumed bool       // whether what the last Run has left in it is queued

	mu     sync.Mutex
	book   *book
	closed bool
}

// New returns a Dispatcher. Nothing is sent before Run. Errors wrap ErrURL, or
// are those of the registry.
func New(cfg Config, signer Signer, log *slog.Logger, reg prometheus.Registerer) (*Dispatcher, error) {
	cfg = cfg.complete()
	m, err := newMetrics(reg)
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	d := &Dispatcher{
		cfg: cfg, log: log, wake: make(chan struct{}, 1),
		often: rate.Sometimes{Interval: logInterval},
		dead:  &letters{dir: cfg.Dir, max: cfg.DeadLetters / 2}, book: newBook(cfg.Node, newID),
	}
	for _, to := range cfg.URLs {
		if err := CheckURL(to); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(d.receivers, func(r *receiver) bool { return r.url == to }) {
			continue
		}
		r := &receiver{
			url: to, id: receiverID(to), host: hostOf(to), signer: signer, timeout: cfg.Timeout, log: log,
			often:  rate.Sometimes{Interval: logInterval},
			client: newClient(flyingPerReceiver, cfg.Transport), bury: d.bury, wake: make(chan struct{}, 1),
			queue: newQueue(limits{
				Items: cfg.Queue, Bytes: queueBytes, Flying: flyingPerReceiver,
				GiveUp: cfg.GiveUp, First: cfg.Retry, Longest: longestRetry,
			}, jitter),
		}
		r.metrics = m.of(r.id, r.host)
		d.receivers = append(d.receivers, r)
	}
	return d, nil
}

func (c Config) complete() Config {
	orTime := func(v *time.Duration, fallback time.Duration) {
		if *v <= 0 {
			*v = fallback
		}
	}
	orTime(&c.GiveUp, DefaultGiveUp)
	orTime(&c.Timeout, defaultTimeout)
	orTime(&c.Retry, defaultRetry)
	orTime(&c.Grace, defaultGrace)
	orTime(&c.Save, defaultSave)
	if c.Queue <= 0 {
		c.Queue = defaultQueue
	}
	if c.DeadLetters <= 0 {
		c.DeadLetters = defaultDeadLetters
	}
	return c
}

// jitter spreads a pause by a quarter to both sides, so that receivers which
// came back are not met by everybody at once.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return d
	}
	return d*3/4 + rand.N(d/2+1)
}

// Run sends until ctx ends, then for a short time what can be sent at once. The
// rest it leaves in a file for the next Run. It is to be the last to end, so
// that it hears of the others' ends.
func (d *Dispatcher) Run(ctx context.Context) error {
	d.resume()
	last, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	work, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	var g errgroup.Group
	for _, r := range d.receivers {
		g.Go(func() error { return r.run(last, work) })
	}
	g.Go(func() error { d.saveAgain(last); return nil })
	d.flushBatches(ctx)
	d.finish()
	timer := time.AfterFunc(d.cfg.Grace, cut)
	defer timer.Stop()
	stop()
	err := g.Wait()
	for _, r := range d.receivers {
		r.client.CloseIdleConnections()
	}
	err = errors.Join(err, d.saveLive())
	if n, kept := d.save(); kept != nil {
		err = errors.Join(err, kept)
	} else if n > 0 {
		d.log.Info("webhooks are left for the next run", "number", n)
	}
	return err
}

// flushBatches sends batches of viewers when their time is up, until ctx ends.
func (d *Dispatcher) flushBatches(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		d.mu.Lock()
		d.sendLocked(d.book.due(time.Now()))
		next := d.book.next()
		d.mu.Unlock()
		timer.Reset(until(next))
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
		case <-timer.C:
		}
	}
}

// finish tells that everything ends with the server. Nothing is heard
// afterwards.
func (d *Dispatcher) finish() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sendLocked(d.book.close(time.Now()))
	d.closed = true
}

// StreamChanged takes the newest Snapshot of a Stream, as hub.Config.OnChange
// tells it.
func (d *Dispatcher) StreamChanged(s *media.Snapshot) {
	d.tell(func(now time.Time) []*Event { return d.book.snapshot(now, s) })
}

// Joined takes a session that has begun.
func (d *Dispatcher) Joined(v Visit) {
	d.tell(func(now time.Time) []*Event { return d.book.joined(now, v) })
}

// Left takes a session that has ended, as it was given to Joined.
func (d *Dispatcher) Left(v Visit) {
	d.tell(func(now time.Time) []*Event { return d.book.left(now, v) })
}

// Said takes Entries of a Room. Only what people say is passed on.
func (d *Dispatcher) Said(stream string, entries []room.Entry) {
	if !d.cfg.RoomMessages {
		return
	}
	d.tell(func(now time.Time) (events []*Event) {
		for _, e := range entries {
			if e.Kind == room.Message || e.Kind == room.Announcement {
				events = append(events, d.book.message(now, stream, e)...)
			}
		}
		return events
	})
}

func (d *Dispatcher) tell(what func(now time.Time) []*Event) {
	if len(d.receivers) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	waited := len(d.book.batches) > 0
	d.sendLocked(what(time.Now()))
	if !waited && len(d.book.batches) > 0 {
		select {
		case d.wake <- struct{}{}:
		default:
		}
	}
}

// sendLocked queues Events at all receivers, in the order in which they came.
func (d *Dispatcher) sendLocked(events []*Event) {
	for _, e := range events {
		body, err := json.Marshal(e)
		if err != nil {
			d.log.Error("webhook lost", "event", e.Event, "err", err)
			continue
		}
		now := time.Now()
		for _, r := range d.receivers {
			r.push(now, &item{
				id: e.ID, name: e.Event, stream: e.Room.Name, body: body, queued: now,
				minor: e.Participant != nil && !e.Participant.IsPublisher,
			})
		}
	}
}
