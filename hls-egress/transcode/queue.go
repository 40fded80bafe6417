package transcode

import (
	"time"

	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/sfu/media"
)

// Bounds of what waits for a process: more is delay that nobody wants.
const (
	queueSamples = 256
	queueBytes   = 8 << 20
	queueSpan    = 1500 * time.Millisecond
)

// queue is what a process has not taken yet. When it is full, it is emptied and
// begins anew with a keyframe.
type queue struct {
	span    int64 // of media, in the samples' own units
	open    bool
	wait    bool // for a keyframe
	samples []segment.Sample
	bytes   int
}

func newQueue(kind media.Kind) queue {
	scale := int64(segment.VideoTimescale)
	if kind == media.Audio {
		scale = segment.AudioTimescale
	}
	return queue{span: int64(queueSpan) * scale / int64(time.Second)}
}

// start lets samples in, from the next keyframe on.
func (q *queue) start() { q.open, q.wait = true, true }

// stop lets nothing in and forgets what is there.
func (q *queue) stop() {
	q.open = false
	q.clear()
}

func (q *queue) clear() {
	clear(q.samples)
	q.samples, q.bytes = q.samples[:0], 0
}

// push adds a sample. It returns how many were dropped, this one included, and
// whether that was because the process is behind.
func (q *queue) push(s segment.Sample) (dropped int, behind bool) {
	size := sizeOf(s)
	if !q.open || size == 0 || size > queueBytes {
		return 1, false
	}
	if n := len(q.samples); n > 0 && (n == queueSamples || q.bytes+size > queueBytes || s.Time-q.samples[0].Time > q.span) {
		dropped, behind = n, true
		q.clear()
		q.wait = true
	}
	if q.wait && !s.Key {
		return dropped + 1, behind
	}
	q.wait = false
	q.samples, q.bytes = append(q.samples, s), q.bytes+size
	return dropped, behind
}

// pop removes the oldest sample.
func (q *queue) pop() (segment.Sample, bool) {
	if len(q.samples) == 0 {
		return segment.Sample{}, false
	}
	s := q.samples[0]
	q.samples[0] = segment.Sample{}
	q.samples, q.bytes = q.samples[1:], q.bytes-sizeOf(s)
	return s, true
}

func sizeOf(s segment.Sample) int {
	n := 0
	for _, u := range s.Units {
		n += len(u)
	}
	return n
}

// pace tells a machine that is too slow from one that was busy for a moment.
type pace struct {
	limit       time.Duration
	since, last time.Time
}

// behind notes that samples were dropped. It returns true when that has gone on
// for longer than the limit, with never as long a time in between.
func (p *pace) behind(now time.Time) bool {
	if p.last.IsZero() || now.Sub(p.last) > p.limit {
		p.since = now
	}
	p.last = now
	return now.Sub(p.since) > p.limit
}
