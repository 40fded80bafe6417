package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// readBurst is how many datagrams one recvmmsg takes at most.
	readBurst = 64
	// maxReadErrors in a row mean that the socket is broken.
	maxReadErrors = 1000
)

// socket is one of the UDP sockets that share the port.
type socket struct {
	conn  *net.UDPConn
	raw   syscall.RawConn
	inet6 bool
	// gso goes from true to false when the kernel or the device turns out not
	// to do UDP_SEGMENT, and stays there.
	gso atomic.Bool
	// waiting serialises the writers that wait for room, since the deadline
	// that bounds their wait is the socket's.
	waiting sync.Mutex
	singles sync.Pool // *single
}

// openUDP opens the sockets. The first is bound alone, so that a port that
// another process shares by SO_REUSEPORT is refused too, and lets the others
// in afterwards.
func (w *Wire) openUDP() error {
	listen := w.cfg.Listen
	for i := range w.cfg.Sockets {
		s, err := openSocket(listen, i > 0, w.cfg)
		if err != nil {
			return fmt.Errorf("%w: media.listen %q: %w%s", ErrListen, w.cfg.Listen, err, listenHint(err))
		}
		w.sockets = append(w.sockets, s)
		if i == 0 {
			bound := s.conn.LocalAddr().(*net.UDPAddr).AddrPort()
			w.local = netip.AddrPortFrom(bound.Addr().Unmap(), bound.Port())
			host, _, _ := net.SplitHostPort(listen)
			listen = net.JoinHostPort(host, strconv.Itoa(int(bound.Port())))
		}
	}
	return nil
}

func openSocket(listen string, shared bool, cfg Config) (*socket, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		if !shared {
			return nil
		}
		return reusePort(c)
	}}
	pc, err := lc.ListenPacket(context.Background(), network("udp", listen), listen)
	if err != nil {
		return nil, err
	}
	conn := pc.(*net.UDPConn)
	s := &socket{conn: conn}
	if s.raw, err = conn.SyscallConn(); err == nil && !shared {
		err = reusePort(s.raw)
	}
	if err == nil {
		err = s.probe(cfg)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	// The kernel caps these at net.core.{r,w}mem_max without an error; a small
	// buffer is no reason not to serve.
	_ = conn.SetReadBuffer(cfg.ReadBuffer)
	_ = conn.SetWriteBuffer(cfg.WriteBuffer)
	s.singles.New = func() any { return newSingle() }
	return s, nil
}

// network keeps a literal IPv4 address to IPv4: Go would open 0.0.0.0 as a
// dual-stack socket.
func network(proto, listen string) string {
	host, _, _ := net.SplitHostPort(listen)
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
		return proto + "4"
	}
	return proto
}

func reusePort(c syscall.RawConn) error {
	var err error
	if cerr := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}); cerr != nil {
		return cerr
	}
	return err
}

// probe learns the socket's family and whether the kernel knows UDP_SEGMENT.
// One that does not would send a whole train as a single datagram, so this
// must be known beforehand.
func (s *socket) probe(cfg Config) error {
	var domain int
	var err error
	if cerr := s.raw.Control(func(fd uintptr) {
		domain, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN)
		_, gsoErr := unix.GetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT)
		s.gso.Store(gsoErr == nil && !cfg.DisableGSO)
	}); cerr != nil {
		return cerr
	}
	s.inet6 = domain == unix.AF_INET6
	return err
}

// single sends one datagram by sendto, which costs the kernel less than a
// message header does. It is pooled, since its fields go to the kernel by
// address.
type single struct {
	data    []byte
	name    sockaddr
	nameLen uint32
	errno   syscall.Errno
	fn      func(fd uintptr)
}

func newSingle() *single {
	o := &single{}
	o.fn = func(fd uintptr) {
		// A pending error of another peer's ICMP answer is reported once and
		// sends nothing; so is an interruption.
		for range 3 {
			if o.errno = sendto(fd, o.data, &o.name, o.nameLen); o.errno == 0 || !isStray(o.errno) {
				return
			}
		}
	}
	return o
}

// isStray tells an error that says nothing about the message at hand.
func isStray(errno syscall.Errno) bool {
	return errno == unix.EINTR || errno == unix.ECONNREFUSED ||
		errno == unix.EHOSTUNREACH || errno == unix.ENETUNREACH
}

// send sends one datagram without waiting.
func (s *socket) send(to netip.AddrPort, data []byte) error {
	if len(data) > maxDatagram {
		return ErrTooLarge
	}
	o := s.singles.Get().(*single)
	defer s.singles.Put(o)
	if o.nameLen = encode(&o.name, to, s.inet6); o.nameLen == 0 {
		return ErrFamily
	}
	o.data = data
	err := s.raw.Control(o.fn)
	o.data = nil
	switch {
	case err != nil:
		return net.ErrClosed
	case o.errno == unix.EAGAIN || o.errno == unix.ENOBUFS:
		return ErrQueueFull
	case o.errno != 0:
		return o.errno
	}
	return nil
}

// read hands in what arrives until the socket is closed.
func (s *socket) read(h Handler, publishers *publisherUDP, counts *counters) error {
	r := newReceiver()
	for errorsInARow := 0; ; {
		err := s.raw.Read(r.fn)
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			return fmt.Errorf("read media socket: %w", err)
		case r.errno != 0:
			// Some peer's port is closed, or memory was short: not the end.
			if errorsInARow++; errorsInARow > maxReadErrors {
				return fmt.Errorf("read media socket: %w", r.errno)
			}
			continue
		}
		errorsInARow = 0
		for i := range r.n {
			r.handIn(i, h, publishers, counts)
		}
		counts.received.Add(uint64(r.n))
	}
}

// receiver holds the buffers of one recvmmsg loop.
type receiver struct {
	msgs  [readBurst]mmsghdr
	iovs  [readBurst]unix.Iovec
	names [readBurst]sockaddr
	bufs  [readBurst][maxReceive]byte
	n     int
	errno syscall.Errno
	fn    func(fd uintptr) bool
}

func newReceiver() *receiver {
	r := &receiver{}
	for i := range r.msgs {
		r.iovs[i].Base = &r.bufs[i][0]
		r.iovs[i].SetLen(maxReceive)
		r.msgs[i].hdr.Iov = &r.iovs[i]
		r.msgs[i].hdr.SetIovlen(1)
		r.msgs[i].hdr.Name = namePointer(&r.names[i])
		r.msgs[i].hdr.Namelen = unix.SizeofSockaddrInet6
	}
	r.fn = func(fd uintptr) bool {
		r.n, r.errno = recvmmsg(fd, r.msgs[:])
		return r.errno != unix.EAGAIN
	}
	return r
}

// handIn gives datagram i to the side that it belongs to.
func (r *receiver) handIn(i int, h Handler, publishers *publisherUDP, counts *counters) {
	m := &r.msgs[i]
	from, ok := decode(&r.names[i])
	truncated := m.hdr.Flags&unix.MSG_TRUNC != 0
	m.hdr.Namelen = unix.SizeofSockaddrInet6
	switch {
	case truncated:
		counts.oversized.Add(1)
	case !ok || m.len == 0:
	default:
		data := r.bufs[i][:m.len]
		if !h.HandleDatagram(Route{Addr: from}, data) {
			publishers.offer(from, data)
		}
	}
}
