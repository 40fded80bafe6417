package bench

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/fingerprint"
	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
	"github.com/pion/ice/v4"
	"github.com/pion/logging"
	"github.com/pion/rtcp"
	"github.com/pion/srtp/v3"
	"github.com/pion/stun/v3"
	"golang.org/x/sys/unix"
)

const (
	// checkInterval is the time between checks while connecting, and
	// consentInterval later (RFC 7675 section 5.1).
	checkInterval   = 50 * time.Millisecond
	consentInterval = 5 * time.Second
	// candidatePatience is how long one candidate of the server is tried.
	candidatePatience = 2 * time.Second
	// maxEarly bounds the packets that wait for the end of the handshake.
	maxEarly = 2048
)

var (
	errUnreachable = errors.New("no candidate of the server answers")
	errProfile     = errors.New("no common SRTP profile")
	errCertificate = errors.New("the server's certificate is not the announced one")
)

// identity is the certificate that all peers of a run share.
type identity struct {
	cert        tls.Certificate
	fingerprint string
}

func newIdentity() (*identity, error) {
	cert, err := selfsign.GenerateSelfSigned()
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	value, err := printOf(cert.Certificate[0])
	return &identity{cert, "sha-256 " + value}, err
}

// media is what a peer does once it is connected. Its methods are called on
// the shard's goroutine.
type media interface {
	rtp(now time.Duration, datagram []byte)
	rtcp(now time.Duration, packets []rtcp.Packet)
	tick(now time.Duration)
}

// peer is one ICE, DTLS and SRTP association by one socket.
type peer struct {
	id         *identity
	shard      *shard
	media      media
	ufrag, pwd string
	remote     *answer

	fd      int
	pipe    *pipe
	reached chan struct{} // closes with the first answer to a check
	once    sync.Once
	checked time.Duration // the last check
	early   [][]byte      // media before keys
	keys    atomic.Pointer[keys]
	conn    *dtls.Conn // only where the server is the DTLS client

	sending sync.Mutex
	closed  bool
	scratch []byte
}

// keys are those of a finished handshake. out is used under peer.sending.
type keys struct{ in, out *srtp.Context }

// arrive takes a datagram on the shard's goroutine (RFC 7983).
func (p *peer) arrive(now time.Duration, b []byte) {
	switch {
	case len(b) < 12:
	case b[0] < 4:
		p.stun(b)
	case b[0] >= 20 && b[0] < 64:
		p.pipe.put(b)
	case b[0] >= 128 && b[0] < 192:
		k := p.keys.Load()
		if k == nil {
			if len(p.early) < maxEarly {
				p.early = append(p.early, bytes.Clone(b))
			}
			return
		}
		p.catchUp(now, k)
		p.take(now, k, b)
	}
}

// take passes on RTP and RTCP (RFC 5761 section 4).
func (p *peer) take(now time.Duration, k *keys, b []byte) {
	if b[1] < 192 || b[1] > 223 {
		p.media.rtp(now, b)
		return
	}
	plain, err := k.in.DecryptRTCP(nil, b, nil)
	if err != nil {
		return
	}
	if packets, err := rtcp.Unmarshal(plain); err == nil {
		p.media.rtcp(now, packets)
	}
}

// catchUp takes what overtook the end of the handshake.
func (p *peer) catchUp(now time.Duration, k *keys) {
	early := p.early
	p.early = nil
	for _, b := range early {
		p.take(now, k, b)
	}
}

func (p *peer) tick(now time.Duration) {
	k := p.keys.Load()
	if k == nil {
		return
	}
	p.catchUp(now, k)
	if now-p.checked > consentInterval {
		p.check(now)
	}
	p.media.tick(now)
}

// check sends a check that nominates at once (RFC 8445 section 7.2.2): there
// is one pair.
func (p *peer) check(now time.Duration) {
	p.checked = now
	m, err := stun.Build(stun.TransactionID, stun.BindingRequest,
		stun.NewUsername(p.remote.ufrag+":"+p.ufrag), ice.PriorityAttr(1<<30), ice.AttrControlling(1), ice.UseCandidate(),
		stun.NewShortTermIntegrity(p.remote.pwd), stun.Fingerprint)
	if err == nil {
		p.send(m.Raw)
	}
}

// stun answers the server's checks and notes the answers to ours.
func (p *peer) stun(b []byte) {
	m := &stun.Message{Raw: b}
	if m.Decode() != nil {
		return
	}
	switch m.Type {
	case stun.BindingRequest:
		if stun.NewShortTermIntegrity(p.pwd).Check(m) != nil {
			return
		}
		to := p.remote.candidates[0]
		response, err := stun.Build(m, stun.BindingSuccess,
			&stun.XORMappedAddress{IP: to.Addr().AsSlice(), Port: int(to.Port())},
			stun.NewShortTermIntegrity(p.pwd), stun.Fingerprint)
		if err == nil {
			p.send(response.Raw)
		}
	case stun.BindingSuccess:
		if stun.NewShortTermIntegrity(p.remote.pwd).Check(m) == nil {
			p.once.Do(func() { close(p.reached) })
		}
	}
}

// send sends a datagram; one that the kernel does not take is lost.
func (p *peer) send(b []byte) {
	p.sending.Lock()
	defer p.sending.Unlock()
	p.sendLocked(b)
}

func (p *peer) sendLocked(b []byte) {
	if !p.closed {
		_, _ = unix.Write(p.fd, b)
	}
}

// report sends RTCP.
func (p *peer) report(packets ...rtcp.Packet) {
	k := p.keys.Load()
	plain, err := rtcp.Marshal(packets)
	if err != nil || k == nil {
		return
	}
	p.sending.Lock()
	defer p.sending.Unlock()
	if sealed, err := k.out.EncryptRTCP(p.scratch, plain, nil); err == nil {
		p.scratch = sealed[:0]
		p.sendLocked(sealed)
	}
}

// connect reaches the server and does the DTLS handshake.
func (p *peer) connect(ctx context.Context) error {
	if err := p.reach(ctx); err != nil {
		return err
	}
	conn, err := p.open()
	if err != nil {
		return err
	}
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return fmt.Errorf("DTLS handshake: %w", err)
	}
	k, err := exportKeys(conn, !p.remote.active)
	if err != nil {
		_ = conn.Close()
		return err
	}
	p.keys.Store(k)
	if p.remote.active {
		p.conn = conn // the server may have missed our last flight
		return nil
	}
	p.pipe.muted.Store(true)
	_ = conn.Close()
	return nil
}

// reach tries the server's candidates one after the other.
func (p *peer) reach(ctx context.Context) error {
	for len(p.remote.candidates) > 0 {
		err := p.try(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		p.drop()
		p.remote.candidates = p.remote.candidates[1:]
	}
	return errUnreachable
}

func (p *peer) try(ctx context.Context) error {
	fd, err := openSocket(p.remote.candidates[0], p.shard.reader.size > 1<<12)
	if err != nil {
		return err
	}
	p.sending.Lock()
	p.fd, p.closed = fd, false
	p.sending.Unlock()
	if err := p.shard.add(p); err != nil {
		return err
	}
	limit := time.NewTimer(candidatePatience)
	defer limit.Stop()
	again := time.NewTicker(checkInterval)
	defer again.Stop()
	for {
		p.check(p.shard.now())
		select {
		case <-p.reached:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("connecting: %w", ctx.Err())
		case <-limit.C:
			return errUnreachable
		case <-again.C:
		}
	}
}

// drop closes the socket.
func (p *peer) drop() {
	p.sending.Lock()
	closed := p.closed
	p.closed = true
	p.sending.Unlock()
	if !closed {
		p.shard.remove(p, p.fd)
	}
}

// close ends the peer; the server learns it by DELETE.
func (p *peer) close() {
	if p.conn != nil {
		_ = p.conn.Close()
	}
	p.drop()
}

func (p *peer) open() (*dtls.Conn, error) {
	opts := []dtls.Option{
		dtls.WithCertificates(p.id.cert),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80),
		dtls.WithInsecureSkipVerify(true), // fingerprints take the place of chains
		dtls.WithFlightInterval(200 * time.Millisecond),
		dtls.WithLoggerFactory(&logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled}),
		dtls.WithVerifyConnection(func(s *dtls.State) error {
			if len(s.PeerCertificates) == 0 {
				return errCertificate
			}
			if value, err := printOf(s.PeerCertificates[0]); err != nil || !strings.EqualFold("sha-256 "+value, p.remote.fingerprint) {
				return errCertificate
			}
			return nil
		}),
	}
	if p.remote.active {
		server := []dtls.ServerOption{dtls.WithClientAuth(dtls.RequireAnyClientCert), dtls.WithInsecureSkipVerifyHello(true)}
		for _, o := range opts {
			server = append(server, o)
		}
		return dtls.ServerWithOptions(p.pipe, p.pipe.LocalAddr(), server...)
	}
	var client []dtls.ClientOption
	for _, o := range opts {
		client = append(client, o)
	}
	return dtls.ClientWithOptions(p.pipe, p.pipe.LocalAddr(), client...)
}

func printOf(raw []byte) (string, error) {
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		return "", fmt.Errorf("certificate: %w", err)
	}
	hash, err := fingerprint.HashFromString("sha-256")
	if err != nil {
		return "", fmt.Errorf("certificate: %w", err)
	}
	return fingerprint.Fingerprint(cert, hash)
}

// exportKeys makes the SRTP keys (RFC 5764 section 4.2).
func exportKeys(conn *dtls.Conn, client bool) (*keys, error) {
	chosen, ok := conn.SelectedSRTPProtectionProfile()
	state, ok2 := conn.ConnectionState()
	if !ok || !ok2 {
		return nil, errProfile
	}
	cfg := srtp.Config{Profile: srtp.ProtectionProfile(chosen)}
	if err := cfg.ExtractSessionKeysFromDTLS(&state, client); err != nil {
		return nil, fmt.Errorf("SRTP keys: %w", err)
	}
	out, err := srtp.CreateContext(cfg.Keys.LocalMasterKey, cfg.Keys.LocalMasterSalt, cfg.Profile)
	if err != nil {
		return nil, fmt.Errorf("SRTP keys: %w", err)
	}
	in, err := srtp.CreateContext(cfg.Keys.RemoteMasterKey, cfg.Keys.RemoteMasterSalt, cfg.Profile)
	if err != nil {
		return nil, fmt.Errorf("SRTP keys: %w", err)
	}
	return &keys{in, out}, nil
}
