package room

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	start = time.UnixMilli(1790000000000)
	home  = netip.MustParseAddr("192.0.2.1")
)

// join lets somebody in who may write.
func join(t *testing.T, r *Room, c Conn, identity string, role Role) Welcome {
	t.Helper()
	w, err := r.Join(start, Join{Conn: c, Person: Person{Identity: identity, Name: identity, Role: role}, Write: true, Address: home})
	require.NoError(t, err)
	return w
}

func done(t *testing.T, p Reply) Reply {
	t.Helper()
	if p.Refused != nil {
		require.NoError(t, p.Refused)
	}
	return p
}

func TestAMessageIsNumberedToldAndAcknowledged(t *testing.T) {
	r := New("demo", Config{Node: "n1", Log: "k3xQ"}, Past{})
	w := join(t, r, 1, "ann", Viewer)
	require.Equal(t, "k3xQ.0", w.Position)
	require.Equal(t, []Verb{Say, React, Rename}, w.May)

	cmd, err := Decode([]byte(`{"type":"message","id":"a-1","text":"hello","mediaTime":1790000000000.5}`))
	require.NoError(t, err)
	p := done(t, r.Do(start, 1, cmd))
	require.Equal(t, uint64(1), p.Seq)

	out := r.Drain(start)
	require.Equal(t, []Entry{{Seq: 1, ID: p.Entry, Kind: Message, At: start.UnixMilli(), Client: "a-1", Text: "hello", Node: "n1",
		From: &Person{Identity: "ann", Name: "ann", Role: Viewer}, MediaTime: start.UnixMilli()}}, out.Entries)
	require.Equal(t, &People{Count: 1, List: []Person{{"ann", "ann", Viewer}}}, out.State.People)

	again := done(t, r.Do(start, 1, cmd))
	require.Equal(t, p.Entry, again.Entry)
	require.True(t, again.Again)
	require.Empty(t, r.Drain(start).Entries)
}
