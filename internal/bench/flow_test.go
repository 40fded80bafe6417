package bench

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// collector notes what a flow hands on.
type collector struct {
	ts   []uint32
	gaps []uint32 // those that came after a gap
}

func (c *collector) flow() *flow {
	return &flow{out: func(_ time.Duration, a arrival, gap bool) {
		c.ts = append(c.ts, a.ts)
		if gap {
			c.gaps = append(c.gaps, a.ts)
		}
	}}
}

func TestFlowAsksForWhatIsMissing(t *testing.T) {
	var c collector
	f := c.flow()
	put := func(now time.Duration, seq uint16, repair bool) { f.put(now, seq, arrival{ts: uint32(seq)}, repair) }
	put(0, 65534, false)
	put(0, 1, false) // 65535 and 0 are missing
	require.Equal(t, []uint32{65534}, c.ts)
	require.Empty(t, f.tick(reorderTime-1, nil), "they may only be late")
	require.Equal(t, []uint16{65535, 0}, f.tick(reorderTime, nil))
	require.Empty(t, f.tick(reorderTime+1, nil), "the repair is under way")
	put(10*time.Millisecond, 65535, true)
	require.Equal(t, []uint16{0}, f.tick(reorderTime+nackInterval, nil))
	put(100*time.Millisecond, 0, true)
	require.Equal(t, []uint32{65534, 65535, 0, 1}, c.ts)
	require.Empty(t, c.gaps)
	require.EqualValues(t, 2, f.repaired)
	require.Zero(t, f.absent(time.Hour))
	put(0, 0, true)
	require.EqualValues(t, 1, f.duplicates)
}

func TestFlowGivesUp(t *testing.T) {
	var c collector
	f := c.flow()
	for _, seq := range []uint16{10, 12, 13} {
		f.put(0, seq, arrival{ts: uint32(seq)}, false)
	}
	f.tick(patience, nil)
	require.Equal(t, []uint32{10}, c.ts)
	f.tick(patience+1, nil)
	require.Equal(t, []uint32{10, 12, 13}, c.ts)
	require.Equal(t, []uint32{12}, c.gaps)
	require.EqualValues(t, 1, f.lost)
	require.EqualValues(t, 4, f.expected())

	f.put(0, 13+3000, arrival{ts: 3013}, false) // further than the window
	require.EqualValues(t, 3013-10+1, f.expected())
	f.tick(2*patience+2, nil)
	require.Equal(t, uint32(3013), c.ts[len(c.ts)-1])
	require.EqualValues(t, 1+2999, f.lost)
}

func TestFlowBeginsAnewAfterAJump(t *testing.T) {
	var c collector
	f := c.flow()
	put := func(seq uint16, repair bool) { f.put(0, seq, arrival{ts: uint32(seq)}, repair) }
	put(10, false)
	put(12, false) // 11 is missing
	put(20000, true)
	require.EqualValues(t, 3, f.expected(), "nobody asked for 20000")
	put(30000, false)
	put(30001, false)
	require.Equal(t, []uint32{10, 12, 30000, 30001}, c.ts)
	require.Equal(t, []uint32{12, 30000}, c.gaps)
	require.EqualValues(t, 5, f.expected())
	require.EqualValues(t, 1, f.lost)
	require.Empty(t, f.tick(time.Hour, nil))
}

func TestFlowStopsAsking(t *testing.T) {
	var c collector
	f := c.flow()
	f.put(0, 1, arrival{}, false)
	f.put(0, 3, arrival{}, false)
	asked := 0
	for now := time.Duration(0); now < patience; now += time.Millisecond {
		asked += len(f.tick(now, nil))
	}
	require.Equal(t, maxAsked, asked)
}

func TestFlowReports(t *testing.T) {
	var c collector
	f := c.flow()
	for seq := range uint16(100) {
		if seq%4 != 1 {
			f.put(0, seq, arrival{}, false)
		}
	}
	fraction, total, highest := f.report()
	require.EqualValues(t, 64, fraction, "a quarter")
	require.EqualValues(t, 25, total)
	require.EqualValues(t, 99, highest&0xffff)
	f.put(0, 100, arrival{}, false)
	fraction, total, _ = f.report()
	require.Zero(t, fraction, "only what came since")
	require.EqualValues(t, 25, total)
}

// TestFlowLosesNothingByItself sends packets with losses, repetitions and
// disorder: what comes out is in order, once each, and adds up.
func TestFlowLosesNothingByItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c collector
		f := c.flow()
		first := rapid.Uint16().Draw(t, "first")
		n := rapid.IntRange(1, 300).Draw(t, "n")
		now, sent := time.Duration(0), map[uint32]bool{}
		for i := 0; i < n; i++ {
			at := max(0, i-rapid.SampledFrom([]int{0, 0, 0, 0, 1, 5, 40}).Draw(t, "late"))
			now += time.Duration(rapid.IntRange(0, 20).Draw(t, "ms")) * time.Millisecond
			if rapid.IntRange(0, 9).Draw(t, "lost") != 0 || i == 0 {
				f.put(now, first+uint16(at), arrival{ts: uint32(at)}, false)
				sent[uint32(at)] = true
			}
			f.tick(now, nil)
		}
		f.tick(now+patience+1, nil)
		require.True(t, slices.IsSorted(c.ts))
		require.Equal(t, len(c.ts), len(slices.Compact(slices.Clone(c.ts))), "once each")
		require.EqualValues(t, f.expected(), uint64(len(c.ts))+f.lost)
		require.EqualValues(t, f.received, len(c.ts))
		for _, ts := range c.ts {
			require.True(t, sent[ts])
		}
	})
}

// A whole keyframe ends the wait for what has been missing for a moment.
func TestFlowLeapsToAKeyframe(t *testing.T) {
	var got []uint32
	f := flow{out: func(_ time.Duration, a arrival, _ bool) { got = append(got, a.ts) }}
	put := func(ms int, seq uint16, key, marker bool) {
		f.put(time.Duration(ms)*time.Millisecond, seq, arrival{ts: uint32(seq), key: key, marker: marker}, false)
	}
	tick := func(ms int) { f.tick(time.Duration(ms)*time.Millisecond, nil) }
	put(0, 1, true, true)
	put(10, 3, false, true) // 2 is missing
	put(20, 4, true, false)
	tick(230)
	require.Equal(t, []uint32{1}, got, "the keyframe is not whole")
	put(231, 5, false, true)
	tick(232)
	require.Equal(t, []uint32{1, 3, 4, 5}, got)
	require.EqualValues(t, 1, f.lost)
	require.Empty(t, f.missing)
	put(240, 7, false, true)
	tick(400)
	require.Len(t, got, 4, "there is nothing to leap to")
	tick(1300)
	require.Equal(t, []uint32{1, 3, 4, 5, 7}, got)
}
