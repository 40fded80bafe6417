package fanout

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-live/freshet/sfu/fanout/seats"
)

// Why packets that were meant for a viewer were dropped.
const (
	dropQueue  = iota // the worker's inbox was full
	dropSocket        // the kernel or a TCP peer took no more
	dropSend          // a packet did not fit or could not be encrypted
	dropRepair        // a repetition beyond the limits
	dropReasons
)

func dropNames() [dropReasons]string {
	return [dropReasons]string{"queue", "socket", "send", "repair"}
}

// metrics are those of one Engine.
type metrics struct {
	viewers       prometheus.Gauge
	connecting    prometheus.Gauge
	packets       prometheus.Counter
	bytes         prometheus.Counter
	retransmitted prometheus.Counter
	replays       prometheus.Counter
	dropped       [dropReasons]prometheus.Counter
	feedback      [feedbackKinds]prometheus.Counter
	refused       [refusals]prometheus.Counter
	handshakes    *prometheus.CounterVec
	turned        *prometheus.CounterVec
	cores         prometheus.Gauge
	bandwidth     prometheus.Gauge
}

// newMetrics registers the engine's metrics; reg may be nil.
func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	const namespace, subsystem = "freshet", "fanout"
	var all []prometheus.Collector
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: name, Help: help,
		})
		all = append(all, c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: subsystem, Name: name, Help: help,
		})
		all = append(all, g)
		return g
	}
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: name, Help: help,
		}, labels)
		all = append(all, v)
		return v
	}
	m := &metrics{
		viewers:       gauge("viewers", "Viewers that are connected."),
		connecting:    gauge("connecting", "Viewers that have not connected yet."),
		packets:       counter("packets_total", "RTP packets sent to viewers, without repetitions."),
		bytes:         counter("bytes_total", "RTP payload bytes sent to viewers, without repetitions."),
		retransmitted: counter("retransmitted_total", "RTP packets sent again after a NACK."),
		replays:       counter("replays_total", "Times that a viewer was served from a cached keyframe."),
		handshakes:    vec("handshakes_total", "DTLS handshakes by result and SRTP profile.", "result", "profile"),
		turned:        vec("turned_away_total", "Viewers for whom there was no seat, by the limit that was reached.", "limit"),
		cores:         gauge("load_cores", "Processor time of this process per time, as the limits see it."),
		bandwidth:     gauge("load_bandwidth_bits", "Bits per second to viewers, as the limits see it."),
	}
	drops := vec("dropped_total", "Packets dropped, by reason.", "reason")
	for i, name := range dropNames() {
		m.dropped[i] = drops.WithLabelValues(name)
	}
	kinds := vec("feedback_total", "RTCP messages from viewers, by kind.", "kind")
	for i, name := range feedbackNames() {
		m.feedback[i] = kinds.WithLabelValues(name)
	}
	refused := vec("feedback_refused_total", "RTCP from viewers, or parts of it, that were not used, by reason.", "reason")
	for i, name := range refusalNames() {
		m.refused[i] = refused.WithLabelValues(name)
	}
	if reg == nil {
		return m, nil
	}
	for i, c := range all {
		if err := reg.Register(c); err != nil {
			for _, done := range all[:i] {
				reg.Unregister(done)
			}
			return nil, fmt.Errorf("fanout metrics: %w", err)
		}
	}
	return m, nil
}

// add takes what a worker has counted.
func (m *metrics) add(c *counters) {
	m.packets.Add(float64(c.packets))
	m.bytes.Add(float64(c.bytes))
	m.retransmitted.Add(float64(c.retransmitted))
	m.replays.Add(float64(c.replays))
	addAll(m.dropped[:], c.dropped[:])
	addAll(m.feedback[:], c.feedback[:])
	addAll(m.refused[:], c.refused[:])
}

// turnedAway counts a viewer for whom there was no seat.
func (m *metrics) turnedAway(err error) {
	if !errors.Is(err, ErrBusy) {
		return
	}
	limit := "connecting"
	if r := (*seats.Refusal)(nil); errors.As(err, &r) {
		limit = string(r.Reason)
	}
	m.turned.WithLabelValues(limit).Inc()
}

func addAll(to []prometheus.Counter, counts []uint64) {
	for i, n := range counts {
		if n > 0 {
			to[i].Add(float64(n))
		}
	}
}
