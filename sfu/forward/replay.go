package forward

import "github.com/freshet-live/freshet/sfu/media"

// replay moves the timestamps of a turn that begins behind the live edge. Its
// Frames are sent speed times as fast as they were captured, while the edge
// goes on; Frame x, counted in ticks from the first one, is due x/speed after
// the begin, when the edge is at lag + x/speed. That is its timestamp. The two
// meet at lag * speed/(speed-1); from there on Frames keep their own.
//
// As it depends on nothing but the Packet, a repaired or repeated Packet gets
// the timestamp of its Frame again. The zero value moves nothing.
type replay struct {
	from  uint32 // the Source's timestamp of the first Packet
	lag   uint32 // ticks from there to the edge
	meets uint32 // ticks from there to where the edge is reached
	speed uint32
	// end is the sequence number of the first live Packet, 0 until it came: a
	// timestamp alone would be behind again when it has wrapped.
	end uint64
}

const (
	minSpeed = 2
	maxSpeed = 1000
	// maxLag bounds what is replayed, in ticks: 20 minutes at 90 kHz.
	maxLag = 20 * 60 * defaultClockRate
)

// newReplay plans to catch up from one timestamp with another. There is
// nothing to catch up with when the edge is not ahead.
func newReplay(from, edge uint32, speed int) replay {
	lag := edge - from
	if lag == 0 || lag > maxLag {
		return replay{}
	}
	k := uint32(max(minSpeed, min(speed, maxSpeed))) // bounded
	meets := uint64(lag) * uint64(k) / uint64(k-1)
	return replay{from: from, lag: lag, meets: uint32(meets), speed: k} // at most twice maxLag
}

// after returns in how many ticks from the begin a Packet is due, and false
// when it is live.
func (r *replay) after(p *media.Packet) (ticks uint32, replayed bool) {
	x := p.Timestamp - r.from
	if x >= r.meets || r.end != 0 && p.Seq >= r.end {
		return 0, false
	}
	return x / r.speed, true
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
