package fanout

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/freshet-live/freshet/sfu/fanout/seats"
	"github.com/freshet-live/freshet/sfu/media"
)

const (
	// weighEvery is how often the load is measured, and weighShare how much of
	// it a new measurement makes up: a second and a half, so that one garbage
	// collection or keyframe turns nobody away.
	weighEvery = 500 * time.Millisecond
	weighShare = 1.0 / 3
	// overhead is what goes with a payload: IPv4, UDP and RTP headers with
	// extensions, and the SRTP tag, in bytes.
	overhead = 20 + 8 + 12 + 8 + 16
	// repetition is taken to be a whole packet.
	repetition = 1200
)

func (c Config) limits() seats.Limits {
	return seats.Limits{
		Viewers: c.MaxViewers, PerStream: c.MaxPerStream,
		Cores: c.MaxCPU * float64(runtime.GOMAXPROCS(0)), Bandwidth: float64(c.MaxBandwidth),
	}
}

// bits is what the counted packets were on the network.
func (c *counters) bits() uint64 {
	return 8 * (c.bytes + c.packets*overhead + c.retransmitted*(repetition+overhead))
}

// expected is what a viewer of a Stream will cost, in bit/s: the best Layer
// that sends, and audio. It is 0 while nothing is live.
func expected(s *media.Snapshot) float64 {
	if s == nil || s.State != media.Live {
		return 0
	}
	var best uint64
	for i, l := range s.Video {
		if s.ActiveVideo(i) {
			best = max(best, l.Status().Bitrate)
		}
	}
	if s.Audio != nil {
		best += s.Audio.Status().Bitrate
	}
	return float64(best)
}

// weigh measures what the process and its viewers cost until ctx ends.
func (e *Engine) weigh(ctx context.Context) error {
	tick := time.NewTicker(weighEvery)
	defer tick.Stop()
	var load seats.Load
	at, cpu, sent := time.Now(), processorTime(), e.sent.Load()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now, nowCPU, nowSent := time.Now(), processorTime(), e.sent.Load()
		passed := now.Sub(at).Seconds()
		if passed <= 0 {
			continue
		}
		load.Cores += (float64(nowCPU-cpu)/passed/float64(time.Second) - load.Cores) * weighShare
		load.Bandwidth += (float64(nowSent-sent)/passed - load.Bandwidth) * weighShare
		at, cpu, sent = now, nowCPU, nowSent
		e.registry.measured(now, load)
		e.metrics.cores.Set(load.Cores)
		e.metrics.bandwidth.Set(load.Bandwidth)
	}
}

// processorTime is what this process has used, its children not included.
func processorTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0 // it cannot fail
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
