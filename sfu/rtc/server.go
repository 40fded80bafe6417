package rtc

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-live/freshet/sfu/hub"
	"github.com/freshet-live/freshet/sfu/media"
)

// Errors that Publish and RestartICE report, besides hub.ErrPublisherExists.
var (
	// ErrMalformed: the offer or the credentials break the grammar.
	ErrMalformed = errors.New("malformed")
	// ErrUnsupported: the offer is well-formed but asks for what Freshet cannot
	// do. The wrapped text is one sentence that says what.
	ErrUnsupported = errors.New("unsupported offer")
	// ErrBusy: the server has as many sessions as it may, or is not running.
	ErrBusy = errors.New("too many publishing sessions")
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

// Server answers the offers of publishers.
type Server struct {
	cfg Config
}

// NewServer returns a Server whose sessions share one UDP port and, unless tcp
// is nil, one TCP port (RFC 6544, passive). Run must be called for it to work.
func NewServer(
	cfg Config, udp net.PacketConn, tcp net.Listener, h *hub.Hub, log *slog.Logger, reg prometheus.Registerer,
) (*Server, error) {
	return &Server{cfg: cfg}, nil
}

// Run serves until ctx ends; it then ends every session and waits for them.
func (s *Server) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Publish answers a WHIP offer that signaling has checked and normalised. Owner
// is the identity behind it, for the hub's take-over rule. It returns
// hub.ErrPublisherExists, ErrMalformed, ErrUnsupported or ErrBusy. The answer
// carries no usable candidates: signaling knows the server's addresses.
func (s *Server) Publish(ctx context.Context, stream, owner, offer string) (*Session, string, error) {
	return nil, "", ErrBusy
}

var _ media.Source = (*Session)(nil)

// Session is one publisher's connection. Its methods are safe for concurrent
// use.
type Session struct {
	done chan struct{}
}

// RestartICE gives the session new ICE credentials on both sides (RFC 9725
// section 4.3.3) and returns the local ones. A restart that is impossible
// (ErrMalformed for credentials that break RFC 8839 section 5.4) leaves the
// session as it was.
func (s *Session) RestartICE(ufrag, pwd string) (localUfrag, localPwd string, err error) {
	return "", "", ErrBusy
}

// RequestKeyframe implements media.Source. It never blocks.
func (s *Session) RequestKeyframe(*media.Layer) {}

// End implements media.Source.
func (s *Session) End(reason error) { s.Close(reason) }

// Close ends the session with a reason, which Err returns. It does not wait;
// Done tells when the session's resources are free.
func (s *Session) Close(reason error) {}

// Done is closed when the session is over and its resources are free.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err returns why the session ended, nil while it goes on.
func (s *Session) Err() error { return nil }

// Stats returns what the session has counted so far.
func (s *Session) Stats() SessionStats { return SessionStats{} }

// SessionStats is a session at one instant.
type SessionStats struct {
	// Connected tells whether ICE and DTLS are up.
	Connected bool `json:"connected"`
	// RTT is the round-trip time to the publisher, 0 while unknown.
	RTT time.Duration `json:"rtt"`
	// RemoteAddr is the publisher's address, empty until it is connected.
	RemoteAddr string `json:"remoteAddr,omitempty"`
	// Layers lists the encodings that were received, in the order they came.
	Layers []LayerStats `json:"layers"`
}

// LayerStats is one encoding at one instant. Counters count since it began.
type LayerStats struct {
	Kind string `json:"kind"`
	// Codec is the encoding's name, as in media.Codec.Name.
	Codec string `json:"codec"`
	RID   string `json:"rid,omitempty"`
	SSRC  uint32 `json:"ssrc"`
	// Packets counts those received, repaired ones too; Repaired those that came
	// after they had been asked for; Lost those given up.
	Packets  uint64 `json:"packets"`
	Repaired uint64 `json:"repaired"`
	Lost     uint64 `json:"lost"`
	// NACKs counts the sequence numbers asked for, repeats too.
	NACKs uint64 `json:"nacks"`
	// KeyframeRequests counts PLIs and FIRs sent.
	KeyframeRequests uint64 `json:"keyframeRequests"`
	// Bitrate is in bit/s of RTP payload over the last second or so.
	Bitrate uint64 `json:"bitrate"`
}
