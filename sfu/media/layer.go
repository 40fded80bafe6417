package media

import (
	"sync/atomic"
	"time"
)

// Layer is one encoding of a Track: a simulcast RID, or the only encoding
// there is. It belongs to one Publication; a publisher that comes back brings
// new Layers. Its exported fields never change; its methods are safe for
// concurrent use.
type Layer struct {
	// Kind, Codec and RID identify the encoding. RID is empty when the
	// publisher sends a single encoding.
	Kind  Kind
	Codec Codec
	RID   string
	// Rank orders the Layers of a Track from the lowest quality (0) to the
	// highest.
	Rank int
	// Epoch is the number of the Publication within its Stream, from 1.
	Epoch uint64
	// Source produces the Layer and takes its keyframe requests.
	Source Source
	// History holds the Layer's recent Packets.
	History History

	// KeyframeInterval is the least time between two keyframe requests that
	// reach the Source, however many Sinks ask.
	KeyframeInterval time.Duration

	clock       atomic.Pointer[Clock]
	status      atomic.Pointer[LayerStatus]
	lastRequest atomic.Int64 // Unix nanoseconds of the last request passed on
	keyframes   keyframes
}

// RequestKeyframe asks the Layer's Source for a keyframe, unless somebody has
// within KeyframeInterval. It reports whether the request was passed on; a
// Sink that still needs a keyframe asks again later.
func (l *Layer) RequestKeyframe(now time.Time) bool {
	last := l.lastRequest.Load()
	// A wall clock that was set back must not silence the requests.
	if since := now.UnixNano() - last; since >= 0 && since < int64(l.KeyframeInterval) {
		return false
	}
	if !l.lastRequest.CompareAndSwap(last, now.UnixNano()) {
		return false
	}
	l.keyframes.request(now)
	l.Source.RequestKeyframe(l)
	return true
}

// MaxTemporalLayers is how many temporal layers a VP8 Layer may have (RFC 7741
// section 4.2, TID).
const MaxTemporalLayers = 4

// LayerStatus is what was measured of a Layer in the last second or so.
type LayerStatus struct {
	// Active is false when the Layer has sent nothing for a while.
	Active bool `json:"active"`
	// Bitrate is in bit/s of RTP payload.
	Bitrate uint64 `json:"bitrate"`
	// Upper is the part of it that each temporal layer of VP8 above the base
	// takes; zeros where there is none.
	Upper [MaxTemporalLayers - 1]uint64 `json:"-"`
	// Width and Height are in pixels, 0 while unknown and for audio.
	Width  int `json:"width,omitempty"`
	Height int `json:"height,omitempty"`
	// FrameRate is in frames per second, 0 for audio.
	FrameRate float64 `json:"frameRate,omitempty"`
	// Packets and Lost count since the Layer began. Lost packets were neither
	// received nor repaired.
	Packets uint64 `json:"packets"`
	Lost    uint64 `json:"lost"`
}

// Temporal returns how many temporal layers the Layer has, and in bit/s what the
// lowest n of them take together.
func (s *LayerStatus) Temporal(n int) (layers int, bitrate uint64) {
	bitrate = s.Bitrate
	for i := len(s.Upper); i > 0; i-- {
		upper := s.Upper[i-1]
		if upper > 0 && layers == 0 {
			layers = i + 1
		}
		if i >= n {
			bitrate -= min(upper, bitrate)
		}
	}
	return max(1, layers), bitrate
}

// Clock maps a Layer's RTP timestamps to this Node's wall clock: Timestamp was
// captured at Wall. One publisher's Layers share a time base, so that the
// Clocks of its audio and video agree as well as its sender reports did.
type Clock struct {
	Timestamp uint32
	Wall      time.Time
	// Rate is in ticks per second.
	Rate uint32
	// Reported is set when the mapping rests on an RTCP sender report, not
	// only on arrival times.
	Reported bool
}

// At returns the RTP timestamp of an instant.
func (c Clock) At(wall time.Time) uint32 {
	d := wall.Sub(c.Wall)
	return c.Timestamp + uint32(int64(d.Seconds()*float64(c.Rate))) // wraps by design (RFC 3550 section 5.1)
}

// Time returns the instant of an RTP timestamp within half the timestamp's
// range of the mapping.
func (c Clock) Time(ts uint32) time.Time {
	diff := int64(int32(ts - c.Timestamp)) // signed distance modulo 2^32
	return c.Wall.Add(time.Duration(diff * int64(time.Second) / int64(c.Rate)))
}

// Clock returns the newest mapping, and false before the first packet.
func (l *Layer) Clock() (Clock, bool) {
	if c := l.clock.Load(); c != nil {
		return *c, true
	}
	return Clock{}, false
}

// SetClock replaces the mapping. Only the Layer's Source calls it.
func (l *Layer) SetClock(c Clock) { l.clock.Store(&c) }

// Status returns the newest measurement.
func (l *Layer) Status() LayerStatus {
	if s := l.status.Load(); s != nil {
		return *s
	}
	return LayerStatus{}
}

// SetStatus replaces the measurement. Only the hub calls it.
func (l *Layer) SetStatus(s LayerStatus) { l.status.Store(&s) }

// History is a Layer's recent Packets, shared by everybody who consumes it.
// It is safe for concurrent use.
type History interface {
	// Packet returns the Packet with an extended sequence number, or nil when
	// it was never received or is too old.
	Packet(seq uint64) *Packet
	// Newest returns the Packet with the highest sequence number, nil before
	// the first.
	Newest() *Packet
	// Keyframe returns the first Packet of the newest keyframe, nil when there
	// was none or it is too old.
	Keyframe() *Packet
}
