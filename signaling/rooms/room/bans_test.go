package room

import (
	"net/netip"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// Who is reached by a ban depends on who spoke it, and on whether it is known by
// the identity or by the address.
func TestReachesOfABan(t *testing.T) {
	mod, host, root := &Person{Role: Moderator}, &Person{Role: Host}, &Person{Role: Operator}
	viewer := &Person{Role: Viewer}
	for _, c := range []struct {
		by       *Person
		role     Role
		identity bool // reached where the identity is meant
		address  bool // and where it is the address
	}{
		{mod, Viewer, true, true}, {mod, Speaker, true, true}, {mod, Moderator, false, false}, {mod, Host, false, false},
		{host, Viewer, true, true}, {host, Moderator, true, false}, {host, Host, false, false}, {host, Operator, false, false},
		{root, Viewer, true, true}, {root, Moderator, true, false}, {root, Host, true, false}, {root, Operator, false, false},
		{nil, Speaker, true, true}, {nil, Host, true, false}, {nil, Operator, false, false},
		{viewer, Viewer, false, false},
	} {
		e := Entry{Kind: Banned, From: c.by, Target: "bob", Address: home, At: start.UnixMilli()}
		away := netip.MustParseAddr("198.51.100.7")
		b := NewBans(Config{})
		b.Put(start, e)
		for _, bars := range []func(string, netip.Addr) bool{
			func(identity string, a netip.Addr) bool { return e.Reaches(identity, c.role, a) },
			func(identity string, a netip.Addr) bool { return b.Barred(start, identity, c.role, a) },
		} {
			require.Equal(t, c.identity, bars("bob", away), "%v %v", c.by, c.role)
			require.Equal(t, c.address, bars("eve", home), "%v %v", c.by, c.role)
			require.False(t, bars("eve", away))
			require.False(t, bars("eve", netip.Addr{}))
		}
	}
	for _, e := range []Entry{
		{Kind: Unbanned, Target: "bob"}, {Kind: Muted, Target: "bob"},
	} {
		require.False(t, e.Reaches("bob", Viewer, home))
	}
	unknown := Entry{Kind: Banned, Target: "bob", Address: netip.IPv4Unspecified()}
	require.False(t, unknown.Reaches("eve", Viewer, netip.IPv4Unspecified()))
}

func TestBansForOthersAreBounded(t *testing.T) {
	b := NewBans(Config{Bans: 10})
	ban := func(i int) Entry {
		return Entry{Kind: Banned, Target: strconv.Itoa(i), Address: home, At: start.UnixMilli() + int64(i)}
	}
	for i := range 1000 {
		b.Put(start, ban(i))
		require.LessOrEqual(t, len(b.register.of), 20)
		require.Len(t, b.register.at[home], len(b.register.of))
	}
	require.True(t, b.Barred(start, "999", Viewer, netip.Addr{}))

	// What is over is forgotten as others come.
	b = NewBans(Config{})
	short := ban(0)
	short.Until = short.At + 1
	b.Put(start, short)
	b.Put(start.Add(3*lapse/2), ban(1))
	require.Len(t, b.register.of, 1)
	require.True(t, b.Barred(start.Add(2*lapse), "1", Viewer, netip.Addr{}))
	require.True(t, b.Sweep(start))
	b.Put(start, Entry{Kind: Unbanned, Target: "1", At: start.UnixMilli() + 2})
	require.False(t, b.Sweep(start))
	require.Empty(t, b.register.at)
}
