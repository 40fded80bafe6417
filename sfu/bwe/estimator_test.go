package bwe

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/pion/rtcp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// send gives n packets of 1000 bytes to e, one every gap ms from ms on.
func send(e *Estimator, ms, gap int, seq uint16, n int) {
	for i := range n {
		e.Sent(at(ms+i*gap), seq+uint16(i), 1000, 0)
	}
}

// all is a message that n packets from base on arrived, gap ms apart from ms on.
func all(base uint16, n, ms, gap int) *rtcp.TransportLayerCC {
	arrivals := map[uint16]int64{}
	for i := range n {
		arrivals[base+uint16(i)] = int64(ms+i*gap) * 1000
	}
	return build(base, base+uint16(n)-1, arrivals, 0)
}

func TestConfigBounds(t *testing.T) {
	assert.EqualValues(t, DefaultStart, New(Config{}).Estimate())
	assert.EqualValues(t, 500, New(Config{Start: 1000, Max: 500}).Estimate())
	assert.EqualValues(t, 2000, New(Config{Start: 1000, Min: 2000}).Estimate())
	assert.EqualValues(t, 300, New(Config{Min: 2000, Max: 300}).Estimate())
}

func TestMemory(t *testing.T) {
	e := New(Config{})
	e.Sent(at(0), 1, 100, 0)
	size := int(unsafe.Sizeof(*e)) + len(e.history.ring)*int(unsafe.Sizeof(entry{}))
	assert.LessOrEqual(t, size, 4500, "bytes per viewer")
}

func TestNoAllocations(t *testing.T) {
	e := New(Config{})
	send(e, 0, 10, 0, 100)
	ms, seq := 1000, uint16(100)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		send(e, ms, 1, seq, 10)
		ms, seq = ms+10, seq+10
	}), "Sent")
	base := seq - 150
	fbs := make([][]byte, 11)
	for i := range fbs {
		fbs[i] = raw(all(base+uint16(i*10), 10, ms-150+i*10+20, 1))
	}
	assert.Zero(t, testing.AllocsPerRun(10, func() {
		e.Feedback(at(ms), fbs[0])
		fbs = fbs[1:]
	}), "Feedback")
	assert.EqualValues(t, TransportCC, e.Stats().Signal)
	assert.Zero(t, e.Stats().Absurd)
}

func TestAbsurdFeedback(t *testing.T) {
	good := raw(all(0, 20, 30, 10))
	bent := func(bend func(b []byte) []byte) []byte { return bend(bytes.Clone(good)) }
	count := func(n uint16, chunks ...uint16) []byte {
		b := binary.BigEndian.AppendUint16(bytes.Clone(good[:14]), n)
		b = append(b, good[16:20]...)
		for _, c := range chunks {
			b = binary.BigEndian.AppendUint16(b, c)
		}
		return append(b, 0, 0)
	}
	for name, fb := range map[string][]byte{
		"nothing":        nil,
		"empty":          make([]byte, 20),
		"header only":    good[:20],
		"more than sent": raw(all(0, 60, 30, 10)),
		"never sent":     raw(all(1000, 20, 30, 10)),
		"none":           count(0, 20),
		"too many":       count(60_000, 8191, 8191, 8191, 8191, 8191, 8191, 8191, 8191),
		"all arrived":    count(2048, 1<<13|2048),
		"no progress":    count(20, 0, 0, 0, 20),
		"too short":      good[:len(good)-8],
		"few chunks":     good[:22],
		"padding":        bent(func(b []byte) []byte { b[0] |= 1 << 5; b[len(b)-1] = 200; return b }),
		"no padding":     bent(func(b []byte) []byte { b[0] |= 1 << 5; b[len(b)-1] = 0; return b }),
		"far away":       append(count(20, 2<<13|20), bytes.Repeat([]byte{0x7f, 0xff}, 20)...),
	} {
		e := New(Config{})
		send(e, 0, 10, 0, 50)
		e.Feedback(at(600), fb)
		assert.EqualValues(t, 1, e.Stats().Absurd, name)
		assert.EqualValues(t, DefaultStart, e.Estimate(), name)
	}
}

// All three kinds of chunks mean what pion makes of them.
func TestChunks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := chunk(rapid.Uint16Range(1, math.MaxUint16).Draw(t, "chunk"))
		in := binary.BigEndian.AppendUint16(nil, uint16(c))
		var want []uint16
		if c>>15 == 0 {
			var run rtcp.RunLengthChunk
			require.NoError(t, run.Unmarshal(in))
			want = slices.Repeat([]uint16{run.PacketStatusSymbol}, int(run.RunLength))
		} else {
			var vector rtcp.StatusVectorChunk
			require.NoError(t, vector.Unmarshal(in))
			want = vector.SymbolList
		}
		require.Len(t, want, c.length())
		for i, symbol := range want {
			require.EqualValues(t, symbol, c.symbol(i))
		}
	})
}

func TestFeedbackBeforeAnything(t *testing.T) {
	e := New(Config{})
	e.Feedback(at(0), raw(all(0, 10, 0, 10)))
	assert.Equal(t, NoSignal, e.Stats().Signal)
}

func TestJumpingClock(t *testing.T) {
	w := newWorld(elastic{2_000_000}, &link{rate: constant(3 * mbit), delay: 20 * ms})
	w.run(0, 5*second)
	before := w.est.Estimate()
	w.recv.skew = 300_000_000 // five minutes
	w.run(5*second, 10*second)
	assert.NotZero(t, w.est.Stats().Absurd)
	assert.GreaterOrEqual(t, w.est.Estimate(), before/2)
	assert.Zero(t, w.est.Stats().Cuts)
}

func TestStatsOfASteadyPath(t *testing.T) {
	w := newWorld(elastic{1_000_000}, &link{rate: constant(3 * mbit), delay: 20 * ms})
	w.run(0, 10*second)
	s := w.est.Stats()
	assert.Equal(t, TransportCC, s.Signal)
	assert.Equal(t, Normal, s.Delay)
	assert.True(t, s.Calm)
	assert.InDelta(t, 1.03e6, float64(s.Acked), 0.1e6)
	assert.InDelta(t, 1.03e6, float64(s.Sent), 0.1e6)
	assert.Zero(t, s.Loss)
	assert.Less(t, s.RTT, 100*ms)
	assert.GreaterOrEqual(t, s.RTT, 40*ms)
	assert.Less(t, s.Queue, 10*ms)
}

func TestAppLimited(t *testing.T) {
	w := newWorld(newLayered(), &link{rate: constant(2 * mbit), delay: 20 * ms})
	w.run(0, 10*second)
	assert.True(t, w.est.Stats().AppLimited, "700 kbit/s of 2 Mbit/s")
	w = newWorld(elastic{5_000_000}, &link{rate: constant(2 * mbit), delay: 20 * ms})
	w.run(0, 10*second)
	assert.False(t, w.est.Stats().AppLimited, "all of it")
}

// Whoever sends little must not come to believe in much.
func TestNoGrowthWithoutProof(t *testing.T) {
	w := newWorld(elastic{300_000}, &link{rate: constant(20 * mbit), delay: 20 * ms})
	w.noProbe = true
	w.run(0, 60*second)
	assert.LessOrEqual(t, w.est.Estimate(), uint64(DefaultStart))
}

func TestSilence(t *testing.T) {
	e := New(Config{Start: 2_000_000})
	send(e, 0, 10, 0, 50)
	e.Feedback(at(500), raw(all(0, 50, 20, 10)))
	before := e.Estimate()
	send(e, 510, 10, 50, 50)
	assert.Equal(t, before, e.Estimate(), "half a second may pass")
	send(e, 1010, 10, 100, 100)
	assert.Less(t, e.Estimate(), before/2)
	// A pause of the sender is no silence of the viewer.
	e = New(Config{Start: 2_000_000})
	send(e, 0, 10, 0, 50)
	e.Feedback(at(500), raw(all(0, 50, 20, 10)))
	before = e.Estimate()
	send(e, 510, 10_000, 50, 8)
	assert.Equal(t, before, e.Estimate())
}

func TestReports(t *testing.T) {
	e := New(Config{Start: 1_000_000})
	send(e, 0, 8, 0, 250) // 1 Mbit/s for two seconds
	e.Report(at(2000), 0.05, 80*ms)
	assert.EqualValues(t, 1_000_000, e.Estimate(), "held from 2 to 10 %")
	e.Report(at(3000), 0.2, 80*ms)
	assert.EqualValues(t, 900_000, e.Estimate())
	e.Report(at(4000), 0.01, 80*ms)
	assert.InDelta(t, 973_000, float64(e.Estimate()), 2000)
	assert.Equal(t, Reports, e.Stats().Signal)
	assert.Equal(t, 80*ms, e.Stats().RTT)
	for _, loss := range []float64{math.NaN(), -1, 2, math.Inf(1)} {
		before := e.Estimate()
		e.Report(at(6000), loss, -ms)
		assert.Equal(t, before, e.Estimate())
	}
	for ms := 7000; ms < 200_000; ms += 1000 {
		e.Report(at(ms), 0, 0)
	}
	assert.LessOrEqual(t, e.Estimate(), uint64(reportReach*1.2e6), "bounded by what is sent")
}

func TestREMB(t *testing.T) {
	e := New(Config{})
	e.REMB(at(0), 1_500_000)
	assert.EqualValues(t, 1_500_000, e.Estimate())
	e.REMB(at(100), 1<<62)
	assert.EqualValues(t, DefaultMax, e.Estimate())
	e.REMB(at(200), 1_000_000)
	e.Report(at(300), 0.5, 0)
	assert.EqualValues(t, 750_000, e.Estimate())
	e.REMB(at(400), 1_000_000)
	assert.EqualValues(t, 750_000, e.Estimate(), "loss has just spoken")
	e.Report(at(3000), 0, 0)
	assert.EqualValues(t, 750_000, e.Estimate(), "reports only lower it")
	e.REMB(at(3100), 1_000_000)
	assert.EqualValues(t, 1_000_000, e.Estimate())
	send(e, 4000, 10, 0, 50)
	e.Feedback(at(4600), raw(all(0, 50, 4050, 10)))
	e.REMB(at(4700), 40_000)
	assert.Greater(t, e.Estimate(), uint64(900_000), "transport-cc knows better")
	e.Report(at(4800), 0.9, 0)
	assert.Greater(t, e.Estimate(), uint64(900_000), "than reports, too")
}

// A receiver after draft-ietf-rmcat-gcc-02 section 5.5, of which only the REMB
// is heard, leads down, and up again to whatever is worth sending; one that
// names a fixed bound is obeyed.
func TestREMBFollowsTheReceiver(t *testing.T) {
	e := New(Config{Start: 3_000_000})
	rate := func(e *Estimator) float64 { // what an allocator would send of 250, 700 and 2500 kbit/s
		switch est := float64(e.Estimate()); {
		case est > 2_650_000:
			return 2_500_000
		case est > 800_000:
			return 700_000
		default:
			return 250_000
		}
	}
	ms, remb := 0, 3e6
	run := func(until int, capacity float64) {
		for ; ms < until; ms += 10 {
			sent := rate(e)
			e.Unnumbered(at(ms), int(sent/800))
			if ms%200 != 0 {
				continue
			}
			if sent > capacity {
				remb = 0.85 * capacity
			} else {
				remb = min(remb*(1+0.08*0.2)+1000, 1.5*sent)
			}
			e.REMB(at(ms), uint64(remb))
		}
	}
	run(5_000, 1e9)
	assert.EqualValues(t, 2_500_000, rate(e))
	run(5_400, 400_000)
	assert.EqualValues(t, 250_000, rate(e), "down at once")
	run(20_000, 400_000)
	assert.Less(t, e.Estimate(), uint64(900_000))
	run(60_000, 1e9)
	assert.EqualValues(t, 2_500_000, rate(e), "up again")
	for ; ms < 80_000; ms += 200 {
		e.Unnumbered(at(ms), 250_000/8/5)
		e.REMB(at(ms), 500_000)
	}
	assert.EqualValues(t, 500_000, e.Estimate(), "a fixed bound")
}

func TestEstimateStaysWithinBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := New(Config{Start: 300_000, Min: 50_000, Max: 2_000_000})
		var p Prober
		ms, seq, told := 0, uint16(65_500), uint16(65_500)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			ms += rapid.IntRange(0, 300).Draw(t, "ms")
			switch rapid.IntRange(0, 4).Draw(t, "op") {
			case 0, 1:
				for range rapid.IntRange(1, 60).Draw(t, "packets") {
					e.Sent(at(ms), seq, rapid.IntRange(-1, 70_000).Draw(t, "size"), uint8(rapid.IntRange(0, 2).Draw(t, "probe")))
					seq++
					ms += rapid.IntRange(0, 3).Draw(t, "gap")
				}
			case 2:
				arrivals := map[uint16]int64{}
				for ; told != seq; told++ {
					if late := rapid.Int64Range(-5000, 8_000_000).Draw(t, "late"); late > 0 {
						arrivals[told] = int64(ms)*1000 + late
					}
				}
				e.Feedback(at(ms), raw(build(told-uint16(rapid.IntRange(1, 400).Draw(t, "back")), told-1, arrivals, 0)))
			case 3:
				e.REMB(at(ms), rapid.Uint64().Draw(t, "remb"))
			case 4:
				e.Report(at(ms), rapid.Float64().Draw(t, "loss"), time.Duration(rapid.Int64().Draw(t, "rtt")))
			}
			s := e.Stats()
			if s.Estimate < 50_000 || s.Estimate > 2_000_000 || s.Loss < 0 || s.Loss > 1 || math.IsNaN(s.Loss) || s.RTT < 0 {
				t.Fatalf("out of bounds: %+v", s)
			}
			if probe, ok := p.Plan(at(ms), s.Estimate, 3_000_000, s); ok {
				if probe.Bytes <= 0 || probe.Packets < probePackets || probe.Duration > probeLongest || probe.ID == 0 || probe.Bitrate > 2*s.Estimate {
					t.Fatalf("odd probe: %+v", probe)
				}
			}
		}
	})
}

func TestNames(t *testing.T) {
	require.Equal(t, "overusing", Overusing.String())
	require.Equal(t, "underusing", Underusing.String())
	require.Equal(t, "normal", Normal.String())
	require.Equal(t, "none", NoSignal.String())
	require.Equal(t, "reports", Reports.String())
	require.Equal(t, "remb", FromREMB.String())
	require.Equal(t, "transport-cc", TransportCC.String())
}
