package rooms

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/freshet-live/freshet/signaling/rooms/room"
)

const (
	// ownFrames bounds how many frames wait for one member alone: answers to its
	// commands, which it has to read.
	ownFrames = 3 * frameBurst
	// stallTime is how long one write may take, unless Config says otherwise.
	stallTime = 10 * time.Second
	// cutTime is how long a write that has begun may still take once a member
	// is to go.
	cutTime = time.Second
)

// member is one connection to a Room: a WebSocket or an event stream. The
// keeper gives it frames and tells it to go; one goroutine of its own sends.
type member struct {
	id      room.Conn
	keeper  *keeper // nil until it has joined
	section *section
	wake    chan struct{} // holds one

	mu sync.Mutex
	// transport is nil until the connection is one of its kind, and for event
	// streams.
	transport transport
	gone      bool // or about to
	own       []*frame
	control   []byte // a ping or pong to send, at most one of each
	end       *ending

	// place in the ring and position are the sending goroutine's.
	place    uint64
	position string
	// since is when the write that goes on has begun, in ns since 1970; 0: none
	// does.
	since atomic.Int64
}

// transport is what a member needs of its connection.
type transport interface {
	// interrupt bounds the write that is going on.
	interrupt(deadline time.Time)
	// tend is called about once a second.
	tend(now time.Time)
}

func newMember(id room.Conn) *member {
	return &member{id: id, wake: make(chan struct{}, 1)}
}

// attach names the transport. The member may have to go already.
func (m *member) attach(t transport) {
	m.mu.Lock()
	m.transport = t
	ended := m.end != nil
	m.mu.Unlock()
	if ended {
		t.interrupt(time.Now().Add(cutTime))
	}
}

// tend is the keeper's look at the member, about once a second.
func (m *member) tend(now time.Time) {
	m.mu.Lock()
	t := m.transport
	m.mu.Unlock()
	if t != nil {
		t.tend(now)
	}
}

// nudge makes the sending goroutine look again.
func (m *member) nudge() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// push queues frames for this member alone. One that lets them pile up is sent
// away.
func (m *member) push(frames ...*frame) {
	m.mu.Lock()
	full := len(m.own) >= ownFrames
	if !full {
		m.own = append(m.own, frames...)
	}
	m.mu.Unlock()
	if full {
		m.cut(tooSlow)
		return
	}
	m.nudge()
}

// cut sends the member away; the first reason counts.
func (m *member) cut(e ending) {
	if m.finish(e) && m.keeper != nil {
		m.keeper.h.metrics.cut(e.code)
	}
}

// finish is cut for one who goes by itself. It reports whether e is the reason.
func (m *member) finish(e ending) bool {
	m.mu.Lock()
	first, t := m.end == nil, m.transport
	if first {
		m.end = &e
	}
	m.mu.Unlock()
	if !first {
		return false
	}
	if t != nil {
		t.interrupt(time.Now().Add(cutTime))
	}
	m.nudge()
	return true
}

// ended returns how the member was sent away, nil while it may stay.
func (m *member) ended() *ending {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.end
}

// take returns what there is to send next: control frames, frames for this
// member, then those of the ring, as many as space has room for. All are
// empty when there is nothing to do.
func (m *member) take(space []*frame) (control []byte, frames []*frame, end *ending) {
	m.mu.Lock()
	defer m.mu.Unlock()
	control, m.control = m.control, nil
	frames = space
	frames = append(frames, m.own...)
	clear(m.own)
	m.own = m.own[:0]
	if len(frames) > 0 || m.end != nil {
		return control, frames, m.end
	}
	frames, ok := m.section.ring.from(m.place, frames)
	if !ok {
		m.end = &tooSlow
		m.keeper.h.metrics.cut(tooSlow.code)
	}
	m.place += uint64(len(frames))
	return control, frames, m.end
}

// read notes that the client has been sent frames.
func (m *member) read(frames []*frame) {
	if len(frames) > 0 {
		m.keeper.h.metrics.sent(m.id, frames)
	}
	for _, f := range frames {
		if f.position != "" {
			m.position = f.position
		}
	}
}

// stalled reports whether a write has gone on for too long.
func (m *member) stalled(now time.Time) bool {
	since := m.since.Load()
	return since != 0 && now.UnixNano()-since > int64(m.keeper.h.cfg.stall)
}
