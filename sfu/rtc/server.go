package rtc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/pion/ice/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-live/freshet/sfu/hub"
)

// Errors that Publish and RestartICE report, besides those of the hub.
var (
	// ErrMalformed: the offer or the credentials break the grammar.
	ErrMalformed = errors.New("malformed")
	// ErrUnsupported: the offer is well-formed but asks for what Freshet cannot
	// do. The wrapped text is one sentence that says what.
	ErrUnsupported = errors.New("unsupported offer")
	// ErrBusy: the server has as many sessions as it may, or is not running.
	ErrBusy = errors.New("too many publishing sessions")
)

// Reasons why a Session ends, besides those that its closer gives.
var (
	// ErrNeverConnected: ICE and DTLS were not up in time.
	ErrNeverConnected = errors.New("the publisher never connected")
	// ErrConsentLost: the publisher has fallen silent (RFC 7675 section 5.1).
	ErrConsentLost = errors.New("the publisher has gone silent")
	// ErrPeerGone: the publisher closed its connection.
	ErrPeerGone = errors.New("the publisher closed the connection")
	// ErrServerClosed: the server has stopped.
	ErrServerClosed = errors.New("the server has stopped")
)

// Config sets the server's limits. The zero value means the defaults.
type Config struct {
	// ConnectTimeout is how long a session may take until ICE and DTLS are up.
	// Default: 30 s.
	ConnectTimeout time.Duration
	// ConsentTimeout ends a session that has sent nothing, no connectivity
	// check either, for so long (RFC 7675 section 5.1). Default: 30 s.
	ConsentTimeout time.Duration
	// MaxSessions bounds the sessions, connected or not. Default: 1000.
	MaxSessions int
}

const (
	defaultConnectTimeout = 30 * time.Second
	defaultConsentTimeout = 30 * time.Second
	defaultMaxSessions    = 1000
	tcpReadQueue          = 64        // packets
	tcpWriteQueue         = 256 << 10 // bytes; only RTCP goes to publishers
)

// Server answers the offers of publishers.
type Server struct {
	cfg     Config
	udp     net.PacketConn
	tcp     net.Listener
	hub     *hub.Hub
	log     *slog.Logger
	metrics *metrics
	network network
	ready   chan struct{}

	mu       sync.Mutex
	stop     <-chan struct{} // closed when Run is to end, nil unless it runs
	sessions int
	running  sync.WaitGroup
}

// NewServer returns a Server whose sessions share one UDP port and, unless tcp
// is nil, one TCP port (RFC 6544, passive). Run must be called for it to work;
// it closes both.
func NewServer(
	cfg Config, udp net.PacketConn, tcp net.Listener, h *hub.Hub, log *slog.Logger, reg prometheus.Registerer,
) (*Server, error) {
	if cfg.ConnectTimeout <= 0 {
		cfg.ConnectTimeout = defaultConnectTimeout
	}
	if cfg.ConsentTimeout <= 0 {
		cfg.ConsentTimeout = defaultConsentTimeout
	}
	if cfg.MaxSessions <= 0 {
		cfg.MaxSessions = defaultMaxSessions
	}
	m, err := newMetrics(reg)
	if err != nil {
		return nil, fmt.Errorf("registering the publishers' metrics: %w", err)
	}
	cert, fingerprint, err := newCertificate()
	if err != nil {
		return nil, err
	}
	return &Server{
		cfg: cfg, udp: udp, tcp: tcp, hub: h, log: log, metrics: m, ready: make(chan struct{}),
		network: network{certificate: cert, fingerprint: fingerprint, consent: cfg.ConsentTimeout},
	}, nil
}

// Run serves until ctx ends, once; it then ends every session and waits for them.
func (s *Server) Run(ctx context.Context) error {
	log := pionLog{s.log}
	udp := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: s.udp, Logger: log.NewLogger("udp")})
	s.network.udp = udp
	var tcp *ice.TCPMuxDefault
	if s.tcp != nil {
		tcp = ice.NewTCPMuxDefault(ice.TCPMuxParams{
			Listener: s.tcp, Logger: log.NewLogger("tcp"),
			ReadBufferSize: tcpReadQueue, WriteBufferSize: tcpWriteQueue,
		})
		s.network.tcp = tcp
	}
	s.mu.Lock()
	s.stop = ctx.Done()
	s.mu.Unlock()
	close(s.ready)

	<-ctx.Done()
	s.mu.Lock()
	s.stop = nil // no new sessions
	s.mu.Unlock()
	s.running.Wait()
	errs := []error{udp.Close()}
	if tcp != nil {
		errs = append(errs, tcp.Close())
	}
	return errors.Join(errs...)
}

// Ready is closed once Run takes sessions; before, Publish returns ErrBusy.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Publish answers a WHIP offer that signaling has checked and normalised. Owner
// is the identity behind it, for the hub's take-over rule. It returns
// hub.ErrPublisherExists, hub.ErrTooManyStreams, ErrMalformed, ErrUnsupported
// or ErrBusy. The candidates of the answer are where the sockets listen;
// signaling puts the announced ones in their place.
func (s *Server) Publish(ctx context.Context, stream, owner, offer string) (*Session, string, error) {
	parsed, err := parseOffer(offer)
	if err != nil {
		return nil, "", err
	}
	stop, err := s.admit()
	if err != nil {
		return nil, "", err
	}
	session := newSession(s, stream, parsed)
	answer, err := session.open(ctx, owner)
	if err != nil {
		session.discard()
		s.dismiss()
		return nil, "", err
	}
	go func() {
		defer s.dismiss()
		session.run(stop)
	}()
	return session, answer, nil
}

// admit counts a session in; dismiss counts it out again.
func (s *Server) admit() (stop <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop == nil {
		return nil, fmt.Errorf("%w: the server is not running", ErrBusy)
	}
	if s.sessions >= s.cfg.MaxSessions {
		return nil, fmt.Errorf("%w: %d", ErrBusy, s.sessions)
	}
	s.sessions++
	s.running.Add(1)
	return s.stop, nil
}

func (s *Server) dismiss() {
	s.mu.Lock()
	s.sessions--
	s.mu.Unlock()
	s.running.Done()
}
