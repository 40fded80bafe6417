package rooms

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/time/rate"

	"github.com/freshet-live/freshet/internal/httpx"
)

const (
	// maxCommand bounds a frame from a client, in bytes, also once unpacked.
	maxCommand = 8 << 10
	// sendBuffer bounds what the kernel keeps of a client that does not read; it
	// doubles this (socket(7)).
	sendBuffer = 64 << 10
	// roomForGoodbye is what the buffer grows to at the end. What waits in it
	// may exceed sendBuffer by a whole train of segments.
	roomForGoodbye = 4 * sendBuffer
	// readBuffer holds a usual command; longer ones pass through it.
	readBuffer = 512
	// pingEvery and deadAfter find out about peers that have vanished.
	pingEvery = 30 * time.Second
	deadAfter = 70 * time.Second
	// lingerTime is how long we wait for the client's part of a goodbye.
	lingerTime = 2 * time.Second
	// maxLinger bounds what is read meanwhile.
	maxLinger = 1 << 20
	// framesPerSecond and frameBurst bound what a client sends, pings included.
	// Who goes on for frameBurst more is sent away; of those, one a second is
	// forgotten.
	framesPerSecond  = 20
	frameBurst       = 60
	excusedPerSecond = 1
	// atOnce is how many frames one write takes together.
	atOnce = 16
)

// Endings that the transport itself decides on.
var (
	tooSlow     = ending{code: 4008, resume: true}
	stopping    = ending{code: websocket.CloseGoingAway, resume: true}
	failedRoom  = ending{code: websocket.CloseInternalServerErr, resume: true}
	brokeRules  = ending{code: websocket.ClosePolicyViolation, reason: "too many frames"}
	tooLong     = ending{code: websocket.ClosePolicyViolation, reason: "a command took too long"}
	notText     = ending{code: websocket.ClosePolicyViolation, reason: "commands are text frames"}
	tooLarge    = ending{code: websocket.CloseMessageTooBig, reason: "a command has at most 8 KiB"}
	silentEnd   = ending{} // the peer is gone, or has been told already
	errFlooding = errors.New("too many frames")
)

// socket is one WebSocket. One goroutine reads; another one sends, and it alone
// writes to the connection, but for what gorilla/websocket says to a client that
// breaks RFC 6455.
type socket struct {
	*member
	conn    net.Conn
	ws      *websocket.Conn
	deflate bool
	budget  budget        // of frames that come in
	heard   atomic.Int64  // s since 1970
	pingAt  time.Time     // the keeper's
	written chan struct{} // closed when sending is over
}

func newSocket(m *member, ws *websocket.Conn, deflate bool, now time.Time) *socket {
	s := &socket{
		member: m, conn: httpx.Unwrap(ws.NetConn()), ws: ws, deflate: deflate,
		budget: newBudget(m.keeper.h.cfg.frames), written: make(chan struct{}),
		// Those who come together shall not all be pinged together.
		pingAt: now.Add(pingEvery/2 + rand.N(pingEvery/2)),
	}
	s.heard.Store(now.Unix())
	if c, ok := s.conn.(interface{ SetWriteBuffer(int) error }); ok {
		_ = c.SetWriteBuffer(sendBuffer)
	}
	ws.SetReadLimit(maxCommand)
	ws.SetPingHandler(s.pinged)
	ws.SetPongHandler(s.ponged)
	ws.SetCloseHandler(func(int, string) error { return nil }) // the sender answers
	m.attach(s)
	return s
}

func (s *socket) interrupt(deadline time.Time) { _ = s.conn.SetWriteDeadline(deadline) }

// serve reads until the connection ends, and gives it back.
func (s *socket) serve(handle func([]byte)) {
	s.finish(endingOf(s.receive(handle)))
	<-s.written
	// What is unread when a connection closes makes the kernel send a reset,
	// and that may overtake our close frame.
	_, _ = io.CopyN(io.Discard, s.conn, maxLinger)
	_ = s.conn.Close()
}

// receive hands each command to handle, which must not keep it. It returns why
// the connection is over.
func (s *socket) receive(handle func([]byte)) error {
	for late := 0; ; {
		kind, r, err := s.ws.NextReader()
		if err != nil {
			return err
		}
		s.heard.Store(time.Now().Unix())
		if s.ended() != nil {
			if late++; late > frameBurst {
				return errFlooding
			}
			continue // only the peer's goodbye matters still
		}
		if kind != websocket.TextMessage {
			s.cut(notText)
			continue
		}
		s.readBy(time.Now().Add(s.keeper.h.cfg.stall))
		err = withMessage(r, handle)
		s.readBy(time.Time{})
		switch {
		case errors.Is(err, errTooLarge):
			s.cut(tooLarge)
		case timedOut(err):
			s.cut(tooLong)
			return err
		case err != nil:
			return err
		}
	}
}

// readBy bounds the rest of a command that has begun: whoever sends it bit by
// bit has a buffer, and all that it takes to unpack it. Zero is for as long as
// it takes until the next one, but for the time of a goodbye.
func (s *socket) readBy(deadline time.Time) {
	_ = s.conn.SetReadDeadline(deadline)
	if s.ended() != nil { // goodbye may have set its own before
		_ = s.conn.SetReadDeadline(time.Now().Add(lingerTime))
	}
}

// timedOut tells an error that gorilla/websocket has wrapped in one of its own.
func timedOut(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

var (
	errTooLarge = errors.New("a command too large")
	messages    = sync.Pool{New: func() any { b := make([]byte, maxCommand+1); return &b }}
)

// withMessage reads a message, which may be longer than its frame was, and
// hands it over. Idle sockets have no buffer for it.
func withMessage(r io.Reader, handle func([]byte)) error {
	b := messages.Get().(*[]byte)
	defer messages.Put(b)
	n, err := io.ReadFull(r, *b)
	switch {
	case err == nil:
		return errTooLarge
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF) && n > 0:
		handle((*b)[:n])
		return nil
	default:
		return err
	}
}

// budget is what a client may send.
type budget struct{ frames, excess *rate.Limiter }

func newBudget(framesPerSecond float64) budget {
	return budget{
		frames: rate.NewLimiter(rate.Limit(framesPerSecond), frameBurst),
		excess: rate.NewLimiter(excusedPerSecond, frameBurst),
	}
}

// allow takes a frame of it.
func (b budget) allow(now time.Time) bool { return b.frames.AllowN(now, 1) }

// forgive takes a frame that was refused. It reports false for a client that
// does not slow down.
func (b budget) forgive(now time.Time) bool { return b.excess.AllowN(now, 1) }

func (s *socket) pinged(data string) error {
	s.heard.Store(time.Now().Unix())
	if !s.budget.allow(time.Now()) {
		s.cut(brokeRules)
		return errFlooding
	}
	pong := append(appendHeader(nil, finalPong, len(data)), data...)
	s.mu.Lock()
	s.control = pong // the latest suffices (RFC 6455 section 5.5.3)
	s.mu.Unlock()
	s.nudge()
	return nil
}

func (s *socket) ponged(string) error {
	s.heard.Store(time.Now().Unix())
	if !s.budget.allow(time.Now()) {
		s.cut(brokeRules)
		return errFlooding
	}
	return nil
}

// tend sends away who does not read or is not there any more, and pings.
func (s *socket) tend(now time.Time) {
	switch {
	case s.stalled(now), now.Unix()-s.heard.Load() > int64(deadAfter/time.Second):
		s.cut(tooSlow)
	case !now.Before(s.pingAt):
		s.pingAt = now.Add(pingEvery)
		s.mu.Lock()
		s.control = appendHeader(s.control, finalPing, 0)
		s.mu.Unlock()
		s.nudge()
	}
}

// endingOf returns how to end a socket whose reading has failed.
func endingOf(err error) ending {
	var closed *websocket.CloseError
	switch {
	case !errors.As(err, &closed):
		return silentEnd // lost, or gorilla/websocket has sent the reason
	case closed.Code == websocket.CloseNoStatusReceived, closed.Code == websocket.CloseAbnormalClosure:
		return ending{code: websocket.CloseNormalClosure}
	default:
		return ending{code: closed.Code}
	}
}

// send writes until the member is to go, and says goodbye.
func (s *socket) send() {
	defer close(s.written)
	var space [atOnce]*frame
	for {
		control, frames, end := s.take(space[:0])
		rest, err := s.write(control, frames)
		if err == nil && end == nil {
			if len(frames) == 0 && len(control) == 0 {
				<-s.wake
			}
			continue
		}
		if err != nil {
			s.cut(tooSlow) // no other reason is known yet
			end = s.ended()
		}
		s.goodbye(rest, err, *end)
		return
	}
}

// write sends frames in one system call. Where it fails by its deadline, rest is
// what the peer needs to make sense of what follows.
func (s *socket) write(control []byte, frames []*frame) (rest []byte, err error) {
	n := len(frames)
	if len(control) > 0 {
		n++
	}
	if n == 0 {
		return nil, nil
	}
	s.since.Store(time.Now().UnixNano())
	defer s.since.Store(0)
	if n == 1 {
		b := control
		if len(frames) > 0 {
			b = frames[0].wire(s.deflate)
		}
		n, err := s.conn.Write(b)
		s.read(frames)
		return b[n:], err
	}
	bufs := make(net.Buffers, 0, n)
	if len(control) > 0 {
		bufs = append(bufs, control)
	}
	for _, f := range frames {
		bufs = append(bufs, f.wire(s.deflate))
	}
	if _, err = bufs.WriteTo(s.conn); err == nil {
		s.read(frames)
		return nil, nil
	}
	if len(bufs) == 0 {
		return nil, err
	}
	s.read(frames[:max(0, len(frames)-len(bufs)+1)])
	return bufs[0], err
}

// goodbye ends the sending side: the rest of a frame that was begun, a close
// frame, and the end of the stream. A peer that does not read leaves no room
// for that, so the kernel is asked for some.
func (s *socket) goodbye(rest []byte, failed error, end ending) {
	_ = s.conn.SetReadDeadline(time.Now().Add(lingerTime))
	if failed != nil && !errors.Is(failed, os.ErrDeadlineExceeded) {
		return
	}
	b := append([]byte(nil), rest...)
	if end != silentEnd {
		b = append(b, end.frame(s.position)...)
	}
	if c, ok := s.conn.(interface{ SetWriteBuffer(int) error }); ok && failed != nil {
		_ = c.SetWriteBuffer(roomForGoodbye)
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(cutTime))
	_, _ = s.conn.Write(b)
	if c, ok := s.conn.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
}
