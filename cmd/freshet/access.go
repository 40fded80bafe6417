package main

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/rooms/room"
)

// access decides by the keys that are in force now; a reload replaces them
// under the feet of running requests.
type access struct {
	verifier atomic.Pointer[auth.Verifier]
	// addresses are the keys that HLS addresses are signed with.
	addresses atomic.Pointer[[][]byte]
	// signing is what webhooks are signed with.
	signing atomic.Pointer[signing]
	// gated is set where an admission webhook decides who may watch: addresses
	// then are signed on an open server too. It is set before set.
	gated bool
	// bars are what was revoked, and banned tells who is banned from a Stream's
	// Room. Both are set before the first request.
	bars   *auth.Bars
	banned func(stream, identity string, role room.Role, addr netip.Addr) bool
}

// signing are the keys, and the name of the one that was configured first.
type signing struct {
	keys  auth.Keys
	first string
}

func (a *access) set(pairs []string, log *slog.Logger) error {
	keys, err := auth.ParseKeys(pairs...)
	if err != nil {
		return fmt.Errorf("auth.keys: %w", err)
	}
	if weak := keys.Weak(); len(weak) > 0 {
		log.Warn("auth.keys: secrets of less than 32 characters can be guessed", "keys", weak)
	}
	verifier := auth.NewVerifier(keys)
	verifier.Bars = a.bars
	a.verifier.Store(verifier)
	derived := keys.Derive("hls addresses")
	if len(keys) == 0 && a.gated {
		if old := a.addresses.Load(); old != nil {
			derived = *old
		} else {
			derived = [][]byte{[]byte(rand.Text())}
		}
	}
	a.addresses.Store(&derived)
	sign := &signing{keys: keys}
	if len(pairs) > 0 {
		name, _, _ := strings.Cut(pairs[0], ":")
		sign.first = strings.TrimSpace(name)
	}
	a.signing.Store(sign)
	return nil
}

// Publish decides who may publish.
func (a *access) Publish(r *http.Request, stream string) (auth.Grant, error) {
	return a.heed(a.verifier.Load().Publish(r, stream))
}

// Play decides who may watch.
func (a *access) Play(r *http.Request, stream string) (auth.Grant, error) {
	return a.heed(a.verifier.Load().Play(r, stream))
}

// Room decides who may come into a Stream's Room.
func (a *access) Room(r *http.Request, stream string) (auth.Grant, error) {
	return a.verifier.Load().Room(r, stream)
}

// Admin decides who may look at everything.
func (a *access) Admin(r *http.Request) (auth.Grant, error) {
	return a.verifier.Load().Admin(r)
}

// hlsAccess is access as package origin wants it.
type hlsAccess struct {
	*access
	// ask asks the admission webhook.
	ask func(*http.Request, auth.Grant) error
}

// View decides who may watch.
func (a hlsAccess) View(r *http.Request, stream string) (identity string, err error) {
	grant, err := a.Play(r, stream)
	if err == nil {
		err = a.ask(r, grant)
	}
	return bearer(grant), err
}

// Secrets returns what addresses are signed with, nothing on an open server.
func (a hlsAccess) Secrets() [][]byte { return *a.addresses.Load() }

// roomAccess is access as package rooms wants it.
type roomAccess struct {
	*access
	// ask asks the admission webhook.
	ask func(*http.Request, auth.Grant) error
}

// Room decides who may come into a Stream's Room.
func (a roomAccess) Room(r *http.Request, stream string) (auth.Grant, error) {
	grant, err := a.access.Room(r, stream)
	if err != nil {
		return grant, err
	}
	if err := a.ask(r, grant); err != nil {
		return auth.Grant{}, err
	}
	return a.access.Room(r, stream) // the answer may have taken seconds
}
