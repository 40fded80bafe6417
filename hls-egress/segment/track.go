package segment

import (
	"errors"
	"fmt"
	"time"

	"github.com/freshet-live/freshet/sfu/media"
)

const (
	// maxSample and maxQueue bound what a rendition holds, in bytes. A picture
	// of 4 MB is more than any encoder makes for a live stream.
	maxSample = 4 << 20
	maxQueue  = 16 << 20
	maxQueued = 8192 // samples
	// maxUnits bounds the units of a sample.
	maxUnits = 1024
	// patience is how long a rendition that lost something waits for the
	// keyframe that it asked for; after that damaged pictures are better than
	// none, where the codec stands them.
	patience = media.AnswerTime
	// keptSegments is how many segments' parts a rendition keeps for those
	// that it may stand in for.
	keptSegments = 6
)

// ErrSample is the fault of a sample that cannot be packaged.
var ErrSample = errors.New("unusable sample")

// track makes one rendition's samples into parts.
type track struct {
	spec   Spec
	format format
	// scale is in ticks per second.
	scale int64

	// What has come in: samples in the order of their times, not yet in a
	// part.
	queue    []queued
	bytes    int
	last     int64 // time of the newest sample
	came     bool  // there is one
	arrived  time.Time
	seen     time.Time // when the first one came, usable or not
	interval int64     // between the last two samples, in ticks
	pace     int64     // the same, on average where none is missing
	beat     beat
	lastKey  int64
	gop      int64 // between the last two keyframes
	keys     int
	needKey  bool
	askKey   bool
	lostAt   time.Time
	newest   *description // of the newest keyframe
	picture  queued       // the newest keyframe, to repeat when nothing else is there

	// What goes out.
	started bool
	standIn *track // whose parts it carries instead of its own
	silent  time.Time
	leaving bool // it was removed, but others still carry its media
	stale   bool // nobody has said since the discontinuity that it goes on
	gone    bool // it was found to be silent
	msn     uint64
	index   int
	open    []queued // the samples of the part that is not complete
	weight  int      // their bytes
	end     int64    // where the part before it ended
	discont bool
	left    bool   // it has to be away for one Output before it may come again
	listed  bool   // something of it was published
	next    uint64 // the segment after the newest that was published
	// segmentOver is set when the last part of segment msn was published.
	segmentOver bool
	init        *Init
	inits       int
	current     *description // what init was made from
	shown       *description // what players are told
	kept        []Part
	rate        rate
	// frameRate is what players are told; frames counts the present segment's.
	frameRate float64
	measured  bool
	frames    int
	began     int64 // where that segment began, in ticks
	// captured is when that was captured: by its cut, so that all renditions say
	// the same (L21).
	captured time.Time
	faults   *Stats
}

func newTrack(s Spec, faults *Stats) (*track, error) {
	f, err := newFormat(s.Codec)
	if err != nil {
		return nil, err
	}
	t := &track{spec: s, format: f, scale: VideoTimescale, needKey: true, faults: faults}
	if s.Kind == media.Audio {
		t.scale = AudioTimescale
	}
	return t, nil
}

func (t *track) video() bool { return t.spec.Kind == media.Video }

// ticks converts from the common scale of 90 kHz, common the other way.
func (t *track) ticks(common int64) int64 { return common * t.scale / VideoTimescale }

func (t *track) common(ticks int64) int64 { return ticks * VideoTimescale / t.scale }

// span converts a duration to ticks.
func (t *track) span(d time.Duration) int64 { return int64(d) * t.scale / int64(time.Second) }

// duration converts ticks; a day is far from its limits.
func (t *track) duration(ticks int64) time.Duration {
	return time.Duration(ticks/t.scale)*time.Second + time.Duration(ticks%t.scale)*time.Second/time.Duration(t.scale)
}

// accept queues a sample, or says what is wrong with it. It drops silently what
// is of no use: what goes back in time, and what needs a keyframe that never
// came.
func (t *track) accept(now time.Time, s Sample) error {
	t.stale = false
	if t.seen.IsZero() {
		t.seen = now
	}
	q := queued{Sample: s}
	for _, unit := range s.Units {
		q.size += len(unit)
	}
	if q.size == 0 || q.size > maxSample || len(s.Units) > maxUnits || s.Time < 0 {
		t.skip(now)
		return fmt.Errorf("%w: %d bytes in %d units at %d", ErrSample, q.size, len(s.Units), s.Time)
	}
	if t.came && s.Time <= t.last {
		t.faults.Dropped++
		return nil
	}
	if q.Key = !t.video() || s.Key && t.format.key(s.Units); q.Key {
		if err := t.describe(&q); err != nil {
			t.skip(now)
			return err
		}
	}
	if t.video() && !t.usable(now, &q) {
		t.faults.Dropped++
		return nil
	}
	if t.bytes+q.size > maxQueue || len(t.queue) >= maxQueued {
		t.overflow(now)
		return fmt.Errorf("%w: too many are waiting", ErrSample)
	}
	t.push(now, q)
	return nil
}

// push queues a good sample.
func (t *track) push(now time.Time, q queued) {
	if !t.video() {
		t.fill(q.Time, q.Wall)
	}
	if step := q.Time - t.last; t.came && step < t.scale/2 {
		t.interval = step
		t.pace = t.beat.add(step)
	}
	if t.video() && q.Key {
		if t.keys++; t.keys > 1 {
			t.gop = q.Time - t.lastKey
		}
		t.lastKey, t.picture = q.Time, q
	}
	t.queue, t.bytes = append(t.queue, q), t.bytes+q.size
	t.last, t.came, t.arrived = q.Time, true, now
}

// describe reads a keyframe's parameters.
func (t *track) describe(q *queued) error {
	p := t.format.parameters(q.Units)
	if t.newest == nil || t.video() && len(p) > 0 && !same(p, t.newest.parameters) {
		d, err := t.format.describe(p)
		if err != nil {
			return err
		}
		t.newest = &d
	}
	q.describes = t.newest
	return nil
}

// usable reports whether a video sample can be decoded, as far as one knows.
func (t *track) usable(now time.Time, q *queued) bool {
	switch {
	case q.Key:
		t.needKey, t.lostAt = false, time.Time{}
		return true
	case q.Lost && !t.needKey:
		t.skip(now)
		return false
	case !t.needKey:
		return true
	}
	_, robust := t.format.(*h26x)
	if robust && !t.lostAt.IsZero() && now.Sub(t.lostAt) > patience {
		t.needKey = false
		return true
	}
	return false
}

// skip makes a video rendition wait for a keyframe, and ask for it.
func (t *track) skip(now time.Time) {
	if !t.video() || t.needKey && !t.lostAt.IsZero() {
		return
	}
	t.needKey, t.lostAt, t.askKey = true, now, true
}

// fill puts silence where audio is missing: a player stops at a hole, and
// Opus leaves holes on purpose where nobody speaks.
func (t *track) fill(until int64, wall time.Time) {
	if !t.came || len(t.queue) == 0 && !t.started || until-t.last > t.span(maxGap) {
		return
	}
	frame, ticks := Silence(t.spec.Codec.Name)
	first := t.last + max(ticks, t.length(len(t.queue)-1))
	for at := first; at+ticks/2 <= until; at += ticks {
		s := Sample{Time: at, Wall: wall.Add(-t.duration(until - at)), Key: true, Units: [][]byte{frame}}
		t.queue = append(t.queue, queued{Sample: s, size: len(frame), describes: t.newest})
		t.bytes += len(frame)
		t.last = at
	}
}

// overflow drops what waits but for the first sample, which the present
// segment needs for its end.
func (t *track) overflow(now time.Time) {
	t.queue = append([]queued(nil), t.queue[0])
	t.bytes = t.queue[0].size
	t.skip(now)
}

// trim forgets the samples before a time.
func (t *track) trim(before int64) {
	n := 0
	for n < len(t.queue) && t.queue[n].Time < before {
		n++
	}
	t.drop(n)
}

// trimKeys keeps at most the samples since the n-th newest keyframe.
func (t *track) trimKeys(n int) {
	for i := len(t.queue) - 1; i > 0; i-- {
		if t.queue[i].Key {
			if n--; n == 0 {
				t.drop(i)
				return
			}
		}
	}
}

// length is how long the queued audio sample i lasts by what is in it.
func (t *track) length(i int) int64 {
	_, ticks := Silence(t.spec.Codec.Name)
	if i >= 0 && t.spec.Codec.Name == media.Opus {
		return opusTicks(t.queue[i].Units[0])
	}
	return ticks
}

// drop forgets the first n samples of the queue.
func (t *track) drop(n int) {
	for i := range n {
		t.bytes -= t.queue[i].size
		t.queue[i] = queued{}
	}
	t.queue = t.queue[n:]
}

// nudge moves a queued sample on the timeline, and its capture time with it.
func (t *track) nudge(q *queued, to int64) {
	if q.Time >= to {
		q.Wall = q.Wall.Add(-t.duration(q.Time - to))
	} else {
		q.Wall = q.Wall.Add(t.duration(to - q.Time))
	}
	q.Time = to
}
