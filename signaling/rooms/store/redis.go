package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/freshet-live/freshet/signaling/rooms/room"
)

const (
	// silence is after how long a Node that says nothing has no people.
	silence = 10 * time.Second
	// idsPerEntry is how many ids Redis remembers per Entry that it holds.
	idsPerEntry = 4
	// batchSize is how many Entries Redis gets, or gives, at once.
	batchSize = 256
	// refillSize is how many are read from a file at once.
	refillSize = 4096
	// idle is for how long a share is kept that nobody uses, up to maxIdle of
	// them.
	idle    = 30 * time.Second
	maxIdle = 512
	// beforeFollow is how long it takes at most from Load to Follow.
	beforeFollow = 10 * time.Second
	// retryAway is after how long somebody who is in a hurry tries again whether
	// Redis is back.
	retryAway = 2 * time.Second
	// loadPatience is how long Load waits for Redis.
	loadPatience = time.Second
	// erasedLife begins the life of a Room that was erased.
	erasedLife = "erased-"
	// farewell is how long Run goes on sending at its end.
	farewell = 2 * time.Second
)

// RedisConfig says how Rooms are shared.
type RedisConfig struct {
	// Node is the name of this Node, different from that of every other one.
	Node string
	// Length is how many of the latest Entries of a Room Redis holds, 4,000 by
	// default.
	Length int64
	// Keep is for how long Redis keeps a Room in which nothing happens, a week by
	// default.
	Keep time.Duration
	// Poll is how often Redis is asked for what no message has told of, five
	// seconds by default.
	Poll time.Duration
	// Backoff is the shortest time between two attempts while Redis is away, a
	// tenth of a second by default; the longest is 50 times as much.
	Backoff time.Duration
}

func (c *RedisConfig) complete() {
	c.Length = cmp.Or(c.Length, 4000)
	c.Keep = cmp.Or(c.Keep, 7*24*time.Hour)
	c.Poll = cmp.Or(c.Poll, 5*time.Second)
	c.Backoff = cmp.Or(c.Backoff, 100*time.Millisecond)
}

// Redis shares Rooms with other Nodes. What is appended is in the File first,
// and goes from there to Redis, in order, as soon as it is there to take it.
type Redis struct {
	cfg     RedisConfig
	client  redis.UniversalClient
	file    *File
	log     *slog.Logger
	metrics *redisMetrics
	pubsub  *redis.PubSub
	outward chan struct{} // something is to be sent
	sending sync.Mutex    // held while Redis is sent Entries; before a share's mu

	mu     sync.Mutex
	shares map[string]*share
	away   bool      // Redis has not answered lately
	failed time.Time // when it last was
	spoke  time.Time // when that was last logged
}

// NewRedis shares the Rooms of a File, whose Run is part of this one's. The
// client should not retry by itself: that is done here. reg may be nil.
func NewRedis(cfg RedisConfig, client redis.UniversalClient, file *File, log *slog.Logger, reg prometheus.Registerer) (*Redis, error) {
	cfg.complete()
	r := &Redis{
		cfg: cfg, client: client, file: file, log: log, metrics: newRedisMetrics(),
		pubsub: client.Subscribe(context.Background()), outward: make(chan struct{}, 1), shares: map[string]*share{},
	}
	if cfg.Node == "" {
		return nil, errors.New("rooms: a node that shares rooms needs a name")
	}
	if err := r.metrics.register(reg); err != nil {
		return nil, fmt.Errorf("rooms: %w", err)
	}
	file.sent = r.sentOf
	return r, nil
}

// Run sends and receives until ctx ends, and for a moment longer what is there
// to be sent then.
func (r *Redis) Run(ctx context.Context) error {
	fileCtx, endFile := context.WithCancel(context.WithoutCancel(ctx))
	defer endFile()
	var file errgroup.Group
	file.Go(func() error { return r.file.Run(fileCtx) })
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.listen(ctx) })
	g.Go(func() error { return r.send(ctx) })
	g.Go(func() error { return r.keep(ctx) })
	err := g.Wait()
	r.tidy(time.Now().Add(2 * idle)) // nothing is used any more
	r.saveMarks()
	endFile()
	return errors.Join(err, file.Wait())
}

// Close gives the File's folder back, after Run has ended.
func (r *Redis) Close() error { return r.file.Close() }

// use returns the Room's share, ready, to be released, and what is kept of the
// Room if it has just been read.
func (r *Redis) use(ctx context.Context, name string) (*share, *room.Past, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err //nolint:wrapcheck // says it all
	}
	if !nameRule.MatchString(name) {
		return nil, nil, fmt.Errorf("%w: %q", ErrName, name)
	}
	r.mu.Lock()
	s := r.shares[name]
	if s == nil {
		s = newShare(name)
		r.shares[name] = s
	}
	s.users++
	r.mu.Unlock()
	past, err := r.makeReady(ctx, s)
	if err != nil {
		r.release(s)
		return nil, nil, err
	}
	return s, past, nil
}

func (r *Redis) makeReady(ctx context.Context, s *share) (*room.Past, error) {
	s.prepare.Lock()
	defer s.prepare.Unlock()
	s.mu.Lock()
	ready := s.ready
	s.mu.Unlock()
	if ready {
		return nil, nil //nolint:nilnil // nothing was read
	}
	past, err := r.file.Load(ctx, s.name)
	if err != nil {
		return nil, err
	}
	m := r.file.readMark(s.name)
	s.mu.Lock()
	s.reset(past, m, r.file.cfg.History)
	waiting := s.waiting()
	s.mu.Unlock()
	if waiting {
		r.poke()
	}
	return &past, nil
}

func (r *Redis) release(s *share) {
	r.mu.Lock()
	s.users--
	s.used = time.Now()
	r.mu.Unlock()
}

func (r *Redis) poke() {
	select {
	case r.outward <- struct{}{}:
	default:
	}
}

// sentOf is File.sent. It may be called with a journal's lock held.
func (r *Redis) sentOf(name string) uint64 {
	r.mu.Lock()
	s := r.shares[name]
	r.mu.Unlock()
	if s != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.ready {
			return s.forgettable(time.Now())
		}
	}
	return r.file.readMark(name).Sent
}

// Append is File.Append. Others are told later, and in the same order. What has
// come by Follow, or by Load, is appended, too: Entry.Node tells it apart.
func (r *Redis) Append(ctx context.Context, name string, entries []room.Entry) error {
	s, _, err := r.use(ctx, name)
	if err != nil {
		return err
	}
	defer r.release(s)
	list := make([]record, len(entries))
	for i, e := range entries {
		list[i] = record{Entry: e, Merged: e.Node != "" && e.Node != r.cfg.Node}
	}
	err = r.file.put(ctx, name, list)
	s.mu.Lock()
	s.appended(list)
	waiting := s.waiting()
	s.mu.Unlock()
	if waiting {
		r.poke()
	}
	return err
}

// Load is File.Load, with what other Nodes have added meanwhile if Redis tells
// within a second. Nobody may follow the Room at that time.
func (r *Redis) Load(ctx context.Context, name string) (room.Past, error) {
	s, read, err := r.use(ctx, name)
	if err != nil {
		return room.Past{}, err
	}
	defer r.release(s)
	var past room.Past
	if read != nil {
		past = *read
	} else if past, err = r.file.Load(ctx, name); err != nil {
		return past, err
	}
	s.mu.Lock()
	if s.log != past.Log { // the file had to be mended
		s.reset(past, mark{}, r.file.cfg.History)
	}
	// Who has loaded the Room a moment ago is about to follow it: what is added
	// now must not get Seqs that are taken then.
	ask := !s.following && (!s.contacted || time.Since(s.asked) > beforeFollow) && !r.isAway()
	if ask {
		s.asked = time.Now()
	}
	s.mu.Unlock()
	if !ask {
		return past, nil
	}
	some := r.catchUp(ctx, s, past.Next)
	s.mu.Lock()
	erased, life := s.erased, s.life
	s.mu.Unlock()
	if erased {
		if err := r.eraseHere(ctx, s, life); err != nil {
			return past, err
		}
		r.catchUp(ctx, s, 1)
		some = true
	}
	if !some {
		return past, nil
	}
	return r.file.Load(ctx, name)
}

// Names lists the Rooms that this Node keeps something of, and those of other
// Nodes if Redis tells.
func (r *Redis) Names(ctx context.Context) ([]string, error) {
	names, err := r.file.Names(ctx)
	if err != nil || r.isAway() {
		return names, err
	}
	ctx, cancel := context.WithTimeout(ctx, loadPatience)
	defer cancel()
	others, err := r.client.ZRevRange(ctx, roomsKey, 0, 9999).Result()
	if err != nil {
		r.note(ctx, err)
		return names, nil //nolint:nilerr // those of this Node are better than none
	}
	for _, name := range others {
		if nameRule.MatchString(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Erase is File.Erase, in Redis too. Another Node forgets the Room when it next
// opens it.
func (r *Redis) Erase(ctx context.Context, name string) error {
	s, _, err := r.use(ctx, name)
	if err != nil {
		return err
	}
	defer r.release(s)
	s.in.Lock()
	defer s.in.Unlock()
	r.sending.Lock()
	defer r.sending.Unlock()
	now := time.Now().UnixMilli()
	life := erasedLife + strconv.FormatInt(now, 10) + "-" + rand.Text()
	pipe := r.client.TxPipeline()
	pipe.Del(ctx, s.keys.log, s.keys.ids, s.keys.standing)
	pipe.Set(ctx, s.keys.life, life, r.cfg.Keep)
	_, err = pipe.Exec(ctx)
	if err == nil {
		err = r.client.ZRem(ctx, roomsKey, name).Err()
	}
	r.note(ctx, err)
	if err != nil {
		return fmt.Errorf("rooms: %w", err)
	}
	return r.eraseHere(ctx, s, life)
}

// eraseHere forgets a Room that was erased, unless somebody has spoken since.
func (r *Redis) eraseHere(ctx context.Context, s *share, life string) error {
	past, err := r.file.Load(ctx, s.name)
	if err != nil {
		return err
	}
	text, _, _ := strings.Cut(strings.TrimPrefix(life, erasedLife), "-")
	if at, err := strconv.ParseInt(text, 10, 64); err != nil || len(past.Recent) > 0 && past.Recent[len(past.Recent)-1].At > at {
		s.mu.Lock()
		s.erased = false
		s.mu.Unlock()
		return nil
	}
	if err := r.file.Erase(ctx, s.name); err != nil {
		return err
	}
	if past, err = r.file.Load(ctx, s.name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = "" // what was appended before counts no more
	s.reset(past, mark{Log: past.Log, Life: life}, r.file.cfg.History)
	s.unsaved = true
	return nil
}

// note takes what became of a call to Redis. It logs when Redis goes and when it
// is back.
func (r *Redis) note(ctx context.Context, err error) {
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return // whatever it says, it is not Redis
	}
	now := time.Now()
	r.mu.Lock()
	was := r.away
	if r.away = err != nil; r.away {
		r.failed = now
	}
	speak := was != r.away && now.Sub(r.spoke) > time.Second
	if speak {
		r.spoke = now
	}
	r.mu.Unlock()
	if err != nil {
		r.metrics.errors.Inc()
	}
	switch {
	case err != nil && speak:
		r.log.Warn("redis is away: rooms go on, other nodes hear of it later", "err", err)
	case speak:
		r.log.Info("redis is back")
	}
	up := 1.0
	if err != nil {
		up = 0
	}
	r.metrics.up.Set(up)
}

// isAway reports whether it is not worth while to ask Redis now.
func (r *Redis) isAway() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.away && time.Since(r.failed) < retryAway
}

// keep looks after the shares once a second.
func (r *Redis) keep(ctx context.Context) error {
	if err := r.findUnsent(ctx); err != nil && ctx.Err() == nil {
		r.log.Error("entries that other nodes have not been told of", "err", err)
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			r.saveMarks()
			r.tidy(now)
		}
	}
}

// list returns the shares that are ready.
func (r *Redis) list() []*share {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]*share, 0, len(r.shares))
	for _, s := range r.shares {
		out = append(out, s)
	}
	return out
}

func (r *Redis) saveMarks() {
	waiting, unsent := 0, 0
	for _, s := range r.list() {
		s.mu.Lock()
		m, save := s.mark(), s.ready && s.unsaved && s.last > 0
		s.unsaved = false
		if s.ready && s.waiting() {
			waiting++
			unsent += max(len(s.queue), int(s.last-min(s.sent, s.last)))
		}
		s.mu.Unlock()
		if !save {
			continue
		}
		if err := r.file.writeMark(s.name, m); err != nil {
			r.log.Warn("how far a room has been shared was not noted", "stream", s.name, "err", err)
		}
	}
	r.metrics.waiting.Set(float64(waiting))
	r.metrics.unsent.Set(float64(unsent))
}

// tidy drops shares that nobody has used for a while. What they still have to
// send keeps them.
func (r *Redis) tidy(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var quiet []*share
	for _, s := range r.shares {
		s.mu.Lock()
		if s.users == 0 && (!s.ready || !s.waiting() && !s.unsaved) {
			quiet = append(quiet, s)
		}
		s.mu.Unlock()
	}
	slices.SortFunc(quiet, func(a, b *share) int { return a.used.Compare(b.used) })
	over := len(quiet) - maxIdle
	for i, s := range quiet {
		if i < over || now.Sub(s.used) > idle {
			delete(r.shares, s.name)
		}
	}
}
