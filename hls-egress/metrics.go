package hlsegress

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-live/freshet/hls-egress/segment"
)

// metrics are the Bridge's own figures; origin and transcode have theirs.
type metrics struct {
	streams  prometheus.Gauge
	dropped  prometheus.Counter
	unusable prometheus.Counter
	samples  *prometheus.CounterVec
	segments *prometheus.CounterVec
	skew     prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "freshet_hls_streams", Help: "Streams that are packaged as HLS.",
		}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "freshet_hls_dropped_total", Help: "Packets and transcoded samples that found no room at a packager.",
		}),
		unusable: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "freshet_hls_unusable_frames_total", Help: "Frames with no place on the media timeline, such as B-frames.",
		}),
	}
	m.samples = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "freshet_hls_lost_samples_total",
		Help: "Samples that are not in HLS: malformed, or dropped as late, repeated or without the keyframe they need.",
	}, []string{"reason"})
	m.segments = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "freshet_hls_irregular_total",
		Help: "Segments that began without a keyframe (forced) or carried another rendition's media (standin), and parts above PART-TARGET (longpart).",
	}, []string{"what"})
	m.skew = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "freshet_hls_skew_seconds", Help: "How far apart the layers' keyframes are where segments begin.",
		Buckets: []float64{0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.033, 0.066, 0.15, 0.5},
	})
	var errs []error
	for _, c := range []prometheus.Collector{m.streams, m.dropped, m.unusable, m.samples, m.segments, m.skew} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}

// count adds what a Ladder has counted since before.
func (m *metrics) count(before, now segment.Stats) {
	m.samples.WithLabelValues("malformed").Add(float64(now.Malformed - before.Malformed))
	m.samples.WithLabelValues("dropped").Add(float64(now.Dropped - before.Dropped))
	m.segments.WithLabelValues("forced").Add(float64(now.Forced - before.Forced))
	m.segments.WithLabelValues("standin").Add(float64(now.StandIns - before.StandIns))
	m.segments.WithLabelValues("longpart").Add(float64(now.LongParts - before.LongParts))
}
