package main

import (
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/freshet-live/freshet/signaling/auth"
)

// access decides by the keys that are in force now; a reload replaces them
// under the feet of running requests.
type access struct{ verifier atomic.Pointer[auth.Verifier] }

func (a *access) set(pairs []string) error {
	keys, err := auth.ParseKeys(pairs...)
	if err != nil {
		return fmt.Errorf("auth.keys: %w", err)
	}
	a.verifier.Store(auth.NewVerifier(keys))
	return nil
}

// Publish decides who may publish.
func (a *access) Publish(r *http.Request, stream string) (auth.Grant, error) {
	return a.verifier.Load().Publish(r, stream)
}

// Play decides who may watch.
func (a *access) Play(r *http.Request, stream string) (auth.Grant, error) {
	return a.verifier.Load().Play(r, stream)
}

// Admin decides who may look at everything.
func (a *access) Admin(r *http.Request) (auth.Grant, error) {
	return a.verifier.Load().Admin(r)
}
