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

// String names the signal for logs and metrics.
func (s Signal) String() string {
	switch s {
	case Reports:
		return "reports"
	case FromREMB:
		return "remb"
	case TransportCC:
		return "transport-cc"
	default:
		return "none"
	}
}

// Stats is a snapshot of an Estimator.
type Stats struct {
	Estimate   uint64        // bit/s
	Acked      uint64        // bit/s that arrived at the viewer; 0 while unknown
	Sent       uint64        // bit/s given to the socket; 0 while unknown
	Media      uint64        // bit/s of that which is no probe; 0 while unknown
	Loss       float64       // fraction of packets, 0..1, smoothed
	RTT        time.Duration // 0 while unknown
	Queue      time.Duration // in front of the bottleneck
	Jitter     time.Duration // above the queue, on average
	Delay      State         // of the bottleneck's queue
	AppLimited bool          // less is being sent than the path carries
	Calm       bool          // nothing speaks against a probe
	Signal     Signal        // what the estimate rests on
	Probe      ProbeResult   // the newest
	Probes     uint64        // clusters evaluated
	Cuts       uint64        // times the estimate was lowered
	Absurd     uint64        // feedback messages refused, wholly or in part
}

// ProbeResult is what a cluster has shown.
type ProbeResult struct {
	ID      uint8  // 0: no cluster was evaluated yet
	Bitrate uint64 // bit/s that the path has carried; 0: unknown
	OK      bool   // the path has kept up with the cluster
}
