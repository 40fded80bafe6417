package fanout

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// sum adds up a metric over its labels.
func sum(t testing.TB, reg *prometheus.Registry, name string) (total float64) {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return total
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	r := newRigOn(t, Config{}, reg)
	r.publish(t, "s", testH264, "")
	p := r.view(t, "s", peerOptions{})
	collect(t, p.video, 10)
	for _, name := range []string{"viewers", "handshakes_total", "packets_total", "bytes_total"} {
		require.Eventually(t, func() bool { return sum(t, reg, "freshet_fanout_"+name) > 0 },
			patience, 10*time.Millisecond, name)
	}
	newRigOn(t, Config{}, prometheus.NewRegistry()) // nothing is global
	_, err := New(r.engine.cfg, r.hub, r.engine.log, reg)
	require.Error(t, err, "one registry holds one engine")
}
