package store

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/internal/redistest"
	"github.com/freshet-live/freshet/signaling/rooms/room"
)

// node is a Node with a Redis store.
type node struct {
	t     testing.TB
	name  string
	dir   string
	store *Redis
	end   func()
	skew  time.Duration
}

// startNode runs a Node. change may be nil.
func startNode(t testing.TB, server *redistest.Server, name, dir string, change func(*RedisConfig)) *node {
	t.Helper()
	cfg := RedisConfig{Node: name, Poll: 50 * time.Millisecond, Backoff: 5 * time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil)).With("node", name)
	client := redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs: []string{server.Addr()}, IsClusterMode: strings.HasSuffix(name, "cluster"),
		MaxRetries: -1, DialerRetries: 1, ReadTimeout: time.Second, DialTimeout: time.Second,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	file, err := NewFile(FileConfig{Dir: dir, SyncEvery: time.Millisecond}, log, prometheus.NewRegistry())
	require.NoError(t, err)
	store, err := NewRedis(cfg, client, file, log, prometheus.NewRegistry())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- store.Run(ctx) }()
	n := &node{t: t, name: name, dir: dir, store: store}
	n.end = sync.OnceFunc(func() {
		cancel()
		assert.NoError(t, <-done)
		assert.NoError(t, store.Close())
		assert.NoError(t, client.Close())
	})
	t.Cleanup(n.end)
	return n
}

// opened is a Room that is open on a Node, as the shell keeps one.
type opened struct {
	n    *node
	name string
	stop func()

	mu     sync.Mutex
	room   *room.Room
	told   []room.Entry // what everybody in the Room has been told
	people map[string]room.People
}

// open opens a Room. It closes with the test, or by stop.
func (n *node) open(name string) *opened {
	n.t.Helper()
	past, err := n.store.Load(n.t.Context(), name)
	require.NoError(n.t, err)
	o := &opened{
		n: n, name: name, people: map[string]room.People{}, told: slices.Clone(past.Recent),
		room: room.New(name, room.Config{Node: n.name, Log: past.Log}, past),
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(n.t.Context()))
	done := make(chan error, 1)
	go func() { done <- n.store.Follow(ctx, name, o.remote) }()
	o.stop = sync.OnceFunc(func() {
		cancel()
		assert.True(n.t, errors.Is(<-done, context.Canceled))
	})
	n.t.Cleanup(o.stop)
	return o
}

func (o *opened) remote(r room.Remote) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.room.Merge(o.now(), r.Entries)
	if r.People != nil && (r.People.At == 0 || r.People.At != o.people[r.Node].At) { // else told again
		o.people[r.Node] = *r.People
	}
	o.drain()
}

func (o *opened) now() time.Time { return time.Now().Add(o.n.skew) }

func (o *opened) drain() {
	out := o.room.Drain(o.now())
	o.told = append(o.told, out.Entries...)
	assert.NoError(o.n.t, o.n.store.Append(context.Background(), o.name, out.Entries))
}

func (o *opened) act(c room.Command) {
	o.n.t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	reply := o.room.Act(o.now(), nil, c)
	require.Nil(o.n.t, reply.Refused, "%v", reply.Refused)
	o.drain()
}

// say announces texts.
func (o *opened) say(texts ...string) {
	o.n.t.Helper()
	for _, text := range texts {
		o.act(room.Command{Verb: room.Announce, Text: text})
	}
}

// heard returns the texts that were told, each as often as it was.
func (o *opened) heard() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []string
	for _, e := range o.told {
		if e.Kind == room.Announcement {
			out = append(out, e.Text)
		}
	}
	return out
}

// hears waits until these texts have been told, once each. Those of one Node
// come in order.
func (o *opened) hears(texts ...string) {
	o.n.t.Helper()
	require.Eventually(o.n.t, func() bool { return len(o.heard()) >= len(texts) }, 15*time.Second, 2*time.Millisecond,
		"%s: %d of %d", o.n.name, len(o.heard()), len(texts))
	got := o.heard()
	require.ElementsMatch(o.n.t, texts, got, o.n.name)
	for _, prefix := range []string{"a", "b"} {
		require.Equal(o.n.t, ofNode(texts, prefix), ofNode(got, prefix), "in order")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := 1; i < len(o.told); i++ {
		require.Equal(o.n.t, o.told[i-1].Seq+1, o.told[i].Seq, "without gaps")
	}
}

func ofNode(texts []string, prefix string) (out []string) {
	for _, s := range texts {
		if strings.HasPrefix(s, prefix) {
			out = append(out, s)
		}
	}
	return out
}

// pair runs two Nodes with a Redis between them, and opens a Room on both.
func pair(t *testing.T) (server *redistest.Server, a, b *opened) {
	t.Helper()
	server = redistest.Start(t)
	dir := t.TempDir()
	a = startNode(t, server, "a", filepath.Join(dir, "a"), nil).open("demo")
	b = startNode(t, server, "b", filepath.Join(dir, "b"), nil).open("demo")
	return server, a, b
}

// waiting reports whether the Node still has to tell others something.
func (o *opened) waiting() bool {
	for _, s := range o.n.store.list() {
		s.mu.Lock()
		waiting := s.waiting()
		s.mu.Unlock()
		if waiting {
			return true
		}
	}
	return false
}

func (o *opened) addr() netip.Addr { return netip.MustParseAddr("192.0.2.1") }

func (o *opened) bars(identity string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.room.Barred(o.now(), identity, room.Viewer, o.addr())
}
