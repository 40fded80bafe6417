package rooms

import (
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/signaling/rooms/room"
)

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
	require.True(t, r.Barred("demo", identity, room.Viewer, netip.Addr{}))
	require.False(t, r.Barred("demo", ann.hello.You.Identity, room.Viewer, netip.Addr{}))
	require.False(t, r.Barred("other", identity, room.Viewer, netip.Addr{}))
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
	require.True(t, r.Barred("demo", identity, room.Viewer, netip.Addr{}))
	require.False(t, r.Barred("none", identity, room.Viewer, netip.Addr{}))
	require.Nil(t, r.look("none"), "not opened to find out")
	reply, err := r.Act(t.Context(), "demo", nil, room.Command{Verb: room.Unban, Target: identity})
	require.NoError(t, err)
	require.Nil(t, reply.Refused)
	require.False(t, r.Barred("demo", identity, room.Viewer, netip.Addr{}))
	r.dial("demo", "token", "bob")
}

func TestBarList(t *testing.T) {
	b := barList{bans: room.NewBans(room.Config{})}
	now := time.UnixMilli(1_000_000)
	at := now.UnixMilli()
	home, next := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	entry := func(kind room.Kind, target string, seconds int64, a netip.Addr) room.Entry {
		at++
		e := room.Entry{At: at, Kind: kind, Target: target, Address: a}
		if seconds > 0 {
			e.Until = now.UnixMilli() + seconds*1000
		}
		return e
	}
	bars := func(after time.Duration, identity string, a netip.Addr) bool {
		return b.bars(now.Add(after), identity, room.Viewer, a)
	}
	require.False(t, bars(0, "ann", home))
	b.load(now, room.Past{
		Standing: []room.Entry{entry(room.Banned, "ann", 0, home), entry(room.Muted, "bob", 0, netip.Addr{})},
		Recent:   []room.Entry{entry(room.Banned, "carl", 1, netip.Addr{})},
	})
	require.True(t, bars(0, "ann", netip.Addr{}))
	require.True(t, bars(0, "zoe", next), "the same /64")
	require.False(t, bars(0, "bob", netip.MustParseAddr("192.0.2.1")))
	require.True(t, bars(0, "carl", netip.Addr{}))
	require.False(t, bars(time.Second, "carl", netip.Addr{}), "over")

	// Others who are banned with the same address leave ann's ban as it is.
	b.apply(now, entry(room.Banned, "dora", 60, next))
	b.apply(now, entry(room.Banned, "emil", 0, home))
	require.True(t, bars(time.Minute, "zoe", next), "dora's is over, ann's is not")
	b.apply(now, entry(room.Unbanned, "emil", 0, netip.Addr{}))
	require.False(t, bars(0, "emil", netip.Addr{}))
	require.True(t, bars(0, "zoe", home))

	require.True(t, b.sweep(now.Add(time.Minute)))
	require.True(t, bars(0, "zoe", home))
	require.False(t, bars(0, "dora", netip.Addr{}), "forgotten")
	b.apply(now, entry(room.Unbanned, "ann", 0, netip.Addr{}))
	require.False(t, bars(0, "zoe", home))
	require.False(t, b.sweep(now))
}
