package fanout

import (
	"testing"
	"time"

	"github.com/pion/rtcp"
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

// After an outage everything is missing: twins would take the place of it.
func TestNoTwinsAfterAnOutage(t *testing.T) {
	b := newBench(t, 1, srtp.ProtectionProfileAeadAes128Gcm)
	for range 20 {
		b.burst()
	}
	v := b.viewers[0]
	v.adapt.lossy = true
	now := time.Now()
	v.pacer.refill(now.Add(time.Second), defaultPace)
	var missing []rtcp.NackPair
	next := uint16(v.video.munger.NextSeq())
	for back := uint16(170); back > 17; back -= 17 {
		missing = append(missing, rtcp.NackPair{PacketID: next - back, LostPackets: 0xffff})
	}
	v.hear(now, marshal(t, &rtcp.TransportLayerNack{MediaSSRC: v.video.ssrc, Nacks: missing}))
	for i := range 100 {
		b.fill()
		b.worker.pump(now.Add(time.Duration(i) * slot))
	}
	require.GreaterOrEqual(t, v.stats.Retransmitted, uint64(17*9))
	require.Less(t, v.stats.Retransmitted, uint64(17*9+40))
}

// Where a path loses much and has room, a repetition has a twin; where it is
// full, that would only fill it more.
func TestRepetitionsHaveTwins(t *testing.T) {
	for name, c := range map[string]struct {
		stats  bwe.Stats
		budget uint64
		twins  bool
	}{
		"loss":      {bwe.Stats{Signal: bwe.TransportCC, Loss: .05, Sent: 2_500_000}, 0, true},
		"room":      {bwe.Stats{Signal: bwe.TransportCC, Loss: .05, Sent: 2_500_000}, 4_000_000, true},
		"little":    {bwe.Stats{Signal: bwe.TransportCC, Loss: .01}, 0, false},
		"full":      {bwe.Stats{Signal: bwe.TransportCC, Loss: .05, Sent: 350_000}, 400_000, false},
		"queue":     {bwe.Stats{Signal: bwe.TransportCC, Loss: .05, Queue: time.Second}, 0, false},
		"overusing": {bwe.Stats{Signal: bwe.TransportCC, Loss: .05, Delay: bwe.Overusing}, 0, false},
		"reports":   {bwe.Stats{Signal: bwe.Reports, Loss: .05}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.twins, lossy(&c.stats, c.budget))
			b := newBench(t, 1, srtp.ProtectionProfileAeadAes128Gcm)
			b.burst()
			v := b.viewers[0]
			v.adapt.lossy = c.twins
			now := time.Now()
			v.pacer.refill(now.Add(time.Second), defaultPace)
			lost := uint16(v.video.munger.NextSeq()) - 2
			v.hear(now, marshal(t, &rtcp.TransportLayerNack{MediaSSRC: v.video.ssrc, Nacks: []rtcp.NackPair{{PacketID: lost}}}))
			require.EqualValues(t, 1, v.stats.Retransmitted)
			b.worker.pump(now.Add(slot / 4))
			require.EqualValues(t, 1, v.stats.Retransmitted, "not close behind")
			b.worker.pump(now.Add(slot))
			want := uint64(1)
			if c.twins {
				want = 2
			}
			require.Equal(t, want, v.stats.Retransmitted)
			require.False(t, b.worker.more)
			b.worker.pump(now.Add(2 * slot))
			require.Equal(t, want, v.stats.Retransmitted, "twins have no twins")
		})
	}
}
