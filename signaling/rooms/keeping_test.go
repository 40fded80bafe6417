package rooms

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/signaling/rooms/room"
	"github.com/freshet-live/freshet/signaling/rooms/store"
)

// What was said is there after a restart, and who had read part of it gets the
// rest.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	open := func() (*rig, func()) {
		f, err := store.NewFile(store.FileConfig{Dir: dir}, slog.New(slog.DiscardHandler), nil)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		var g errgroup.Group
		g.Go(func() error { return f.Run(ctx) })
		r := serve(t, f, nil)
		return r, sync.OnceFunc(func() {
			r.stop()
			<-r.ended
			cancel()
			require.NoError(t, g.Wait())
			require.NoError(t, f.Close())
		})
	}
	r, stop := open()
	ann, bob := r.dial("demo", "token", "ann"), r.dial("demo", "token", "bob")
	require.Equal(t, "ack", ann.say("1", "one").Type)
	bob.until(func(m message) bool { return len(m.Entries) > 0 })
	require.NoError(t, bob.NetConn().Close())
	require.Equal(t, "ack", ann.say("2", "two").Type)
	stop()
	end := ann.closed()
	require.Equal(t, 1001, end.Code)
	require.Equal(t, "resume="+ann.position, end.Text)

	r, stop = open()
	defer stop()
	bob = r.dial("demo", "token", "bob", "resume", bob.position)
	require.True(t, bob.hello.Resumed)
	require.Equal(t, []string{"two"}, bob.texts)
	ann = r.dial("demo", "token", "ann", "resume", strings.TrimPrefix(end.Text, "resume="))
	require.True(t, ann.hello.Resumed)
	require.Empty(t, ann.texts)
	require.Equal(t, []string{"one", "two"}, r.dial("demo", "token", "carl").texts)
	ack := ann.say("2", "two")
	require.EqualValues(t, 2, ack.Seq, "known after the restart")
}

// What the Store cannot take is told all the same, and the author knows.
func TestStoreFails(t *testing.T) {
	m := newMemory()
	m.fail = errors.New("disk full")
	r := serve(t, m, nil)
	ann := r.dial("demo", "token", "ann")
	ack := ann.say("1", "hello")
	require.NotNil(t, ack.Durable)
	require.False(t, *ack.Durable)
	if len(ann.texts) == 0 {
		ann.until(func(m message) bool { return len(m.Entries) > 0 })
	}
	require.Equal(t, []string{"hello"}, ann.texts)
	_, err := r.Act(t.Context(), "demo", nil, room.Command{Verb: room.Say, Text: "hear"})
	require.ErrorIs(t, err, ErrNotKept)
}

// While the Store hangs nothing is told that it does not have, nobody's reading
// stops, and what it cannot take in time is refused.
func TestStoreHangs(t *testing.T) {
	m := newMemory()
	m.hold = make(chan struct{})
	r := serve(t, m, nil)
	ann := r.dial("demo", "token", "ann")
	ann.send(command{"type": "message", "id": "1", "text": "one"})
	ann.send(command{"type": "message", "id": "2", "text": "two"})
	require.Equal(t, "refused", ann.say("3", "").Type, "answers that need no store come at once")
	require.Empty(t, ann.texts)
	require.Empty(t, r.dial("demo", "token", "bob").texts, "not in the history either")
	require.NoError(t, r.with(t.Context(), "demo", func(k *keeper, now time.Time) {
		k.next.entries = append(k.next.entries, make([]room.Entry, unkept)...)
	}))
	require.Equal(t, "unavailable", ann.say("4", "x").Reason)
	require.NoError(t, r.with(t.Context(), "demo", func(k *keeper, now time.Time) {
		k.next.entries = k.next.entries[:len(k.next.entries)-unkept]
	}))
	close(m.hold)
	ann.answer("2")
	for len(ann.texts) < 2 {
		ann.take(ann.next())
	}
	require.Equal(t, []string{"one", "two"}, ann.texts)
}

// What was accepted before the end is kept.
func TestStopsWithEntriesUnderWay(t *testing.T) {
	m := newMemory()
	hold := make(chan struct{})
	m.hold = hold
	r := serve(t, m, nil)
	ann := r.dial("demo", "token", "ann")
	for i := range 3 {
		ann.send(command{"type": "message", "id": fmt.Sprint(i), "text": "hear"})
	}
	require.Eventually(t, func() bool {
		n := 0
		require.NoError(t, r.with(t.Context(), "demo", func(k *keeper, _ time.Time) { n = k.storing + len(k.next.entries) }))
		return n == 3
	}, 5*time.Second, time.Millisecond)
	r.stop()
	close(hold)
	<-r.ended
	require.Len(t, m.rooms["demo"].Recent, 3)
	require.Equal(t, 1001, ann.closed().Code)
}

func TestOtherNodes(t *testing.T) {
	m, w := newMemory(), &watch{}
	r := serve(t, m, w.set)
	ann := r.dial("demo", "token", "ann")
	var tell func(room.Remote)
	require.Eventually(t, func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		tell = m.remote["demo"]
		return tell != nil
	}, 10*time.Second, time.Millisecond)
	now := time.Now().UnixMilli()
	e := room.Entry{Seq: 77, ID: "01KXXXXXXXXXXXXXXXXXXXXXXX", Kind: room.Message, At: now, Node: "n2", Text: "from afar", From: &room.Person{Identity: "zoe", Name: "Zoe", Role: room.Viewer}}
	for range 2 {
		tell(room.Remote{Node: "n2", Entries: []room.Entry{e}, People: &room.People{Count: 1, List: []room.Person{{Identity: "zoe", Name: "Zoe", Role: room.Viewer}}}})
	}
	for len(ann.texts) == 0 {
		ann.take(ann.next())
	}
	require.Equal(t, []string{"from afar"}, ann.texts)
	require.Equal(t, []uint64{1}, ann.seqs, "our own number")
	require.Equal(t, "ack", ann.say("1", "hello").Type)
	require.Eventually(t, func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.told["demo"].Count == 1
	}, 10*time.Second, 10*time.Millisecond)
	w.mu.Lock()
	defer w.mu.Unlock()
	require.Len(t, w.said, 1, "hooks are for what is said here")
}

// A mistake in one Room ends that Room, and it opens again.
func TestRoomFails(t *testing.T) {
	r := serve(t, newMemory(), nil)
	ann, bob := r.dial("demo", "token", "ann"), r.dial("other", "token", "bob")
	require.Equal(t, "ack", ann.say("1", "one").Type)
	require.NoError(t, r.look("demo").post(t.Context(), func(time.Time) { panic("a mistake") }))
	end := ann.closed()
	require.Equal(t, 1011, end.Code)
	require.Equal(t, "resume=logdemo.1", end.Text)
	require.Eventually(t, func() bool { return r.look("demo") == nil }, 10*time.Second, time.Millisecond)
	require.Equal(t, "ack", bob.say("1", "still here").Type)
	ann = r.dial("demo", "token", "ann", "resume", "logdemo.1")
	require.True(t, ann.hello.Resumed)
	require.Equal(t, "ack", ann.say("2", "two").Type)
	// What fails again and again is no endless loop.
	err := r.with(t.Context(), "bad", func(*keeper, time.Time) { panic("another") })
	require.ErrorIs(t, err, ErrBusy)
}

// A Room that fails opens again when all that it has stored is in the Store, and
// who waits for an answer gets one.
func TestFailedRoomStoresFirst(t *testing.T) {
	m := newMemory()
	m.hold = make(chan struct{})
	r := serve(t, m, nil)
	ann := r.dial("demo", "token", "ann")
	ann.send(command{"type": "message", "id": "1", "text": "one"})
	k := r.look("demo")
	require.Eventually(t, func() bool {
		storing := 0
		require.NoError(t, r.with(t.Context(), "demo", func(k *keeper, _ time.Time) { storing = k.storing }))
		return storing == 1
	}, 10*time.Second, time.Millisecond)
	acted := make(chan error, 1)
	go func() {
		_, err := r.Act(t.Context(), "demo", nil, room.Command{Verb: room.Say, Text: "two"})
		acted <- err
	}()
	require.Eventually(t, func() bool {
		waiting := 0
		require.NoError(t, r.with(t.Context(), "demo", func(k *keeper, _ time.Time) { waiting = len(k.next.then) }))
		return waiting == 1
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, k.post(t.Context(), func(time.Time) { panic("a mistake") }))
	require.Equal(t, 1011, ann.closed().Code)
	require.Same(t, k, r.look("demo"), "it has not ended yet")
	close(m.hold)
	<-k.ended
	require.ErrorIs(t, <-acted, ErrNotKept)
	ann = r.dial("demo", "token", "ann")
	require.Equal(t, []string{"one"}, ann.texts)
	require.EqualValues(t, 2, ann.say("2", "two").Seq)
}

// slowFollower is a Store whose Follow takes its time to end.
type slowFollower struct {
	*memory
	ending, release chan struct{}
	active, most    atomic.Int32
}

func (s *slowFollower) Follow(ctx context.Context, _ string, _ func(room.Remote)) error {
	s.most.Store(max(s.most.Load(), s.active.Add(1)))
	defer s.active.Add(-1)
	<-ctx.Done()
	select {
	case s.ending <- struct{}{}:
	default:
	}
	<-s.release
	return ctx.Err()
}

// Nobody follows a Room before the last who did has ended. A Stream that comes
// meanwhile has its Room at once.
func TestOneFollowsAtATime(t *testing.T) {
	s := &slowFollower{memory: newMemory(), ending: make(chan struct{}, 1), release: make(chan struct{})}
	release := sync.OnceFunc(func() { close(s.release) })
	r := serve(t, s, func(c *Config) { c.IdleTime = time.Millisecond })
	defer release()
	require.NoError(t, r.with(t.Context(), "demo", func(*keeper, time.Time) {}))
	k := r.look("demo")
	<-s.ending
	require.Same(t, k, r.look("demo"))
	r.note(&media.Snapshot{Name: "demo", State: media.Live, Epoch: 3}, true)
	release()
	<-k.ended
	next := r.look("demo")
	require.NotNil(t, next)
	require.NotSame(t, k, next)
	info, err := r.Room(t.Context(), "demo")
	require.NoError(t, err)
	require.EqualValues(t, 3, info.Stream.Epoch)
	require.EqualValues(t, 1, s.most.Load())
}
