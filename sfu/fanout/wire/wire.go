package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// Errors that this package reports.
var (
	// ErrListen: a socket could not be opened; the text names the setting.
	ErrListen = errors.New("cannot listen for media")
	// ErrQueueFull: the datagram was dropped, the peer or the kernel takes no
	// more at the moment.
	ErrQueueFull = errors.New("the send queue is full")
	// ErrTooLarge: a datagram does not fit into a UDP packet or TCP frame.
	ErrTooLarge = errors.New("the datagram is too large")
	// ErrFamily: an IPv6 peer cannot be reached from an IPv4 socket.
	ErrFamily = errors.New("the peer's address family is not that of the socket")
)

const (
	// maxDatagram is what fits into one IPv4 UDP packet.
	maxDatagram = 65507
	// maxReceive bounds the datagrams that are taken in. Media, DTLS flights
	// and STUN stay under the path's MTU; longer ones are dropped and counted.
	maxReceive = 2048
	maxSockets = 64

	defaultReadBuffer    = 4 << 20
	defaultWriteBuffer   = 2 << 20
	defaultMaxTCP        = 4096
	defaultMaxTCPPerAddr = 256
)

// Route is the way to a peer: its UDP address, or the TCP connection that it
// opened (then Addr is that connection's remote address). Routes are
// comparable; addresses are unmapped, so that one peer has one Route.
type Route struct {
	Addr netip.AddrPort
	TCP  *TCPConn
}

// String gives the address, and "tcp" before it where that is the way.
func (r Route) String() string {
	if r.TCP != nil {
		return "tcp " + r.Addr.String()
	}
	return r.Addr.String()
}

// Config sets the sockets. Only Listen is required.
type Config struct {
	// Listen is the UDP address, "host:port". Port 0 takes any free one.
	Listen string
	// TCPListen is the ICE-TCP address; "" or "off" means no TCP.
	TCPListen string
	// PublicIPs are announced in the candidates instead of the addresses that
	// the sockets are bound to.
	PublicIPs []netip.Addr
	// Sockets is the number of UDP sockets on the port; 0: one per core.
	Sockets int
	// ReadBuffer and WriteBuffer are asked of the kernel per UDP socket, in
	// bytes; 0: 4 MiB and 2 MiB. The kernel may give less.
	ReadBuffer, WriteBuffer int
	// DisableGSO sends every datagram as a message of its own.
	DisableGSO bool
	// MaxTCP and MaxTCPPerAddr bound the open TCP connections, in all and from
	// one IPv4 address or IPv6 /64; 0: 4096 and 256.
	MaxTCP, MaxTCPPerAddr int
}

func (c Config) withDefaults() Config {
	setDefault := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	setDefault(&c.Sockets, runtime.GOMAXPROCS(0))
	c.Sockets = min(c.Sockets, maxSockets)
	setDefault(&c.ReadBuffer, defaultReadBuffer)
	setDefault(&c.WriteBuffer, defaultWriteBuffer)
	setDefault(&c.MaxTCP, defaultMaxTCP)
	setDefault(&c.MaxTCPPerAddr, defaultMaxTCPPerAddr)
	return c
}

// Handler takes the datagrams of viewers. Its methods are called from several
// reader goroutines at once and must not block; what comes over one Route comes
// from one goroutine, in order.
type Handler interface {
	// HandleDatagram takes one datagram. The data is valid only during the
	// call. It returns false for what is not a viewer's: that goes to the
	// publishers' side.
	HandleDatagram(from Route, data []byte) (claimed bool)
	// HandleClosed tells that a TCP connection, one of whose datagrams was
	// claimed, is gone. It is called once per connection.
	HandleClosed(from Route)
}

// Wire is the set of open media sockets.
type Wire struct {
	cfg     Config
	log     *slog.Logger
	sockets []*socket
	local   netip.AddrPort
	tcp     *tcpServer // nil without TCP
	pubUDP  *publisherUDP
	hosts   []Candidate
	counts  counters
	closing sync.Once
	closed  chan struct{}
}

// Listen opens all sockets. The error wraps ErrListen and names the setting
// at fault. The sockets are given back by Run or Close.
func Listen(cfg Config, log *slog.Logger) (*Wire, error) {
	cfg = cfg.withDefaults()
	if isOff(cfg.Listen) {
		return nil, fmt.Errorf("%w: media.listen is empty; media needs a UDP port", ErrListen)
	}
	w := &Wire{cfg: cfg, log: log, closed: make(chan struct{})}
	if err := w.openUDP(); err != nil {
		w.closeSockets()
		return nil, err
	}
	w.pubUDP = newPublisherUDP(w)
	if !isOff(cfg.TCPListen) {
		tcp, err := listenTCP(cfg, log, &w.counts)
		if err != nil {
			w.closeSockets()
			return nil, err
		}
		w.tcp = tcp
	}
	w.hosts = hostCandidates(cfg.PublicIPs, w.local, w.tcpAddr(), interfaceAddrs)
	return w, nil
}

// isOff tells whether a listen setting turns its listener off.
func isOff(listen string) bool { return listen == "" || listen == "off" }

// listenHint turns the usual mistakes into advice.
func listenHint(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return " (another program has this port)"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return " (not an address of this machine; to announce a public address behind NAT, set media.public-ip)"
	case errors.Is(err, syscall.EACCES):
		return " (ports under 1024 need CAP_NET_BIND_SERVICE)"
	}
	return ""
}

// Run reads until ctx ends; then all sockets are closed and all goroutines
// gone. It is called once. An error means that a socket broke.
func (w *Wire) Run(ctx context.Context, h Handler) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range w.sockets {
		group.Go(func() error { return s.read(h, w.pubUDP, &w.counts) })
	}
	if w.tcp != nil {
		group.Go(func() error { return w.tcp.accept(ctx, group, h) })
	}
	group.Go(func() error {
		select {
		case <-ctx.Done():
		case <-w.closed:
		}
		return w.Close()
	})
	return group.Wait()
}

// Close closes all sockets; a Run under way returns. It may be called again.
func (w *Wire) Close() error {
	w.closing.Do(func() {
		close(w.closed)
		w.closeSockets()
		if w.tcp != nil {
			w.tcp.close()
		}
		_ = w.pubUDP.Close()
	})
	return nil
}

func (w *Wire) closeSockets() {
	for _, s := range w.sockets {
		_ = s.conn.Close()
	}
}

// Send sends one datagram now. It does not block and may be called from any
// goroutine. It returns ErrQueueFull when the datagram was dropped for want of
// room and net.ErrClosed when the way is closed.
func (w *Wire) Send(to Route, data []byte) error {
	var err error
	if to.TCP != nil {
		err = to.TCP.enqueue(data)
	} else {
		err = w.sockets[0].send(to.Addr, data)
	}
	if err != nil {
		w.counts.sendDropped.Add(1)
		return fmt.Errorf("send to %s: %w", to, err)
	}
	w.counts.sent.Add(1)
	return nil
}

// Sockets returns the number of UDP sockets.
func (w *Wire) Sockets() int { return len(w.sockets) }

// LocalAddr returns the UDP address that the sockets are bound to.
func (w *Wire) LocalAddr() netip.AddrPort { return w.local }

// TCPAddr returns the ICE-TCP address; the zero value without TCP.
func (w *Wire) TCPAddr() netip.AddrPort { return w.tcpAddr() }

func (w *Wire) tcpAddr() netip.AddrPort {
	if w.tcp == nil {
		return netip.AddrPort{}
	}
	return w.tcp.addr
}

// PublisherUDP returns the publishers' view of the UDP port; always the same.
// It also has the AddrPort methods that pion/ice uses to save allocations.
func (w *Wire) PublisherUDP() net.PacketConn { return w.pubUDP }

// PublisherTCP returns the publishers' view of the TCP port: the connections
// whose first frame no Handler claimed, with that frame still to be read. It
// is nil without TCP.
func (w *Wire) PublisherTCP() net.Listener {
	if w.tcp == nil {
		return nil
	}
	return w.tcp.publishers
}

// Candidates returns the host candidates of this port, best first. They are
// found once, at Listen.
func (w *Wire) Candidates() []Candidate { return append([]Candidate(nil), w.hosts...) }

// Stats counts since Listen, in datagrams where nothing else is said.
type Stats struct {
	Received         uint64 // over UDP
	Oversized        uint64 // over UDP, dropped for their length
	PublisherDropped uint64 // unclaimed, and the publishers' queue was full
	Sent             uint64
	SendDropped      uint64 // no room, no way or no answer from the kernel
	Trains           uint64 // UDP_SEGMENT messages
	TCPOpen          int64  // connections, publishers' included
	TCPRefused       uint64 // connections over the limits or with garbage
	GSO              bool   // UDP_SEGMENT is in use
}

type counters struct {
	received, oversized, publisherDropped atomic.Uint64
	sent, sendDropped, trains             atomic.Uint64
	tcpRefused                            atomic.Uint64
	tcpOpen                               atomic.Int64
}

// Stats returns the counts so far.
func (w *Wire) Stats() Stats {
	c := &w.counts
	return Stats{
		Received: c.received.Load(), Oversized: c.oversized.Load(),
		PublisherDropped: c.publisherDropped.Load(),
		Sent:             c.sent.Load(), SendDropped: c.sendDropped.Load(), Trains: c.trains.Load(),
		TCPOpen: c.tcpOpen.Load(), TCPRefused: c.tcpRefused.Load(),
		GSO: w.sockets[0].gso.Load(),
	}
}
