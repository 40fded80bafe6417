package rooms

import (
	"sync"
	"time"
)

// What a ring holds at most. A reader that is further behind is cut.
const (
	ringFrames = 2048
	ringBytes  = 4 << 20
	ringTime   = 12 * time.Second
)

// ring holds the latest frames of a Room for all of its sockets, each of which
// keeps its own place. Places count all frames that were ever put.
type ring struct {
	mu     sync.RWMutex
	frames []*frame // from first on, oldest first
	first  uint64
	bytes  int
}

// put appends frames and forgets what is too old, too much or too many.
func (r *ring) put(now time.Time, frames ...*frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range frames {
		r.frames = append(r.frames, f)
		r.bytes += len(f.plain)
	}
	old := 0
	for old < len(r.frames)-1 {
		f := r.frames[old]
		if len(r.frames)-old <= ringFrames && r.bytes <= ringBytes && now.Sub(f.at) <= ringTime {
			break
		}
		r.bytes -= len(f.plain)
		r.frames[old] = nil
		old++
	}
	r.first += uint64(old)
	// The slice moves on; append copies what is left once it has no more room.
	r.frames = r.frames[old:]
}

// end returns the place behind the newest frame.
func (r *ring) end() uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.first + uint64(len(r.frames))
}

// from appends the frames from a place on, as many as fit into out's capacity.
// It is false for a place that the ring has left behind.
func (r *ring) from(place uint64, out []*frame) ([]*frame, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if place < r.first {
		return out, false
	}
	for i := place - r.first; i < uint64(len(r.frames)) && len(out) < cap(out); i++ {
		out = append(out, r.frames[i])
	}
	return out, true
}
