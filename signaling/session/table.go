package session

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/freshet-live/freshet/signaling/auth"
)

const (
	idBytes   = 18 // 144 bits (W42)
	etagBytes = 9
	maxAgent  = 256

	sweepInterval = time.Second
	// settleTime is how long a request may take from its token to its session,
	// and some.
	settleTime = 30 * time.Second
	// Browsers trickle a handful of candidates per network; nobody restarts
	// ICE ten times a second for long.
	changesPerSecond = 10
	changesBurst     = 50
)

// Observer is told who comes and goes. Its methods are called without a lock,
// from one goroutine at a time, and must not block.
type Observer interface {
	// Joined tells of a session whose connection is up.
	Joined(i Info)
	// Left tells of the end of one that had joined.
	Left(i Info)
}

// Table holds the sessions of one endpoint. A session whose Peer is done is
// as good as gone at once; Run then drops it.
type Table[P Peer] struct {
	// Observer is told by Run who comes and goes, within a second or two; nil:
	// nobody is. Connected tells whether a Peer's connection is up. Both are set
	// before Run.
	Observer  Observer
	Connected func(P) bool
	// Barred tells who was let in while a decision against it was on its way;
	// Run asks about each session while it is new. Nil: nobody. It is set before
	// Run.
	Barred func(Info) error

	mu       sync.Mutex
	sessions map[string]*Session[P]
	left     []Info // had joined, and were taken out since the last sweep
}

// NewTable returns an empty Table.
func NewTable[P Peer]() *Table[P] {
	return &Table[P]{sessions: map[string]*Session[P]{}}
}

// Run drops sessions that are over, until ctx ends, when all of them have left.
// One sweep for all costs less than a goroutine each.
func (t *Table[P]) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			t.leave()
			return nil
		case <-tick.C:
			t.sweep()
		}
	}
}

func (t *Table[P]) sweep() {
	t.settle(time.Now())
	joined, left := t.collect()
	if t.Observer == nil {
		return
	}
	for _, i := range joined {
		t.Observer.Joined(i)
	}
	for _, i := range left {
		t.Observer.Left(i)
	}
}

// settle ends new sessions of those who are barred by now. End cannot have seen
// one that was made by a request that was let in just before.
func (t *Table[P]) settle(now time.Time) {
	if t.Barred == nil {
		return
	}
	var fresh []Info
	t.mu.Lock()
	for _, s := range t.sessions {
		if now.Sub(s.Created) < settleTime {
			fresh = append(fresh, s.Info)
		}
	}
	t.mu.Unlock()
	for _, i := range fresh {
		if reason := t.Barred(i); reason != nil {
			t.End(func(other Info) bool { return other.ID == i.ID }, reason)
		}
	}
}

// leave drops everybody: their connections end with the server.
func (t *Table[P]) leave() {
	t.mu.Lock()
	for _, s := range t.sessions {
		t.dropLocked(s)
	}
	t.mu.Unlock()
	t.sweep()
}

// collect drops what is over and returns who has come and gone. A session that
// has done both since the last time is in both.
func (t *Table[P]) collect() (joined, left []Info) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.sessions {
		if !s.joined && t.Connected != nil && t.Connected(s.Peer) {
			s.joined = true
			joined = append(joined, s.Info)
		}
		if s.Over() {
			t.dropLocked(s)
		}
	}
	left, t.left = t.left, nil
	return joined, left
}

func (t *Table[P]) dropLocked(s *Session[P]) {
	delete(t.sessions, s.ID)
	if s.joined {
		t.left = append(t.left, s.Info)
	}
}

// Offer is what the table keeps of a client's SDP offer.
type Offer struct {
	Ufrag, Pwd string
	MIDs       []string
}

// Add makes a session with a new ID and ETag, for who has made the request.
func (t *Table[P]) Add(r *http.Request, g auth.Grant, peer P, offer Offer) *Session[P] {
	s := &Session[P]{
		Info: Info{Grant: g, ID: random(idBytes), Agent: clip(r.UserAgent()), Created: time.Now()},
		Peer: peer, MIDs: offer.MIDs, Changes: rate.NewLimiter(changesPerSecond, changesBurst),
		etag: newETag(), ufrag: offer.Ufrag, pwd: offer.Pwd,
	}
	t.mu.Lock()
	t.sessions[s.ID] = s
	t.mu.Unlock()
	return s
}

// clip keeps what a client says of itself within bounds.
func clip(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), maxAgent)], "?")
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
	t.dropLocked(s)
	return true
}

// End closes the sessions that match and takes them out; it returns how many
// there were. It does not wait until their resources are free.
func (t *Table[P]) End(match func(Info) bool, reason error) int {
	var ending []*Session[P]
	t.mu.Lock()
	for _, s := range t.sessions {
		if match(s.Info) && !s.Over() {
			t.dropLocked(s)
			ending = append(ending, s)
		}
	}
	t.mu.Unlock()
	for _, s := range ending {
		s.Peer.Close(reason)
	}
	return len(ending)
}

// Of returns the sessions of a Stream that are not over, longest here first.
func (t *Table[P]) Of(stream string) []*Session[P] {
	t.mu.Lock()
	var all []*Session[P]
	for _, s := range t.sessions {
		if s.Stream == stream && !s.Over() {
			all = append(all, s)
		}
	}
	t.mu.Unlock()
	slices.SortFunc(all, func(a, b *Session[P]) int { return Compare(a.Info, b.Info) })
	return all
}

// Infos returns what is known of the sessions of a Stream that are not over,
// longest here first.
func (t *Table[P]) Infos(stream string) []Info {
	all := t.Of(stream)
	out := make([]Info, len(all))
	for i, s := range all {
		out[i] = s.Info
	}
	return out
}

// Compare orders sessions by their age, longest here first.
func Compare(a, b Info) int {
	if c := a.Created.Compare(b.Created); c != 0 {
		return c
	}
	return strings.Compare(a.ID, b.ID)
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
