package rooms

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/rooms/room"
	"github.com/freshet-live/freshet/signaling/rooms/store"
)

func TestTwoTalk(t *testing.T) {
	r := serve(t, newMemory(), nil)
	ann, bob := r.dial("demo", "token", "ann", "name", "Ann"), r.dial("demo", "token", "bob", "name", "Bob")
	require.Equal(t, "Ann", ann.hello.You.Name)
	ack := ann.say("a-1", "hello")
	require.Equal(t, "ack", ack.Type)
	require.EqualValues(t, 1, ack.Seq)
	m := bob.until(func(m message) bool { return len(m.Entries) > 0 })
	require.Equal(t, "hello", m.Entries[0].Text)
	require.Equal(t, ack.Entry, m.Entries[0].ID)
	require.Equal(t, "Ann", m.Entries[0].From.Name)
	require.Equal(t, "logdemo.1", m.Position)

	again := ann.say("a-1", "hello")
	require.Equal(t, ack.Entry, again.Entry, "the same command")
	require.Equal(t, "refused", ann.say("a-2", "").Type)

	carl := r.dial("demo", "token", "carl", "role", "moderator")
	require.Equal(t, []string{"hello"}, carl.texts, "history")
	require.EqualValues(t, "moderator", carl.hello.You.Role)
	require.False(t, carl.hello.Resumed)
	who := bob.until(func(m message) bool { return m.People != nil && m.People.Count == 3 })
	require.Len(t, who.People.List, 3)
	require.NoError(t, carl.Close())
	bob.until(func(m message) bool { return m.People != nil && m.People.Count == 2 })
}

// said counts what each client should have.
func said(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("m%d", i))
	}
	return out
}

// Connections break at any time; whoever comes back misses nothing and hears
// nothing twice, whichever section it was in and is in.
func TestStorm(t *testing.T) {
	r := serve(t, newMemory(), func(c *Config) { c.sectionSize, c.frames = 8, 1e6 })
	const clients, messages = 30, 100
	var g errgroup.Group
	for i := range clients {
		token := fmt.Sprintf("listener-%d", i)
		c := r.dial("demo", "token", token)
		require.Empty(t, c.texts)
		g.Go(func() error {
			for len(c.texts) < messages {
				m, err := c.read()
				if err != nil {
					return err
				}
				c.take(m)
				// A state frame breaks nothing off: each who comes back makes some.
				if len(m.Entries) == 0 || rand.IntN(12) > 0 || len(c.texts) == messages {
					continue
				}
				_ = c.NetConn().Close()
				next, _, err := r.try("demo", "token", token, "resume", c.position)
				if err != nil {
					return err
				}
				next.texts, next.seqs, next.position = c.texts, c.seqs, c.position
				if m, err = next.read(); err != nil || !m.Resumed {
					return fmt.Errorf("not resumed from %s: %w", c.position, err)
				}
				next.take(m)
				c = next
			}
			for i, text := range c.texts {
				if text != fmt.Sprintf("m%d", i) || c.seqs[i] != uint64(i+1) {
					return fmt.Errorf("%s, number %d, is not the %d", text, c.seqs[i], i)
				}
			}
			return nil
		})
	}
	ann := r.dial("demo", "token", "ann")
	for i, text := range said(messages) {
		require.Equal(t, "ack", ann.say(fmt.Sprint(i), text).Type)
	}
	require.NoError(t, g.Wait())
	require.NoError(t, r.with(t.Context(), "demo", func(k *keeper, _ time.Time) {
		require.GreaterOrEqual(t, len(k.sections), 3)
	}))
}

// A slow reader gets its close frame, with its position, once it reads again,
// and the others never wait for it.
func TestSlowReader(t *testing.T) {
	r := serve(t, newMemory(), func(c *Config) { c.stall, c.frames, c.Room.Text = 300*time.Millisecond, 1e6, 2000 })
	slow := r.dial("demo", "token", "slow")
	require.NoError(t, slow.NetConn().(*net.TCPConn).SetReadBuffer(4096))
	ann := r.dial("demo", "token", "ann")
	n := 0
	speak := func() {
		begin := time.Now()
		require.Equal(t, "ack", ann.say(fmt.Sprint(n), fmt.Sprintf("m%d %s", n, noise(1900))).Type)
		require.Less(t, time.Since(begin), 5*time.Second)
		n++
	}
	for range 300 {
		speak()
	}
	require.Eventually(t, func() bool {
		speak()
		out := false
		require.NoError(t, r.with(t.Context(), "demo", func(k *keeper, _ time.Time) { out = len(k.members) == 1 }))
		return out
	}, 20*time.Second, 20*time.Millisecond)
	end := slow.closed()
	require.Equal(t, 4008, end.Code)
	position, ok := strings.CutPrefix(end.Text, "resume=")
	require.True(t, ok)
	require.Equal(t, slow.position, position)
	require.Less(t, len(slow.texts), n)
	slow2 := r.dial("demo", "token", "slow", "resume", position)
	require.True(t, slow2.hello.Resumed)
	all := slices.Concat(slow.texts, slow2.texts)
	for len(all) < n {
		m := slow2.next()
		for _, e := range m.Entries {
			all = append(all, e.Text)
		}
	}
	for i, text := range all {
		require.True(t, strings.HasPrefix(text, fmt.Sprintf("m%d ", i)), i)
	}
}

// noise does not compress.
func noise(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(rand.IntN(26))
	}
	return string(b)
}

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

// watch notes bans and Entries.
type watch struct {
	mu   sync.Mutex
	bars []room.Entry
	said []room.Entry
}

func (w *watch) set(c *Config) {
	c.OnBar = func(stream string, e room.Entry) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.bars = append(w.bars, e)
	}
	c.OnEntries = func(stream string, entries []room.Entry) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.said = append(w.said, entries...)
	}
}

func TestBan(t *testing.T) {
	m, w := newMemory(), &watch{}
	r := serve(t, m, w.set)
	mod := r.dial("demo", "token", "mod", "role", "moderator")
	bob1, bob2 := r.dial("demo", "token", "bob"), r.dial("demo", "token", "bob")
	ann := r.dial("demo", "token", "ann")
	identity := bob1.hello.You.Identity
	mod.send(command{"type": "ban", "id": "b", "target": identity, "reason": "spam"})
	ack := mod.answer("b")
	require.Equal(t, "ack", ack.Type, ack.Detail)
	for _, c := range []*client{bob1, bob2} {
		require.Equal(t, 4001, c.closed().Code)
	}
	_, resp, err := r.try("demo", "token", "bob")
	require.Error(t, err)
	require.Equal(t, http.StatusForbidden, resp.StatusCode)
	require.True(t, r.Barred("demo", identity, netip.Addr{}))
	require.False(t, r.Barred("demo", ann.hello.You.Identity, netip.Addr{}))
	require.False(t, r.Barred("other", identity, netip.Addr{}))
	w.mu.Lock()
	require.Len(t, w.bars, 1)
	require.Equal(t, identity, w.bars[0].Target)
	require.Equal(t, "spam", w.said[0].Reason)
	w.mu.Unlock()
	seen := ann.until(func(m message) bool { return len(m.Entries) > 0 })
	require.Equal(t, room.Banned, seen.Entries[0].Kind)
	require.Empty(t, seen.Entries[0].Reason, "not for everybody")

	// The ban holds after a restart, for those who ask before the Room opens.
	r.stop()
	<-r.ended
	r = serve(t, m, nil)
	require.True(t, r.Barred("demo", identity, netip.Addr{}))
	require.False(t, r.Barred("none", identity, netip.Addr{}))
	require.Nil(t, r.look("none"), "not opened to find out")
	reply, err := r.Act(t.Context(), "demo", nil, room.Command{Verb: room.Unban, Target: identity})
	require.NoError(t, err)
	require.Nil(t, reply.Refused)
	require.False(t, r.Barred("demo", identity, netip.Addr{}))
	r.dial("demo", "token", "bob")
}

func TestBarList(t *testing.T) {
	var b barList
	now := time.UnixMilli(1_000_000)
	addr, next := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	ban := func(target string, until int64, a netip.Addr) room.Entry {
		return room.Entry{Kind: room.Banned, Target: target, Until: until, Address: a}
	}
	require.False(t, b.bars(now, "ann", addr))
	b.load(room.Past{Standing: []room.Entry{ban("ann", 0, addr), {Kind: room.Muted, Target: "bob"}, ban("carl", now.UnixMilli()+1, netip.Addr{})}})
	require.True(t, b.bars(now, "ann", netip.Addr{}))
	require.True(t, b.bars(now, "zoe", next), "the same /64")
	require.False(t, b.bars(now, "bob", netip.MustParseAddr("192.0.2.1")))
	require.True(t, b.bars(now, "carl", netip.Addr{}))
	require.False(t, b.bars(now.Add(time.Millisecond), "carl", netip.Addr{}), "over")
	require.True(t, b.sweep(now.Add(time.Second)))
	require.Len(t, b.identities, 1)
	b.apply(room.Entry{Kind: room.Unbanned, Target: "ann"})
	require.False(t, b.bars(now, "zoe", next))
	require.False(t, b.sweep(now))
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

func TestStreamShows(t *testing.T) {
	r := serve(t, newMemory(), func(c *Config) { c.IdleTime = time.Millisecond })
	ann := r.dial("demo", "token", "ann")
	since := time.UnixMilli(1_790_000_000_000)
	r.StreamChanged(&media.Snapshot{Name: "demo", State: media.Live, Since: since, Epoch: 1, Viewers: 3, Video: []*media.Layer{{RID: "f"}}, Active: []bool{true}})
	m := ann.until(func(m message) bool { return m.Stream != nil })
	require.Equal(t, room.StreamState{State: "live", Since: 1_790_000_000_000, Epoch: 1, Viewers: 3, Layers: []room.StreamLayer{{RID: "f", Active: true}}}, *m.Stream)
	// A Room stays open while its Stream lives, and closes some time later.
	require.NoError(t, ann.Close())
	empty(t, r, "demo")
	require.NoError(t, r.with(t.Context(), "demo", func(k *keeper, now time.Time) { require.False(t, k.retire(now)) }))
	r.StreamChanged(&media.Snapshot{Name: "demo", State: media.Ended, Since: since, Epoch: 1})
	r.StreamChanged(&media.Snapshot{Name: "nobody", State: media.Idle, Since: since})
	require.Eventually(t, func() bool { return r.look("demo") == nil }, 10*time.Second, 10*time.Millisecond)
	require.Nil(t, r.look("nobody"))
	r.dial("demo", "token", "ann") // and opens again
}

// placed gives everybody an address.
type placed struct{ addr netip.Addr }

func (p placed) Room(r *http.Request, stream string) (auth.Grant, error) {
	g, err := anybody{}.Room(r, stream)
	g.Address = p.addr
	if r.URL.Query().Get("from") != "" {
		g.Address = netip.MustParseAddr(r.URL.Query().Get("from"))
	}
	return g, err
}

func TestLimits(t *testing.T) {
	r := serve(t, newMemory(), func(c *Config) {
		c.Auth = placed{netip.MustParseAddr("192.0.2.1")}
		c.MaxSockets, c.MaxPerAddress, c.MaxPerRoom, c.MaxRooms = 9, 3, 4, 2
	})
	refused := func(status int, name string, pairs ...string) {
		t.Helper()
		_, resp, err := r.try(name, pairs...)
		require.Error(t, err)
		require.Equal(t, status, resp.StatusCode)
		require.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"))
		require.NotEmpty(t, resp.Header.Get("Retry-After"))
	}
	var all []*client
	for i := range 3 {
		all = append(all, r.dial("demo", "token", fmt.Sprint(i)))
	}
	refused(http.StatusTooManyRequests, "demo", "token", "3")
	refused(http.StatusTooManyRequests, "other", "token", "3")
	all = append(all, r.dial("demo", "token", "4", "from", "192.0.2.2"))
	refused(http.StatusServiceUnavailable, "demo", "token", "5", "from", "192.0.2.3")
	for i := range 3 { // a proxy on this machine brings everybody
		all = append(all, r.dial("other", "token", fmt.Sprint(10+i), "from", "127.0.0.1"))
	}
	all = append(all, r.dial("other", "token", "13", "from", "127.0.0.1"))
	refused(http.StatusServiceUnavailable, "third", "token", "14", "from", "127.0.0.1")
	r.cfg.MaxRooms = 3
	all = append(all, r.dial("third", "token", "15", "from", "127.0.0.1"))
	refused(http.StatusServiceUnavailable, "third", "token", "16", "from", "127.0.0.1")
	for _, c := range all {
		require.NoError(t, c.Close())
	}
	require.Eventually(t, func() bool {
		r.seats.mu.Lock()
		defer r.seats.mu.Unlock()
		return r.seats.taken == 0 && len(r.seats.by) == 0
	}, 10*time.Second, 5*time.Millisecond)
}

// More than ten of one identity: the oldest goes.
func TestOldestGoes(t *testing.T) {
	r := serve(t, newMemory(), nil)
	first := r.dial("demo", "token", "ann")
	for range 10 {
		r.dial("demo", "token", "ann")
	}
	require.Equal(t, 4013, first.closed().Code)
}

func TestPlainRequests(t *testing.T) {
	r := serve(t, newMemory(), nil)
	for path, status := range map[string]int{
		"/rooms/demo/ws": http.StatusUpgradeRequired, "/rooms/-/ws": http.StatusNotFound, "/rooms/-/events": http.StatusNotFound,
	} {
		resp, err := http.Get(r.base + path)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, status, resp.StatusCode, path)
		require.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"))
	}
	req, err := http.NewRequest(http.MethodGet, r.base+"/rooms/demo/ws", nil)
	require.NoError(t, err)
	for k, v := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "12", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="} {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	require.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"))
	empty(t, r, "demo")
}

// stream reads server-sent events.
type stream struct {
	*bufio.Scanner
	resp *http.Response
	t    *testing.T
}

func (r *rig) events(name, last string, pairs ...string) *stream {
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.url(name, "/events", query(pairs...)), nil)
	require.NoError(r.t, err)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(r.t, err)
	r.t.Cleanup(func() { _ = resp.Body.Close() })
	require.Equal(r.t, http.StatusOK, resp.StatusCode)
	return &stream{bufio.NewScanner(resp.Body), resp, r.t}
}

// next returns the fields of the next event, joined.
func (s *stream) next() string {
	s.t.Helper()
	var lines []string
	for s.Scan() {
		if s.Text() == "" && len(lines) > 0 {
			return strings.Join(lines, "\n")
		}
		if s.Text() != "" && s.Text()[0] != ':' {
			lines = append(lines, s.Text())
		}
	}
	return ""
}

func TestEvents(t *testing.T) {
	r := serve(t, newMemory(), nil)
	s := r.events("demo", "", "token", "eve")
	require.Equal(t, "text/event-stream", s.resp.Header.Get("Content-Type"))
	require.Equal(t, "no", s.resp.Header.Get("X-Accel-Buffering"))
	require.Equal(t, "*", s.resp.Header.Get("Access-Control-Allow-Origin"))
	require.True(t, strings.HasPrefix(s.next(), "id: logdemo.0\nevent: hello\ndata: {\"type\":\"hello\""))
	require.True(t, strings.HasPrefix(s.next(), "event: state\ndata: {\"type\":\"state\""))
	ann := r.dial("demo", "token", "ann")
	require.Equal(t, "ack", ann.say("1", "one\ntwo").Type)
	for {
		e := s.next()
		require.NotEmpty(t, e)
		if strings.HasPrefix(e, "id: logdemo.1\nevent: events\ndata: ") {
			require.Contains(t, e, `"text":"one\ntwo"`)
			break
		}
	}
	require.Equal(t, "ack", ann.say("2", "three").Type)
	again := r.events("demo", "logdemo.1", "token", "eve")
	hello := again.next()
	require.Contains(t, hello, `"resumed":true`)
	require.Contains(t, hello, "three")
	require.NotContains(t, hello, "two")
	// The banned are sent away here, too.
	mod := r.dial("demo", "token", "mod", "role", "moderator")
	identity := ""
	require.NoError(t, r.with(t.Context(), "demo", func(k *keeper, _ time.Time) {
		for _, p := range k.room.Locals() {
			if p.Role == room.Viewer && p.Identity != ann.hello.You.Identity {
				identity = p.Identity
			}
		}
	}))
	mod.send(command{"type": "ban", "id": "b", "target": identity})
	require.Equal(t, "ack", mod.answer("b").Type)
	for _, one := range []*stream{s, again} {
		for one.next() != "" {
		}
	}
}

func TestAPI(t *testing.T) {
	r := serve(t, newMemory(), nil)
	ctx := t.Context()
	_, err := r.Room(ctx, "demo")
	require.ErrorIs(t, err, ErrNoRoom)
	ann := r.dial("demo", "token", "ann", "name", "Ann")
	require.Equal(t, "ack", ann.say("1", "one").Type)
	info, err := r.Room(ctx, "demo")
	require.NoError(t, err)
	require.Equal(t, 1, info.People)
	reply, err := r.Act(ctx, "demo", nil, room.Command{Verb: room.Announce, Text: "closing soon"})
	require.NoError(t, err)
	require.Nil(t, reply.Refused)
	list, err := r.Messages(ctx, "demo", "", 10)
	require.NoError(t, err)
	require.Len(t, list, 2)
	list, err = r.Messages(ctx, "demo", reply.Entry, 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
	_, err = r.Messages(ctx, "demo", "nothing", 10)
	require.ErrorIs(t, err, ErrNoEntry)
	people, err := r.People(ctx, "demo")
	require.NoError(t, err)
	require.Equal(t, "Ann", people[0].Name)
	reply, err = r.Act(ctx, "demo", nil, room.Command{Verb: room.Mute, Target: people[0].Identity})
	require.NoError(t, err)
	require.Nil(t, reply.Refused)
	require.Equal(t, "muted", ann.say("2", "two").Reason)
	mutes, err := r.Mutes(ctx, "demo")
	require.NoError(t, err)
	require.Len(t, mutes, 1)
	bans, err := r.Bans(ctx, "demo")
	require.NoError(t, err)
	require.Empty(t, bans)
	audit, err := r.Audit(ctx, "demo")
	require.NoError(t, err)
	require.NotEmpty(t, audit)
	names, err := r.Rooms(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"demo"}, names)
	n, err := r.Kick(ctx, "nobody", "go", func(room.Join) bool { return true })
	require.NoError(t, err)
	require.Zero(t, n)
	n, err = r.KickAll(ctx, "go", func(j room.Join) bool { return j.Person.Name == "Ann" })
	require.NoError(t, err)
	require.Equal(t, 1, n)
	end := ann.closed()
	require.Equal(t, 4003, end.Code)
	require.Equal(t, "go", end.Text)
}

func TestRoles(t *testing.T) {
	with := func(query string) *http.Request {
		r, err := http.NewRequest(http.MethodGet, "http://x/?"+query, nil)
		require.NoError(t, err)
		return r
	}
	for _, tc := range []struct {
		g     auth.Grant
		query string
		want  room.Role
	}{
		{auth.Grant{Open: true, Admin: true, Publish: true}, "", room.Viewer},
		{auth.Grant{Open: true}, "role=host", room.Host},
		{auth.Grant{Open: true}, "role=operator", room.Viewer},
		{auth.Grant{Subscribe: true}, "role=host", room.Viewer},
		{auth.Grant{Publish: true}, "", room.Speaker},
		{auth.Grant{Admin: true}, "", room.Moderator},
		{auth.Grant{Admin: true, Publish: true}, "", room.Host},
	} {
		require.Equal(t, tc.want, RoleOf(tc.g, with(tc.query)))
	}
	j := visitor(auth.Grant{Open: true}, with("name=x&resume="+strings.Repeat("y", 300)))
	require.NotEmpty(t, j.Person.Identity)
	require.NotEqual(t, j.Person.Identity, visitor(auth.Grant{Open: true}, with("")).Person.Identity)
	require.Empty(t, j.Resume)
	require.False(t, j.Named)
	j = visitor(auth.Grant{Identity: "ann", Name: "Ann", PublishData: true}, with("name=x"))
	require.Equal(t, "Ann", j.Person.Name)
	require.True(t, j.Named && j.Write)
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

// Coming and going has its limit, for each address.
func TestJoinsAreLimited(t *testing.T) {
	r := serve(t, newMemory(), nil)
	r.joins = httpx.NewLimiter(httpx.LimitConfig{PerSecond: .001, Burst: 2, Loopback: 1})
	r.dial("demo", "token", "a")
	r.dial("demo", "token", "b")
	_, resp, err := r.try("demo", "token", "c")
	require.Error(t, err)
	require.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
	require.NotEmpty(t, resp.Header.Get("Retry-After"))
	resp, err = http.Get(r.base + "/rooms/demo/events")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
}
