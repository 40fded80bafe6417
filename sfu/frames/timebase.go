package frames

import (
	"sync"
	"time"

	"github.com/freshet-live/freshet/sfu/media"
)

const (
	// clockStep is the least change of a mapping that is worth telling.
	clockStep = time.Millisecond
	// clockReach is how many ticks a told mapping may be used for: half of
	// what a timestamp can count from it.
	clockReach = 1 << 30
	// window is how long an arrival counts as the earliest. In that time a
	// publisher's clock that is off by 100 ppm drifts by a millisecond.
	window = 10 * time.Second
	// clockJump is a difference that no network explains: somebody has set a
	// clock or begun its timestamps anew.
	clockJump = 2 * time.Second
	// lateTimestamps is how far back, in seconds, a late packet's timestamp may
	// lie.
	lateTimestamps = 10
	// lateLasts is how long all arrivals have to be late by a clockJump until
	// it is not a pause any more.
	lateLasts = 3 * time.Second
	// The publisher's NTP clock drifts against ours. A drift of more than
	// driftSlack is followed by driftStep with each report, so slowly that
	// neither a picture nor a sound jumps.
	driftSlack = 10 * time.Millisecond
	driftStep  = time.Millisecond
)

// Timebase is the time base of one Publication. Its Layers share it, so that
// audio and video keep the relation that the publisher's sender reports give
// them (R12). It is safe for concurrent use.
type Timebase struct {
	mu sync.Mutex
	// offset is this Node's wall clock minus the publisher's NTP clock. It is
	// one for all Layers, and the arrivals of the keeper's packets gave it.
	offset time.Duration
	keeper *LayerClock
}

// NewTimebase returns the Timebase of a new Publication.
func NewTimebase() *Timebase { return &Timebase{} }

// Layer returns the clock of one of the Publication's Layers; rate is that of
// its codec in Hz.
func (t *Timebase) Layer(rate uint32) *LayerClock {
	return &LayerClock{base: t, rate: rate}
}

// LayerClock maps the timestamps of one Layer to this Node's wall clock: by
// the earliest arrivals at first, by sender reports once they come. It is safe
// for concurrent use.
type LayerClock struct {
	base *Timebase
	rate uint32

	// Below belongs to the Timebase's lock.
	started bool
	last    uint32 // the newest timestamp
	ticks   int64  // the same, extended

	// zero is when timestamp 0 was captured, going by arrivals. Delay in the
	// network only ever makes it later, so the earliest is the best.
	zero earliest
	// report is when the publisher says that reportTicks was captured, on our
	// wall clock.
	reported    bool
	report      time.Time
	reportTicks int64

	told    media.Clock
	hasTold bool
}

// Packet takes the arrival of a packet, late ones too. It returns the Layer's
// mapping, and whether that has changed enough to be told to others.
func (c *LayerClock) Packet(ts uint32, arrival time.Time) (clock media.Clock, changed bool) {
	c.base.mu.Lock()
	defer c.base.mu.Unlock()
	if c.rate == 0 {
		return media.Clock{}, false
	}
	ticks := c.extend(ts)
	if c.started && c.ticks-ticks > int64(c.rate)*lateTimestamps {
		// Not a late packet: the publisher has begun its timestamps anew.
		c.started, c.reported, c.zero = false, false, earliest{}
	}
	if !c.started || ticks > c.ticks {
		c.started, c.last, c.ticks = true, ts, ticks
	}
	c.zero.add(arrival, arrival.Add(-c.duration(ticks)))
	return c.settle(ts, ticks)
}

// Report takes an RTCP sender report (RFC 3550 section 6.4.1) at its arrival:
// by the publisher's clock, ts was captured at ntp. A publisher without a wall
// clock says 0, which tells nothing.
func (c *LayerClock) Report(ntp uint64, ts uint32, arrival time.Time) (clock media.Clock, changed bool) {
	c.base.mu.Lock()
	defer c.base.mu.Unlock()
	if c.rate == 0 || ntp == 0 {
		return c.told, false
	}
	ticks := c.extend(ts)
	if !c.started {
		c.zero.add(arrival, arrival.Add(-c.duration(ticks)))
		c.started, c.last, c.ticks = true, ts, ticks
	}
	said := TimeFromNTP(ntp)
	c.reported = c.base.supervise(c, c.zero.min().Add(c.duration(ticks)).Sub(said))
	c.report, c.reportTicks = said.Add(c.base.offset), ticks
	return c.settle(ts, ticks)
}

// supervise compares the offset with what a Layer's report and arrivals make
// of it, and reports whether they agree. The first Layer to report keeps the
// offset; another one that contradicts it is not believed, as two Layers that
// set the offset in turn would make both jump.
func (t *Timebase) supervise(c *LayerClock, seen time.Duration) bool {
	if t.keeper == nil {
		t.keeper, t.offset = c, seen
		return true
	}
	drift := seen - t.offset
	switch {
	case drift.Abs() > clockJump && t.keeper == c:
		t.offset = seen
	case drift.Abs() > clockJump:
		return false
	case t.keeper != c:
	case drift > driftSlack:
		t.offset += driftStep
	case drift < -driftSlack:
		t.offset -= driftStep
	}
	return true
}

// extend unwraps a timestamp near the newest one.
func (c *LayerClock) extend(ts uint32) int64 {
	if !c.started {
		return int64(ts)
	}
	return c.ticks + int64(int32(ts-c.last)) // signed distance modulo 2^32
}

func (c *LayerClock) duration(ticks int64) time.Duration {
	rate := int64(c.rate)
	return time.Duration(ticks/rate)*time.Second + time.Duration(ticks%rate)*time.Second/time.Duration(rate)
}

// settle returns the mapping at a timestamp, and whether it differs from the
// one that was told.
func (c *LayerClock) settle(ts uint32, ticks int64) (media.Clock, bool) {
	now := media.Clock{Timestamp: ts, Rate: c.rate, Reported: c.reported}
	if c.reported {
		now.Wall = c.report.Add(c.duration(ticks - c.reportTicks))
	} else {
		now.Wall = c.zero.min().Add(c.duration(ticks))
	}
	if c.hasTold && now.Reported == c.told.Reported && ts-c.told.Timestamp+clockReach < 2*clockReach &&
		now.Wall.Sub(c.told.Time(ts)).Abs() <= clockStep {
		return c.told, false
	}
	c.told, c.hasTold = now, true
	return now, true
}

// earliest finds the earliest instant in a recent window: it keeps that of the
// present half and that of the half before.
type earliest struct {
	began           time.Time // of the present half; zero before the first
	present, before time.Time
	late            time.Time // since when all have been far too late; zero: not so
}

// add takes an instant that was seen now. Earlier ones than any delay explains
// begin anew at once. Later ones do so when they last: a machine that stood
// still for some seconds hands in what has waited all at once, and goes on as
// before.
func (e *earliest) add(now, v time.Time) {
	if !e.began.IsZero() && v.Sub(e.min()) > clockJump {
		if e.late.IsZero() {
			e.late = now
		}
		if now.Sub(e.late) < lateLasts {
			return
		}
		e.began = time.Time{}
	}
	e.late = time.Time{}
	switch {
	case e.began.IsZero() || e.min().Sub(v) > clockJump:
		*e = earliest{began: now, present: v, before: v}
	case now.Sub(e.began) > window/2:
		e.began, e.before, e.present = now, e.present, v
	case v.Before(e.present):
		e.present = v
	}
}

// min returns the earliest instant; add was called before.
func (e *earliest) min() time.Time {
	if e.before.Before(e.present) {
		return e.before
	}
	return e.present
}
