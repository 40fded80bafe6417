package wire

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

func TestMetrics(t *testing.T) {
	w := start(t, Config{Sockets: 1}, newRecorder("none"))
	reg := prometheus.NewPedanticRegistry()
	require.NoError(t, w.Register(reg))
	require.Error(t, w.Register(reg), "once per registry")
	require.NoError(t, w.Send(Route{Addr: addrOf(peer(t))}, []byte("x")))
	families, err := reg.Gather()
	require.NoError(t, err)
	values := map[string]float64{}
	for _, f := range families {
		m := f.GetMetric()[0]
		values[f.GetName()] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	require.Len(t, values, 9)
	require.EqualValues(t, 1, values["freshet_media_datagrams_sent_total"])
}
