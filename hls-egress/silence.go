package hlsegress

import (
	"time"

	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/sfu/media"
)

const (
	// silenceAfter is how far audio may be behind video before silence takes
	// its place. A player stops when one of both runs dry, and an encoder with
	// discontinuous transmission (RFC 7587 section 3.1.3) sends nothing at all
	// for most of a second.
	silenceAfter = 300 * time.Millisecond
	// silenceLag is how far behind video silence is filled in: what comes late
	// must still find its place.
	silenceLag = 200 * time.Millisecond
)

// silence fills what an audio Track leaves open. It is pure.
type silence struct {
	next int64 // where the next audio sample would follow; 0 before the first
}

// heard takes in a real audio sample.
func (s *silence) heard(a segment.Sample) {
	_, length := segment.Silence(media.Opus)
	s.next = a.Time + length
}

// fill returns silence up to what a video sample makes necessary.
func (s *silence) fill(v segment.Sample) (out []segment.Sample) {
	at := v.Time * segment.AudioTimescale / segment.VideoTimescale
	if s.next == 0 || at-s.next < ticks(silenceAfter) {
		return nil
	}
	if at-s.next > ticks(time.Minute) { // a new beginning, not a pause
		s.next = at - ticks(silenceAfter)
	}
	frame, length := segment.Silence(media.Opus)
	for until := at - ticks(silenceLag); s.next < until; s.next += length {
		behind := time.Duration(at-s.next) * time.Second / segment.AudioTimescale
		out = append(out, segment.Sample{
			Time: s.next, Wall: v.Wall.Add(-behind), Key: true, Units: [][]byte{frame},
		})
	}
	return out
}

func ticks(d time.Duration) int64 { return int64(d) * segment.AudioTimescale / int64(time.Second) }
