// Package seats decides who may still come: viewers beyond what a Stream, the
// Node, its cores or its network carry would spoil it for those who are there.
// It is pure.
package seats

import (
	"errors"
	"fmt"
	"time"
)

// ErrTaken is wrapped by every Refusal.
var ErrTaken = errors.New("no seat is free")

// Limits bounds the viewers. Each that is 0 does not.
type Limits struct {
	// Viewers bounds those of the Node, PerStream those of one Stream.
	Viewers, PerStream int
	// Cores is how many of them this process may use up, as in Load.
	Cores float64
	// Bandwidth is in bit/s, as in Load.
	Bandwidth float64
}

// Load is what the viewers and the rest cost at present.
type Load struct {
	// Cores is the processor time of the process per time.
	Cores float64
	// Bandwidth is what goes out to viewers, in bit/s.
	Bandwidth float64
}

// Reason names the limit that was reached.
type Reason string

// The limits, as in Limits.
const (
	Viewers   Reason = "viewers"
	Stream    Reason = "stream"
	CPU       Reason = "cpu"
	Bandwidth Reason = "bandwidth"
)

// Refusal says why there is no seat and when to ask again.
type Refusal struct { //nolint:errname // what it says matters more
	Reason Reason
	// RetryAfter grows with the number of those who ask, and differs between
	// them, so that they do not come all at once.
	RetryAfter time.Duration
}

// Error says it in words.
func (r *Refusal) Error() string {
	what := map[Reason]string{
		Viewers: "the server has as many viewers as it may", Stream: "the stream has as many viewers as it may",
		CPU: "the server's processor is busy", Bandwidth: "the server's network is busy",
	}[r.Reason]
	return fmt.Sprintf("%v: %s", ErrTaken, what)
}

// Unwrap returns ErrTaken.
func (r *Refusal) Unwrap() error { return ErrTaken }

const (
	// settle is how long it takes until a measured Load holds what somebody
	// who came or went costs. Until then an estimate of that is added.
	settle = 4 * time.Second
	// costliest is the highest cost of a bit that is believed, in core-seconds,
	// some three times of what was measured: a process that does other things,
	// too, would make a viewer seem dear while there are few.
	costliest = 1e-9

	shortestRetry = 2 * time.Second
	longestRetry  = 60 * time.Second
	// patience is how long somebody who was refused counts as waiting, and
	// served is how many of them may ask in one second.
	patience = 10 * time.Second
	served   = 50
)

// Table knows who is there. Its zero value is not usable.
type Table struct {
	limits  Limits
	viewers int
	streams map[string]int
	load    Load
	changes []change // oldest first

	refused int // in the present window, and in the one before
	before  int
	window  time.Time
	turn    int
}

// change is somebody who came or went since the Load was measured.
type change struct {
	at      time.Time
	bitrate float64 // below 0 for who went
}

// New returns a Table without anybody.
func New(l Limits) *Table { return &Table{limits: l, streams: map[string]int{}} }

// Measure takes what was measured.
func (t *Table) Measure(now time.Time, l Load) {
	t.load = l
	t.expire(now)
}

// Take gives a seat to a viewer of a Stream that will cost a bitrate in bit/s,
// as far as known. The error is a *Refusal.
func (t *Table) Take(now time.Time, stream string, bitrate float64) error {
	if reason := t.full(now, stream, bitrate); reason != "" {
		return &Refusal{Reason: reason, RetryAfter: t.retry(now)}
	}
	t.viewers++
	t.streams[stream]++
	t.changes = append(t.changes, change{now, bitrate})
	return nil
}

// Free gives back what Take has given.
func (t *Table) Free(now time.Time, stream string, bitrate float64) {
	t.viewers--
	if t.streams[stream]--; t.streams[stream] <= 0 {
		delete(t.streams, stream)
	}
	t.expire(now)
	t.changes = append(t.changes, change{now, -bitrate})
}

// Count returns the viewers of the Node.
func (t *Table) Count() int { return t.viewers }

func (t *Table) full(now time.Time, stream string, bitrate float64) Reason {
	l := &t.limits
	switch {
	case l.Viewers > 0 && t.viewers >= l.Viewers:
		return Viewers
	case l.PerStream > 0 && t.streams[stream] >= l.PerStream:
		return Stream
	}
	t.expire(now)
	due := 0.0
	for _, c := range t.changes {
		due += c.bitrate
	}
	// Who would be alone may try: a lower Layer may do.
	if bandwidth := t.load.Bandwidth + due; l.Bandwidth > 0 && t.viewers > 0 && bandwidth+bitrate > l.Bandwidth {
		return Bandwidth
	}
	if l.Cores > 0 && t.load.Cores+(due+bitrate)*t.cost() > l.Cores {
		return CPU
	}
	return ""
}

// cost is what a bit costs, in core-seconds.
func (t *Table) cost() float64 {
	if t.load.Bandwidth*costliest <= t.load.Cores {
		return costliest
	}
	return t.load.Cores / t.load.Bandwidth
}

func (t *Table) expire(now time.Time) {
	n := 0
	for n < len(t.changes) && now.Sub(t.changes[n].at) >= settle {
		n++
	}
	t.changes = append(t.changes[:0], t.changes[n:]...)
}

// retry is when somebody who is refused may ask again.
func (t *Table) retry(now time.Time) time.Duration {
	switch passed := now.Sub(t.window); {
	case passed >= 2*patience:
		t.before, t.refused, t.window = 0, 0, now
	case passed >= patience:
		t.before, t.refused, t.window = t.refused, 0, now
	}
	t.refused++
	t.turn++
	wait := max(shortestRetry, time.Duration(t.before+t.refused)*time.Second/served)
	spread := int(wait/time.Second) + 1 // up to twice as long
	return min(wait+time.Duration(t.turn%spread)*time.Second, longestRetry)
}
