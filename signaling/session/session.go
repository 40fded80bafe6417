package session

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/freshet-live/freshet/signaling/auth"
)

// Peer is the media side of a session: a publisher's or a viewer's connection.
type Peer interface {
	// RestartICE takes the client's new ICE credentials and returns ours. When
	// it fails, the session goes on as it was.
	RestartICE(ufrag, pwd string) (localUfrag, localPwd string, err error)
	// Close ends the connection; Done tells when it is over.
	Close(reason error)
	Done() <-chan struct{}
}

// Info is what is known of a session and of who made it.
type Info struct {
	// Grant is that of the request that made the session: its Stream, and the
	// owner's Identity, Name, TokenID and Address.
	auth.Grant
	// ID is the last part of the session's URL; whoever knows it in open mode
	// owns it.
	ID string
	// Agent is the client's User-Agent.
	Agent   string
	Created time.Time
}

// Session is one client's turn at a Stream, as its URL names it.
type Session[P Peer] struct {
	Info
	Peer P
	// MIDs are those of the media sections, in order.
	MIDs []string
	// Changes limits requests on this session.
	Changes *rate.Limiter

	joined bool // was told of; belongs to the table's lock

	mu    sync.Mutex
	etag  string
	ufrag string // the client's, of the present ICE session
	pwd   string
}

// ETag returns the strong entity tag of the present ICE session (W17).
func (s *Session[P]) ETag() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.etag
}

// Over reports whether the connection has ended.
func (s *Session[P]) Over() bool {
	select {
	case <-s.Peer.Done():
		return true
	default:
		return false
	}
}
