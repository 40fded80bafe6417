package auth

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

var (
	// ErrBars is wrapped by errors about the file of the Bars.
	ErrBars = errors.New("the list of revocations cannot be kept")
	// ErrTooManyBars is returned when there are as many Bars as there may be.
	ErrTooManyBars = errors.New("too many revocations; lift some")
	// ErrEmptyBar is returned for a Bar that would be for everybody.
	ErrEmptyBar = errors.New("a revocation needs a token, an identity, an address or a stream")
)

// maxBars bounds memory; each takes some hundred bytes.
const maxBars = 20_000

// Bar keeps somebody out, whatever their token says: those to whom all of its
// fields from TokenID to Stream apply that are set.
type Bar struct {
	ID string `json:"id"`
	// TokenID is a Grant's, as is Identity.
	TokenID  string `json:"tokenId,omitempty"`
	Identity string `json:"identity,omitempty"`
	// Address stands for the /64 around it where it is of IPv6, as that is what
	// one subscriber has.
	Address netip.Addr `json:"address,omitzero"`
	// Stream is the one that it is about; "" is all of them, and the API.
	Stream string `json:"stream,omitempty"`
	// Publish bars from publishing only.
	Publish bool   `json:"publish,omitempty"`
	Reason  string `json:"reason,omitempty"`
	// At is when it was made, Until when it ends; zero: never.
	At    time.Time `json:"at"`
	Until time.Time `json:"until,omitzero"`
}

// Matches reports whether the Bar is for somebody who publishes, or does
// something else.
func (b *Bar) Matches(g Grant, publishing bool) bool {
	return (b.TokenID == "" || b.TokenID == g.TokenID) &&
		(b.Identity == "" || b.Identity == g.Identity) &&
		(!b.Address.IsValid() || network(b.Address) == network(g.Address)) &&
		(b.Stream == "" || b.Stream == g.Stream) &&
		(!b.Publish || publishing)
}

// network returns what counts as one client's address.
func network(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() && !a.IsLoopback() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}

func (b *Bar) over(now time.Time) bool { return !b.Until.IsZero() && !now.Before(b.Until) }

// key is what a Bar is found by: the first of its fields that is set.
func (b *Bar) key() string {
	switch {
	case b.TokenID != "":
		return "t" + b.TokenID
	case b.Identity != "":
		return "i" + b.Identity
	case b.Address.IsValid():
		return "a" + network(b.Address).String()
	case b.Stream != "":
		return "s" + b.Stream
	default:
		return ""
	}
}

// Bars are all that are in force. They are kept in a file, if there is one. A
// nil *Bars has none. It is safe for concurrent use.
type Bars struct {
	file *barFile // nil: none

	mu    sync.RWMutex
	all   map[string]*Bar // by ID
	byKey map[string][]*Bar
}

// NewBars returns Bars that are kept in a file, "" for none. Errors wrap
// ErrBars: who was kept out must not come in for a file that cannot be read.
func NewBars(path string) (*Bars, error) {
	b := &Bars{all: map[string]*Bar{}, byKey: map[string][]*Bar{}}
	if path == "" {
		return b, nil
	}
	file, kept, err := openBars(path, time.Now())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBars, err)
	}
	b.file = file
	for _, bar := range kept {
		b.putLocked(&bar)
	}
	return b, nil
}

// CopyBars returns the Bars of a file that belongs to another process. What is
// changed is not kept. Errors wrap ErrBars.
func CopyBars(path string) (*Bars, error) {
	b, _ := NewBars("")
	data, err := os.ReadFile(path) //nolint:gosec // below the operator's data directory
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	var kept []Bar
	if err == nil {
		kept, err = readBars(data, time.Now())
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBars, err)
	}
	for _, bar := range kept {
		b.putLocked(&bar)
	}
	return b, nil
}

// Close closes the file.
func (b *Bars) Close() error {
	if b == nil || b.file == nil {
		return nil
	}
	return b.file.close()
}

// Check returns an error that wraps ErrRevoked for somebody who is kept out.
func (b *Bars) Check(g Grant, publishing bool, now time.Time) error {
	if b == nil {
		return nil
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	if len(b.all) == 0 {
		return nil
	}
	keys := [...]string{"t" + g.TokenID, "i" + g.Identity, "a" + network(g.Address).String(), "s" + g.Stream}
	for _, key := range keys {
		for _, bar := range b.byKey[key] {
			if bar.Matches(g, publishing) && !bar.over(now) {
				return bar.refusal()
			}
		}
	}
	return nil
}

func (b *Bar) refusal() error {
	what := "for this identity"
	switch {
	case b.TokenID != "":
		what = "for this token"
	case b.Identity == "" && b.Address.IsValid():
		what = "for this address"
	case b.Identity == "":
		what = "to publish this stream"
	}
	if !b.Until.IsZero() {
		what += " until " + b.Until.UTC().Format(time.RFC3339)
	}
	return fmt.Errorf("%w %s", ErrRevoked, what)
}

// Add makes a Bar, and gives it its ID and At. It is on disk when Add returns.
// Errors are ErrEmptyBar, ErrTooManyBars or wrap ErrBars.
func (b *Bars) Add(bar Bar, now time.Time) (Bar, error) {
	if bar.key() == "" {
		return Bar{}, ErrEmptyBar
	}
	bar.ID, bar.At = newBarID(), now.UTC().Truncate(time.Millisecond)
	if !bar.Until.IsZero() {
		bar.Until = bar.Until.UTC()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.all) >= maxBars {
		b.dropLocked(now)
		if len(b.all) >= maxBars {
			return Bar{}, ErrTooManyBars
		}
	}
	if err := b.keepLocked(barLine{Bar: &bar}); err != nil {
		return Bar{}, err
	}
	b.putLocked(&bar)
	return bar, nil
}

// Lift takes a Bar away, and reports whether there was one. Errors wrap
// ErrBars.
func (b *Bars) Lift(id string, now time.Time) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	bar := b.all[id]
	if bar == nil || bar.over(now) {
		return false, nil
	}
	if err := b.keepLocked(barLine{Lift: id}); err != nil {
		return false, err
	}
	b.removeLocked(bar)
	return true, nil
}

// List returns what is in force, oldest first.
func (b *Bars) List(now time.Time) []Bar {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dropLocked(now)
	out := make([]Bar, 0, len(b.all))
	for _, bar := range b.all {
		out = append(out, *bar)
	}
	slices.SortFunc(out, func(x, y Bar) int {
		if c := x.At.Compare(y.At); c != 0 {
			return c
		}
		return strings.Compare(x.ID, y.ID)
	})
	return out
}

func (b *Bars) putLocked(bar *Bar) {
	b.all[bar.ID] = bar
	b.byKey[bar.key()] = append(b.byKey[bar.key()], bar)
}

func (b *Bars) removeLocked(bar *Bar) {
	delete(b.all, bar.ID)
	key := bar.key()
	b.byKey[key] = slices.DeleteFunc(b.byKey[key], func(x *Bar) bool { return x == bar })
	if len(b.byKey[key]) == 0 {
		delete(b.byKey, key)
	}
}

// dropLocked forgets what is over.
func (b *Bars) dropLocked(now time.Time) {
	for _, bar := range b.all {
		if bar.over(now) {
			b.removeLocked(bar)
		}
	}
}

// keepLocked writes a line, or the whole file anew when most lines in it say
// nothing any more.
func (b *Bars) keepLocked(line barLine) error {
	if b.file == nil {
		return nil
	}
	if b.file.lines > 2*len(b.all)+slackLines {
		if err := b.file.rewrite(b.all); err != nil {
			return fmt.Errorf("%w: %w", ErrBars, err)
		}
	}
	if err := b.file.append(line); err != nil {
		return fmt.Errorf("%w: %w", ErrBars, err)
	}
	return nil
}

func newBarID() string {
	var id [9]byte
	_, _ = rand.Read(id[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(id[:])
}
