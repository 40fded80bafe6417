package fanout

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/fingerprint"
	"github.com/pion/srtp/v3"
)

const (
	// The first byte of a DTLS record (RFC 6347 section 4.1).
	recordAlert     = 21
	recordHandshake = 22
	recordHeader    = 13

	flightInterval = 200 * time.Millisecond
	// linger is how long a finished handshake can still be repeated to a peer
	// that missed its end; the first RTCP from the peer cuts it short.
	linger = 10 * time.Second
	// alertPatience bounds the look at what claims to be an alert.
	alertPatience = time.Second
)

// session is the DTLS side of a viewer. A dtls.Conn with its goroutines lives
// only for the handshake, a little after it, and for each alert; between, the
// exported state is all there is.
type session struct {
	viewer *Viewer

	mu        sync.Mutex
	pipe      *pipe         // takes records while a dtls.Conn lives
	over      chan struct{} // closes when that Conn is gone
	started   bool
	state     *dtls.State // of a finished handshake, while no Conn lives
	confirmed bool
	cut       context.CancelFunc // ends the lingering
}

// take gives the session a record, on the reader's goroutine.
func (s *session) take(record []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.pipe != nil:
		s.pipe.put(record)
	case !s.started && record[0] == recordHandshake:
		s.startLocked(s.handshake)
		if s.pipe != nil {
			s.pipe.put(record)
		}
	case s.state != nil && isSealedAlert(record):
		alert := bytes.Clone(record)
		s.startLocked(func(p *pipe) { s.hear(p, alert) })
	}
}

// isSealedAlert reports whether a record is an alert of the encrypted epoch.
func isSealedAlert(record []byte) bool {
	return len(record) > recordHeader && record[0] == recordAlert && (record[3] != 0 || record[4] != 0)
}

// start begins the handshake as the DTLS client.
func (s *session) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.started {
		s.startLocked(s.handshake)
	}
}

// startLocked begins a goroutine with a Conn on a new pipe.
func (s *session) startLocked(run func(p *pipe)) {
	if s.viewer.isClosing() {
		return // goodbye has the last word
	}
	s.started = true
	p, over := newPipe(s.viewer), make(chan struct{})
	s.pipe, s.over = p, over
	if !s.viewer.engine.spawn(func() { run(p) }) {
		close(over)
	}
}

// settle notes that the Conn is gone; state is what to resume from, nil when
// nothing more is to be said.
func (s *session) settle(state *dtls.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pipe, s.state, s.cut = nil, state, nil
	close(s.over)
}

// confirm notes that the peer has finished its handshake.
func (s *session) confirm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.confirmed = true
	if s.cut != nil {
		s.cut()
	}
}

// handshake runs the DTLS handshake, hands the keys to the worker and lingers.
func (s *session) handshake(p *pipe) {
	v := s.viewer
	deadline := v.created.Add(v.engine.cfg.HandshakeTimeout)
	ctx, cancel := context.WithDeadline(v.life, deadline)
	defer cancel()
	conn, c, err := s.negotiate(ctx, p)
	if err != nil {
		v.engine.metrics.handshakes.WithLabelValues("failed", "none").Inc()
		v.Close(fmt.Errorf("%w: %w", ErrHandshake, err))
		s.settle(nil)
		return
	}
	v.engine.metrics.handshakes.WithLabelValues("ok", profileName(c.profile)).Inc()
	v.worker.inbox.post(func(now time.Time) { v.connect(now, c) })
	s.settle(s.listen(conn, p, linger))
}

func (s *session) negotiate(ctx context.Context, p *pipe) (*dtls.Conn, *crypter, error) {
	v := s.viewer
	conn, err := s.open(p)
	if err != nil {
		return nil, nil, err
	}
	if err = conn.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	c, err := exportKeys(conn, v.params.DTLSClient)
	if err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	return conn, c, nil
}

func (s *session) open(p *pipe) (*dtls.Conn, error) {
	v := s.viewer
	verify := dtls.WithVerifyConnection(func(state *dtls.State) error {
		return checkFingerprint(state.PeerCertificates, v.params.Fingerprints)
	})
	if v.params.DTLSClient {
		opts := append([]dtls.ClientOption{verify}, asClient(v.engine.dtlsOptions)...)
		return dtls.ClientWithOptions(p, p.LocalAddr(), opts...)
	}
	opts := append([]dtls.ServerOption{
		verify,
		dtls.WithClientAuth(dtls.RequireAnyClientCert),
		// ICE has verified the peer's address already.
		dtls.WithInsecureSkipVerifyHello(true),
	}, asServer(v.engine.dtlsOptions)...)
	return dtls.ServerWithOptions(p, p.LocalAddr(), opts...)
}

func asClient(opts []dtls.Option) (out []dtls.ClientOption) {
	for _, o := range opts {
		out = append(out, o)
	}
	return out
}

func asServer(opts []dtls.Option) (out []dtls.ServerOption) {
	for _, o := range opts {
		out = append(out, o)
	}
	return out
}

// exportKeys makes the SRTP keys of a finished handshake (RFC 5764 section 4.2).
func exportKeys(conn *dtls.Conn, client bool) (*crypter, error) {
	chosen, ok := conn.SelectedSRTPProtectionProfile()
	if !ok {
		return nil, errors.New("no common SRTP profile")
	}
	state, ok := conn.ConnectionState()
	if !ok {
		return nil, errors.New("no DTLS state")
	}
	cfg := srtp.Config{Profile: srtp.ProtectionProfile(chosen)}
	if err := cfg.ExtractSessionKeysFromDTLS(&state, client); err != nil {
		return nil, fmt.Errorf("SRTP keys: %w", err)
	}
	return newCrypter(cfg.Profile, cfg.Keys)
}

// checkFingerprint compares the peer's certificate with those that its SDP
// announced (RFC 8122 section 6.2).
func checkFingerprint(chain [][]byte, announced []Fingerprint) error {
	if len(chain) == 0 {
		return errors.New("the peer has no certificate")
	}
	cert, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return fmt.Errorf("the peer's certificate: %w", err)
	}
	for _, f := range announced {
		hash, err := fingerprint.HashFromString(strings.ToLower(f.Algorithm))
		if err != nil || !hash.Available() {
			continue
		}
		value, err := fingerprint.Fingerprint(cert, hash)
		if err == nil && strings.EqualFold(value, f.Value) {
			return nil
		}
	}
	return errors.New("the peer's certificate has none of the announced fingerprints")
}

// listen reads alerts until the peer says goodbye, the viewer is closed or
// the time is up, and then lets go of the Conn. It returns the state to resume
// from, nil when the DTLS connection has ended.
func (s *session) listen(conn *dtls.Conn, p *pipe, patience time.Duration) *dtls.State {
	v := s.viewer
	ctx, cancel := context.WithTimeout(v.life, patience)
	defer cancel()
	s.mu.Lock()
	s.cut = cancel
	if s.confirmed && patience == linger {
		cancel()
	}
	s.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	buf := make([]byte, 2048)
	for ctx.Err() == nil {
		if _, err := conn.Read(buf); errors.Is(err, io.EOF) {
			v.Close(ErrPeerClosed)
			_ = conn.Close()
			return nil
		}
	}
	if v.isClosing() {
		_ = conn.Close() // says close_notify
		return nil
	}
	state, ok := conn.ConnectionState()
	p.muted.Store(true)
	_ = conn.Close()
	if !ok {
		return nil
	}
	return &state
}

// hear wakes the DTLS connection for an alert. The alert must not come before
// the Conn is ready, which would take it for a failed handshake.
func (s *session) hear(p *pipe, alert []byte) {
	conn := s.resume(p)
	if conn == nil {
		s.settle(nil)
		return
	}
	p.put(alert)
	s.settle(s.listen(conn, p, alertPatience))
}

// resume makes a Conn from the state; nil when that cannot be.
func (s *session) resume(p *pipe) *dtls.Conn {
	s.mu.Lock()
	state := s.state
	s.state = nil
	s.mu.Unlock()
	conn, err := dtls.ResumeWithOptions(state, p, p.LocalAddr(), s.viewer.engine.dtlsOptions...)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), alertPatience)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil
	}
	return conn
}

// goodbye says close_notify if there is anybody to say it to (R18), and ends
// the viewer.
func (s *session) goodbye() {
	defer close(s.viewer.done)
	s.mu.Lock()
	over, busy := s.over, s.pipe != nil
	s.mu.Unlock()
	if busy {
		<-over // its goroutine sees the viewer's end too
	}
	s.mu.Lock()
	ready := s.state != nil && s.pipe == nil
	s.mu.Unlock()
	if !ready {
		return
	}
	if conn := s.resume(newPipe(s.viewer)); conn != nil {
		_ = conn.Close()
	}
}
