package fanout

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/fanout/seats"
	"github.com/freshet-live/freshet/sfu/media"
)

func TestExpected(t *testing.T) {
	layer := func(bitrate uint64) *media.Layer {
		l := &media.Layer{}
		l.SetStatus(media.LayerStatus{Active: true, Bitrate: bitrate})
		return l
	}
	s := &media.Snapshot{
		State: media.Live, Audio: layer(50), Video: []*media.Layer{layer(300), layer(1000), layer(3000)},
		Active: []bool{true, true, false},
	}
	require.EqualValues(t, 1050, expected(s), "the best one does not send")
	s.State = media.Reconnecting
	require.Zero(t, expected(s))
	require.Zero(t, expected(nil))
}

// TestLoad: what goes out and what it costs is measured.
func TestLoad(t *testing.T) {
	reg := prometheus.NewRegistry()
	r := newRigOn(t, Config{MaxBandwidth: 1}, reg)
	r.publish(t, "s", testH264, "")
	p := r.view(t, "s", peerOptions{})
	began := time.Now()
	got := 0.0
	stop := make(chan struct{})
	defer close(stop)
	go func() { // nothing may pile up
		for {
			select {
			case <-p.video:
			case <-p.audio:
			case <-stop:
				return
			}
		}
	}()
	require.Eventually(t, func() bool {
		s := p.viewer.Stats()
		got = 8 * float64(s.Bytes+s.Packets*overhead) / time.Since(began).Seconds()
		measured := sum(t, reg, "freshet_fanout_load_bandwidth_bits")
		return s.Packets > 300 && measured > got*0.7 && measured < got*1.3 && sum(t, reg, "freshet_fanout_load_cores") > 0
	}, patience, 10*time.Millisecond)
	_, err := r.engine.Add("s", p.viewer.params)
	require.ErrorIs(t, err, ErrBusy)
	var refusal *seats.Refusal
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, seats.Bandwidth, refusal.Reason)
	require.EqualValues(t, 1, sum(t, reg, "freshet_fanout_turned_away_total"))
}

func TestLimits(t *testing.T) {
	l := Config{MaxViewers: 5, MaxPerStream: 2, MaxCPU: 0.5, MaxBandwidth: 1000}.limits()
	require.Equal(t, 5, l.Viewers)
	require.Equal(t, 2, l.PerStream)
	require.EqualValues(t, 1000, l.Bandwidth)
	require.Positive(t, l.Cores)
	before := processorTime()
	for processorTime() == before { // looking costs time
	}
	require.Greater(t, processorTime(), before)
}
