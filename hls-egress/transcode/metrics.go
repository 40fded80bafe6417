package transcode

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are those of one Supervisor.
type metrics struct {
	processes *prometheus.GaugeVec
	ends      *prometheus.CounterVec
	dropped   *prometheus.CounterVec
	latency   *prometheus.HistogramVec
}

// newMetrics registers the metrics on reg, which may be nil. The metrics are
// good for use in any case.
func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	const namespace, subsystem = "freshet", "transcode"
	m := &metrics{
		processes: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "processes", Help: "Renditions that are being transcoded.",
		}, []string{"kind"}),
		ends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "failures_total", Help: "Processes that ended by themselves or had to be ended, by reason.",
		}, []string{"reason"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "dropped_total", Help: "Samples that were not transcoded.",
		}, []string{"kind"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "latency_seconds", Help: "From a sample's way in to its way out.",
			Buckets: []float64{.005, .01, .02, .03, .05, .075, .1, .15, .25, .5, 1, 3},
		}, []string{"kind"}),
	}
	if reg == nil {
		return m, nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.processes, m.ends, m.dropped, m.latency} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}
