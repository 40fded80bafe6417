package rooms

import (
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/signaling/rooms/room"
)

func TestBatchTime(t *testing.T) {
	require.Zero(t, batchTime(1))
	require.Zero(t, batchTime(batchFrom))
	require.LessOrEqual(t, batchTime(batchFrom+1), 5*time.Millisecond, "no jump")
	require.Equal(t, 25*time.Millisecond, batchTime(1000))
	require.Equal(t, batchMax, batchTime(10_000))
	require.Equal(t, batchMax, batchTime(1_000_000))
	for n := range 20_000 {
		if batchTime(n) > batchTime(n+1) {
			t.Fatal(n)
		}
	}
}

func TestDueTime(t *testing.T) {
	const batch = 240 * time.Millisecond
	now := time.Unix(1000, 0)
	require.Equal(t, now, dueTime(now, now, 0, 0, 1), "small")
	require.Equal(t, now, dueTime(now, now.Add(-time.Second), batch, 0, 1), "after a pause")
	require.Equal(t, now.Add(batch-time.Millisecond), dueTime(now, now.Add(-time.Millisecond), batch, 0, 1))
	const n = 8
	for at := now; at.Before(now.Add(time.Second)); at = at.Add(7 * time.Millisecond) {
		seen := map[time.Duration]bool{}
		for i := range n {
			due := dueTime(at, at, batch, i, n)
			require.False(t, due.Before(at))
			require.Less(t, due.Sub(at), batch)
			seen[due.Sub(at)] = true
			require.Equal(t, due, dueTime(due, at, batch, i, n), "its turn is now")
			require.Equal(t, due.Add(batch), dueTime(due.Add(1), at, batch, i, n))
		}
		require.Len(t, seen, n, "one after the other")
	}
}

func TestRing(t *testing.T) {
	var r ring
	now := time.Unix(1000, 0)
	space := make([]*frame, 0, 4)
	got, ok := r.from(0, space)
	require.True(t, ok)
	require.Empty(t, got)
	for i := range 10 {
		r.put(now, newFrame("x", "", []byte{byte(i)}, now))
	}
	require.EqualValues(t, 10, r.end())
	got, ok = r.from(7, space)
	require.True(t, ok)
	require.Len(t, got, 3)
	require.Equal(t, byte(9), got[2].plain[2])
	got, _ = r.from(0, space)
	require.Len(t, got, 4, "as many as fit")

	later := now.Add(ringTime + time.Second)
	r.put(later, newFrame("x", "", nil, later))
	_, ok = r.from(9, space)
	require.False(t, ok, "too old")
	got, ok = r.from(10, space)
	require.True(t, ok)
	require.Len(t, got, 1)
	for range ringFrames {
		r.put(later, newFrame("x", "", nil, later))
	}
	_, ok = r.from(10, space)
	require.False(t, ok, "too many")
	require.Len(t, r.frames, ringFrames)
	r.put(later, newFrame("x", "", make([]byte, ringBytes), later))
	require.Len(t, r.frames, 1, "too much, but the newest stays")
	require.Equal(t, len(r.frames[0].plain), r.bytes)
}

func TestFrames(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 65535, 65536} {
		f := newFrame("x", "", make([]byte, n), time.Time{})
		require.Len(t, f.plain, f.text+n)
		require.Equal(t, map[bool]int{true: 2, false: map[bool]int{true: 4, false: 10}[n < 65536]}[n < 126], f.text, n)
	}
	require.Equal(t, "\x88\x02\x03\xe8", string(ending{code: 1000}.frame("")))
	require.Equal(t, "\x88\x0d\x0f\xa8resume=a.12", string(tooSlow.frame("a.12")))
	require.Equal(t, "\x88\x00", string(silentEnd.frame("")))
	long := ending{code: 1001, resume: true}.frame(string(make([]byte, 300)))
	require.Len(t, long, 2+maxControl)
}

func TestEncodeEvents(t *testing.T) {
	var entries []told
	for i := range 3 {
		e := room.Entry{Seq: uint64(i + 1), ID: "x", Kind: room.Message, Text: `"<&`}
		entries = append(entries, told{e.Seq, encode(e)})
		var m message
		require.NoError(t, json.Unmarshal(encodeEvents("log.3", entries), &m))
		require.Equal(t, "events", m.Type)
		require.Equal(t, "log.3", m.Position)
		require.Len(t, m.Entries, i+1)
		require.Equal(t, `"<&`, m.Entries[i].Text)
	}
	require.Zero(t, readUpTo(""))
	require.Zero(t, readUpTo("a.b"))
	require.EqualValues(t, 12, readUpTo("a.12"))
}

func TestReactionsAddUp(t *testing.T) {
	sum := addReactions(nil, []room.Reaction{{Emoji: "a", Count: 2}, {Emoji: "b", Count: 1}})
	sum = addReactions(sum, []room.Reaction{{Emoji: "b", Count: 3, MediaTime: 9}})
	require.Equal(t, []room.Reaction{{Emoji: "a", Count: 2}, {Emoji: "b", Count: 4, MediaTime: 9}}, sum)
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	m, err := newMetrics(reg)
	require.NoError(t, err)
	m.batch("large", 250*time.Millisecond)
	m.batch("small", 3*time.Millisecond)
	m.cut(4008)
	m.sent(64, []*frame{newFrame("x", "", nil, time.Now()), newFrame("x", "", nil, time.Now())})
	families, err := reg.Gather()
	require.NoError(t, err)
	got := map[string]float64{}
	for _, f := range families {
		v := f.GetMetric()[0]
		got[f.GetName()] = v.GetGauge().GetValue() + v.GetCounter().GetValue() + float64(v.GetHistogram().GetSampleCount())
	}
	require.InDelta(t, .25, got["freshet_rooms_batch_seconds"], 1e-9)
	require.InDelta(t, 1, got["freshet_rooms_cut_total"], 0)
	require.InDelta(t, 2, got["freshet_rooms_delivered_total"], 0)
	require.InDelta(t, 1, got["freshet_rooms_delay_seconds"], 0)
	m.batch("large", 0)
	_, err = newMetrics(reg)
	require.Error(t, err, "twice")
}

// Who comes back is put where as much is known, or would be told twice.
func TestPlace(t *testing.T) {
	h, err := New(Config{sectionSize: 2}, newMemory(), slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	k := newKeeper(h, "demo")
	k.last = 9
	now := time.Unix(1000, 0)
	join := func(read uint64) *section {
		s := k.place(now, read)
		m := newMember(room.Conn(len(k.members)))
		m.section = s
		k.members[m.id], s.members[m.id] = m, m
		return s
	}
	first := join(0)
	require.EqualValues(t, 9, first.published)
	require.Same(t, first, join(9))
	second := join(0)
	require.NotSame(t, first, second, "full")
	require.Same(t, second, join(0), "the smaller one")
	for i := range 2 {
		k.remove(k.members[room.Conn(i)])
	}
	k.last = 11
	first.entries = []told{{10, []byte("{}")}, {11, []byte("{}")}}
	second.published = 11
	require.Same(t, first, k.place(now, 9))
	require.Same(t, second, k.place(now, 10), "though it has more members")
	second.published = 10
	require.Same(t, first, k.place(now, 11), "nobody knows as much")
	require.EqualValues(t, 11, first.published, "so it is told")
	require.Len(t, first.ring.frames, 1)
}
