package store

import "github.com/prometheus/client_golang/prometheus"

type fileMetrics struct {
	appended    prometheus.Counter
	compactions prometheus.Counter
	damaged     prometheus.Counter
	failures    *prometheus.CounterVec
	open        prometheus.Gauge
}

func counterOpts(name, help string) prometheus.CounterOpts {
	return prometheus.CounterOpts{Namespace: "freshet", Subsystem: "rooms_store", Name: name, Help: help}
}

func newFileMetrics() *fileMetrics {
	return &fileMetrics{
		appended:    prometheus.NewCounter(counterOpts("appended_total", "Entries written to rooms' files.")),
		compactions: prometheus.NewCounter(counterOpts("compactions_total", "Rooms' files written anew without what nobody needs.")),
		damaged:     prometheus.NewCounter(counterOpts("damaged_lines_total", "Lines of rooms' files that could not be read.")),
		failures: prometheus.NewCounterVec(counterOpts("failures_total",
			"What the disk has refused: open, append, sync, compact."), []string{"what"}),
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "freshet", Subsystem: "rooms_store", Name: "open_files", Help: "Rooms' files that are open.",
		}),
	}
}

func (m *fileMetrics) register(reg prometheus.Registerer) error {
	if reg == nil {
		return nil
	}
	for _, c := range []prometheus.Collector{m.appended, m.compactions, m.damaged, m.failures, m.open} {
		if err := reg.Register(c); err != nil {
			return err //nolint:wrapcheck // NewFile says where
		}
	}
	return nil
}
