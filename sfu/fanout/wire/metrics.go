package wire

import "github.com/prometheus/client_golang/prometheus"

// Register adds the counts of Stats to a registry, under freshet_media_.
func (w *Wire) Register(reg prometheus.Registerer) error {
	counter := func(name, help string, value func(Stats) uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(
			prometheus.CounterOpts{Namespace: "freshet", Subsystem: "media", Name: name, Help: help},
			func() float64 { return float64(value(w.Stats())) })
	}
	gauge := func(name, help string, value func(Stats) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(
			prometheus.GaugeOpts{Namespace: "freshet", Subsystem: "media", Name: name, Help: help},
			func() float64 { return value(w.Stats()) })
	}
	for _, c := range []prometheus.Collector{
		counter("datagrams_received_total", "Datagrams that came in over UDP.",
			func(s Stats) uint64 { return s.Received }),
		counter("datagrams_oversized_total", "Datagrams dropped because they were too long.",
			func(s Stats) uint64 { return s.Oversized }),
		counter("publisher_queue_dropped_total", "Publishers' datagrams dropped because nobody took them in time.",
			func(s Stats) uint64 { return s.PublisherDropped }),
		counter("datagrams_sent_total", "Datagrams sent over UDP and TCP.",
			func(s Stats) uint64 { return s.Sent }),
		counter("datagrams_send_dropped_total", "Datagrams that found no room or no way.",
			func(s Stats) uint64 { return s.SendDropped }),
		counter("gso_trains_total", "Messages of several datagrams sent with UDP_SEGMENT.",
			func(s Stats) uint64 { return s.Trains }),
		counter("tcp_refused_total", "ICE-TCP connections refused by limits or for what they sent.",
			func(s Stats) uint64 { return s.TCPRefused }),
		gauge("tcp_connections", "Open ICE-TCP connections.",
			func(s Stats) float64 { return float64(s.TCPOpen) }),
		gauge("gso", "1 while UDP_SEGMENT is in use.",
			func(s Stats) float64 {
				if s.GSO {
					return 1
				}
				return 0
			}),
	} {
		if err := reg.Register(c); err != nil {
			return err
		}
	}
	return nil
}
