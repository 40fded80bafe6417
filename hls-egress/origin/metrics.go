package origin

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// kinds of resources, as label values.
const (
	kindMultivariant = "multivariant"
	kindPlaylist     = "playlist"
	kindPart         = "part"
	kindSegment      = "segment"
	kindInit         = "init"
	kindOther        = "other"
)

type metrics struct {
	requests *prometheus.CounterVec
	bytes    *prometheus.CounterVec
	blocked  prometheus.Gauge
	wake     prometheus.Histogram
	memory   prometheus.Gauge
	stored   prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "freshet", Subsystem: "hls", Name: name, Help: help})
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(
			prometheus.CounterOpts{Namespace: "freshet", Subsystem: "hls", Name: name, Help: help}, labels)
	}
	m := &metrics{
		requests: counter("requests_total", "HLS requests by kind of resource and status.", "kind", "status"),
		bytes:    counter("sent_bytes_total", "Bytes of answers to HLS requests, without headers.", "kind"),
		blocked:  gauge("blocked_requests", "HLS requests that wait for what does not exist yet."),
		memory:   gauge("window_memory_bytes", "Bytes of segments in memory."),
		stored:   gauge("window_disk_bytes", "Bytes of segments on the disk."),
		wake: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "freshet", Subsystem: "hls", Name: "wake_seconds",
			Help:    "Time from a part's completion to the answer of a request that waited for it.",
			Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1},
		}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.requests, m.bytes, m.blocked, m.wake, m.memory, m.stored} {
		if err := reg.Register(c); err != nil {
			return nil, err //nolint:wrapcheck // New says where
		}
	}
	return m, nil
}

func (m *metrics) count(kind string, status int, sent int64) {
	m.requests.WithLabelValues(kind, strconv.Itoa(status)).Inc()
	if sent > 0 {
		m.bytes.WithLabelValues(kind).Add(float64(sent))
	}
}
