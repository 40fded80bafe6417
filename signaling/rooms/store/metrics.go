package store

import "github.com/prometheus/client_golang/prometheus"

type fileMetrics struct {
	appended    prometheus.Counter
	compactions prometheus.Counter
	damaged     prometheus.Counter
	untold      prometheus.Counter
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
		untold: prometheus.NewCounter(counterOpts("untold_total",
			"Entries that other nodes will never be told of, because more than 100,000 of a room waited for Redis.")),
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
	for _, c := range []prometheus.Collector{m.appended, m.compactions, m.damaged, m.untold, m.failures, m.open} {
		if err := reg.Register(c); err != nil {
			return err //nolint:wrapcheck // NewFile says where
		}
	}
	return nil
}

type redisMetrics struct {
	up       prometheus.Gauge
	sent     prometheus.Counter
	received prometheus.Counter
	resent   prometheus.Counter
	garbage  prometheus.Counter
	errors   prometheus.Counter
	waiting  prometheus.Gauge
	unsent   prometheus.Gauge
}

func newRedisMetrics() *redisMetrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "freshet", Subsystem: "rooms_redis", Name: name, Help: help})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "freshet", Subsystem: "rooms_redis", Name: name, Help: help})
	}
	return &redisMetrics{
		up:       gauge("up", "Whether Redis answered last time."),
		sent:     counter("sent_total", "Entries that Redis has taken, repetitions included."),
		received: counter("received_total", "Entries of other nodes."),
		resent:   counter("resent_total", "How often Redis had lost entries, and got them again."),
		garbage:  counter("garbage_total", "What Redis held under our keys and was not ours."),
		errors:   counter("errors_total", "Calls that Redis has not answered, or refused."),
		waiting:  gauge("waiting_rooms", "Rooms with entries that other nodes have not been told of."),
		unsent:   gauge("unsent_entries", "Entries that other nodes have not been told of, at most."),
	}
}

func (m *redisMetrics) register(reg prometheus.Registerer) error {
	if reg == nil {
		return nil
	}
	for _, c := range []prometheus.Collector{m.up, m.sent, m.received, m.resent, m.garbage, m.errors, m.waiting, m.unsent} {
		if err := reg.Register(c); err != nil {
			return err //nolint:wrapcheck // NewRedis says where
		}
	}
	return nil
}
