package forward

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/freshet-live/freshet/sfu/media"
)

// R8: a joiner starts at the cached keyframe and catches up with the live
// edge. Frames leave when they are due and have the timestamps of that time;
// at the edge the timestamps are those of a viewer without replay.
func TestReplayCatchesUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := newEncoding(rapid.Uint64Range(0, 1<<40).Draw(t, "seq"), rapid.Uint32().Draw(t, "timestamp"))
		behind := rapid.IntRange(1, 150).Draw(t, "frames behind")
		speed := float64(rapid.IntRange(5*speedUnit/4, MaxSpeed*speedUnit).Draw(t, "speed")) / speedUnit
		since := time.Duration(rapid.IntRange(0, 33).Draw(t, "since")) * time.Millisecond
		hold := time.Duration(rapid.IntRange(0, 100).Draw(t, "hold")) * time.Millisecond
		var frames []*media.Packet
		for i := range 350 {
			frames = append(frames, e.packet(began.Add(time.Duration(i)*time.Second/30)))
		}
		first, edge := frames[0], frames[behind]
		m := NewMunger(0)
		m.Replay(e.Layer, first, Catchup{Edge: edge, Since: since, Speed: speed, Hold: hold})
		last, caughtUp := uint32(0), 0
		for i, p := range frames {
			after, replayed := m.Due(p)
			out, ok := m.Munge(e.Layer, p)
			require.True(t, ok)
			require.Equal(t, uint64(i), out.Seq)
			if i > 0 {
				require.Positive(t, int32(out.Timestamp-last), "R13: never back")
			}
			last = out.Timestamp
			if !replayed {
				require.Equal(t, p.Timestamp, out.Timestamp)
				continue
			}
			caughtUp = i
			if i == 1 {
				require.GreaterOrEqual(t, after, hold-time.Millisecond)
			}
			elapsed := out.Timestamp - edge.Timestamp
			require.InDelta(t, (since+after).Seconds()*90000, elapsed, 2, "the edge's timestamp when it is due")
			_, same, again := m.Source(uint16(out.Seq))
			require.Same(t, p, same)
			require.Equal(t, out, again, "R6: a repeated Packet has the same timestamp")
		}
		lag := float64(behind) + 30*(since+hold).Seconds()
		require.InDelta(t, min(lag*speed/(speed-1), 349), caughtUp, 1)
		require.Zero(t, m.TimestampOffset())
	})
}

// A newer keyframe, or a second start, moves the cursor within the Layer: what
// follows is later than what was sent, and the live numbers stay.
func TestReplayAgain(t *testing.T) {
	for _, from := range []int{61, 0} {
		e := newEncoding(0, 0)
		m := NewMunger(0)
		var frames []*media.Packet
		for i := range 160 {
			frames = append(frames, e.packet(began.Add(time.Duration(i)*time.Second/30)))
		}
		m.Replay(e.Layer, frames[0], Catchup{Edge: frames[59], Speed: 10})
		last := uint32(0)
		for _, p := range frames[:50] {
			last = munge(t, &m, e.Layer, p).Timestamp
		}
		require.Greater(t, last, frames[61].Timestamp, "ahead of the next edge")
		m.Replay(e.Layer, frames[from], Catchup{Edge: frames[61], Speed: 10})
		require.Zero(t, m.TimestampOffset())
		for _, p := range frames[from:] {
			out := munge(t, &m, e.Layer, p)
			require.Positive(t, int32(out.Timestamp-last))
			last = out.Timestamp
		}
		require.Equal(t, frames[159].Timestamp, last)
	}
}

// A turn that began and sent nothing leaves no gap, and no trace in the time.
func TestReplayThatNeverSent(t *testing.T) {
	old, e := newEncoding(0, 5000), newEncoding(100, 0)
	m := NewMunger(9)
	require.Equal(t, uint64(9), m.NextSeq())
	first := old.packet(began)
	m.Replay(old.Layer, first, Catchup{Edge: first})
	m.Replay(old.Layer, first, Catchup{Edge: first})
	require.Equal(t, Out{Seq: 9, Timestamp: 5000}, munge(t, &m, old.Layer, first))
	k := e.packet(began.Add(50 * time.Millisecond))
	for range 2 * keptSegments {
		m.Replay(e.Layer, k, Catchup{Edge: k})
	}
	m.Switch(e.Layer, k)
	require.Equal(t, Out{Seq: 10, Timestamp: 5000 + 50*90}, munge(t, &m, e.Layer, k))
	_, p, _ := m.Source(9)
	require.Same(t, first, p)
}

// A replay in the middle of a session: the live timestamps go on by capture
// time, the replay lies between.
func TestReplayAfterAnotherLayer(t *testing.T) {
	old, e := newEncoding(0, 5000), newEncoding(100, 0)
	m := NewMunger(0)
	p := old.packet(began)
	m.Switch(old.Layer, p)

	first := e.packet(began.Add(-1900 * time.Millisecond)) // 60 Frames before the edge
	for range 59 {
		e.packet(began)
	}
	edge := e.packet(began.Add(100 * time.Millisecond))
	m.Replay(e.Layer, first, Catchup{Edge: edge, Speed: 11})
	require.True(t, m.Ahead(first))
	require.Equal(t, Out{Seq: 1, Timestamp: 5000 + 9000}, munge(t, &m, e.Layer, first))
	require.False(t, m.Ahead(first))
	require.Equal(t, uint32(5000+9000), edge.Timestamp+m.TimestampOffset())

	// The next switch comes during the replay: it still goes forward.
	next := newEncoding(7, 77)
	k := next.packet(began.Add(110 * time.Millisecond))
	m.Switch(next.Layer, k)
	require.Equal(t, Out{Seq: 2, Timestamp: 5000 + 110*90}, munge(t, &m, next.Layer, k))
}

func TestReplayEnds(t *testing.T) {
	e := newEncoding(0, 0)
	m := NewMunger(0)
	_, replayed := m.Due(key)
	require.False(t, replayed)
	first := e.packet(began)
	m.Replay(e.Layer, first, Catchup{Edge: &media.Packet{Timestamp: 90_000}})
	_, replayed = m.Due(&media.Packet{Seq: 1, Timestamp: 3000})
	require.True(t, replayed)
	live := &media.Packet{Seq: 1, Timestamp: 500_000}
	require.Equal(t, uint32(500_000), munge(t, &m, e.Layer, live).Timestamp)
	wrapped := &media.Packet{Seq: 1 << 30, Timestamp: 3000}
	_, replayed = m.Due(wrapped)
	require.False(t, replayed, "13 hours later")
	require.Equal(t, uint32(3000), munge(t, &m, e.Layer, wrapped).Timestamp)
}

func TestReplayWithoutALagIsASwitch(t *testing.T) {
	for name, edge := range map[string]uint32{"none": 100, "behind": 50, "absurd": 100 + maxLag + 1} {
		t.Run(name, func(t *testing.T) {
			e := newEncoding(0, 100)
			m := NewMunger(3)
			p := e.packet(began)
			m.Replay(e.Layer, p, Catchup{Edge: &media.Packet{Timestamp: edge}, Speed: 8})
			_, replayed := m.Due(p)
			require.False(t, replayed)
			require.Equal(t, Out{Seq: 3, Timestamp: 100}, munge(t, &m, e.Layer, p))
		})
	}
}

func TestCacheKnowsWhereAJoinerStarts(t *testing.T) {
	c := NewCache(4)
	require.Nil(t, c.Newest())
	require.Nil(t, c.Keyframe())
	put := func(seq uint64, key bool) *media.Packet {
		p := &media.Packet{Seq: seq, Keyframe: key}
		require.True(t, c.Put(p))
		return p
	}
	put(1, false)
	require.Nil(t, c.Keyframe())
	second := put(3, true)
	put(2, true)
	require.Same(t, second, c.Keyframe(), "the newest, not the last to come")
	newest := put(5, false)
	require.Same(t, newest, c.Newest())
	put(7, false)
	require.Nil(t, c.Keyframe(), "no longer kept")
}

func TestPlanReplay(t *testing.T) {
	const frames = 60 // two seconds, 10 kB each but for a keyframe of 100 kB
	e := newEncoding(0, 0)
	for i := range frames {
		p := &media.Packet{Seq: uint64(i), Timestamp: uint32(i * frameTicks), Arrival: began.Add(time.Duration(i) * time.Second / 30)}
		p.Payload = make([]byte, 10_000)
		if i == 0 {
			p.Keyframe, p.Payload = true, make([]byte, 100_000)
		}
		require.True(t, e.cache.Put(p))
	}
	key, now := e.cache.Keyframe(), e.cache.Newest().Arrival.Add(20*time.Millisecond)

	c, verdict := PlanReplay(e.Layer, key, now, 20_000_000)
	require.Equal(t, CatchUp, verdict)
	require.Same(t, e.cache.Newest(), c.Edge)
	require.Equal(t, 20*time.Millisecond, c.Since)
	require.InDelta(t, 0.041, c.Hold.Seconds(), 0.001)
	require.InDelta(t, 8.08, c.Speed, 0.1, "2.4 Mbit/s at 20")

	for rate, want := range map[uint64]Verdict{0: NoReplay, 1_000_000: StillOnly, 2_600_000: StillOnly, 4_500_000: CatchUp, 1 << 40: CatchUp} {
		c, verdict = PlanReplay(e.Layer, key, now, rate)
		require.Equal(t, want, verdict, rate)
		require.LessOrEqual(t, c.Speed, float64(MaxSpeed))
	}
	e.KeyframeCame(now.Add(-2 * time.Second))
	e.KeyframeCame(now.Add(-time.Second)) // so the next one comes now
	_, verdict = PlanReplay(e.Layer, key, now, 4_500_000)
	require.Equal(t, CatchUp, verdict, "overdue: nobody knows when")
	e.KeyframeCame(now.Add(-500 * time.Millisecond))
	e.KeyframeCame(now)
	_, verdict = PlanReplay(e.Layer, key, now, 4_500_000)
	require.Equal(t, CatchUp, verdict, "half a second is too short to catch up, and long to stand still")
	e.KeyframeCame(now.Add(-300 * time.Millisecond))
	e.KeyframeCame(now.Add(-100 * time.Millisecond))
	_, verdict = PlanReplay(e.Layer, key, now, 4_500_000)
	require.Equal(t, StillOnly, verdict, "the next keyframe comes before this one is there")

	_, verdict = PlanReplay(e.Layer, key, began.Add(MaxReplayAge+time.Second), 20_000_000)
	require.Equal(t, NoReplay, verdict, "too old")
	_, verdict = PlanReplay(e.Layer, nil, now, 20_000_000)
	require.Equal(t, NoReplay, verdict)
	require.True(t, e.cache.Put(&media.Packet{Seq: frames, Timestamp: frames * frameTicks, Arrival: now, Payload: make([]byte, MaxReplayBytes)}))
	_, verdict = PlanReplay(e.Layer, key, now, 20_000_000)
	require.Equal(t, NoReplay, verdict, "too large")
}
