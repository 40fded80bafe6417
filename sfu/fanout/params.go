package fanout

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pion/dtls/v3/pkg/crypto/fingerprint"

	"github.com/freshet-live/freshet/sfu/fanout/wire"
	"github.com/freshet-live/freshet/sfu/media"
)

// Errors that the engine reports.
var (
	// ErrBusy: the engine has as many viewers, or as many that are still
	// connecting, as it may. Trying again later can help.
	ErrBusy = errors.New("too many viewers")
	// ErrClosed: the engine, or this viewer, is shutting down.
	ErrClosed = errors.New("closed")
	// ErrNoLayer: the Stream has no such Layer.
	ErrNoLayer = errors.New("no such layer")
	// ErrParams: the viewer's parameters contradict themselves.
	ErrParams = errors.New("bad viewer parameters")
	// ErrHandshake: the viewer did not connect, or its DTLS handshake failed.
	ErrHandshake = errors.New("the viewer did not connect")
	// ErrConsent: the viewer stopped answering for itself (RFC 7675).
	ErrConsent = errors.New("the viewer is gone: its consent has lapsed")
	// ErrPeerClosed: the viewer said goodbye by a DTLS close_notify.
	ErrPeerClosed = errors.New("the viewer closed the connection")
)

// Config sets the engine's sockets and limits. Only Wire.Listen is required.
type Config struct {
	Wire wire.Config
	// Workers is the number of goroutines that send media; 0: one per core.
	Workers int
	// HandshakeTimeout is how long a viewer may take from Add to the end of
	// its DTLS handshake; 0: 30 s.
	HandshakeTimeout time.Duration
	// ConsentTimeout is how long a viewer stays without a valid STUN check;
	// 0: 30 s (RFC 7675 section 5.1).
	ConsentTimeout time.Duration
	// MaxViewers bounds the viewers in all; 0: 10000.
	MaxViewers int
	// MaxPerStream bounds those of one Stream; 0: no limit.
	MaxPerStream int
	// MaxCPU is the share of the cores, 0 to 1, beyond which nobody else is
	// let in; 0: no limit.
	MaxCPU float64
	// MaxBandwidth is what may go out to viewers, in bit/s; 0: no limit.
	MaxBandwidth uint64
	// MaxConnecting bounds those of them that are still connecting; 0: 1024.
	MaxConnecting int
	// CNAME names this server in sender reports; "": a random name. Audio and
	// video of a viewer share it, so that they play in sync.
	CNAME string
}

func (c Config) withDefaults() Config {
	if c.HandshakeTimeout <= 0 {
		c.HandshakeTimeout = 30 * time.Second
	}
	if c.ConsentTimeout <= 0 {
		c.ConsentTimeout = 30 * time.Second
	}
	if c.MaxViewers <= 0 {
		c.MaxViewers = 10_000
	}
	if c.MaxConnecting <= 0 {
		c.MaxConnecting = 1024
	}
	return c
}

// Fingerprint is the hash of a certificate as SDP writes it (RFC 8122).
type Fingerprint struct {
	// Algorithm is the hash function's name, such as "sha-256".
	Algorithm string
	// Value is the digest: hexadecimal bytes with colons between.
	Value string
}

// Params is what a viewer's offer says about its side of the session.
type Params struct {
	// RemoteUfrag and RemotePwd are the viewer's ICE credentials.
	RemoteUfrag, RemotePwd string
	// Fingerprints are those of the viewer's certificate. The certificate must
	// match one of them.
	Fingerprints []Fingerprint
	// DTLSClient is set when the viewer insists on being the DTLS server
	// (a=setup:passive). Otherwise the engine is, which lets it choose the
	// SRTP profile.
	DTLSClient bool
	// Audio and Video are nil when the offer has no such m-line.
	Audio, Video *TrackParams
}

// maxExtensionID is the highest id of a one-byte header extension (RFC 8285
// section 4.2).
const maxExtensionID = 14

// check returns ErrParams for what can never work.
func (p *Params) check() error {
	if err := checkCredentials(p.RemoteUfrag, p.RemotePwd); err != nil {
		return err
	}
	if p.Audio == nil && p.Video == nil {
		return fmt.Errorf("%w: neither audio nor video", ErrParams)
	}
	usable := false
	for _, f := range p.Fingerprints {
		hash, err := fingerprint.HashFromString(strings.ToLower(f.Algorithm))
		usable = usable || err == nil && hash.Available()
	}
	if !usable {
		return fmt.Errorf("%w: no certificate fingerprint in a known hash", ErrParams)
	}
	for _, t := range [...]*TrackParams{p.Audio, p.Video} {
		if t != nil && (t.TransportCCID > maxExtensionID || t.MIDExtensionID > maxExtensionID || len(t.MID) > maxMIDSize) {
			return fmt.Errorf("%w: header extensions of m-line %q", ErrParams, t.MID)
		}
	}
	return nil
}

// TrackParams is one m-line of a viewer's offer.
type TrackParams struct {
	// MID is the m-line's identification tag (RFC 9143).
	MID string
	// Codecs holds everything of ours that the viewer can decode, in the
	// offer's order.
	Codecs []CodecParams
	// TransportCCID is the id of the transport-wide sequence number header
	// extension (draft-holmer-rmcat-transport-wide-cc-extensions-01), 0 when
	// it was not negotiated.
	TransportCCID uint8
	// MIDExtensionID is the id of the sdes:mid header extension (RFC 9143
	// section 15), 0 when it was not negotiated.
	MIDExtensionID uint8
}

// usesTransportCC reports whether packets of the Track may carry transport-wide
// numbers.
func (p *TrackParams) usesTransportCC() bool {
	return p.TransportCCID != 0 && slices.ContainsFunc(p.Codecs, func(c CodecParams) bool { return c.TransportCC && c.extends() })
}

// CodecParams is one payload format of a viewer's m-line.
type CodecParams struct {
	Codec media.Codec
	// PayloadType is the RTP payload type of the answer (R14).
	PayloadType uint8
	// RTXPayloadType is that of its retransmissions (RFC 4588), 0 for none.
	RTXPayloadType uint8
	// NACK, PLI and TransportCC tell which RTCP feedback was negotiated. With
	// NACK and without RTX no header extensions are sent, and so no
	// transport-wide numbers.
	NACK, PLI, TransportCC bool
}

// extends reports whether packets carry header extensions: only where
// repetitions are packets of their own (RFC 4588) or never sent, as with most
// viewers' audio. Else a repetition must be the very same bytes: crypter.seal
// says why.
func (c *CodecParams) extends() bool { return c.RTXPayloadType != 0 || !c.NACK }
