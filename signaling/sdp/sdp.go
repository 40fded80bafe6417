// Package sdp reads the session descriptions that WHIP and WHEP clients send
// and writes the ones they get back: offers (RFC 8866, RFC 3264, RFC 9143),
// answers and trickle fragments (RFC 8840). It is pure: no clock, no network
// and no state, so that every rule is tested by table, property and fuzz.
//
// It is tolerant where real clients are sloppy and strict where a wrong guess
// would leave a session without media: there an offer is refused with one
// sentence that tells its author what to change.
package sdp

import (
	"errors"
	"fmt"

	"github.com/freshet-live/freshet/sfu/media"
)

var (
	// ErrMalformed is wrapped by every error about text that is not a session
	// description or fragment at all. It answers to HTTP status 400 (W5, W16).
	ErrMalformed = errors.New("malformed session description")
	// ErrUnsupported is wrapped by every error about a well-formed offer that
	// Freshet cannot answer in full. It answers to HTTP status 422 (W31).
	ErrUnsupported = errors.New("unsupported session description")
)

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnsupported, fmt.Sprintf(format, args...))
}

// Bounds on what is looked at (H2, H3). Real offers stay far below them.
const (
	maxBody       = 200 << 10 // bytes
	maxSections   = 64
	maxSSRCLines  = 256 // per section
	maxRIDs       = 8   // per section; the rest is dropped (R2)
	maxCandidates = 200 // per fragment
	maxLine       = 8 << 10
	maxFmtp       = 1 << 10
	maxMID        = 64
)

// TransportCC is the URI of the transport-wide sequence number header
// extension (draft-holmer-rmcat-transport-wide-cc-extensions-01).
const TransportCC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"

// Values of Offer.Setup (RFC 8842 section 5).
const (
	SetupActpass = "actpass"
	SetupActive  = "active"
	SetupPassive = "passive"
)

// Values of Media.Direction (RFC 8866 section 6.7).
const (
	SendRecv = "sendrecv"
	SendOnly = "sendonly"
	RecvOnly = "recvonly"
	Inactive = "inactive"
)

// Offer is a client's session description. It is read by ParseOffer, never
// changed afterwards, and safe for concurrent use.
type Offer struct {
	// Media holds the media sections in the offer's order.
	Media []Media
	// Ufrag and Pwd are the client's ICE credentials (RFC 8839 section 5.4),
	// those of the BUNDLE group's first section.
	Ufrag, Pwd string
	// Fingerprints are those of the client's DTLS certificate (RFC 8122).
	Fingerprints []Fingerprint
	// Setup is the client's DTLS role; "active" when it names none (RFC 4145
	// section 4).
	Setup string
	// BundleMIDs are the sections that share one transport (RFC 9143).
	BundleMIDs []string
	// ICELite is set when the client answers connectivity checks only.
	ICELite bool
}

// Fingerprint is the hash of a certificate, as in "sha-256 AB:CD:…".
type Fingerprint struct {
	// Algorithm is in lower case.
	Algorithm string
	// Value is in upper case, pairs of hex digits joined by colons.
	Value string
}

// Media is one media section of an Offer.
type Media struct {
	// Kind is Audio or Video, 0 for a data channel and everything else.
	Kind media.Kind
	// Type is the media type as written, e.g. "audio" or "application".
	Type string
	// MID identifies the section; made up by its position when it has none.
	MID string
	// Direction is one of SendRecv, SendOnly, RecvOnly and Inactive.
	Direction string
	// Codecs are those that Freshet forwards, in the order of preference.
	Codecs []Codec
	// Extensions maps the URIs of RTP header extensions to their ids. It
	// leaves out what the client has set to inactive.
	Extensions map[string]uint8
	// RIDs are the simulcast encodings that the client sends, in its order.
	RIDs []RID
	// Simulcast is set when the section carries a usable a=simulcast:send.
	Simulcast bool
	// RTCPMux and RTCPRsize tell whether RTP and RTCP share a port (RFC 5761)
	// and whether RTCP packets may be reduced in size (RFC 5506).
	RTCPMux, RTCPRsize bool
	// Rejected is set when the port is 0 and the section is not bundled.
	Rejected bool

	protocol     string
	transport    transport
	extDirection map[string]string // uri → direction, when qualified
	ridLines     map[string]string // id → the whole value of a=rid
	msid         string
	ssrcs        []string // values of a=ssrc
	ssrcGroups   []string // values of a=ssrc-group
}

// RID is one simulcast encoding (RFC 8851).
type RID struct {
	ID string
	// Paused is set when the encoding starts out paused ("~", RFC 8853).
	Paused bool
}

// Codec is one payload type that can be negotiated.
type Codec struct {
	media.Codec
	PayloadType uint8
	// RTX is the payload type of its retransmissions (RFC 4588), 0: none.
	RTX uint8
	// NACK, PLI, FIR, TransportCC and REMB are the RTCP feedback messages
	// offered for it (RFC 4585, RFC 5104).
	NACK, PLI, FIR, TransportCC, REMB bool
}
