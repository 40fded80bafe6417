package webhook

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var testLimits = limits{Items: 10, Bytes: 1 << 20, Flying: 2, GiveUp: 10 * time.Minute, First: time.Second, Longest: time.Minute}

func exact(d time.Duration) time.Duration { return d }

func testItem(id, stream string, minor bool) *item {
	return &item{id: id, name: "x", stream: stream, body: []byte(`{"id":"` + id + `"}`), minor: minor, queued: t0}
}

func ids(all []*item) []string {
	out := []string{}
	for _, it := range all {
		out = append(out, it.id)
	}
	return out
}

func mustSend(t require.TestingT, q *queue, now time.Time) *item {
	it, dead, _ := q.next(now)
	require.Nil(t, dead)
	require.NotNil(t, it)
	return it
}

func mustWait(t require.TestingT, q *queue, now, want time.Time) {
	it, dead, again := q.next(now)
	require.Nil(t, it)
	require.Nil(t, dead)
	require.Equal(t, want, again)
}

func TestAStreamKeepsItsOrder(t *testing.T) {
	q := newQueue(testLimits, exact)
	for _, id := range []string{"a1", "a2", "b1"} {
		q.push(t0, testItem(id, id[:1], false))
	}
	a1 := mustSend(t, q, t0)
	require.Equal(t, "a1", a1.id)
	require.Equal(t, "b1", mustSend(t, q, t0).id, "other Streams go past")
	mustWait(t, q, t0, time.Time{})
	require.Nil(t, q.done(t0, a1, failed, "status 500", time.Time{}))
	mustWait(t, q, t0, t0.Add(time.Second))
	require.Same(t, a1, mustSend(t, q, t0.Add(time.Second)), "before the next of its Stream")
	require.Nil(t, q.done(t0, a1, taken, "", time.Time{}))
	require.Equal(t, "a2", mustSend(t, q, t0).id)
}

func TestPausesDouble(t *testing.T) {
	l := testLimits
	l.GiveUp = time.Hour
	q := newQueue(l, exact)
	q.push(t0, testItem("a", "a", false))
	now := t0
	for _, want := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
		it := mustSend(t, q, now)
		require.Nil(t, q.done(now, it, failed, "x", time.Time{}))
		_, _, again := q.next(now)
		require.Equal(t, time.Duration(want)*time.Second, again.Sub(now))
		now = again
	}
}

func TestGivingUp(t *testing.T) {
	q := newQueue(testLimits, exact)
	q.push(t0, testItem("a1", "a", false))
	q.push(t0, testItem("a2", "a", false))
	q.push(t0, testItem("a3", "a", false))
	a1 := mustSend(t, q, t0)
	require.Nil(t, q.done(t0, a1, failed, "status 500", time.Time{}))
	late := t0.Add(testLimits.GiveUp)
	_, dead, _ := q.next(late)
	require.Same(t, a1, dead)
	require.Equal(t, "status 500", dead.reason)
	a2 := mustSend(t, q, late) // everything gets one try where the receiver may work
	require.Same(t, a2, q.done(late, a2, failed, "status 500", time.Time{}))
	a3 := mustSend(t, q, late)
	require.Same(t, a3, q.done(late, a3, refused, "status 410", time.Time{}), "at once")
	require.Equal(t, "status 410", a3.reason)
	require.Zero(t, q.len())
	require.Zero(t, q.bytes)
	require.Empty(t, q.lanes)
}

// A receiver in trouble gets one request at a time, and all that waits when it
// is back.
func TestATroubledReceiverIsSpared(t *testing.T) {
	q := newQueue(testLimits, exact)
	for i := range 6 {
		q.push(t0, testItem(fmt.Sprint(i), fmt.Sprint(i), false))
	}
	for range calmAfter {
		require.Nil(t, q.done(t0, mustSend(t, q, t0), failed, "x", time.Time{}))
	}
	mustWait(t, q, t0, t0.Add(time.Second))
	now := t0.Add(time.Second)
	it := mustSend(t, q, now)
	mustWait(t, q, now, time.Time{})
	require.Nil(t, q.done(now, it, failed, "x", time.Time{}))
	mustWait(t, q, now, now.Add(2*time.Second))
	now = now.Add(2 * time.Second)
	require.Nil(t, q.done(now, mustSend(t, q, now), taken, "", time.Time{}))
	mustSend(t, q, now)
	mustSend(t, q, now)
	require.Equal(t, 5, q.len())
	require.True(t, q.pause.IsZero())
}

func TestRetryAfterHoldsForAll(t *testing.T) {
	q := newQueue(testLimits, exact)
	q.push(t0, testItem("a", "a", false))
	q.push(t0, testItem("b", "b", false))
	until := t0.Add(30 * time.Second)
	require.Nil(t, q.done(t0, mustSend(t, q, t0), failed, "status 429", until))
	mustWait(t, q, t0, until)
	b := mustSend(t, q, until)
	require.Equal(t, "b", b.id)
	require.Nil(t, q.done(until, b, failed, "status 429", until.Add(time.Minute)))
	later := until.Add(time.Minute)
	a, b := mustSend(t, q, later), mustSend(t, q, later)
	require.Nil(t, q.done(later, a, failed, "status 429", later.Add(time.Minute)))
	require.Nil(t, q.done(later, b, taken, "", time.Time{}))
	mustWait(t, q, later, later.Add(time.Minute)) // though another was still taken
}

func TestAFullQueueDropsBatchesFirst(t *testing.T) {
	l := testLimits
	l.Items = 3
	q := newQueue(l, exact)
	q.push(t0, testItem("m0", "a", true))
	flying := mustSend(t, q, t0)
	q.push(t0, testItem("x1", "a", false))
	q.push(t0, testItem("m1", "a", true))
	lost, dropped := q.push(t0, testItem("x2", "a", false))
	require.Empty(t, lost)
	require.Equal(t, 1, dropped)
	require.Equal(t, []string{"m0", "x1", "x2"}, ids(q.rest()), "what is on the wire stays")
	lost, dropped = q.push(t0, testItem("x3", "a", false))
	require.Equal(t, []string{"x1"}, ids(lost))
	require.Zero(t, dropped)
	require.Nil(t, q.done(t0, flying, taken, "", time.Time{}))
	require.JSONEq(t, `{"id":"x2","numDropped":1}`, string(mustSend(t, q, t0).body))
	require.Nil(t, q.done(t0, q.rest()[0], taken, "", time.Time{}))
	require.JSONEq(t, `{"id":"x3"}`, string(mustSend(t, q, t0).body), "told once")
}

func TestAFullQueueCountsBytes(t *testing.T) {
	l := testLimits
	l.Bytes = 25
	q := newQueue(l, exact)
	q.push(t0, testItem("0", "a", true)) // ten bytes each
	q.push(t0, testItem("1", "b", true))
	_, dropped := q.push(t0, testItem("2", "c", true))
	require.Equal(t, 1, dropped)
	require.Equal(t, []string{"1", "2"}, ids(q.rest()))
}

// Whatever happens: what is in is neither lost nor doubled, and a Stream's
// Events are taken in their order.
func TestQueueProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := testLimits
		l.Items, l.Flying = rapid.IntRange(1, 12).Draw(t, "items"), rapid.IntRange(1, 4).Draw(t, "flying")
		q := newQueue(l, exact)
		now, pushed, out := t0, 0, map[string]bool{}
		last := map[string]uint64{}
		var flying []*item
		gone := func(it *item) {
			require.False(t, out[it.id], "twice: %s", it.id)
			out[it.id] = true
		}
		dropped := 0
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				pushed++
				it := testItem(fmt.Sprint(pushed), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "stream"), rapid.Bool().Draw(t, "minor"))
				it.queued = now
				lost, n := q.push(now, it)
				dropped += n
				for _, x := range lost {
					gone(x)
				}
			case 1:
				it, dead, again := q.next(now)
				if dead != nil {
					gone(dead)
				}
				if it != nil {
					require.LessOrEqual(t, len(flying)+1, l.Flying)
					require.False(t, slices.ContainsFunc(flying, func(x *item) bool { return x.stream == it.stream }))
					require.GreaterOrEqual(t, it.seq, last[it.stream])
					last[it.stream] = it.seq
					flying = append(flying, it)
				} else if dead == nil && !again.IsZero() {
					require.True(t, again.After(now))
				}
			case 2:
				if len(flying) > 0 {
					i := rapid.IntRange(0, len(flying)-1).Draw(t, "which")
					it := flying[i]
					flying = slices.Delete(flying, i, i+1)
					o := rapid.SampledFrom([]outcome{taken, failed, refused}).Draw(t, "outcome")
					if dead := q.done(now, it, o, "x", time.Time{}); dead != nil || o == taken {
						gone(it)
					}
				}
			case 3:
				now = now.Add(time.Duration(rapid.IntRange(0, 300_000).Draw(t, "ms")) * time.Millisecond)
			}
			require.Equal(t, pushed, q.len()+len(out)+dropped)
			bytes := 0
			for _, it := range q.rest() {
				bytes += len(it.body)
			}
			require.Equal(t, bytes, q.bytes)
		}
	})
}
