package rtc

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-live/freshet/sfu/media"
)

// metrics are what a Server counts. They belong to it, not to the process.
type metrics struct {
	sessions         *prometheus.GaugeVec   // state
	ended            *prometheus.CounterVec // reason
	packets          map[media.Kind]prometheus.Counter
	bytes            map[media.Kind]prometheus.Counter
	lost             prometheus.Counter
	repaired         prometheus.Counter
	nacks            prometheus.Counter
	keyframeRequests prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "freshet", Subsystem: "publish", Name: name, Help: help})
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(
			prometheus.CounterOpts{Namespace: "freshet", Subsystem: "publish", Name: name, Help: help}, []string{label})
	}
	m := &metrics{
		sessions: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "freshet", Subsystem: "publish", Name: "sessions", Help: "Publishing sessions by state.",
		}, []string{"state"}),
		ended:            vec("sessions_ended_total", "Publishing sessions that ended, by reason.", "reason"),
		packets:          map[media.Kind]prometheus.Counter{},
		bytes:            map[media.Kind]prometheus.Counter{},
		lost:             counter("packets_lost_total", "RTP packets that publishers sent in vain."),
		repaired:         counter("packets_repaired_total", "RTP packets that came after they were asked for."),
		nacks:            counter("nacks_total", "Sequence numbers asked for again."),
		keyframeRequests: counter("keyframe_requests_total", "PLIs and FIRs sent to publishers."),
	}
	packets := vec("packets_total", "RTP packets received from publishers.", "kind")
	bytes := vec("payload_bytes_total", "RTP payload received from publishers, in bytes.", "kind")
	for _, kind := range []media.Kind{media.Audio, media.Video} {
		// Looked up once: they count every packet.
		m.packets[kind], m.bytes[kind] = packets.WithLabelValues(kind.String()), bytes.WithLabelValues(kind.String())
	}
	for _, c := range []prometheus.Collector{
		m.sessions, m.ended, packets, bytes, m.lost, m.repaired, m.nacks, m.keyframeRequests,
	} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) countPacket(kind media.Kind, payload int) {
	m.packets[kind].Inc()
	m.bytes[kind].Add(float64(payload))
}
