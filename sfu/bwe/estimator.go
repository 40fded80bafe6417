package bwe

import (
	"time"

	"github.com/pion/rtcp"
)

// Config bounds one Estimator; zero fields take the defaults.
type Config struct {
	Start uint64 // bit/s before anything is known; default 600 kbit/s
	Min   uint64 // bit/s; default 30 kbit/s
	Max   uint64 // bit/s; default 50 Mbit/s
}

// Estimator is one viewer's path estimate. It is not safe for concurrent use:
// its owner is the worker that sends to the viewer.
type Estimator struct {
	stats Stats
}

// New returns an Estimator that believes cfg.Start.
func New(cfg Config) *Estimator {
	if cfg.Start == 0 {
		cfg.Start = 600_000
	}
	return &Estimator{stats: Stats{Estimate: cfg.Start}}
}

// Sent notes one packet given to the socket: its transport-wide sequence number,
// its size in bytes on the wire, and its probe cluster (0: none).
func (e *Estimator) Sent(now time.Time, seq uint16, size int, probe uint8) {}

// Feedback takes a transport-cc message
// (draft-holmer-rmcat-transport-wide-cc-extensions-01).
func (e *Estimator) Feedback(now time.Time, fb *rtcp.TransportLayerCC) {}

// REMB takes a receiver's own estimate in bit/s: the fallback of a viewer
// without transport-cc.
func (e *Estimator) REMB(now time.Time, bitrate uint64) {}

// Report takes the loss (0..1) and round trip of a receiver report.
func (e *Estimator) Report(now time.Time, loss float64, rtt time.Duration) {}

// Estimate is what the path carries, in bit/s.
func (e *Estimator) Estimate() uint64 { return e.stats.Estimate }

// Stats describes the Estimator's view of the path.
func (e *Estimator) Stats() Stats { return e.stats }
