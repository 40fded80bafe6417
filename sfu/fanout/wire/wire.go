package wire

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
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
)

// Route is the way to a peer: its UDP address, or the TCP connection that it
// opened (then Addr is that connection's remote address). Routes are
// comparable; addresses are unmapped, so that one peer has one Route.
type Route struct {
	Addr netip.AddrPort
	TCP  *TCPConn
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

// Handler takes the datagrams of viewers. Its methods are called from several
// reader goroutines at once and must not block.
type Handler interface {
	// HandleDatagram takes one datagram. The data is valid only during the
	// call. It returns false for what is not a viewer's: that goes to the
	// publishers' side.
	HandleDatagram(from Route, data []byte) (claimed bool)
	// HandleClosed tells that a TCP connection, one of whose datagrams was
	// claimed, is gone.
	HandleClosed(from Route)
}

// Wire is the set of open media sockets.
type Wire struct {
	cfg Config
	log *slog.Logger
}

// Listen opens all sockets. The error wraps ErrListen and names the setting
// at fault.
func Listen(cfg Config, log *slog.Logger) (*Wire, error) {
	return &Wire{cfg: cfg, log: log}, nil
}

// Run reads until ctx ends; then all sockets are closed and all goroutines
// gone. It must be called once, also to give the sockets back.
func (w *Wire) Run(ctx context.Context, h Handler) error { return nil }

// Send sends one datagram now. It does not block and may be called from any
// goroutine. It returns ErrQueueFull when the datagram was dropped for want of
// room and net.ErrClosed when the way is closed.
func (w *Wire) Send(to Route, data []byte) error { return nil }

// Sockets returns the number of UDP sockets.
func (w *Wire) Sockets() int { return 1 }

// LocalAddr returns the UDP address that the sockets are bound to.
func (w *Wire) LocalAddr() netip.AddrPort { return netip.AddrPort{} }

// NewBatch returns an empty Batch that sends from the given UDP socket
// (counted from 0, modulo their number).
func (w *Wire) NewBatch(socket int) *Batch { return &Batch{} }

// PublisherUDP returns the publishers' view of the UDP port; always the same.
func (w *Wire) PublisherUDP() net.PacketConn { return nil }

// PublisherTCP returns the publishers' view of the TCP port; nil without TCP.
func (w *Wire) PublisherTCP() net.Listener { return nil }

// Candidates returns the host candidates of this port, best first.
func (w *Wire) Candidates() []Candidate { return nil }

// Batch collects datagrams in one slab of memory and sends them together.
type Batch struct{}

// Reserve returns n bytes.
func (b *Batch) Reserve(n int) []byte { return make([]byte, n) }

// Commit addresses the first n reserved bytes.
func (b *Batch) Commit(to Route, n int) {}

// Flush sends everything committed.
func (b *Batch) Flush() (sent, dropped int) { return 0, 0 }

// TCPConn is one ICE-TCP connection of a viewer.
type TCPConn struct{}

// Close closes the connection.
func (c *TCPConn) Close() error { return nil }

// Candidate is one host candidate.
type Candidate struct{}

// String gives the value of an a=candidate attribute (RFC 8839 section 5.1).
func (c Candidate) String() string { return "" }
