package fanout

import (
	"testing"
	"time"

	"github.com/pion/srtp/v3"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/bwe"
	"github.com/freshet-live/freshet/sfu/forward"
)

// A probe is spread over its time, takes nothing of the media's budget, and
// goes out in the sequence of the repetitions, as padding where nothing can be
// repeated.
func TestProbeIsSpread(t *testing.T) {
	for name, padding := range map[string]bool{"repetitions": false, "padding": true} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 1, srtp.ProtectionProfileAeadAes128Gcm)
			b.burst()
			v := b.viewers[0]
			if padding {
				v.video.munger = forward.NewMunger(1)
			}
			began := time.Now()
			v.pacer.refill(began.Add(time.Second), defaultPace)
			rtx, media, budget := v.video.rtxSeq, v.stats.Packets, v.pacer.budget
			v.adapt.probe = probing{
				Probe: bwe.Probe{ID: 1, Bytes: 24_000, Packets: 20, Duration: 40 * time.Millisecond}, began: began,
			}
			v.worker.pace(v)
			last := 0
			for at := time.Duration(0); v.adapt.probe.ID != 0; at += slot {
				require.LessOrEqual(t, at, 44*time.Millisecond)
				b.worker.pump(began.Add(at))
				require.LessOrEqual(t, v.adapt.probe.bytes-last, 24_000/10+1500, "no burst")
				last = v.adapt.probe.bytes
			}
			require.InDelta(t, 24_000, last, 1500)
			require.GreaterOrEqual(t, v.video.rtxSeq-rtx, uint64(20))
			require.Equal(t, media, v.stats.Packets)
			require.InDelta(t, budget, v.pacer.budget, 1)
			require.False(t, b.worker.more)
		})
	}
}

// While nothing speaks for a bound there is none; a narrow path bounds bursts.
func TestPaceFollowsTheBudget(t *testing.T) {
	b := newBench(t, 1, srtp.ProtectionProfileAeadAes128Gcm)
	v := b.viewers[0]
	v.allocate(time.Now())
	require.Zero(t, v.budget())
	require.EqualValues(t, defaultPace, v.paceRate())
	require.EqualValues(t, replayPace, v.replayRate())
	v.adapt.estimator.REMB(time.Now(), 1_000_000)
	v.allocate(time.Now())
	require.EqualValues(t, 1_000_000, v.budget())
	require.EqualValues(t, 2_500_000, v.paceRate())
	require.EqualValues(t, 900_000, v.replayRate())
	require.Equal(t, 62_500, v.repairLimit())
	v.video.replay.on = true
	require.EqualValues(t, 900_000, v.paceRate())
}
