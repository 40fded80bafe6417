package health

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/media"
)

var began = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

var (
	h264 = media.Codec{Name: media.H264, ClockRate: 90000}
	opus = media.Codec{Name: media.Opus, ClockRate: 48000, Channels: 2}
)

// encoder makes up a Layer's packets.
type encoder struct {
	fps    int
	gop    time.Duration
	order  []int            // of pictures in a mini-GOP, as shown; nil: as captured
	skip   func(i int) bool // Frames that are not sent
	delay  func(i int) time.Duration
	ppm    float64 // how much slower its clock runs
	stamp  uint32
	flagsB bool
}

// run feeds so many seconds into a Meter and returns its Reading then.
func (e encoder) run(seconds int) Reading {
	m := NewMeter(h264)
	return e.feed(m, seconds)
}

func (e encoder) feed(m *Meter, seconds int) Reading {
	seq, key, read := uint64(1000), -1, 0
	step := time.Second / time.Duration(e.fps)
	for i := range seconds * e.fps {
		at := time.Duration(i) * step
		for ; read < int(at/time.Second); read++ {
			m.Read(began.Add(at), Counters{})
		}
		if e.skip != nil && e.skip(i) {
			continue
		}
		shown, b := i, false
		if n := len(e.order); n > 0 {
			shown = i - i%n + e.order[i%n]
			b = e.order[i%n] < n-1
		}
		captured := time.Duration(float64(time.Duration(shown)*step) * (1 - e.ppm/1e6))
		isKey := e.gop > 0 && (key < 0 || time.Duration(i-key)*step >= e.gop)
		if isKey {
			key = i
		}
		arrival := began.Add(at)
		if e.delay != nil {
			arrival = arrival.Add(e.delay(i))
		}
		for part := range 3 {
			m.Packet(&media.Packet{
				Seq: seq, Timestamp: e.stamp + uint32(captured.Seconds()*90000), Arrival: arrival.Add(time.Duration(part) * time.Millisecond),
				FrameStart: part == 0, Keyframe: isKey && part == 0, Payload: []byte{1, 2, 3},
			}, e.flagsB && b && part == 0)
			seq++
		}
	}
	return m.Read(began.Add(time.Duration(seconds)*time.Second), Counters{})
}

func TestMeterOfAGoodEncoder(t *testing.T) {
	r := encoder{fps: 30, gop: time.Second, stamp: 1<<32 - 90000}.run(70)
	require.InDelta(t, 30, r.FrameRate, 0.3)
	require.InDelta(t, 30, r.Nominal, 0.3)
	require.InDelta(t, 1, r.GOP.Seconds(), 0.04)
	require.Zero(t, r.Reordered)
	require.Less(t, r.Jitter, time.Millisecond)
	require.True(t, r.DriftKnown)
	require.InDelta(t, 0, r.Drift, 5)
}

func TestMeterGOP(t *testing.T) {
	require.InDelta(t, 4, encoder{fps: 25, gop: 4 * time.Second}.run(20).GOP.Seconds(), 0.001)
	require.InDelta(t, 9.96, encoder{fps: 25, gop: time.Hour}.run(10).GOP.Seconds(), 0.001, "the open one counts")
	require.Zero(t, encoder{fps: 25}.run(10).GOP, "no keyframe at all")
}

// B-frames show by their slices or by timestamps that go back, with each codec.
func TestMeterReordering(t *testing.T) {
	ibbp := []int{2, 0, 1} // decoding order: the last one shown comes first
	require.InDelta(t, 2.0/3, encoder{fps: 30, gop: time.Second, order: ibbp, flagsB: true}.run(10).Reordered, 0.02)
	backwards := encoder{fps: 30, gop: time.Second, order: ibbp}.run(10)
	require.InDelta(t, 1.0/3, backwards.Reordered, 0.02)
	require.InDelta(t, 30, backwards.FrameRate, 0.5, "the rate is not misread")
}

// A packet that comes late because it was lost once is no B-frame.
func TestMeterIgnoresRepairs(t *testing.T) {
	m := NewMeter(h264)
	for i := range 200 {
		p := func(n int) *media.Packet {
			return &media.Packet{Seq: uint64(100 + n), Timestamp: uint32(3000 * n), Arrival: began.Add(time.Duration(i) * 33 * time.Millisecond)}
		}
		if i%10 != 3 {
			m.Packet(p(i), false)
		}
		if i%10 == 5 {
			m.Packet(p(i-2), false)
		}
	}
	require.Zero(t, m.Read(began.Add(7*time.Second), Counters{}).Reordered)
}

func TestMeterFrameRate(t *testing.T) {
	half := encoder{fps: 30, gop: time.Second, skip: func(i int) bool { return i > 300 && i%2 == 0 }}.run(40)
	require.InDelta(t, 15, half.FrameRate, 0.5)
	require.Greater(t, half.Nominal, 27.0, "it has shown what it can do")
	uneven := encoder{fps: 30, gop: time.Second, skip: func(i int) bool { return i%3 == 0 }}.run(20)
	require.InDelta(t, 20, uneven.FrameRate, 0.5)
	young := encoder{fps: 30, gop: time.Second}.run(1)
	require.Zero(t, young.FrameRate, "too early to tell")
}

func TestMeterJitter(t *testing.T) {
	late := encoder{fps: 30, gop: time.Second, delay: func(i int) time.Duration {
		return time.Duration(i%10) * 20 * time.Millisecond
	}}.run(20)
	require.InDelta(t, 180, late.Jitter.Milliseconds(), 2)
	rare := encoder{fps: 30, gop: time.Second, delay: func(i int) time.Duration {
		if i%100 == 0 {
			return 300 * time.Millisecond
		}
		return 0
	}}.run(20)
	require.Less(t, rare.Jitter, 10*time.Millisecond, "one Frame in a hundred is nothing")
}

// A pause is no long GOP, no low frame rate and no drift.
func TestMeterAfterAPause(t *testing.T) {
	m := NewMeter(h264)
	r := encoder{fps: 30, gop: time.Second, skip: func(i int) bool { return i > 300 && i < 1200 }}.feed(m, 43)
	require.InDelta(t, 1, r.GOP.Seconds(), 0.04)
	require.InDelta(t, 30, r.FrameRate, 1)
	require.False(t, r.DriftKnown)
}

func TestMeterDrift(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	noise := func(int) time.Duration { return time.Duration(rng.ExpFloat64() * float64(5*time.Millisecond)) }
	for _, ppm := range []float64{-3000, -500, 500, 3000} {
		r := encoder{fps: 30, gop: time.Second, ppm: ppm, delay: noise}.run(180)
		require.True(t, r.DriftKnown)
		require.InEpsilon(t, ppm, r.Drift, 0.15)
	}
	// A queue that fills and stays full is no drift.
	r := encoder{fps: 30, gop: time.Second, delay: func(i int) time.Duration {
		return time.Duration(min(i, 600)) * time.Second / 3000
	}}.run(120)
	require.True(t, r.DriftKnown)
	require.InDelta(t, 0, r.Drift, 10)
	require.False(t, encoder{fps: 30, gop: time.Second, ppm: 3000}.run(30).DriftKnown, "too early to tell")
}

func TestMeterLoss(t *testing.T) {
	m := NewMeter(h264)
	c := Counters{}
	var r Reading
	for i := range 30 {
		c.Packets += 95
		if i < 15 {
			c.Lost += 5
		} else {
			c.Packets += 5
			c.Repaired += 5
		}
		r = m.Read(began.Add(time.Duration(i)*time.Second), c)
		if i == 14 {
			require.InDelta(t, 0.05, r.Lost, 1e-9)
			require.Zero(t, r.Repaired)
		}
	}
	require.Zero(t, r.Lost, "long ago")
	require.InDelta(t, 0.05, r.Repaired, 1e-9)
}

func TestMeterAudio(t *testing.T) {
	for _, c := range []struct {
		payload        []byte
		stereo, silent float64
	}{
		{[]byte{0xfc, 1, 2, 3}, 1, 0}, {[]byte{0xf8, 1, 2, 3}, 0, 0}, {[]byte{0xf8, 1}, 0, 1}, {nil, 0, 1},
	} {
		m := NewMeter(opus)
		for i := range 100 {
			m.Packet(&media.Packet{
				Seq: uint64(i + 1), Timestamp: uint32(960 * i), Arrival: began.Add(time.Duration(i) * 20 * time.Millisecond),
				Keyframe: true, FrameStart: true, Payload: c.payload,
			}, false)
		}
		r := m.Read(began.Add(2*time.Second), Counters{})
		require.Equal(t, c.stereo, r.Stereo)
		require.Equal(t, c.silent, r.Silent)
		require.Zero(t, r.GOP)
	}
}

// Whatever a publisher writes into its headers, a Reading is of this world.
func FuzzMeter(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add([]byte{255, 0, 128, 0, 255, 255, 1, 1, 1, 1, 7, 7, 7, 7, 7})
	f.Fuzz(func(t *testing.T, data []byte) {
		m := NewMeter(media.Codec{Name: media.H264, ClockRate: 90000})
		at, seq := began, uint64(1<<16)
		for ; len(data) >= 5; data = data[5:] {
			at = at.Add(time.Duration(data[0]) * 20 * time.Millisecond)
			seq += uint64(data[1] % 4)
			ts := uint32(data[2])<<24 | uint32(data[3])<<12
			m.Packet(&media.Packet{Seq: seq, Timestamp: ts, Arrival: at, Keyframe: data[4]&1 != 0, FrameStart: data[4]&2 != 0}, data[4]&4 != 0)
			r := m.Read(at, Counters{})
			require.True(t, r.FrameRate >= 0 && r.FrameRate < 1e6 && r.Nominal >= 0)
			require.True(t, r.Reordered >= 0 && r.Reordered <= 1)
			require.True(t, r.Jitter >= 0)
			require.False(t, r.Drift != r.Drift)
			p := Publisher{HasVideo: true, Video: []Layer{{Reading: r, Wanted: true}}}
			for _, v := range Judge(at, &p) {
				require.NotEmpty(t, v.Text)
			}
		}
	})
}
