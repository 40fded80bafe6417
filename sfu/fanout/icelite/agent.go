package icelite

import (
	"crypto/rand"
	"encoding/base64"
	"time"

	"github.com/freshet-live/freshet/sfu/fanout/wire"
)

// ConsentTimeout is how long consent lasts without a valid check (RFC 7675
// section 5.1), and how long the first nomination may take.
const ConsentTimeout = 30 * time.Second

// Event tells what a message changed; the flags may come together.
type Event uint8

// The flags of an Event.
const (
	// Alive: the message was a valid check.
	Alive Event = 1 << iota
	// Selected: the nominated Route is new; ask Agent.Selected.
	Selected
	// Restarted: the credentials of the last Restart are now the only ones.
	Restarted
)

// Has tells whether all the given flags are set.
func (e Event) Has(flags Event) bool { return e&flags == flags }

// credentials are both sides' halves for one ICE generation.
type credentials struct {
	localUfrag, remoteUfrag string
	localPwd                []byte // the key of everything: we only answer
}

// Agent is the ICE-lite agent of one session. It is a plain value machine:
// not safe for concurrent use.
//
// An ICE-lite agent proves nothing about the way back to the peer: whoever has
// the session's credentials can nominate a Route. The credentials are the
// peer's alone, and consent must come over the nominated Route itself.
type Agent struct {
	current, next credentials // next is empty unless a restart is under way

	created   time.Time
	consented time.Time // the last valid check over the selected Route

	selected  wire.Route
	nominated bool // something was nominated, some time
}

// NewCredentials returns a fresh ice-ufrag and ice-pwd of 8 and 24 characters
// from crypto/rand, with 48 and 144 bits of randomness (RFC 8445 section 5.3
// asks for 24 and 128).
func NewCredentials() (ufrag, pwd string) {
	var b [24]byte
	_, _ = rand.Read(b[:]) // never fails: it would end the program
	// The ice-char of RFC 8839 section 5.4 are base64's characters.
	return base64.RawStdEncoding.EncodeToString(b[:6]), base64.RawStdEncoding.EncodeToString(b[6:])
}

// NewAgent returns an agent that waits for the peer's checks. The remote
// credentials may be empty when they are not known yet; remotePwd is there for
// symmetry, since an agent that only answers never needs it.
func NewAgent(localUfrag, localPwd, remoteUfrag, remotePwd string, now time.Time) *Agent {
	_ = remotePwd
	return &Agent{
		current: credentials{localUfrag: localUfrag, remoteUfrag: remoteUfrag, localPwd: []byte(localPwd)},
		created: now,
	}
}

// Selected returns the Route that the peer nominated; ok is false before, and
// after RouteClosed took it away.
func (a *Agent) Selected() (route wire.Route, ok bool) {
	return a.selected, a.selected != wire.Route{}
}

// Restart begins an ICE restart (RFC 8445 section 9) with new credentials on
// both sides. The old ones and the old Route stay in use until the peer
// nominates with the new ones (RFC 9725 section 4.3.3: media goes on
// meanwhile); a second Restart before that replaces the first.
func (a *Agent) Restart(localUfrag, localPwd, remoteUfrag, remotePwd string) {
	_ = remotePwd
	a.next = credentials{localUfrag: localUfrag, remoteUfrag: remoteUfrag, localPwd: []byte(localPwd)}
}

// LocalUfrags returns the local ufrags that checks may carry now: the current
// one and, during a restart, the next one.
func (a *Agent) LocalUfrags() (current, next string) {
	return a.current.localUfrag, a.next.localUfrag
}

// RouteClosed forgets a Route whose TCP connection is gone. The session stays
// until consent lapses or the peer nominates another Route.
func (a *Agent) RouteClosed(route wire.Route) {
	if a.selected == route {
		a.selected = wire.Route{}
	}
}

// Expired tells that consent has lapsed (RFC 7675 section 5.1): no valid check
// over the selected Route for ConsentTimeout, or nothing nominated within that
// time of the agent's creation.
func (a *Agent) Expired(now time.Time) bool {
	since := a.created
	if a.nominated {
		since = a.consented
	}
	return now.Sub(since) >= ConsentTimeout
}

// accept takes a valid check and returns what it changed.
func (a *Agent) accept(now time.Time, from wire.Route, useCandidate, isNext bool) Event {
	event := Alive
	if useCandidate {
		// The last nomination counts: peers that change their mind, from Wi-Fi
		// to mobile say, nominate anew without a restart.
		if a.selected != from {
			a.selected = from
			event |= Selected
		}
		a.nominated = true
		if isNext {
			a.current, a.next = a.next, credentials{}
			event |= Restarted
		}
	}
	if a.selected == from {
		a.consented = now
	}
	return event
}
