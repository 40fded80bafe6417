package rooms

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-live/freshet/signaling/rooms/room"
)

// metrics are those of one Handler.
type metrics struct {
	rooms     prometheus.Gauge
	sockets   *prometheus.GaugeVec
	commands  *prometheus.CounterVec
	refused   *prometheus.CounterVec
	entries   prometheus.Counter
	frames    prometheus.Counter
	deliver   prometheus.Counter
	cuts      *prometheus.CounterVec
	lost      prometheus.Counter
	append    prometheus.Histogram
	delay     prometheus.Histogram
	transport [transports]prometheus.Gauge
	longest   prometheus.Gauge

	mu      sync.Mutex
	batches map[string]time.Duration // of Rooms that hold Entries back
}

// How somebody is connected.
const (
	byWebSocket = iota
	byEvents
	transports
)

// newMetrics registers the metrics; reg may be nil.
func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "freshet", Subsystem: "rooms", Name: name, Help: help}
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts(opts(name, help)))
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts(opts(name, help)), []string{label})
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "freshet", Subsystem: "rooms", Name: name, Help: help, Buckets: buckets,
		})
	}
	m := &metrics{
		rooms:    prometheus.NewGauge(prometheus.GaugeOpts(opts("open", "Rooms that are open."))),
		sockets:  prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("connections", "Connections to Rooms.")), []string{"transport"}),
		commands: vec("commands_total", "Commands that were carried out.", "type"),
		refused:  vec("refused_total", "Commands that were refused.", "reason"),
		entries:  counter("entries_total", "Entries that were told to everybody in a Room."),
		frames:   counter("frames_total", "Frames that were made for all of a Room."),
		deliver:  counter("delivered_total", "Frames that were sent to a connection."),
		cuts:     vec("cut_total", "Connections that the server has ended.", "code"),
		longest:  prometheus.NewGauge(prometheus.GaugeOpts(opts("batch_seconds", "How long the largest room holds entries back, to tell them together."))),
		batches:  map[string]time.Duration{},
		lost:     counter("unkept_total", "Entries that the store could not take."),
		append: histogram("append_seconds", "How long the store takes to keep Entries.",
			prometheus.ExponentialBuckets(25e-6, 4, 9)),
		delay: histogram("delay_seconds", "From a frame being made to its being sent, for some connections.",
			prometheus.ExponentialBuckets(1e-3, 2, 12)),
	}
	m.transport = [transports]prometheus.Gauge{m.sockets.WithLabelValues("websocket"), m.sockets.WithLabelValues("sse")}
	if reg == nil {
		return m, nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{
		m.rooms, m.sockets, m.commands, m.refused, m.entries, m.frames, m.deliver, m.cuts, m.lost, m.append, m.delay, m.longest,
	} {
		errs = append(errs, reg.Register(c))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("rooms: %w", err)
	}
	return m, nil
}

// sampling is of how many connections one has its delays measured.
const sampling = 64

// sent counts what a connection was sent, event streams included.
func (m *metrics) sent(id room.Conn, frames []*frame) {
	m.deliver.Add(float64(len(frames)))
	if id%sampling == 0 {
		m.delay.Observe(time.Since(frames[0].at).Seconds())
	}
}

// batch notes for how long a Room holds Entries back, and tells of the longest.
func (m *metrics) batch(name string, d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if d == 0 {
		delete(m.batches, name)
	} else {
		m.batches[name] = d
	}
	longest := time.Duration(0)
	for _, d := range m.batches {
		longest = max(longest, d)
	}
	m.longest.Set(longest.Seconds())
}

func (m *metrics) cut(code int) { m.cuts.WithLabelValues(strconv.Itoa(code)).Inc() }
