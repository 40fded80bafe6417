package hlsegress

import (
	"time"

	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/sfu/media"
)

// silence fills what sound leaves open. A player stops when one of sound and
// pictures runs dry. It is pure.
type silence struct {
	codec string
	// after is how far sound may be behind pictures before silence takes its
	// place, lag how far behind them it is filled in: what comes late must
	// still find its place.
	after, lag time.Duration

	next int64 // where the next sample would follow; 0 before the first
	// arrived is when the newest real sample did, wall when its end was
	// captured.
	arrived, wall time.Time
	heardTo       int64 // its end
}

// sent is what a publisher's Opus leaves open: an encoder with discontinuous
// transmission sends nothing at all for most of a second (RFC 7587 section
// 3.1.3).
func sent() silence {
	return silence{codec: media.Opus, after: 300 * time.Millisecond, lag: 200 * time.Millisecond}
}

// made is what ffmpeg leaves open when it hangs or starts anew, or when another
// publisher has no sound. A machine that is slow all the time must not be taken
// for that: what comes within lag is used.
func made() silence {
	return silence{codec: segment.AAC, after: 2 * time.Second, lag: 1500 * time.Millisecond}
}

// heard takes in a real sample.
func (s *silence) heard(now time.Time, a segment.Sample) {
	_, length := segment.Silence(s.codec)
	s.next = max(s.next, a.Time+length)
	s.heardTo, s.arrived = a.Time+length, now
	s.wall = a.Wall.Add(time.Duration(length) * time.Second / segment.AudioTimescale)
}

// fill returns silence up to what a picture makes necessary.
func (s *silence) fill(v segment.Sample) (out []segment.Sample) {
	at := v.Time * segment.AudioTimescale / segment.VideoTimescale
	if s.next == 0 || at-s.next < ticks(s.after) {
		return nil
	}
	if at-s.next > ticks(time.Minute) { // a new beginning, not a pause
		s.next = at - ticks(s.after)
	}
	frame, length := segment.Silence(s.codec)
	for until := at - ticks(s.lag); s.next < until; s.next += length {
		behind := time.Duration(at-s.next) * time.Second / segment.AudioTimescale
		out = append(out, segment.Sample{
			Time: s.next, Wall: v.Wall.Add(-behind), Key: true, Units: [][]byte{frame},
		})
	}
	return out
}

// alone is fill where there are no pictures: time goes on as it does here.
func (s *silence) alone(now time.Time) []segment.Sample {
	since := now.Sub(s.arrived)
	at := s.heardTo + ticks(since)
	return s.fill(segment.Sample{Time: at * segment.VideoTimescale / segment.AudioTimescale, Wall: s.wall.Add(since)})
}

func ticks(d time.Duration) int64 { return int64(d) * segment.AudioTimescale / int64(time.Second) }
