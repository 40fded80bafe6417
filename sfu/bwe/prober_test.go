package bwe

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var calm = Stats{Signal: TransportCC, Calm: true}

func TestProberStaysQuiet(t *testing.T) {
	var p Prober
	_, ok := p.Plan(at(0), 1_000_000, 1_000_000, calm)
	assert.False(t, ok, "nothing more is wanted")
	_, ok = p.Plan(at(0), 1_000_000, 2_000_000, Stats{Signal: TransportCC})
	assert.False(t, ok, "not calm")
	_, ok = p.Plan(at(0), 1_000_000, 2_000_000, Stats{Signal: FromREMB, Calm: true})
	assert.False(t, ok, "nobody would tell what became of it")
	_, ok = p.Plan(at(0), 1_000_000, 2_000_000, calm)
	assert.True(t, ok)
	_, ok = p.Plan(at(1000), 1_000_000, 2_000_000, calm)
	assert.False(t, ok, "one at a time")
}

func TestProbesAreSteps(t *testing.T) {
	var p Prober
	s := calm
	s.Media, s.Sent = 800_000, 5_000_000 // with the probe before
	probe, ok := p.Plan(at(0), 1_000_000, 10_000_000, s)
	require.True(t, ok)
	assert.Equal(t, Probe{ID: 1, Bitrate: 2_000_000, Bytes: 9000, Duration: 60 * ms, Packets: 8}, probe)
	s.Probe = ProbeResult{ID: 1, Bitrate: 2_000_000, OK: true}
	probe, ok = p.Plan(at(200), 2_000_000, 2_500_000, s)
	require.True(t, ok, "at once after a success")
	assert.EqualValues(t, 3_000_000, probe.Bitrate, "not far beyond what is wanted")
	var slow Prober
	probe, _ = slow.Plan(at(0), 30_000, 1_000_000, Stats{Signal: TransportCC, Calm: true, Media: 900_000})
	assert.Positive(t, probe.Bytes)
	assert.InDelta(t, 213, float64(probe.Duration.Milliseconds()), 1, "long enough to be eight packets of some size")
	var jittery Prober
	probe, _ = jittery.Plan(at(0), 1_000_000, 2_000_000, Stats{Signal: TransportCC, Calm: true, Jitter: 20 * ms})
	assert.Equal(t, 120*ms, probe.Duration)
}

// plans runs a prober for a while and returns when it probed. Answer decides
// what the path says.
func plans(p *Prober, seconds int, estimate uint64, answer func(Probe) (ProbeResult, uint64)) (times []time.Duration) {
	s := calm
	for ms := 0; ms < seconds*1000; ms += 50 {
		probe, ok := p.Plan(at(ms), estimate, 5_000_000, s)
		if ok {
			times = append(times, at(ms).Sub(epoch))
			s.Probe, s.Cuts = answer(probe)
		}
	}
	return times
}

func TestProberBacksOff(t *testing.T) {
	var p Prober
	times := plans(&p, 60, 1_000_000, func(pr Probe) (ProbeResult, uint64) { return ProbeResult{ID: pr.ID, Bitrate: 900_000}, 0 })
	require.Greater(t, len(times), 12)
	for i := 1; i < len(times); i++ {
		assert.LessOrEqual(t, times[i]-times[i-1], probeWaitMost+100*ms)
	}
	assert.GreaterOrEqual(t, times[len(times)-1]-times[len(times)-2], probeWaitMost)
}

func TestProberForgetsTheUnanswered(t *testing.T) {
	var p Prober
	times := plans(&p, 60, 1_000_000, func(Probe) (ProbeResult, uint64) { return ProbeResult{}, 0 })
	assert.Greater(t, len(times), 8)
	assert.Less(t, len(times), 20)
}

func TestProberDistrustsFalseSuccess(t *testing.T) {
	var p Prober
	s := calm
	var times []time.Duration
	raised := 0
	for ms := 0; ms < 200_000; ms += 50 {
		estimate := uint64(1_000_000)
		if raised > 0 && ms < raised+2000 {
			estimate = 2_000_000
		} else if raised > 0 {
			s.Cuts, raised = s.Cuts+1, 0
		}
		if probe, ok := p.Plan(at(ms), estimate, 2_000_000, s); ok {
			times, raised = append(times, at(ms).Sub(epoch)), ms
			s.Probe = ProbeResult{ID: probe.ID, Bitrate: probe.Bitrate, OK: true}
		}
	}
	require.Greater(t, len(times), 8)
	last := times[len(times)-1] - times[len(times)-2]
	assert.Greater(t, last, 2*probeWaitMost)
	assert.LessOrEqual(t, last, probeDistrust+3*time.Second)
}

// A probe that the path carried and that shows no more than was known is not
// repeated at once.
func TestProbeWithoutProgress(t *testing.T) {
	var p Prober
	s := Stats{Signal: TransportCC, Calm: true, Media: 150_000}
	first, ok := p.Plan(at(0), 3_160_000, 3_200_000, s)
	require.True(t, ok)
	s.Probe = ProbeResult{ID: first.ID, Bitrate: 3_000_000, OK: true}
	_, ok = p.Plan(at(150), 3_160_000, 3_200_000, s)
	require.False(t, ok)
	second, ok := p.Plan(at(150+int(probeWait/ms)), 3_160_000, 3_200_000, s)
	require.True(t, ok)
	s.Probe = ProbeResult{ID: second.ID, Bitrate: 3_300_000, OK: true}
	_, ok = p.Plan(at(800), 3_160_000, 4_000_000, s)
	require.True(t, ok, "there is more")
}
