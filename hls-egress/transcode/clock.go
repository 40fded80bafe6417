package transcode

import (
	"fmt"
	"time"

	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/sfu/media"
)

const (
	// origin is where a process's own time begins, in ms: encoder delay makes
	// times before the first sample, and ffmpeg moves everything when any of
	// them is negative.
	origin = 10_000
	// memory bounds the samples that a clock waits for.
	memory = 1024
	// longestGap of audio is filled with silence; a longer one takes a new
	// process.
	longestGap = 10 * segment.AudioTimescale

	ticksPerMs   = segment.VideoTimescale / 1000
	samplesPerMs = segment.AudioTimescale / 1000
	// aacFrame is the length of an AAC access unit in samples.
	aacFrame = 1024
)

// stamp is what a clock remembers of a sample that went in.
type stamp struct {
	at     int64 // in ms of the process's own time; audio: unused
	sample segment.Sample
	sent   time.Time
}

// clock maps the media timeline to the times within one process and back. Each
// process counts from its own first sample, so that no container's number of
// bits matters.
type clock struct {
	video   bool
	began   bool
	base    int64 // Time of the first sample
	last    int64 // Time of the newest
	lastAt  int64
	pending []stamp
	anchor  segment.Sample // audio: the newest whose time is out
	out     int64          // audio: ms of the newest packet, not wrapped
	grid    int64          // audio: where access units lie, in samples
}

func newClock(kind media.Kind) *clock {
	return &clock{video: kind == media.Video, out: origin}
}

// enter returns when a sample is for the process, in units of Job.scale, and
// false when it does not come after the one before. The error wraps errGap
// when the process cannot bridge what lies between.
func (c *clock) enter(now time.Time, s segment.Sample) (at int64, ok bool, err error) {
	switch {
	case !c.began:
		c.began, c.base, c.anchor = true, s.Time, s
		c.lastAt = -1
	case s.Time <= c.last:
		return 0, false, nil
	case !c.video && s.Time-c.last > longestGap:
		return 0, false, fmt.Errorf("%w of %v", errGap, time.Duration(s.Time-c.last)*time.Second/segment.AudioTimescale)
	}
	c.last = s.Time
	if c.video {
		// Two pictures within one ms keep their order.
		at = max(origin+(s.Time-c.base+ticksPerMs/2)/ticksPerMs, c.lastAt+1)
	} else {
		at = origin*samplesPerMs/3 + (s.Time-c.base)/3
	}
	c.lastAt = at
	if len(c.pending) == memory {
		c.pending = append(c.pending[:0], c.pending[memory/2:]...)
	}
	c.pending = append(c.pending, stamp{at: at, sample: segment.Sample{Time: s.Time, Wall: s.Wall}, sent: now})
	return at, true, nil
}

// leave makes a Sample of what came out and tells when its source went in.
// False means that it is encoder delay before the first sample.
func (c *clock) leave(p packet) (s segment.Sample, sent time.Time, ok bool, err error) {
	if c.video {
		return c.picture(p)
	}
	return c.sound(p)
}

// picture finds the source by its time, for nothing else comes out.
func (c *clock) picture(p packet) (s segment.Sample, sent time.Time, ok bool, err error) {
	for i, in := range c.pending {
		if in.at&timeMask != p.at {
			continue
		}
		c.forget(i + 1)
		s = in.sample
		s.Key, s.Units = p.key, p.units
		return s, in.sent, true, nil
	}
	return s, sent, false, fmt.Errorf("%w: a picture at %d ms, which nobody sent", ErrGarbage, p.at)
}

// sound puts an access unit back on the grid of 1024 samples, which its time in
// ms only hints at. The resampler keeps the grid whatever the input does.
func (c *clock) sound(p packet) (s segment.Sample, sent time.Time, ok bool, err error) {
	delta := (p.at - c.out) & timeMask
	if delta > timeMask/2 {
		delta -= timeMask + 1
	}
	c.out += delta
	rel := (c.out - origin) * samplesPerMs
	if !c.began || rel > c.last-c.base+longestGap {
		return s, sent, false, fmt.Errorf("%w: sound at %d ms, which nobody sent", ErrGarbage, p.at)
	}
	off := (rel - c.grid) % aacFrame
	if off < 0 {
		off += aacFrame
	}
	if off > aacFrame/2 {
		off -= aacFrame
	}
	if off > 2*samplesPerMs || off < -2*samplesPerMs {
		c.grid += off
		off = 0
	}
	if rel -= off; rel < 0 {
		return s, sent, false, nil
	}
	s = segment.Sample{Time: c.base + rel, Key: true, Units: p.units}
	n := 0
	for n < len(c.pending) && c.pending[n].sample.Time <= s.Time {
		c.anchor, sent = c.pending[n].sample, c.pending[n].sent
		n++
	}
	c.forget(n)
	s.Wall = c.anchor.Wall.Add(time.Duration(s.Time-c.anchor.Time) * time.Second / segment.AudioTimescale)
	return s, sent, true, nil
}

func (c *clock) forget(n int) {
	c.pending = append(c.pending[:0], c.pending[n:]...)
}
