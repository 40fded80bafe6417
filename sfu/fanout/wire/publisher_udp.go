package wire

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// publisherQueue bounds the unclaimed datagrams that wait for pion: at a few
// Mbit/s per publisher, tens of milliseconds for dozens of them.
const publisherQueue = 1024

// publisherUDP is the publishers' side of the UDP port. It is a
// net.PacketConn, and an AddrPortReaderWriter in pion/ice's words.
type publisherUDP struct {
	wire     *Wire
	queue    chan *datagram
	free     sync.Pool // *datagram
	deadline *deadline
	done     chan struct{}
	once     sync.Once
}

// errViewClosed is net.ErrClosed to Go and an orderly end to pion's mux.
var errViewClosed = fmt.Errorf("%w: %w", net.ErrClosed, io.EOF)

type datagram struct {
	from netip.AddrPort
	n    int
	buf  [maxReceive]byte
}

var _ net.PacketConn = (*publisherUDP)(nil)

func newPublisherUDP(w *Wire) *publisherUDP {
	return &publisherUDP{
		wire:     w,
		queue:    make(chan *datagram, publisherQueue),
		free:     sync.Pool{New: func() any { return new(datagram) }},
		deadline: newDeadline(),
		done:     make(chan struct{}),
	}
}

// offer queues a copy of an unclaimed datagram, or drops it.
func (p *publisherUDP) offer(from netip.AddrPort, data []byte) {
	select {
	case <-p.done:
		return // nobody reads
	default:
	}
	d := p.free.Get().(*datagram)
	d.from = from
	d.n = copy(d.buf[:], data)
	select {
	case p.queue <- d:
	default:
		p.free.Put(d)
		p.wire.counts.publisherDropped.Add(1)
	}
}

// ReadFromAddrPort waits for an unclaimed datagram. One longer than b is cut,
// as by a UDP socket.
func (p *publisherUDP) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	expired := p.deadline.wait()
	select {
	case <-p.done:
		return 0, netip.AddrPort{}, errViewClosed
	case <-expired:
		return 0, netip.AddrPort{}, os.ErrDeadlineExceeded
	default:
	}
	select {
	case d := <-p.queue:
		n, from := copy(b, d.buf[:d.n]), d.from
		p.free.Put(d)
		return n, from, nil
	case <-p.done:
		return 0, netip.AddrPort{}, errViewClosed
	case <-expired:
		return 0, netip.AddrPort{}, os.ErrDeadlineExceeded
	}
}

// WriteToAddrPort sends from the shared port. It does not wait: a datagram
// that finds no room is lost, as it could be anywhere on its way.
func (p *publisherUDP) WriteToAddrPort(b []byte, addr netip.AddrPort) (int, error) {
	select {
	case <-p.done:
		return 0, net.ErrClosed
	default:
	}
	if err := p.wire.Send(Route{Addr: addr}, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// ReadFrom implements net.PacketConn.
func (p *publisherUDP) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := p.ReadFromAddrPort(b)
	if err != nil {
		return 0, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// WriteTo implements net.PacketConn.
func (p *publisherUDP) WriteTo(b []byte, addr net.Addr) (int, error) {
	udp, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, &net.AddrError{Err: "not a UDP address", Addr: addr.String()}
	}
	return p.WriteToAddrPort(b, udp.AddrPort())
}

// LocalAddr returns the *net.UDPAddr that the sockets are bound to.
func (p *publisherUDP) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(p.wire.local) }

// Close ends this view; the sockets stay open.
func (p *publisherUDP) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

// SetDeadline implements net.PacketConn.
func (p *publisherUDP) SetDeadline(t time.Time) error { return p.SetReadDeadline(t) }

// SetReadDeadline implements net.PacketConn.
func (p *publisherUDP) SetReadDeadline(t time.Time) error {
	p.deadline.set(t)
	return nil
}

// SetWriteDeadline does nothing: writes do not wait.
func (p *publisherUDP) SetWriteDeadline(time.Time) error { return nil }
