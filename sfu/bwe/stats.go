package bwe

import "time"

// State is what the delay says about the bottleneck's queue.
type State uint8

// The states of a queue: steady, growing, draining.
const (
	Normal State = iota
	Overusing
	Underusing
)

// String names the state for logs and metrics.
func (s State) String() string {
	switch s {
	case Overusing:
		return "overusing"
	case Underusing:
		return "underusing"
	default:
		return "normal"
	}
}

// Signal is what an estimate rests on.
type Signal uint8

// The signals, worst first.
const (
	NoSignal    Signal = iota // nothing heard yet
	Reports                   // receiver reports' loss only
	FromREMB                  // receiver estimates
	TransportCC               // per-packet arrival times
)

// Stats is a snapshot of an Estimator.
type Stats struct {
	Estimate   uint64        // bit/s
	Acked      uint64        // bit/s that arrived at the viewer; 0 while unknown
	Loss       float64       // fraction of packets, 0..1, smoothed
	RTT        time.Duration // 0 while unknown
	Delay      State         // of the bottleneck's queue
	AppLimited bool          // less is being sent than the path carries
	Signal     Signal        // what the estimate rests on
	Probes     uint64        // clusters evaluated
	Absurd     uint64        // feedback messages refused, wholly or in part
}
