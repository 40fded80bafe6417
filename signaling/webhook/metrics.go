package webhook

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	queued   *prometheus.GaugeVec
	dropped  *prometheus.CounterVec
	buried   *prometheus.CounterVec
}

// receiverMetrics are those of one receiver.
type receiverMetrics struct {
	taken, failed, refused prometheus.Counter
	took                   prometheus.Observer
	queued                 prometheus.Gauge
	dropped, buried        prometheus.Counter
}

var requestBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(
			prometheus.CounterOpts{Namespace: "freshet", Subsystem: "webhooks", Name: name, Help: help}, labels)
	}
	m := &metrics{
		requests: counter("requests_total", "Webhooks sent, by receiver and how it took them.", "receiver", "host", "result"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "freshet", Subsystem: "webhooks", Name: "request_seconds",
			Help: "Time that a receiver took to answer.", Buckets: requestBuckets,
		}, []string{"receiver", "host"}),
		queued: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "freshet", Subsystem: "webhooks", Name: "queued", Help: "Events that wait for a receiver.",
		}, []string{"receiver", "host"}),
		dropped: counter("dropped_total", "Batches of viewers dropped because too much waited for a receiver.", "receiver", "host"),
		buried:  counter("dead_letters_total", "Events given up.", "receiver", "host"),
	}
	return m, register(reg, m.requests, m.seconds, m.queued, m.dropped, m.buried)
}

func register(reg prometheus.Registerer, all ...prometheus.Collector) error {
	if reg == nil {
		return nil
	}
	for _, c := range all {
		if err := reg.Register(c); err != nil {
			return err //nolint:wrapcheck // New says where
		}
	}
	return nil
}

func (m *metrics) of(id, host string) receiverMetrics {
	return receiverMetrics{
		taken:   m.requests.WithLabelValues(id, host, "taken"),
		failed:  m.requests.WithLabelValues(id, host, "failed"),
		refused: m.requests.WithLabelValues(id, host, "refused"),
		took:    m.seconds.WithLabelValues(id, host),
		queued:  m.queued.WithLabelValues(id, host),
		dropped: m.dropped.WithLabelValues(id, host),
		buried:  m.buried.WithLabelValues(id, host),
	}
}

func (r *receiverMetrics) count(o outcome) {
	switch o {
	case taken:
		r.taken.Inc()
	case failed:
		r.failed.Inc()
	case refused:
		r.refused.Inc()
	}
}
