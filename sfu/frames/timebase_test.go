package frames

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/freshet-live/freshet/sfu/media"
)

var began = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const ms = time.Millisecond

// ticksAt is the RTP clock of a test publisher; it wraps after a second.
func ticksAt(rate uint32, d time.Duration) uint32 {
	return -rate + uint32(int64(d)*int64(rate)/int64(time.Second))
}

func requireWall(t require.TestingT, want time.Time, c media.Clock, ts uint32) {
	require.InDelta(t, 0, want.Sub(c.Time(ts)).Seconds(), 0.0011)
}

func TestNTP(t *testing.T) {
	require.Equal(t, uint64(0x83aa7e80_00000000), NTPTime(time.Unix(0, 0)))
	require.Equal(t, uint64(0x83aa7e80_80000000), NTPTime(time.Unix(0, 5e8)))
	require.Equal(t, uint32(0x7e80_8000), MiddleNTP(0x83aa7e80_80000000))
	require.Equal(t, time.Unix(1<<32-ntpEpoch, 0), TimeFromNTP(0), "the era of 2036 (RFC 4330 section 3)")
	rapid.Check(t, func(t *rapid.T) {
		seconds := rapid.Int64Range(0, 4_000_000_000).Draw(t, "seconds")
		instant := time.Unix(seconds, rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds"))
		require.Equal(t, instant.UnixNano(), TimeFromNTP(NTPTime(instant)).UnixNano())
	})
}

// Without reports the earliest arrival counts; jitter only ever delays.
func TestClockByArrival(t *testing.T) {
	c := NewTimebase().Layer(90000)
	var clock media.Clock
	tells := 0
	for i := range 200 {
		at := time.Duration(i) * 33 * ms
		jitter := time.Duration((i*37)%20) * ms // 0 at the first and later again
		got, changed := c.Packet(ticksAt(90000, at), began.Add(at+40*ms+jitter))
		if changed {
			clock = got
			tells++
		}
	}
	requireWall(t, began.Add(5*time.Second+40*ms), clock, ticksAt(90000, 5*time.Second))
	require.False(t, clock.Reported)
	require.LessOrEqual(t, tells, 2, "a steady mapping is told once")
}

func TestClockFollowsTheEarliestOfTheLastSeconds(t *testing.T) {
	c := NewTimebase().Layer(1000)
	send := func(at, delay time.Duration) media.Clock {
		clock, _ := c.Packet(ticksAt(1000, at), began.Add(at+delay))
		return clock
	}
	send(0, 300*ms)
	requireWall(t, began.Add(20*ms), send(20*ms, 20*ms), ticksAt(1000, 0))
	for at := time.Second; at < 4*time.Second; at += time.Second {
		requireWall(t, began.Add(20*ms), send(at, 100*ms), ticksAt(1000, 0))
	}
	for at := 4 * time.Second; at < 20*time.Second; at += time.Second {
		send(at, 100*ms) // the way has become longer for good
	}
	requireWall(t, began.Add(100*ms), send(20*time.Second, 100*ms), ticksAt(1000, 0))
	// Timestamps that begin anew are believed at once.
	clock, changed := c.Packet(5, began.Add(30*time.Second))
	require.True(t, changed)
	requireWall(t, began.Add(30*time.Second), clock, 5)
}

// A Node that stood still hands in at once what has waited. That is no new
// clock; a way that stays so long is.
func TestClockSurvivesAPause(t *testing.T) {
	c := NewTimebase().Layer(1000)
	report := func(at, arrival time.Duration) media.Clock {
		clock, _ := c.Report(NTPTime(began.Add(at)), ticksAt(1000, at), began.Add(arrival))
		return clock
	}
	for at := time.Duration(0); at < 5*time.Second; at += 20 * ms {
		c.Packet(ticksAt(1000, at), began.Add(at))
	}
	report(5*time.Second, 5*time.Second)
	for at := 5 * time.Second; at < 8*time.Second; at += 20 * ms {
		c.Packet(ticksAt(1000, at), began.Add(8*time.Second))
	}
	requireWall(t, began, report(6*time.Second, 8*time.Second), ticksAt(1000, 0))
	clock, _ := c.Packet(ticksAt(1000, 8*time.Second), began.Add(8*time.Second))
	requireWall(t, began, clock, ticksAt(1000, 0))

	for at := 8 * time.Second; at < 12*time.Second; at += 20 * ms {
		c.Packet(ticksAt(1000, at), began.Add(at+4*time.Second))
	}
	requireWall(t, began.Add(4*time.Second), report(12*time.Second, 16*time.Second), ticksAt(1000, 0))
}

// R12: audio and video keep the relation that the reports give, however
// differently they arrive, and however wrong the publisher's clock is.
func TestReportsKeepLipSync(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := NewTimebase()
		audio, video := base.Layer(48000), base.Layer(90000)
		wrong := time.Duration(rapid.Int64Range(-1e9, 1e9).Draw(t, "clock error")) * time.Second / 1000
		delayA := time.Duration(rapid.IntRange(0, 200).Draw(t, "audio delay")) * ms
		delayV := time.Duration(rapid.IntRange(0, 200).Draw(t, "video delay")) * ms
		var a, v media.Clock
		for at := time.Duration(0); at < 5*time.Second; at += 20 * ms {
			ntp := NTPTime(began.Add(at + wrong))
			if at%time.Second == 0 && at > 0 {
				a, _ = audio.Report(ntp, ticksAt(48000, at), began.Add(at+delayA))
				v, _ = video.Report(ntp, ticksAt(90000, at), began.Add(at+delayV))
				continue
			}
			a, _ = audio.Packet(ticksAt(48000, at), began.Add(at+delayA))
			v, _ = video.Packet(ticksAt(90000, at), began.Add(at+delayV))
		}
		require.True(t, a.Reported && v.Reported)
		for at := time.Duration(0); at < 8*time.Second; at += time.Second {
			wall := a.Time(ticksAt(48000, at))
			require.InDelta(t, 0, v.Time(ticksAt(90000, at)).Sub(wall).Seconds(), 0.0025)
			require.InDelta(t, delayA.Seconds(), wall.Sub(began.Add(at)).Seconds(), 0.015, "by the first to report")
		}
	})
}

// A publisher that sets its clock does not tear audio and video apart.
func TestReportsSurviveAClockStep(t *testing.T) {
	base := NewTimebase()
	audio, video := base.Layer(48000), base.Layer(90000)
	report := func(c *LayerClock, at, wrong time.Duration) media.Clock {
		clock, _ := c.Report(NTPTime(began.Add(at+wrong)), ticksAt(c.rate, at), began.Add(at))
		requireWall(t, began.Add(at), clock, ticksAt(c.rate, at))
		return clock
	}
	report(audio, 0, 0)
	report(video, 0, 0)
	require.False(t, report(video, time.Second, time.Hour).Reported, "contradicts the keeper")
	require.True(t, report(audio, 2*time.Second, time.Hour).Reported)
	require.True(t, report(video, 3*time.Second, time.Hour).Reported)
}

func TestReportsFollowDriftSlowly(t *testing.T) {
	c := NewTimebase().Layer(1000)
	var before, worst time.Duration
	for i := range 2000 { // 100 ppm fast
		at := time.Duration(i) * time.Second
		clock, _ := c.Packet(ticksAt(1000, at+at/10000), began.Add(at))
		clock2, _ := c.Report(NTPTime(began.Add(at+at/10000)), ticksAt(1000, at+at/10000), began.Add(at))
		require.Equal(t, i > 0, clock.Reported)
		off := clock2.Time(ticksAt(1000, at+at/10000)).Sub(began.Add(at))
		require.Less(t, (off - before).Abs(), 3*ms)
		before, worst = off, max(worst, off.Abs())
	}
	require.Less(t, worst, driftSlack+5*ms)
}

func TestReportEdges(t *testing.T) {
	c := NewTimebase().Layer(90000)
	_, changed := c.Report(0, 1, began)
	require.False(t, changed, "no wall clock")
	clock, changed := c.Report(NTPTime(began.Add(-time.Hour)), 1, began)
	require.True(t, changed, "before any packet")
	requireWall(t, began, clock, 1)

	none := NewTimebase().Layer(0)
	_, changed = none.Packet(1, began)
	require.False(t, changed)
	_, changed = none.Report(1, 1, began)
	require.False(t, changed)
}

// A told mapping stays usable: it is renewed before its timestamps wrap.
func TestClockIsRenewed(t *testing.T) {
	c := NewTimebase().Layer(90000)
	var told media.Clock
	for at := time.Duration(0); at < 30*time.Hour; at += time.Hour {
		clock, changed := c.Packet(ticksAt(90000, at), began.Add(at))
		if changed {
			told = clock
		}
		requireWall(t, began.Add(at), told, ticksAt(90000, at))
	}
}

func TestTimebaseConcurrently(t *testing.T) {
	base := NewTimebase()
	var wg sync.WaitGroup
	for range 3 {
		c := base.Layer(90000)
		for range 2 {
			wg.Go(func() {
				for i := range 200 {
					at := time.Duration(i) * 33 * ms
					c.Packet(ticksAt(90000, at), began.Add(at))
					c.Report(NTPTime(began.Add(at)), ticksAt(90000, at), began.Add(at))
				}
			})
		}
	}
	wg.Wait()
}

func BenchmarkClockPacket(b *testing.B) {
	c := NewTimebase().Layer(90000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		at := time.Duration(i) * 3 * ms
		c.Packet(ticksAt(90000, at), began.Add(at))
	}
}
