package segment

import (
	"time"

	"github.com/freshet-live/freshet/sfu/media"
)

const (
	// origin is where a timeline begins: encoders of AAC put samples before
	// the first one, and there has to be room for them.
	origin = 10 * time.Second
	// snapReported is how close a Layer's keyframe must be to the first
	// Layer's to be the same picture when both clocks rest on sender reports;
	// snapGuessed when they do not: half a frame.
	snapReported = 8 * time.Millisecond
	snapGuessed  = 16 * time.Millisecond
	// astray is a difference between a Layer's times and its clock that only a
	// new mapping mends, if it holds for strayFrames; maxBack is how far such a
	// mapping may go back.
	astray      = 200 * time.Millisecond
	strayFrames = 25
	maxBack     = 10 * time.Second
	// The capture times of the timeline follow the clocks by at most slew per
	// second, without jumps.
	slew = 10 * time.Millisecond
	// audioSlack is how far audio may be from its clock before its samples are
	// made a tick longer or shorter.
	audioSlack = 2 * time.Millisecond
	// maxPause bounds how far the timeline goes on between two publishers.
	maxPause = time.Hour
)

// Timeline puts the Frames of all Layers of a Stream on one clock, which begins
// at 10 s. Video keeps the exact distances of its RTP timestamps; what is of
// one capture gets one time in all Layers. Audio is bound to video by the
// Layers' Clocks. A Timeline is not safe for concurrent use.
type Timeline struct {
	layers map[*media.Layer]*line
	// first is the video Layer, or without video the audio Layer, whose
	// timestamps are the timeline.
	first *line
	// end is the highest time given out, wall its capture.
	end  time.Duration
	wall time.Time
	// floor is where the publisher before this one ended.
	floor time.Duration
	// zero is when time 0 was captured. It follows the Clocks.
	zero time.Time
	// settled is set when zero rests on a sender report.
	settled bool
	newest  time.Time // capture time of the last frame that moved zero
	// keys are the times of the first Layer's last keyframes, in ticks.
	keys [8]int64
	n    int
}

// line is one Layer on a Timeline.
type line struct {
	layer *media.Layer
	scale int64
	// shift is the time of RTP timestamp 0, in ticks.
	shift   int64
	last    int64
	began   bool
	snapped bool
	// astray counts frames in a row that are far from the clock.
	astray int
	// sure is set when snapped was held against a sender report.
	sure bool
}

// NewTimeline returns a Timeline for a Stream.
func NewTimeline() *Timeline {
	return &Timeline{layers: map[*media.Layer]*line{}, end: origin}
}

// Reset lets another publisher go on after what was there.
func (t *Timeline) Reset() {
	t.layers, t.first, t.settled, t.n = map[*media.Layer]*line{}, nil, false, 0
	if !t.wall.IsZero() {
		t.floor = t.end
	}
}

// Over reports whether a time, in the timescale of a kind, belongs to a
// publisher before the present one.
func (t *Timeline) Over(kind media.Kind, at int64) bool {
	l := line{scale: VideoTimescale}
	if kind == media.Audio {
		l.scale = AudioTimescale
	}
	return t.floor != 0 && l.duration(at) <= t.floor
}

// maxLayers bounds the Layers of one publisher.
const maxLayers = 32

// Sample puts a Frame on the timeline. It returns false for one that cannot be
// used: it goes back in time, as the B pictures of H.264 do, or it has no
// clock.
func (t *Timeline) Sample(f *media.Frame) (Sample, bool) {
	if f == nil || f.Layer == nil || f.Layer.Codec.ClockRate == 0 || f.Wall.IsZero() || len(f.Units) == 0 {
		return Sample{}, false
	}
	l := t.layers[f.Layer]
	if l == nil {
		if len(t.layers) >= maxLayers {
			return Sample{}, false
		}
		l = &line{layer: f.Layer, scale: VideoTimescale}
		if f.Layer.Kind == media.Audio {
			l.scale = AudioTimescale
		}
		t.layers[f.Layer] = l
	}
	ticks := f.Ticks
	if rate := int64(f.Layer.Codec.ClockRate); rate != l.scale {
		ticks = ticks/rate*l.scale + ticks%rate*l.scale/rate
	}
	if !l.began {
		t.begin(l, ticks, f.Wall)
	}
	t.follow(l, ticks, f)
	at := l.shift + ticks
	shown := l.duration(at)
	if l.last != 0 && at <= l.last || at <= 0 || t.floor != 0 && shown <= t.floor {
		return Sample{}, false
	}
	l.last = at
	if shown >= t.end {
		t.end, t.wall = shown, t.zero.Add(shown)
	}
	return Sample{Time: at, Wall: t.zero.Add(shown), Key: f.Keyframe, Lost: f.Lost, Units: f.Units}, true
}

func (l *line) ticks(d time.Duration) int64 {
	return int64(d/time.Second)*l.scale + int64(d%time.Second)*l.scale/int64(time.Second)
}

func (l *line) duration(ticks int64) time.Duration {
	return time.Duration(ticks/l.scale)*time.Second + time.Duration(ticks%l.scale)*time.Second/time.Duration(l.scale)
}

func (l *line) reported() bool {
	c, ok := l.layer.Clock()
	return ok && c.Reported
}

// begin places a Layer by its clock. The first one places the publisher.
func (t *Timeline) begin(l *line, ticks int64, wall time.Time) {
	l.began = true
	if t.first == nil {
		t.place(wall)
	}
	// Pictures are the better measure, whoever came first.
	if t.first == nil || t.first.layer.Kind == media.Audio && l.layer.Kind == media.Video {
		t.first = l
	}
	l.shift = l.ticks(wall.Sub(t.zero)) - ticks
}

// place puts a publisher after what was there: as much later as it was
// captured later, so that one clock holds for all publishers.
func (t *Timeline) place(wall time.Time) {
	at := t.end
	if !t.wall.IsZero() {
		// The other Layers' first frames may be a little older than this one.
		const room = 500 * time.Millisecond
		at = t.end + room
		if pause := wall.Sub(t.wall); pause > room && pause < maxPause {
			at = t.end + pause
		}
	}
	t.zero, t.newest = wall.Add(-at), wall
}

// follow keeps a Layer and the capture times together.
func (t *Timeline) follow(l *line, ticks int64, f *media.Frame) {
	at := l.shift + ticks
	off := f.Wall.Sub(t.zero) - l.duration(at) // how much later its clock says that it is
	switch {
	case l == t.first:
		t.drift(l, off, f)
	case l.layer.Kind == media.Audio:
		t.slew(l, off)
	default:
		t.snap(l, at, off, f)
	}
	if l == t.first && f.Keyframe && l.layer.Kind == media.Video {
		t.keys[t.n%len(t.keys)] = l.shift + ticks
		t.n++
	}
}

// drift moves the capture times of the timeline after the first Layer's clock:
// at once when its first sender report comes, as until then the clock is a
// guess, and slowly later.
func (t *Timeline) drift(l *line, off time.Duration, f *media.Frame) {
	if reported := l.reported(); reported && !t.settled || off.Abs() > astray {
		t.settled = reported
		t.zero, t.newest = t.zero.Add(off), f.Wall
		return
	}
	since := f.Wall.Sub(t.newest)
	if since <= 0 {
		return
	}
	t.newest = f.Wall
	step := time.Duration(float64(slew) * min(since.Seconds(), 1))
	t.zero = t.zero.Add(min(max(off, -step), step))
}

// strays reports whether a Layer's times have been so far from its clock for
// so long that they have to be mapped anew. One Layer may hear of a clock that
// was set a little before the others do; and times cannot go back far.
func (l *line) strays(off time.Duration) bool {
	if off.Abs() <= astray || off < -maxBack {
		l.astray = 0
		return false
	}
	if l.astray++; l.astray < strayFrames {
		return false
	}
	l.astray = 0
	return true
}

// slew moves audio by a tick per sample at most. Only what no clock explains is
// mended at once.
func (t *Timeline) slew(l *line, off time.Duration) {
	switch {
	case off.Abs() > astray:
		if l.strays(off) {
			l.shift += l.ticks(off)
		}
	case off > audioSlack:
		l.shift++
	case off < -audioSlack:
		l.shift--
	}
}

// snap gives a Layer the first Layer's times where both show one capture. The
// distance of their timestamps never changes, so once is enough; later
// keyframes only supervise it.
func (t *Timeline) snap(l *line, at int64, off time.Duration, f *media.Frame) {
	reported := l.reported() && t.settled
	wrong := l.strays(off)
	if reported && !l.sure {
		l.sure = true
		wrong = wrong || off.Abs() > snapGuessed || !l.snapped
	}
	if wrong {
		l.shift += l.ticks(off)
		at += l.ticks(off)
		l.snapped = false
	}
	if l.snapped || !f.Keyframe {
		return
	}
	within := snapGuessed
	if reported {
		within = snapReported
	}
	for _, key := range t.keys[:min(t.n, len(t.keys))] {
		if d := key - at; max(d, -d) <= l.ticks(within) {
			l.shift += d
			l.snapped = true
			return
		}
	}
}
