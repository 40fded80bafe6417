package icelite

import (
	"time"

	"github.com/freshet-live/freshet/sfu/fanout/wire"
)

// Event tells what a message changed; the flags may come together.
type Event uint8

// The flags of an Event.
const (
	// Alive: the message was a valid check and renewed the peer's consent.
	Alive Event = 1 << iota
	// Selected: the nominated Route is new; ask Agent.Selected.
	Selected
	// Restarted: the credentials of the last Restart are now the only ones.
	Restarted
)

// Has tells whether all the given flags are set.
func (e Event) Has(flags Event) bool { return e&flags == flags }

// Agent is the ICE-lite agent of one session. It is a plain value machine:
// not safe for concurrent use.
type Agent struct{}

// NewCredentials returns a fresh ice-ufrag and ice-pwd from crypto/rand, with
// 48 and 144 bits of randomness (RFC 8445 section 5.3 asks for 24 and 128).
func NewCredentials() (ufrag, pwd string) { return "", "" }

// NewAgent returns an agent that waits for the peer's checks. The remote
// credentials may be empty when they are not known yet.
func NewAgent(localUfrag, localPwd, remoteUfrag, remotePwd string, now time.Time) *Agent {
	return &Agent{}
}

// Username splits the USERNAME of a STUN Binding request without validating
// the message: for demultiplexing by the local ufrag.
func Username(data []byte) (local, remote string, ok bool) { return "", "", false }

// IsSTUN tells whether a datagram's first byte says STUN (RFC 7983).
func IsSTUN(data []byte) bool { return len(data) > 0 && data[0] <= 3 }

// IsDTLS tells whether a datagram's first byte says DTLS (RFC 7983).
func IsDTLS(data []byte) bool { return len(data) > 0 && data[0] >= 20 && data[0] <= 63 }

// IsRTP tells whether a datagram's first byte says RTP or RTCP (RFC 7983).
func IsRTP(data []byte) bool { return len(data) > 0 && data[0] >= 128 && data[0] <= 191 }

// Handle takes a STUN message that came over a Route. The response is appended
// to dst; it is nil when none is to be sent.
func (a *Agent) Handle(now time.Time, from wire.Route, data, dst []byte) (response []byte, event Event) {
	return nil, 0
}

// Selected returns the Route that the peer nominated; ok is false before.
func (a *Agent) Selected() (route wire.Route, ok bool) { return wire.Route{}, false }

// Restart begins an ICE restart (RFC 8445 section 9) with new credentials on
// both sides. The old ones and the old Route stay in use until the peer
// nominates with the new ones; a second Restart before that replaces the first.
func (a *Agent) Restart(localUfrag, localPwd, remoteUfrag, remotePwd string) {}

// LocalUfrags returns the local ufrags that checks may carry now: the current
// one and, during a restart, the next one.
func (a *Agent) LocalUfrags() (current, next string) { return "", "" }

// RouteClosed forgets a Route whose TCP connection is gone. The session stays
// until consent lapses or the peer nominates another Route.
func (a *Agent) RouteClosed(route wire.Route) {}

// Expired tells that consent has lapsed (RFC 7675 section 5.1): no valid check
// for 30 s, or nothing nominated within 30 s of the agent's creation.
func (a *Agent) Expired(now time.Time) bool { return false }
