package transcode

import (
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/opus"

	"github.com/freshet-live/freshet/hls-egress/segment"
)

const (
	// patient is how long audio may fail to come before silence goes in its
	// place: longer than lost packets are waited for.
	patient = 200 * time.Millisecond
	// longestSilence is how much goes in for one gap. An encoder that sends
	// nothing in silence still sends every 400 ms; whoever sends less is gone.
	longestSilence = time.Second
	// silent is what one packet of silence lasts.
	silent = 20 * time.Millisecond
	// longestPacket is 120 ms (RFC 6716 section 2.1.4), in samples.
	longestPacket = 5760
)

// silence keeps audio going while an encoder with DTX (RFC 7587 section 3.1.3)
// sends nothing: a rendition whose parts wait for somebody to speak holds up
// the players. It stays behind what could still come.
type silence struct {
	began  bool
	seen   time.Time // when the newest packet came
	end    segment.Sample
	filled time.Duration
}

// packet notes a packet that came.
func (f *silence) packet(now time.Time, s segment.Sample) {
	length := int64(silent.Seconds() * segment.AudioTimescale)
	if len(s.Units) > 0 {
		if d := opus.PacketDuration2(s.Units[0]); d > 0 {
			length = min(d, longestPacket)
		}
	}
	*f = silence{began: true, seen: now, end: segment.Sample{Time: s.Time + length, Wall: s.Wall.Add(time.Duration(length) * time.Second / segment.AudioTimescale)}}
}

// wait is how long the next packet may take, 0 for as long as it likes.
func (f *silence) wait(now time.Time) time.Duration {
	if !f.began || f.filled >= longestSilence {
		return 0
	}
	return max(f.seen.Add(patient+f.filled+silent).Sub(now), time.Millisecond)
}

// fill returns 20 ms of silence when it is time for that.
func (f *silence) fill(now time.Time) (segment.Sample, bool) {
	if !f.began || f.filled >= longestSilence || now.Before(f.seen.Add(patient+f.filled+silent)) {
		return segment.Sample{}, false
	}
	s := f.end
	s.Key = true
	s.Units = [][]byte{{0xF8, 0xFF, 0xFE}} // CELT, full band, one frame without energy
	f.filled += silent
	f.end.Time += int64(silent.Seconds() * segment.AudioTimescale)
	f.end.Wall = f.end.Wall.Add(silent)
	return s, true
}
