package bench

import "time"

const (
	// A freeze is a pause of more than freezeTime and of three frames.
	freezeTime = 200 * time.Millisecond
	// edge is how late a frame may be at most to count as live.
	edge = 250 * time.Millisecond
	// settled is when a viewer's latency counts even if it was never live.
	settled = 3 * time.Second
)

// player turns packets in order into frames as a decoder would show them: it
// starts at a keyframe, and after a gap waits for the next one. It is a value
// without clock or I/O; all times are since the start of the run.
type player struct {
	posted time.Duration // when the viewer asked to join

	ts        uint32
	inFrame   bool
	decodable bool
	stamp     time.Duration
	stamped   bool

	frames      int
	firstPacket time.Duration // after posted, as all below; 0: none
	firstFrame  time.Duration
	live        time.Duration
	last        time.Duration // when the last frame was shown
	freezes     int
	frozen      time.Duration
	latencies   *histogram // nil: not measured at present
	timeline    timeline
	decoder     *decoder // nil: nobody looks at the pictures
	rank        int8     // of the layer
	key         bool     // the frame is a keyframe
}

func (p *player) take(now time.Duration, a arrival, gap bool) {
	fresh := !p.inFrame || a.ts != p.ts
	if gap {
		p.decodable = false
	}
	if fresh {
		p.inFrame, p.ts, p.stamped, p.key = true, a.ts, false, false
	}
	if p.decoder != nil {
		p.decoder.packet(a.payload, fresh)
	}
	if a.key {
		p.decodable, p.key = true, true
	}
	if a.stamped {
		p.stamp, p.stamped, p.rank = a.stamp, true, a.rank
	}
	if a.marker {
		p.inFrame = false
		if p.decodable {
			p.show(now)
		}
	}
}

// show counts a frame.
func (p *player) show(now time.Duration) {
	if p.frames == 0 {
		p.firstFrame = now - p.posted
	} else {
		p.pause(now)
	}
	p.frames++
	p.last = now
	p.timeline.add(now, p.rank)
	if p.decoder != nil {
		p.decoder.show(p.key)
	}
	if !p.stamped {
		return
	}
	late := now - p.stamp
	if p.live == 0 && late < edge {
		p.live = now - p.posted
	}
	if p.latencies != nil && (p.live != 0 || now-p.posted > settled) {
		p.latencies.add(late)
	}
}

// pause counts a freeze that ends now.
func (p *player) pause(now time.Duration) {
	if d := now - p.last; d > max(freezeTime, 3*frameTime) {
		p.freezes++
		p.frozen += d
	}
}

// starving reports whether the player needs a keyframe.
func (p *player) starving() bool { return !p.decodable }
