package frames

import (
	"math"
	"sync"
	"time"

	"github.com/freshet-live/freshet/sfu/media"
)

const (
	// clockStep is the least change of a mapping that is worth telling.
	clockStep = time.Millisecond
	// window is how long an arrival counts as the earliest; a publisher's
	// clock that runs 100 ppm off drifts by a millisecond in that time.
	window = 10 * time.Second
	// clockJump is a change of the mapping that no network explains: the
	// publisher has set its clock or its timestamps anew.
	clockJump = 2 * time.Second
)

// Timebase is the time base of one Publication. Its Layers share it, so that
// audio and video keep the relation that the publisher's sender reports give
// them. It is safe for concurrent use.
type Timebase struct {
	mu sync.Mutex
	// offset is this Node's wall clock minus the publisher's NTP clock. It is
	// one for all Layers.
	offset time.Duration
	fixed  bool
}

// NewTimebase returns the Timebase of a new Publication.
func NewTimebase() *Timebase { return &Timebase{} }

// Layer returns the clock of one of the Publication's Layers; rate is that of
// its codec in Hz.
func (t *Timebase) Layer(rate uint32) *LayerClock {
	return &LayerClock{base: t, rate: rate}
}

// LayerClock maps the timestamps of one Layer to the wall clock: by arrival
// times at first, by sender reports once they come. Its methods may be called
// from several goroutines.
type LayerClock struct {
	base *Timebase
	rate uint32

	// Below belongs to the Timebase's lock.
	started   bool
	last      uint32 // newest timestamp
	ext       int64  // newest timestamp, extended
	recent    earliest
	reported  bool
	reportNTP time.Time
	reportExt int64
	told      media.Clock
	toldAny   bool
}

// Packet takes the arrival of a packet. It returns the Layer's mapping, and
// whether it has changed enough to be told.
func (c *LayerClock) Packet(ts uint32, arrival time.Time) (clock media.Clock, changed bool) {
	c.base.mu.Lock()
	defer c.base.mu.Unlock()
	if c.rate == 0 {
		return media.Clock{}, false
	}
	ext := c.extend(ts)
	// What the arrival makes of timestamp 0; delay in the network only ever
	// makes it later, so the earliest is the best.
	c.recent.add(arrival, arrival.Add(-c.duration(ext)))
	return c.settle(ts, ext)
}

// Report takes an RTCP sender report (RFC 3550 section 6.4.1): ts was captured
// at ntp by the publisher's clock.
func (c *LayerClock) Report(ntp uint64, ts uint32, arrival time.Time) (clock media.Clock, changed bool) {
	c.base.mu.Lock()
	defer c.base.mu.Unlock()
	if c.rate == 0 || ntp == 0 {
		return c.told, false
	}
	ext := c.extend(ts)
	c.reported, c.reportNTP, c.reportExt = true, TimeFromNTP(ntp), ext
	c.supervise(arrival)
	return c.settle(ts, ext)
}

// extend unwraps a timestamp next to the newest one.
func (c *LayerClock) extend(ts uint32) int64 {
	if !c.started {
		c.started, c.last, c.ext = true, ts, int64(ts)
		return c.ext
	}
	ext := c.ext + int64(int32(ts-c.last)) //nolint:gosec // signed distance modulo 2^32
	if ext > c.ext {
		c.last, c.ext = ts, ext
	}
	return ext
}

func (c *LayerClock) duration(ticks int64) time.Duration {
	rate := int64(c.rate)
	return time.Duration(ticks/rate)*time.Second + time.Duration(ticks%rate)*time.Second/time.Duration(rate)
}

// supervise fixes the Timebase's offset at the first report, and anew when it
// has come to contradict the arrivals.
func (c *LayerClock) supervise(arrival time.Time) {
	zero, ok := c.recent.min()
	if !ok {
		zero = arrival.Add(-c.duration(c.reportExt))
	}
	offset := zero.Add(c.duration(c.reportExt)).Sub(c.reportNTP)
	t := c.base
	if !t.fixed || (offset-t.offset).Abs() > clockJump {
		t.offset, t.fixed = offset, true
	}
}

// settle returns the mapping at a timestamp.
func (c *LayerClock) settle(ts uint32, ext int64) (media.Clock, bool) {
	now := media.Clock{Timestamp: ts, Rate: c.rate, Reported: c.reported && c.base.fixed}
	if now.Reported {
		now.Wall = c.reportNTP.Add(c.base.offset).Add(c.duration(ext - c.reportExt))
	} else if zero, ok := c.recent.min(); ok {
		now.Wall = zero.Add(c.duration(ext))
	} else {
		return c.told, false
	}
	stale := !c.toldAny || now.Reported != c.told.Reported ||
		uint32(ts-c.told.Timestamp) > math.MaxInt32/2 && int32(ts-c.told.Timestamp) > 0 || //nolint:gosec // signed distance
		now.Wall.Sub(c.told.Time(ts)).Abs() > clockStep
	if !stale {
		return c.told, false
	}
	c.told, c.toldAny = now, true
	return now, true
}

// earliest finds the least value of a recent window: it keeps the least of the
// present half and of the half before.
type earliest struct {
	began           time.Time
	present, before time.Time
}

func (e *earliest) add(now, v time.Time) {
	switch {
	case e.began.IsZero():
		e.began, e.present = now, v
	case now.Sub(e.began) > window/2:
		e.began, e.before, e.present = now, e.present, v
	case v.Before(e.present):
		e.present = v
	}
}

func (e *earliest) min() (time.Time, bool) {
	if e.began.IsZero() {
		return time.Time{}, false
	}
	if !e.before.IsZero() && e.before.Before(e.present) {
		return e.before, true
	}
	return e.present, true
}
