package wire

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// firstFrameTimeout bounds the wait for a connection's first frame.
	firstFrameTimeout = 10 * time.Second
	// tcpIdleTimeout closes a connection on which nothing comes: the peer's
	// consent checks come every few seconds (RFC 7675 section 5.1).
	tcpIdleTimeout = 60 * time.Second
	// tcpWriteTimeout closes a connection that takes nothing.
	tcpWriteTimeout = 10 * time.Second
	// tcpQueueBytes bounds what waits for one connection: about a second of
	// video. More would only arrive too late.
	tcpQueueBytes = 256 << 10
	// maxUnclaimed frames in a row, on a connection that was a viewer's, mean
	// that its session is over.
	maxUnclaimed = 32
	// frameHeader is the length before each frame (RFC 4571 section 2).
	frameHeader = 2
	stunHeader  = 20
	stunCookie  = 0x2112A442
)

// errNotICE: a TCP peer does not begin as RFC 6544 has it, with STUN.
var errNotICE = errors.New("the first frame is not STUN")

// tcpServer accepts ICE-TCP connections.
type tcpServer struct {
	listener   net.Listener
	addr       netip.AddrPort
	log        *slog.Logger
	counts     *counters
	publishers *publisherTCP
	maxAll     int
	maxPerAddr int

	mu      sync.Mutex
	open    map[net.Conn]netip.Addr
	perAddr map[netip.Addr]int
	closed  bool
}

func listenTCP(cfg Config, log *slog.Logger, counts *counters) (*tcpServer, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), network("tcp", cfg.TCPListen), cfg.TCPListen)
	if err != nil {
		return nil, fmt.Errorf("%w: media.tcp-listen %q: %w%s", ErrListen, cfg.TCPListen, err, listenHint(err))
	}
	bound := l.Addr().(*net.TCPAddr).AddrPort()
	return &tcpServer{
		listener: l, addr: netip.AddrPortFrom(bound.Addr().Unmap(), bound.Port()),
		log: log, counts: counts, publishers: newPublisherTCP(l.Addr()),
		maxAll: cfg.MaxTCP, maxPerAddr: cfg.MaxTCPPerAddr,
		open: map[net.Conn]netip.Addr{}, perAddr: map[netip.Addr]int{},
	}, nil
}

// accept runs until the listener is closed; connections run in the group.
func (t *tcpServer) accept(ctx context.Context, group *errgroup.Group, h Handler) error {
	for {
		conn, err := t.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			// Out of file descriptors, say: those who are connected go on.
			t.log.Warn("ICE-TCP accept failed", "err", err)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(time.Second):
			}
			continue
		}
		if !t.admit(conn) {
			t.counts.tcpRefused.Add(1)
			_ = conn.Close()
			continue
		}
		group.Go(func() error {
			t.serve(conn, h, group)
			return nil
		})
	}
}

// limitKey is what connections are counted by: one IPv4 address, or the IPv6
// /64 that one subscriber usually has.
func limitKey(addr netip.Addr) netip.Addr {
	if addr.Is6() {
		if p, err := addr.WithZone("").Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return addr
}

func (t *tcpServer) admit(conn net.Conn) bool {
	key := limitKey(remoteAddr(conn).Addr())
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || len(t.open) >= t.maxAll || t.perAddr[key] >= t.maxPerAddr {
		return false
	}
	t.open[conn] = key
	t.perAddr[key]++
	t.counts.tcpOpen.Add(1)
	return true
}

// release closes a connection and forgets it; again is harmless.
func (t *tcpServer) release(conn net.Conn) {
	_ = conn.Close()
	t.mu.Lock()
	defer t.mu.Unlock()
	key, ok := t.open[conn]
	if !ok {
		return
	}
	delete(t.open, conn)
	if t.perAddr[key]--; t.perAddr[key] == 0 {
		delete(t.perAddr, key)
	}
	t.counts.tcpOpen.Add(-1)
}

// close closes the listener and every connection, the publishers' too.
func (t *tcpServer) close() {
	t.mu.Lock()
	t.closed = true
	for conn := range t.open {
		_ = conn.Close()
	}
	t.mu.Unlock()
	_ = t.listener.Close()
	t.publishers.drain()
}

// serve finds out whose a connection is by its first frame.
func (t *tcpServer) serve(conn net.Conn, h Handler, group *errgroup.Group) {
	buf := make([]byte, frameHeader+maxReceive)
	n, err := readFirst(conn, buf)
	if err != nil {
		t.counts.tcpRefused.Add(1)
		t.log.Debug("ICE-TCP connection refused", "remote", conn.RemoteAddr(), "err", err)
		t.release(conn)
		return
	}
	c := newTCPConn(conn)
	if !h.HandleDatagram(c.route(), buf[frameHeader:frameHeader+n]) {
		t.handOver(conn, buf[:frameHeader+n])
		return
	}
	group.Go(func() error {
		c.write()
		return nil
	})
	err = c.read(h, buf)
	_ = c.Close()
	t.release(conn)
	t.log.Debug("ICE-TCP connection ended", "remote", conn.RemoteAddr(), "err", err)
	h.HandleClosed(c.route())
}

// handOver gives a connection to the publishers' side, its first frame unread.
func (t *tcpServer) handOver(conn net.Conn, first []byte) {
	_ = conn.SetReadDeadline(time.Time{})
	ok := t.publishers.offer(&replayConn{Conn: conn, first: first, release: t.release})
	if !ok {
		t.counts.tcpRefused.Add(1)
		t.release(conn)
	}
}

// readFirst reads the first frame, header and all, and checks that it can be a
// STUN message (RFC 8489 section 5).
func readFirst(conn net.Conn, buf []byte) (int, error) {
	if err := conn.SetReadDeadline(time.Now().Add(firstFrameTimeout)); err != nil {
		return 0, err
	}
	n, err := readFrame(conn, buf)
	if err != nil {
		return 0, err
	}
	frame := buf[frameHeader : frameHeader+n]
	if n < stunHeader || frame[0] > 3 || binary.BigEndian.Uint32(frame[4:]) != stunCookie {
		return 0, errNotICE
	}
	return n, nil
}

// readFrame reads one RFC 4571 frame behind its header into buf. A length of
// zero is a legal null frame.
func readFrame(r io.Reader, buf []byte) (int, error) {
	if _, err := io.ReadFull(r, buf[:frameHeader]); err != nil {
		return 0, err
	}
	n := int(binary.BigEndian.Uint16(buf))
	if n > len(buf)-frameHeader {
		return 0, fmt.Errorf("%w: a frame of %d bytes", ErrTooLarge, n)
	}
	if _, err := io.ReadFull(r, buf[frameHeader:frameHeader+n]); err != nil {
		return 0, err
	}
	return n, nil
}

// remoteAddr returns a connection's remote address, unmapped.
func remoteAddr(conn net.Conn) netip.AddrPort {
	tcp, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	addr := tcp.AddrPort()
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}

// TCPConn is one ICE-TCP connection of a viewer. Datagrams wait in its own
// bounded queue.
type TCPConn struct {
	conn   net.Conn
	remote netip.AddrPort
	wake   chan struct{} // capacity 1: there is something in pending
	done   chan struct{}

	mu      sync.Mutex
	pending []byte // frames that wait
	closed  bool
}

func newTCPConn(conn net.Conn) *TCPConn {
	return &TCPConn{
		conn: conn, remote: remoteAddr(conn),
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
}

func (c *TCPConn) route() Route { return Route{Addr: c.remote, TCP: c} }

// Close closes the connection; what waits to be sent is lost. The Handler is
// told by HandleClosed. It may be called from anywhere and again.
func (c *TCPConn) Close() error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.done)
	}
	c.mu.Unlock()
	return c.conn.Close()
}

// enqueue adds a frame to the queue, or fails at once.
func (c *TCPConn) enqueue(data []byte) error {
	if len(data) > maxDatagram {
		return ErrTooLarge
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	if len(c.pending)+frameHeader+len(data) > tcpQueueBytes {
		return ErrQueueFull
	}
	c.pending = binary.BigEndian.AppendUint16(c.pending, uint16(len(data)))
	c.pending = append(c.pending, data...)
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return nil
}

// write drains the queue until the connection is closed. Two buffers swap
// roles, so that writing holds no lock and allocates nothing.
func (c *TCPConn) write() {
	var out []byte
	for {
		select {
		case <-c.done:
			return
		case <-c.wake:
		}
		c.mu.Lock()
		out, c.pending = c.pending, out[:0]
		c.mu.Unlock()
		if len(out) == 0 {
			continue
		}
		_ = c.conn.SetWriteDeadline(time.Now().Add(tcpWriteTimeout))
		if _, err := c.conn.Write(out); err != nil {
			_ = c.Close()
			return
		}
	}
}

// read hands in frames until the connection ends or breaks the rules.
func (c *TCPConn) read(h Handler, buf []byte) error {
	r := bufio.NewReaderSize(c.conn, 4096)
	for unclaimed := 0; unclaimed < maxUnclaimed; {
		if err := c.conn.SetReadDeadline(time.Now().Add(tcpIdleTimeout)); err != nil {
			return err
		}
		n, err := readFrame(r, buf)
		switch {
		case err != nil:
			return err
		case n == 0: // a null frame
		case h.HandleDatagram(c.route(), buf[frameHeader:frameHeader+n]):
			unclaimed = 0
		default:
			unclaimed++
		}
	}
	return errUnclaimed
}

// errUnclaimed: the frames of a connection are nobody's any more.
var errUnclaimed = errors.New("no session takes the connection's frames")
