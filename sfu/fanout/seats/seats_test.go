package seats

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var start = time.Unix(1_000_000, 0)

func reason(t testing.TB, err error) Reason {
	t.Helper()
	if err == nil {
		return ""
	}
	var r *Refusal
	require.ErrorAs(t, err, &r)
	require.ErrorIs(t, err, ErrTaken)
	require.GreaterOrEqual(t, r.RetryAfter, shortestRetry)
	return r.Reason
}

func TestNumbers(t *testing.T) {
	s := New(Limits{Viewers: 3, PerStream: 2})
	require.NoError(t, s.Take(start, "a", 1))
	require.NoError(t, s.Take(start, "a", 1))
	require.Equal(t, Stream, reason(t, s.Take(start, "a", 1)))
	require.NoError(t, s.Take(start, "b", 1))
	require.Equal(t, Viewers, reason(t, s.Take(start, "b", 1)))
	require.Equal(t, 3, s.Count())
	s.Free(start, "a", 1)
	require.NoError(t, s.Take(start, "b", 1), "a seat of the node")
	s.Free(start, "b", 1)
	require.NoError(t, s.Take(start, "a", 1), "a seat of the stream, at once")
	for _, name := range []string{"a", "a", "b"} {
		s.Free(start, name, 1)
	}
	require.Empty(t, s.streams, "nothing stays")
	require.Zero(t, s.Count())
}

func TestNoLimits(t *testing.T) {
	s := New(Limits{})
	s.Measure(start, Load{Cores: 1000, Bandwidth: 1e15})
	for range 10_000 {
		require.NoError(t, s.Take(start, "a", 1e9))
	}
}

func TestBandwidth(t *testing.T) {
	s := New(Limits{Bandwidth: 10e6})
	require.NoError(t, s.Take(start, "a", 20e6), "alone: a lower layer may do")
	s.Free(start, "a", 20e6)
	for i := range 4 {
		require.NoError(t, s.Take(start, "a", 2.5e6), i)
	}
	require.Equal(t, Bandwidth, reason(t, s.Take(start, "a", 2.5e6)), "they have not begun to cost")
	s.Measure(start.Add(time.Second), Load{Bandwidth: 4e6}) // some of them have
	require.Equal(t, Bandwidth, reason(t, s.Take(start.Add(time.Second), "a", 2.5e6)))
	now := start.Add(settle)
	s.Measure(now, Load{Bandwidth: 7e6}) // their screens are small
	require.NoError(t, s.Take(now, "a", 2.5e6))
	require.Equal(t, Bandwidth, reason(t, s.Take(now, "a", 2.5e6)))
	s.Free(now, "a", 2.5e6)
	require.NoError(t, s.Take(now, "a", 2.5e6), "a seat is given at once")
}

func TestCPU(t *testing.T) {
	s := New(Limits{Cores: 1.7})
	s.Measure(start, Load{Cores: 0.5})
	require.NoError(t, s.Take(start, "a", 2.5e6), "other work does not make a viewer dear")
	s.Measure(start, Load{Cores: 1.6, Bandwidth: 4e9})
	now := start.Add(settle)
	n := 0
	for ; s.Take(now, "a", 2.5e6) == nil; n++ {
		require.Less(t, n, 1000)
	}
	require.InDelta(t, 100, n, 1, "0.1 core at 1 ms of a core each")
	require.Equal(t, CPU, reason(t, s.Take(now, "a", 2.5e6)))
	s.Measure(now, Load{Cores: 1.8, Bandwidth: 4e9})
	now = now.Add(time.Hour)
	require.Equal(t, CPU, reason(t, s.Take(now, "a", 0)), "also of a stream without a bitrate")
	s.Measure(now, Load{Cores: 1.2, Bandwidth: 3e9})
	require.NoError(t, s.Take(now, "a", 2.5e6))
}

func TestRetrySpreads(t *testing.T) {
	s := New(Limits{Viewers: 1})
	require.NoError(t, s.Take(start, "a", 0))
	wait := func(now time.Time) time.Duration {
		var r *Refusal
		errors.As(s.Take(now, "a", 0), &r)
		return r.RetryAfter
	}
	first := wait(start)
	require.LessOrEqual(t, first, 2*shortestRetry)
	seen := map[time.Duration]int{}
	for range 2000 {
		seen[wait(start.Add(time.Second))]++
	}
	require.Greater(t, len(seen), 20)
	for d, n := range seen {
		require.LessOrEqual(t, n, 200, d)
		require.LessOrEqual(t, d, longestRetry)
	}
	require.LessOrEqual(t, wait(start.Add(time.Minute)), 2*shortestRetry, "the crowd has gone")
}

// TestTableHolds: whatever happens, the counted limits hold, a free seat is
// given, and nothing is kept of who has left.
func TestTableHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Limits{Viewers: rapid.IntRange(1, 10).Draw(t, "viewers"), PerStream: rapid.IntRange(1, 5).Draw(t, "per stream")}
		s := New(l)
		now := start
		count := map[string]int{}
		total := 0
		for range 60 {
			now = now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
			name := fmt.Sprint(rapid.IntRange(0, 3).Draw(t, "stream"))
			if count[name] > 0 && rapid.Bool().Draw(t, "leave") {
				s.Free(now, name, 1e6)
				count[name]--
				total--
				continue
			}
			err := s.Take(now, name, 1e6)
			require.Equal(t, total < l.Viewers && count[name] < l.PerStream, err == nil)
			if err == nil {
				count[name]++
				total++
			}
			require.Equal(t, total, s.Count())
		}
		require.LessOrEqual(t, len(s.changes), 60)
	})
}
