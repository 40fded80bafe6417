package forward

import (
	"time"

	"github.com/freshet-live/freshet/sfu/media"
)

// Catchup says how a Replay reaches the live edge.
type Catchup struct {
	// Edge is the Layer's newest Packet, and Since how long ago it came.
	Edge  *media.Packet
	Since time.Duration
	// Speed is how many times as fast as real time the Frames are sent; less
	// than MinSpeed counts as that, more than MaxSpeed as that.
	Speed float64
	// Hold is how long the first Frame, the keyframe, takes to send: all
	// others are due that much later.
	Hold time.Duration
}

// The bounds of Catchup.Speed.
const (
	MinSpeed = 1.25
	MaxSpeed = 20
)

// replay moves the timestamps of a turn that begins behind the live edge. Its
// Frames are sent speed times as fast as they were captured, while the edge
// goes on; Frame x, counted in ticks from the first one, is due hold + x/speed
// after the begin, when the edge is at lag + hold + x/speed. That is its
// timestamp. The two meet at (lag + hold) * speed/(speed-1); from there on
// Frames keep their own.
//
// As it depends on nothing but the Packet, a repaired or repeated Packet gets
// the timestamp of its Frame again. The zero value moves nothing.
type replay struct {
	from  uint32 // the Source's timestamp of the first Packet
	lag   uint32 // ticks from there to the edge
	hold  uint32 // ticks that the first Frame takes
	meets uint32 // ticks from there to where the edge is reached
	speed uint32 // in 1/speedUnit
	// end is the sequence number of the first live Packet, 0 until it came: a
	// timestamp alone would be behind again when it has wrapped.
	end uint64
}

const (
	speedUnit = 64
	// maxLag bounds what is replayed, in ticks: 20 minutes at 90 kHz.
	maxLag = 20 * 60 * defaultClockRate
)

// newReplay plans to catch up from one timestamp with the edge, which is lag
// ticks ahead. There is nothing to catch up with when it is not.
func newReplay(from, lag, hold uint32, speed float64) replay {
	if lag == 0 || lag > maxLag || hold > maxLag {
		return replay{}
	}
	k := uint32(max(MinSpeed, min(speed, MaxSpeed)) * speedUnit)
	meets := uint64(lag+hold) * uint64(k) / uint64(k-speedUnit)
	return replay{from: from, lag: lag, hold: hold, meets: uint32(meets), speed: k} // below 2^31 by the bounds
}

// after returns in how many ticks from the begin a Packet is due, and false
// when it is live.
func (r *replay) after(p *media.Packet) (ticks uint32, replayed bool) {
	x := p.Timestamp - r.from
	switch {
	case x >= r.meets || r.end != 0 && p.Seq >= r.end:
		return 0, false
	case x == 0:
		return 0, true
	default:
		return r.hold + uint32(uint64(x)*speedUnit/uint64(r.speed)), true // less than x
	}
}

// move returns the timestamp, in the Source's count, under which a Packet goes
// out.
func (r *replay) move(p *media.Packet) uint32 {
	if ticks, replayed := r.after(p); replayed {
		return r.from + r.lag + ticks
	}
	return p.Timestamp
}

// reach notes a Packet that is newer than all before.
func (r *replay) reach(p *media.Packet) {
	if r.meets == 0 || r.end != 0 {
		return
	}
	if _, replayed := r.after(p); !replayed {
		r.end = p.Seq
	}
}

// Replay begins the turn of a Layer like Switch, with a keyframe from its
// History, from which the viewer catches up with the live edge. Due tells when
// to send each Packet.
//
// Replayed Frames get timestamps of the time at which they are due, not of
// their capture, so that the viewer's jitter buffer sees a stream that is
// merely fast. The numbers of the live Packets stay what they would be without
// the replay, and with them TimestampOffset and the sender reports.
func (m *Munger) Replay(l *media.Layer, p *media.Packet, c Catchup) {
	rate := clockRate(l)
	ticks := func(d time.Duration) uint32 {
		return uint32(max(0, min(d, maxPause)).Microseconds() * rate / 1e6) // bounded
	}
	lag := c.Edge.Timestamp - p.Timestamp + ticks(c.Since)
	next := m.next(l, p)
	if m.turns > 0 && m.segment().layer == l && m.lastLayer != nil {
		// The Layer goes on under the same clock; only what is replayed must
		// come after what was sent.
		next.timestamp = m.segment().timestamp
		if sent := m.lastOut - next.timestamp - p.Timestamp; int32(lag-sent) < 1 { // signed distance modulo 2^32
			lag = sent + 1
		}
	} else {
		next.timestamp = m.offset(l, c.Edge)
	}
	next.replay = newReplay(p.Timestamp, lag, ticks(c.Hold), c.Speed)
	m.begin(next)
}

// Due returns how long after the begin of a Replay to send a Packet, and false
// when it is not part of one: then it is live.
func (m *Munger) Due(p *media.Packet) (after time.Duration, replayed bool) {
	if m.turns == 0 {
		return 0, false
	}
	g := m.segment()
	ticks, replayed := g.replay.after(p)
	return time.Duration(ticks) * time.Second / time.Duration(clockRate(g.layer)), replayed
}

// Verdict says what the History can do for a viewer that needs a keyframe.
type Verdict uint8

// The verdicts of PlanReplay.
const (
	// NoReplay: there is no keyframe, or it is too long ago.
	NoReplay Verdict = iota
	// StillOnly: the path is too slow to catch up. The cached keyframe can be
	// shown until the next one comes.
	StillOnly
	// CatchUp: replay from the keyframe by the plan, up to the edge or to the
	// next keyframe.
	CatchUp
)

const (
	// MaxReplayBytes bounds what is replayed, in bytes of payload.
	MaxReplayBytes = 4 << 20
	// MaxReplayAge bounds how long ago the keyframe came.
	MaxReplayAge = 10 * time.Second
	// maxCatchup is how long a viewer may be shown the past where nobody knows
	// when the next keyframe comes.
	maxCatchup = 5 * time.Second
	// replayOverhead is what headers add to payload, in 1/32.
	replayOverhead = 33
)

// PlanReplay looks at what a Layer's History holds from a keyframe on and
// plans how a viewer reaches the edge at so many bit/s.
func PlanReplay(l *media.Layer, key *media.Packet, now time.Time, rate uint64) (Catchup, Verdict) {
	edge := l.History.Newest()
	if key == nil || edge == nil || rate == 0 || now.Sub(key.Arrival) > MaxReplayAge {
		return Catchup{}, NoReplay
	}
	first, total := 0, 0
	for seq := key.Seq; seq <= edge.Seq; seq++ {
		p := l.History.Packet(seq)
		if p == nil {
			continue
		}
		total += len(p.Payload)
		if p.Timestamp == key.Timestamp {
			first += len(p.Payload)
		}
		if total > MaxReplayBytes {
			return Catchup{}, NoReplay
		}
	}
	send := func(bytes int) float64 { return float64(bytes) / 32 * replayOverhead * 8 / float64(rate) }
	c := Catchup{Edge: edge, Since: max(0, now.Sub(edge.Arrival)), Speed: MaxSpeed}
	c.Hold = time.Duration(send(first) * float64(time.Second))
	lag := float64(edge.Timestamp-key.Timestamp) / float64(clockRate(l))
	if rest := send(total - first); rest > 0 {
		c.Speed = min(MaxSpeed, lag/rest)
	}
	if lag == 0 {
		return c, CatchUp
	}
	if c.Speed < MinSpeed {
		return c, StillOnly
	}
	if in, ok := l.NextKeyframe(now); ok && in > 0 && in <= maxCatchup {
		// The viewer jumps to the next keyframe when it comes. Until then a
		// picture of the past that moves is better than one that stands still.
		if c.Hold >= in {
			return c, StillOnly
		}
		return c, CatchUp
	}
	if (lag+c.Hold.Seconds())/(c.Speed-1) > maxCatchup.Seconds() {
		return c, StillOnly
	}
	return c, CatchUp
}
