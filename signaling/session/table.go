package session

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"sync"
	"time"

	"golang.org/x/time/rate"
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

const (
	idBytes   = 18 // 144 bits (W42)
	etagBytes = 9

	sweepInterval = time.Second
	// Browsers trickle a handful of candidates per network; nobody restarts
	// ICE ten times a second for long.
	changesPerSecond = 10
	changesBurst     = 50
)

// Session is one client's turn at a Stream, as its URL names it.
type Session[P Peer] struct {
	// ID is the last part of the URL; whoever knows it in open mode owns it.
	ID      string
	Stream  string
	Owner   string // identity of the token that made it, "" when there was none
	Peer    P
	Created time.Time
	// MIDs are those of the media sections, in order.
	MIDs []string
	// Changes limits requests on this session.
	Changes *rate.Limiter

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

// Table holds the sessions of one endpoint. A session whose Peer is done is
// as good as gone at once; Run then drops it.
type Table[P Peer] struct {
	mu       sync.Mutex
	sessions map[string]*Session[P]
}

// NewTable returns an empty Table.
func NewTable[P Peer]() *Table[P] {
	return &Table[P]{sessions: map[string]*Session[P]{}}
}

// Run drops sessions that are over, until ctx ends. One sweep for all costs
// less than a goroutine each.
func (t *Table[P]) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			t.sweep()
		}
	}
}

func (t *Table[P]) sweep() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, s := range t.sessions {
		if s.Over() {
			delete(t.sessions, id)
		}
	}
}

// Offer is what the table keeps of a client's SDP offer.
type Offer struct {
	Ufrag, Pwd string
	MIDs       []string
}

// Add makes a session with a new ID and ETag.
func (t *Table[P]) Add(stream, owner string, peer P, offer Offer) *Session[P] {
	s := &Session[P]{
		ID: random(idBytes), Stream: stream, Owner: owner, Peer: peer, Created: time.Now(),
		MIDs: offer.MIDs, Changes: rate.NewLimiter(changesPerSecond, changesBurst),
		etag: newETag(), ufrag: offer.Ufrag, pwd: offer.Pwd,
	}
	t.mu.Lock()
	t.sessions[s.ID] = s
	t.mu.Unlock()
	return s
}

// Get returns a session of a Stream, nil when there is none or it is over.
func (t *Table[P]) Get(stream, id string) *Session[P] {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.sessions[id]; s != nil && s.Stream == stream && !s.Over() {
		return s
	}
	return nil
}

// Remove takes a session out, and reports whether it was still there.
func (t *Table[P]) Remove(s *Session[P]) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sessions[s.ID] != s {
		return false
	}
	delete(t.sessions, s.ID)
	return true
}

// Of returns the sessions of a Stream that are not over, in no order.
func (t *Table[P]) Of(stream string) []*Session[P] {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []*Session[P]
	for _, s := range t.sessions {
		if s.Stream == stream && !s.Over() {
			all = append(all, s)
		}
	}
	return all
}

// Len returns how many sessions the table holds, over or not.
func (t *Table[P]) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.sessions)
}

func newETag() string { return `"` + random(etagBytes) + `"` }

// random returns n random bytes as URL-safe text.
func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b)
}
