package store

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/signaling/rooms/room"
)

// FuzzFile reads whatever a file may hold: what comes of it is in order, within
// its bounds, and the same when it is written and read again.
func FuzzFile(f *testing.F) {
	good := `{"log":"abc","boot":"b","first":1}` + "\n"
	for i, e := range append(said(1, 3), entry(4, "banned", "eve"), entry(5, "pinned", "id-00000001")) {
		b, err := appendLine(nil, record{Entry: e, Merged: i == 1})
		require.NoError(f, err)
		good += string(b)
	}
	for _, s := range []string{good, good + `{"clean":true}`, good[30:], strings.ReplaceAll(good, "seq", "Seq"), "\n\n", `{"seq":1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		now := time.UnixMilli(start)
		read := func(b string) *fold {
			x := newFold(limits{history: 8, audit: 4, outbox: 4}, 0)
			require.NoError(t, scan(strings.NewReader(b), x.add))
			x.finish(now, "new")
			return x
		}
		x := read(string(b))
		past := x.past()
		require.NotEmpty(t, past.Log)
		require.LessOrEqual(t, len(past.Recent), 8)
		require.LessOrEqual(t, len(past.Audit), 4)
		for i, e := range past.Recent {
			require.Equal(t, past.Next-uint64(len(past.Recent)-i), e.Seq, "without gaps, up to Next")
		}
		var again strings.Builder
		head, err := appendLine(nil, control{Log: x.Log, Boot: "b", First: x.First})
		require.NoError(t, err)
		again.Write(head)
		for _, k := range x.all() {
			l, err := appendLine(nil, &k.record)
			require.NoError(t, err)
			again.Write(l)
		}
		y := read(again.String())
		require.Zero(t, y.bad)
		require.Equal(t, past, y.past())
	})
}

// FuzzRedisValues takes whatever Redis may hold under our keys, or say on our
// channels.
func FuzzRedisValues(f *testing.F) {
	good, err := json.Marshal(entry(4, room.Banned, "eve"))
	require.NoError(f, err)
	f.Add("ban:eve", "5 x "+string(good), "1-1", `p{"node":"b","people":{"count":3,"at":5}}`)
	f.Add("pinned", "0 - "+string(good), "", "eb")
	f.Add("pin", `1 y {"id":"y","kind":"pinned","at":1,"target":"id-00000004"}`, "18446744073709551615-0", "p{}")
	f.Fuzz(func(t *testing.T, field, value, at, news string) {
		r := &Redis{cfg: RedisConfig{Node: "a"}, metrics: newRedisMetrics(), shares: map[string]*share{}}
		s := newShare("demo")
		r.shares["demo"] = s
		s.reset(room.Past{Log: "x", Next: 1}, mark{Log: "x", Place: at}, 10)
		if p, err := parsePlace(at); err == nil {
			require.Equal(t, at, p.String())
		}
		for _, e := range r.parseStanding(s, map[string]string{field: value, "pinned": value}, nil) {
			require.NoError(t, (&record{Entry: e}).check())
		}
		for _, m := range r.parse([]redis.XMessage{{ID: at, Values: map[string]any{"e": value, field: 1}}}) {
			if m.entry.ID != "" {
				require.NoError(t, (&record{Entry: m.entry}).check())
				_, err := json.Marshal(m.entry)
				require.NoError(t, err)
			}
		}
		r.parsePeople(map[string]string{field: value})
		for range maxRemotes + 2 {
			r.hear(s.keys.news, news)
		}
		require.LessOrEqual(t, len(s.remotes), maxRemotes)
		for _, x := range s.remotes {
			require.NotNil(t, x.People)
			require.NotEqual(t, "a", x.Node)
		}
		r.hear(field, news)
	})
}
