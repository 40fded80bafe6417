package rooms

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/signaling/rooms/room"
)

const (
	// mailbox is how much work waits for a keeper before commands are refused.
	mailbox = 1024
	// mailPatience is how long somebody who comes in waits for room in it.
	mailPatience = 3 * time.Second
	// unkept bounds the Entries that wait for the Store.
	unkept = 4096
	// tickTime is how often a keeper looks after its sockets.
	tickTime = time.Second
	// appendTime bounds what one call of the Store may take, also at the end.
	appendTime = 5 * time.Second
)

// keeper owns one open room.Room. Everything below mail belongs to its
// goroutine.
type keeper struct {
	name  string
	h     *Handler
	log   *slog.Logger
	mail  chan func(now time.Time)
	ended chan struct{} // closed when no more mail is read
	// failed is why the Room could not be opened; to be read once it has ended.
	failed error
	// retired is whether it has ended for want of work.
	retired bool
	loaded  chan struct{} // closed once the bars are known
	bars    barList

	room    *room.Room
	members map[room.Conn]*member
	stream  *media.Snapshot // nil: nobody publishes or watches it here
	idle    time.Time
	stored  chan stored      // holds one
	batches chan batch       // holds one; closed when there will be no more
	people  chan room.People // the newest only
	next    batch            // gathers while one is being stored
	storing int              // Entries that are with the Store

	logName  string // room.Past.Log
	last     uint64 // the Seq of the last Entry that sections were told of, or will be
	sections []*section
}

func newKeeper(h *Handler, name string) *keeper {
	return &keeper{
		name: name, h: h, log: h.log.With("stream", name),
		mail: make(chan func(time.Time), mailbox), ended: make(chan struct{}), loaded: make(chan struct{}),
		members: map[room.Conn]*member{}, stored: make(chan stored, 1), batches: make(chan batch, 1),
		people: make(chan room.People, 1), bars: barList{bans: room.NewBans(h.cfg.Room)},
	}
}

// errEnded is returned by post when the Room has closed meanwhile; open it
// again.
var errEnded = errors.New("the Room has closed")

// post gives the keeper work. It waits for room in the mailbox until ctx ends.
func (k *keeper) post(ctx context.Context, f func(now time.Time)) error {
	select {
	case k.mail <- f:
		return nil
	case <-k.ended:
		return errEnded
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
	}
}

// offer gives the keeper work if it has room for it.
func (k *keeper) offer(f func(now time.Time)) bool {
	select {
	case k.mail <- f:
		return true
	default:
		return false
	}
}

// ask posts work and waits until it is done.
func (k *keeper) ask(ctx context.Context, f func(now time.Time)) error {
	done := make(chan struct{})
	if err := k.post(ctx, func(now time.Time) { f(now); close(done) }); err != nil {
		return err
	}
	select {
	case <-done:
		return nil
	case <-k.ended:
		select {
		case <-done:
			return nil
		default:
			return errEnded
		}
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
	}
}

// run keeps the Room until it has been idle for long enough, or ctx ends.
func (k *keeper) run(ctx context.Context) {
	defer close(k.ended)
	past, err := k.h.store.Load(ctx, k.name)
	if err != nil {
		k.failed = err
		k.h.forget(k)
		if ctx.Err() == nil {
			k.h.calm.Error(time.Now(), k.log, "room not opened", "err", err)
		}
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	var g errgroup.Group
	g.Go(func() error { k.append(ctx); return nil })
	g.Go(func() error { k.follow(ctx); return nil })
	k.guard(func() {
		k.begin(past)
		k.loop(ctx)
		k.close()
	})
	close(k.batches)
	cancel()
	_ = g.Wait() // they return nothing
	k.answer()
	k.h.forget(k) // not before: the next one shall find all that this one has stored
}

// answer tells those who still wait how it has ended, after a failure.
func (k *keeper) answer() {
	k.guard(func() {
		select {
		case s := <-k.stored:
			k.kept(time.Now(), s)
		default:
		}
	})
	k.guard(func() { k.next.done(false) })
}

// begin makes the Room of what is kept of it.
func (k *keeper) begin(past room.Past) {
	cfg := k.h.cfg.Room
	if cfg.Log = past.Log; cfg.Log == "" {
		cfg.Log = rand.Text()[:8]
	}
	k.room = room.New(k.name, cfg, past)
	k.bars.load(time.Now(), past)
	close(k.loaded)
	k.logName, k.last = cfg.Log, max(past.Next, 1)-1
	k.idle = time.Now()
	if s := k.h.stream(k.name); s != nil {
		k.streamChanged(k.idle, s, true)
	}
}

// guard keeps a mistake in one Room from being the end of all Streams: the Room
// closes, and opens again as the Store has it.
func (k *keeper) guard(f func()) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		k.failed = fmt.Errorf("the room failed: %v", p)
		k.log.Error("room failed", "panic", p, "stack", string(debug.Stack()))
		for _, m := range k.members {
			m.cut(failedRoom)
		}
	}()
	f()
}

// loop works until the Room is idle or ctx ends.
func (k *keeper) loop(ctx context.Context) {
	tick := time.NewTicker(tickTime)
	defer tick.Stop()
	wait := time.NewTimer(0)
	defer wait.Stop()
	for {
		var now time.Time
		select {
		case f := <-k.mail:
			now = time.Now()
			f(now)
			k.more(now)
		case s := <-k.stored:
			now = time.Now()
			k.kept(now, s)
		case <-wait.C:
			now = time.Now()
		case <-tick.C:
			now = time.Now()
			k.tick(now)
			if k.retire(now) {
				return
			}
		case <-ctx.Done():
			return
		}
		if at := k.settle(now); !at.IsZero() {
			wait.Reset(at.Sub(now))
		} else {
			wait.Stop()
		}
	}
}

// tick looks after what only time changes.
func (k *keeper) tick(now time.Time) {
	k.room.Tick(now)
	if k.stream != nil {
		k.room.Stream(now, streamState(k.stream)) // pictures change their size
	}
	for _, m := range k.members {
		m.tend(now)
	}
	k.h.metrics.batch(k.name, batchTime(len(k.members)))
}

// more does what else is in the mailbox, as far as it takes no long time, so
// that it is told and kept together.
func (k *keeper) more(now time.Time) {
	for range 64 {
		select {
		case f := <-k.mail:
			f(now)
		default:
			return
		}
	}
}

// settle takes from the Room what has come of the work, and passes it on. It
// returns when to look again, zero for when something happens.
func (k *keeper) settle(now time.Time) time.Time {
	o := k.room.Drain(now)
	k.next.entries = append(k.next.entries, o.Entries...)
	k.change(now, o.State)
	for _, c := range o.Cut {
		if m := k.members[c.Conn]; m != nil {
			m.cut(ending{code: c.Code, reason: c.Reason})
			k.remove(m)
		}
	}
	for _, e := range o.Bars {
		k.bars.apply(now, e)
		if k.h.cfg.OnBar != nil {
			k.h.cfg.OnBar(k.name, e)
		}
	}
	if o.People != nil {
		k.announce(*o.People)
	}
	k.store()
	at := k.flush(now)
	if !o.Next.IsZero() && (at.IsZero() || o.Next.Before(at)) {
		at = o.Next
	}
	return at
}

// remove forgets a member.
func (k *keeper) remove(m *member) {
	delete(k.members, m.id)
	delete(m.section.members, m.id)
}

// retire reports whether the Room has been idle for so long that it closes.
func (k *keeper) retire(now time.Time) bool {
	if len(k.members) > 0 || k.stream != nil || k.storing > 0 || len(k.next.entries) > 0 {
		k.idle = now
		return false
	}
	return now.Sub(k.idle) >= k.h.cfg.IdleTime && k.h.mayRetire(k)
}

// close stores what is left and sends everybody away, with a position.
func (k *keeper) close() {
	now := time.Now()
	k.next.entries = append(k.next.entries, k.room.Drain(now).Entries...)
	for k.storing > 0 || len(k.next.entries) > 0 {
		if k.storing > 0 {
			k.kept(now, <-k.stored)
		}
		k.store()
	}
	k.next.done(true)
	for _, s := range k.sections {
		if !s.due.IsZero() {
			k.tell(now, s)
		}
	}
	for _, m := range k.members {
		m.cut(stopping)
	}
}
