package store

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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
