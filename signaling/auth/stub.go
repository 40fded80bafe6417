// Package auth decides who may publish to, watch or administer a Stream.
package auth

import (
	"errors"
	"net/http"
	"time"
)

// Errors of Publish, Play and Admin.
var (
	ErrNoToken   = errors.New("no access token")
	ErrBadToken  = errors.New("bad access token")
	ErrForbidden = errors.New("token does not allow this")
	ErrKeys      = errors.New("bad API key")
)

// Keys maps API keys to their secrets.
type Keys map[string]string

// ParseKeys reads "key:secret" pairs.
func ParseKeys(pairs ...string) (Keys, error) { return nil, nil }

// Grant is what a request may do.
type Grant struct {
	Identity, Name string
	Open           bool
	Stream         string

	Publish, Subscribe, PublishData, Admin, Hidden bool

	Expires time.Time
}

// Verifier checks tokens.
type Verifier struct{ keys Keys }

// NewVerifier returns a Verifier; without keys everything is open.
func NewVerifier(keys Keys) *Verifier { return &Verifier{keys} }

// Open reports whether there are no keys.
func (v *Verifier) Open() bool { return len(v.keys) == 0 }

// Publish checks that r may publish to stream.
func (v *Verifier) Publish(r *http.Request, stream string) (Grant, error) { return Grant{}, nil }

// Play checks that r may watch stream.
func (v *Verifier) Play(r *http.Request, stream string) (Grant, error) { return Grant{}, nil }

// Admin checks that r may administer every Stream.
func (v *Verifier) Admin(r *http.Request) (Grant, error) { return Grant{}, nil }

// FromRequest returns the token of a request.
func FromRequest(r *http.Request) (token string, ok bool) { return "", false }

// Challenge returns the WWW-Authenticate value for a 401, "" for other errors.
func Challenge(err error) string { return "" }

// MintOptions says what a new token allows.
type MintOptions struct {
	Stream, Identity, Name string

	Publish, Subscribe, Data, Admin bool

	TTL time.Duration
}

// Mint makes an access token.
func Mint(keys Keys, o MintOptions) (string, error) { return "", nil }
