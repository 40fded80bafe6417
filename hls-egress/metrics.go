package hlsegress

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the Bridge's own figures; origin and transcode have theirs.
type metrics struct {
	streams  prometheus.Gauge
	dropped  prometheus.Counter
	unusable prometheus.Counter
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
	var errs []error
	for _, c := range []prometheus.Collector{m.streams, m.dropped, m.unusable} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}
