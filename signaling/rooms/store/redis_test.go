package store

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/internal/redistest"
	"github.com/freshet-live/freshet/signaling/rooms/room"
)

// count makes texts: a1, a2 and so on.
func count(prefix string, from, to int) (out []string) {
	for i := from; i <= to; i++ {
		out = append(out, fmt.Sprint(prefix, i))
	}
	return out
}

func join(lists ...[]string) (out []string) {
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

func TestTwoNodesHearEachOther(t *testing.T) {
	_, a, b := pair(t)
	a.say("a1")
	b.hears("a1")
	b.say("b1")
	a.hears("a1", "b1")
	for i := 2; i <= 100; i++ {
		a.say(fmt.Sprint("a", i))
		b.say(fmt.Sprint("b", i))
	}
	all := join(count("a", 1, 100), count("b", 1, 100))
	a.hears(all...)
	b.hears(all...)
}

// TestRedisIsNeededByNobody starts Nodes before their Redis.
func TestRedisIsNeededByNobody(t *testing.T) {
	server := redistest.Start(t)
	server.Stop()
	dir := t.TempDir()
	a := startNode(t, server, "a", filepath.Join(dir, "a"), nil).open("demo")
	b := startNode(t, server, "b", filepath.Join(dir, "b"), nil).open("demo")
	a.say("a1")
	b.say("b1")
	a.hears("a1")
	server.Restart()
	a.hears("a1", "b1")
	b.hears("b1", "a1")
}

// TestOutage takes Redis away for a while; it comes back empty. Both Nodes go
// on meanwhile, and one of them with far more than fits into memory.
func TestOutage(t *testing.T) {
	for name, trouble := range map[string]func(*redistest.Server) (back func()){
		"killed":  func(s *redistest.Server) func() { s.Stop(); return s.Restart },
		"frozen":  func(s *redistest.Server) func() { s.Freeze(); return s.Thaw },
		"flushed": func(s *redistest.Server) func() { return s.FlushAll },
	} {
		t.Run(name, func(t *testing.T) {
			server, a, b := pair(t)
			a.say(count("a", 1, 5)...)
			b.say(count("b", 1, 5)...)
			a.hears(join(count("a", 1, 5), count("b", 1, 5))...)
			b.hears(join(count("a", 1, 5), count("b", 1, 5))...)
			back := trouble(server)
			n := maxQueue + 500
			a.say(count("a", 6, n)...)
			b.say(count("b", 6, 50)...)
			back()
			a.say("a" + fmt.Sprint(n+1))
			all := join(count("a", 1, n+1), count("b", 1, 50))
			a.hears(all...)
			b.hears(all...)
		})
	}
}

// TestEmptyRedisIsFilledAgain for Nodes that come later.
func TestEmptyRedisIsFilledAgain(t *testing.T) {
	server, a, b := pair(t)
	a.say(count("a", 1, 20)...)
	a.act(room.Command{Verb: room.Ban, Target: "eve"})
	b.say(count("b", 1, 20)...)
	all := join(count("a", 1, 20), count("b", 1, 20))
	a.hears(all...)
	b.hears(all...)
	b.stop()
	b.n.end() // whose Entries only a has, then
	server.FlushAll()
	require.Eventually(t, func() bool { // until a has noticed
		return strings.HasPrefix(server.Do("XLEN", "{freshet:room:demo}:log"), ":41\r\n")
	}, 5*time.Second, 5*time.Millisecond)
	c := startNode(t, server, "c", filepath.Join(t.TempDir(), "c"), nil)
	past := load(t, c.store, "demo")
	require.Len(t, past.Recent, 41)
	require.Len(t, past.Standing, 1)
	require.Equal(t, "eve", past.Standing[0].Target)
}

// TestNewcomerLoadsTheRoom with all that holds, however old.
func TestNewcomerLoadsTheRoom(t *testing.T) {
	server := redistest.Start(t)
	dir := t.TempDir()
	short := func(c *RedisConfig) { c.Length = 100 }
	a := startNode(t, server, "a", filepath.Join(dir, "a"), short).open("demo")
	a.say("first")
	a.mu.Lock()
	first := a.told[0].ID
	a.mu.Unlock()
	slow := 7
	a.act(room.Command{Verb: room.Pin, Target: first})
	a.act(room.Command{Verb: room.Ban, Target: "eve"})
	a.act(room.Command{Verb: room.Ban, Target: "bob"})
	a.act(room.Command{Verb: room.Set, SlowMode: &slow})
	a.say(count("a", 1, 700)...)
	a.act(room.Command{Verb: room.Unban, Target: "bob"})
	require.Eventually(t, func() bool { return !a.waiting() }, 5*time.Second, time.Millisecond)

	n := startNode(t, server, "b", filepath.Join(dir, "b"), short)
	past := load(t, n.store, "demo")
	require.GreaterOrEqual(t, len(past.Recent), 100)
	require.Equal(t, "a700", past.Recent[len(past.Recent)-2].Text)
	held := map[room.Kind]string{}
	for _, e := range past.Standing {
		held[e.Kind] = e.Target + e.Text
	}
	require.Equal(t, map[room.Kind]string{
		room.Pinned: first, room.Announcement: "first", room.Banned: "eve", room.Changed: "",
	}, held)
	r := room.New("demo", room.Config{Node: "b", Log: past.Log}, past)
	require.True(t, r.Barred(time.Now(), "eve", room.Viewer, a.addr()))
	require.False(t, r.Barred(time.Now(), "bob", room.Viewer, a.addr()))
	require.Equal(t, "first", r.Info(time.Now()).Pinned.Text)
	require.Equal(t, past, load(t, n.store, "demo"), "and it is there only once")
	names, err := n.store.Names(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"demo"}, names)
}

// TestNodeComesBack: what was said meanwhile is in order behind what it knew.
func TestNodeComesBack(t *testing.T) {
	server, a, b := pair(t)
	a.say(count("a", 1, 10)...)
	b.say(count("b", 1, 10)...)
	a.hears(join(count("a", 1, 10), count("b", 1, 10))...)
	b.hears(join(count("a", 1, 10), count("b", 1, 10))...)
	b.stop()
	b.n.end()
	a.say(count("a", 11, 600)...)
	require.Eventually(t, func() bool { return !a.waiting() }, 5*time.Second, time.Millisecond)
	for range 2 {
		b = startNode(t, server, "b", b.n.dir, nil).open("demo")
		b.hears(join(count("a", 1, 600), count("b", 1, 10))...)
		b.stop()
		b.n.end()
	}
	a.hears(join(count("a", 1, 600), count("b", 1, 10))...)
}

// TestKilledNodeSendsLater what it had acknowledged while Redis was away.
func TestKilledNodeSendsLater(t *testing.T) {
	server, a, b := pair(t)
	a.say("a1")
	b.hears("a1")
	server.Stop()
	a.say(count("a", 2, 300)...)
	a.stop()
	kill(t, a.n.store.file)
	a.n.end()
	server.Restart()
	startNode(t, server, "a2", a.n.dir, nil) // by another name, and nobody comes to the Room
	b.hears(count("a", 1, 300)...)
}

// TestClocksDisagree by more than anybody's should.
func TestClocksDisagree(t *testing.T) {
	server := redistest.Start(t)
	dir := t.TempDir()
	na := startNode(t, server, "a", filepath.Join(dir, "a"), nil)
	nb := startNode(t, server, "b", filepath.Join(dir, "b"), nil)
	na.skew = -50 * time.Second
	a, b := na.open("demo"), nb.open("demo")
	for i := 1; i <= 30; i++ {
		a.say(fmt.Sprint("a", i))
		b.say(fmt.Sprint("b", i))
	}
	a.act(room.Command{Verb: room.Ban, Target: "eve"})
	all := join(count("a", 1, 30), count("b", 1, 30))
	a.hears(all...)
	b.hears(all...)
	require.Eventually(t, func() bool { return b.bars("eve") }, 5*time.Second, time.Millisecond)
	b.act(room.Command{Verb: room.Unban, Target: "eve"})
	require.Eventually(t, func() bool { return !a.bars("eve") }, 5*time.Second, time.Millisecond)
	a.act(room.Command{Verb: room.Ban, Target: "eve"})
	require.Eventually(t, func() bool { return b.bars("eve") }, 5*time.Second, time.Millisecond,
		"the later word holds, though its clock is behind")
}

func TestPeopleOfOtherNodes(t *testing.T) {
	server, a, b := pair(t)
	ann := room.People{Count: 1, List: []room.Person{{Identity: "ann"}}, At: 5,
		Reactions: []room.Reaction{{Emoji: "🎉", Count: 2}}}
	seen := func(o *opened, node string) room.People {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.people[node]
	}
	require.Eventually(t, func() bool { // until b listens
		ann.At++
		require.NoError(t, a.n.store.Announce(t.Context(), "demo", ann))
		got := seen(b, "a")
		return got.Count == 1 && len(got.List) == 1 && len(got.Reactions) == 1 && got.Reactions[0].Emoji == "🎉"
	}, 5*time.Second, 10*time.Millisecond)
	require.Zero(t, seen(a, "a").Count, "nobody hears of himself")

	c := startNode(t, server, "c", t.TempDir(), nil).open("demo")
	require.Eventually(t, func() bool { return seen(c, "a").Count == 1 }, 5*time.Second, time.Millisecond,
		"who comes later is told, too")
	require.Empty(t, seen(c, "a").Reactions)
	a.stop()
	require.Eventually(t, func() bool { return seen(b, "a").Count == 0 }, 5*time.Second, time.Millisecond)
}

// TestGarbageInRedis under every key, and in the stream.
func TestGarbageInRedis(t *testing.T) {
	server := redistest.Start(t)
	k := keysOf("demo")
	server.Do("XADD", k.log, "*", "e", "{", "x", "y")
	server.Do("XADD", k.log, "*", "nothing", "here")
	server.Do("HSET", k.standing, "ban:eve", "garbage", "settings", `5 x {"id":"x","kind":"banned","target":"eve"}`, "pin", `5 y null`)
	server.Do("HSET", k.people, "x", "garbage", "y", `{"node":"z","people":{}}`)
	dir := t.TempDir()
	a := startNode(t, server, "a", filepath.Join(dir, "a"), nil).open("demo")
	b := startNode(t, server, "b", filepath.Join(dir, "b"), nil).open("demo")
	server.Do("PUBLISH", k.news, "p{")
	server.Do("PUBLISH", k.news, "?")
	a.act(room.Command{Verb: room.Ban, Target: "eve"})
	a.say("a1")
	b.hears("a1")
	require.Positive(t, value(t, a.n.store.metrics.garbage))
	require.True(t, b.bars("eve"))

	server.FlushAll()
	for _, key := range []string{k.log, k.ids, k.standing, k.life, k.people, k.seen, roomsKey} {
		server.Do("DEL", key)
		if key == k.life {
			server.Do("HSET", key, "what", "ever")
			continue
		}
		server.Do("SET", key, "something else")
	}
	require.NoError(t, a.n.store.Announce(t.Context(), "demo", room.People{Count: 1}))
	a.say("a2")
	b.hears("a1", "a2")
}

// TestEverythingExpires so that Redis does not fill up with Rooms of long ago.
func TestEverythingExpires(t *testing.T) {
	server, a, b := pair(t)
	a.act(room.Command{Verb: room.Ban, Target: "eve"})
	a.say("a1")
	b.hears("a1")
	require.NoError(t, a.n.store.Announce(t.Context(), "demo", room.People{Count: 1}))
	k := keysOf("demo")
	require.Eventually(t, func() bool { return server.Do("EXISTS", k.people) == ":1\r\n" }, 5*time.Second, time.Millisecond)
	all := strings.Fields(server.Do("KEYS", "*"))
	found := 0
	for _, key := range all {
		if !strings.HasPrefix(key, "*") && !strings.HasPrefix(key, "$") {
			found++
			require.NotEqual(t, ":-1\r\n", server.Do("PTTL", key), key)
		}
	}
	require.Equal(t, 7, found, all)
}

// TestClusterOfRedis: a Redis Cluster refuses what touches several of its nodes.
func TestClusterOfRedis(t *testing.T) {
	server := redistest.StartCluster(t)
	dir := t.TempDir()
	a := startNode(t, server, "a-cluster", filepath.Join(dir, "a"), nil)
	b := startNode(t, server, "b-cluster", filepath.Join(dir, "b"), nil)
	for _, name := range []string{"one", "two", "three"} {
		x, y := a.open(name), b.open(name)
		require.NoError(t, a.store.Announce(t.Context(), name, room.People{Count: 3}))
		x.say("a1")
		y.hears("a1")
		y.say("b1")
		x.hears("a1", "b1")
		require.Eventually(t, func() bool {
			y.mu.Lock()
			defer y.mu.Unlock()
			return y.people["a-cluster"].Count == 3
		}, 5*time.Second, time.Millisecond)
	}
}

func TestErasedEverywhere(t *testing.T) {
	_, a, b := pair(t)
	a.say("a1")
	b.hears("a1")
	b.stop()
	a.stop()
	require.NoError(t, a.n.store.Erase(t.Context(), "demo"))
	require.Empty(t, load(t, a.n.store, "demo").Recent)
	require.Empty(t, load(t, b.n.store, "demo").Recent)
	a.n.open("demo").say("a2")
	b.n.open("demo").hears("a2")
}

// TestReplicaTakesOver that had not got the latest: what is missing there is
// sent again, and what it goes on with is read.
func TestReplicaTakesOver(t *testing.T) {
	server, a, b := pair(t)
	a.say(count("a", 1, 20)...)
	b.hears(count("a", 1, 20)...)
	k := keysOf("demo")
	a.mu.Lock()
	ids := entryIDs(a.told[15:])
	a.mu.Unlock()
	server.Do(append([]string{"ZREM", k.ids}, ids...)...)
	server.Do("EVAL", `
		local all = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 5)
		local keep = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 15)
		redis.call('DEL', KEYS[1])
		for i, m in ipairs(keep) do redis.call('XADD', KEYS[1], '1-' .. i, m[2][1], m[2][2]) end
		return #all`, "1", k.log) // by a clock that is far behind
	require.Eventually(t, func() bool { return server.Do("XLEN", k.log) == ":20\r\n" }, 10*time.Second, 5*time.Millisecond)
	a.say("a21")
	b.say("b1")
	a.hears(join(count("a", 1, 21), count("b", 1, 1))...)
	b.hears(join(count("a", 1, 21), count("b", 1, 1))...)
}

func entryIDs(list []room.Entry) (out []string) {
	for _, e := range list {
		out = append(out, e.ID)
	}
	return out
}

// BenchmarkAcross tells how long an Entry takes to another Node.
func BenchmarkAcross(b *testing.B) {
	server := redistest.Start(b)
	dir := b.TempDir()
	x := startNode(b, server, "a", filepath.Join(dir, "a"), nil)
	y := startNode(b, server, "b", filepath.Join(dir, "b"), nil)
	ctx, cancel := context.WithCancel(b.Context())
	got, done := make(chan room.Remote, 1), make(chan error)
	go func() { done <- y.store.Follow(ctx, "demo", func(r room.Remote) { got <- r }) }()
	seq := uint64(0)
	for b.Loop() {
		seq++
		e := said(seq, 1)
		e[0].Node = "a"
		require.NoError(b, x.store.Append(ctx, "demo", e))
		require.Equal(b, e[0].ID, (<-got).Entries[0].ID)
	}
	cancel()
	<-done
}

// TestNotAskedIsNoAnswer: a call that never got to Redis does not tell that
// Redis has lost the Room.
func TestNotAskedIsNoAnswer(t *testing.T) {
	_, a, b := pair(t)
	a.say("a1")
	b.hears("a1")
	require.Eventually(t, func() bool { return !a.waiting() }, 5*time.Second, time.Millisecond)
	s, _, err := a.n.store.use(t.Context(), "demo")
	require.NoError(t, err)
	defer a.n.store.release(s)
	a.stop()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		s.in.Lock()
		_, err = a.n.store.fetch(ctx, s, true)
		s.in.Unlock()
		require.Error(t, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	require.NotEmpty(t, s.life)
	require.False(t, s.whole)
	require.Zero(t, value(t, a.n.store.metrics.resent))
}

// TestLateWordDoesNotHold: a Node that was cut off tells of a ban that has been
// lifted since.
func TestLateWordDoesNotHold(t *testing.T) {
	server := redistest.Start(t)
	n := startNode(t, server, "a", t.TempDir(), nil)
	lifted, banned := entry(1, room.Unbanned, "eve"), entry(2, room.Banned, "eve")
	banned.At = lifted.At - 1
	require.NoError(t, n.store.Append(t.Context(), "demo", []room.Entry{lifted, banned}))
	k := keysOf("demo")
	require.Eventually(t, func() bool { return server.Do("XLEN", k.log) == ":2\r\n" }, 5*time.Second, time.Millisecond)
	require.Contains(t, server.Do("HGET", k.standing, "ban:eve"), "unbanned")
	for _, key := range []string{k.log, k.ids, k.standing, k.life, roomsKey} {
		require.NotEqual(t, ":-1\r\n", server.Do("PTTL", key), key)
		require.NotEqual(t, ":-2\r\n", server.Do("PTTL", key), key)
	}
}

// TestMarkSaysWhatWasSent so that a Node does not offer it again at its next
// start.
func TestMarkSaysWhatWasSent(t *testing.T) {
	_, a, b := pair(t)
	a.say(count("a", 1, 10)...)
	b.say("b1")
	a.hears(join(count("a", 1, 10), count("b", 1, 1))...)
	b.hears(join(count("a", 1, 10), count("b", 1, 1))...)
	a.stop()
	b.stop()
	for _, o := range []*opened{a, b} {
		o.n.end()
		m := o.n.store.file.readMark("demo")
		require.EqualValues(t, 11, m.Sent, o.n.name)
		require.NotEmpty(t, m.Life)
		p, err := parsePlace(m.Place)
		require.NoError(t, err)
		require.NotZero(t, p.ms)
	}
}

// TestLatelySentStays: what Redis has just taken stays in the file, however much
// comes after it.
func TestLatelySentStays(t *testing.T) {
	s := newShare("demo")
	now := time.Now()
	s.reset(room.Past{Log: "x", Next: 1}, mark{}, 10)
	s.last, s.sent = 500, 500
	require.Zero(t, s.forgettable(now))
	now = now.Add(window + time.Second)
	require.Zero(t, s.forgettable(now))
	s.sent = 900
	require.Zero(t, s.forgettable(now.Add(window/2)))
	now = now.Add(window + time.Second)
	require.EqualValues(t, 500, s.forgettable(now))
	s.begin("another")
	require.Zero(t, s.forgettable(now), "all of it is needed again")
}

// TestOlderCopyIsReadAgain: what another Redis goes on with may have an earlier
// place than what was read last.
func TestOlderCopyIsReadAgain(t *testing.T) {
	server, a, b := pair(t)
	a.say("a1")
	b.hears("a1")
	a.stop()
	a.n.end()
	e := entry(7, room.Announcement, "")
	e.Text, e.Node, e.At = "c1", "c", time.Now().UnixMilli()
	text, err := json.Marshal(e)
	require.NoError(t, err)
	k := keysOf("demo")
	server.Do("EVAL", `redis.call('DEL', KEYS[1]) redis.call('XADD', KEYS[1], '2-1', 'e', ARGV[1]) return 1`, "1", k.log, string(text))
	b.hears("a1", "c1")
}
