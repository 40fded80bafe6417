package wire

import (
	"net"
	"sync"
)

// acceptQueue bounds the connections that wait for pion to accept them.
const acceptQueue = 64

// publisherTCP is the publishers' side of the TCP port.
type publisherTCP struct {
	addr  net.Addr
	queue chan net.Conn
	done  chan struct{}
	once  sync.Once
}

var _ net.Listener = (*publisherTCP)(nil)

func newPublisherTCP(addr net.Addr) *publisherTCP {
	return &publisherTCP{addr: addr, queue: make(chan net.Conn, acceptQueue), done: make(chan struct{})}
}

// offer queues a connection; false when nobody will take it.
func (p *publisherTCP) offer(conn net.Conn) bool {
	select {
	case <-p.done:
		return false
	default:
	}
	select {
	case p.queue <- conn:
		return true
	default:
		return false
	}
}

// Accept implements net.Listener.
func (p *publisherTCP) Accept() (net.Conn, error) {
	select {
	case <-p.done:
		return nil, net.ErrClosed
	default:
	}
	select {
	case conn := <-p.queue:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close ends this view; the port stays open for viewers.
func (p *publisherTCP) Close() error {
	p.once.Do(func() { close(p.done) })
	p.drain()
	return nil
}

// drain closes the connections that nobody accepted.
func (p *publisherTCP) drain() {
	p.once.Do(func() { close(p.done) })
	for {
		select {
		case conn := <-p.queue:
			_ = conn.Close()
		default:
			return
		}
	}
}

// Addr implements net.Listener.
func (p *publisherTCP) Addr() net.Addr { return p.addr }

// replayConn is a connection whose first frame was read already and is read
// once more.
type replayConn struct {
	net.Conn
	first   []byte
	release func(net.Conn)
}

// Read gives the first frame, then the connection. Like every net.Conn under
// ICE-TCP it has one reader.
func (c *replayConn) Read(b []byte) (int, error) {
	if len(c.first) > 0 {
		n := copy(b, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

// Close closes the connection and gives its place free.
func (c *replayConn) Close() error {
	c.release(c.Conn)
	return nil
}
