// Package auth decides who may publish to, watch or administer a Stream. Its
// tokens are LiveKit access tokens: JWTs signed with HS256 whose claim "video"
// says what is allowed, so that every LiveKit server SDK mints them.
package auth

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"
)

var (
	// ErrNoToken is wrapped by the error about a request without a token. It
	// answers to HTTP status 401 (W37).
	ErrNoToken = errors.New("an access token is needed")
	// ErrBadToken is wrapped by errors about a token that is malformed, signed
	// by nobody we know, expired or not valid yet. It answers to 401 (W38).
	ErrBadToken = errors.New("invalid access token")
	// ErrForbidden is wrapped by errors about a good token that allows
	// something else. It answers to 403 (W38).
	ErrForbidden = errors.New("the access token does not allow this")
	// ErrRevoked is wrapped by errors about a good token that is not to be let
	// in any more, be it the token, its bearer or where it comes from. It
	// answers to 403.
	ErrRevoked = errors.New("access has been revoked")
)

// maxToken bounds the length of a token in bytes. LiveKit tokens with a lot of
// metadata stay below it; request headers are bounded anyway.
const maxToken = 16 << 10

// Grant is what a request may do.
type Grant struct {
	// Identity tells one publisher from another: the token's identity, or a
	// hash of the token when it names none. A second publisher with the same
	// identity takes the Stream over (W43). In open mode it is a hash of
	// whatever was presented as a token, "" without one.
	Identity string
	// Name is for people to read; may be empty.
	Name string
	// Open is set when no keys are configured and nothing was checked.
	Open bool
	// Stream is the one that the request is about, "" for Admin.
	Stream string
	// Publish, Subscribe and PublishData (chat) allow each what they say.
	Publish, Subscribe, PublishData bool
	// Admin allows to moderate the Stream's Room; from Verifier.Admin, to look
	// at the Node.
	Admin bool
	// Operator is set for those who may do everything with every Stream:
	// roomAdmin for none in particular, or an open server.
	Operator bool
	// Hidden viewers do not show among the people of a Room.
	Hidden bool
	// Expires is when the token ends, zero when it does not. A session may
	// outlive it: a token admits, it does not cut off.
	Expires time.Time
	// TokenID names the token without giving it away, "" where none was
	// presented. Different tokens have different ones.
	TokenID string
	// Address is the client's, as the HTTP server knows it; the zero Addr where
	// it knows none.
	Address netip.Addr
}

// Verifier checks the tokens of requests. It is safe for concurrent use.
type Verifier struct {
	keys Keys
	// Bars are who is not to be let in whatever the token says; nil: nobody.
	// It is set before the first request.
	Bars *Bars
}

// NewVerifier returns a Verifier for tokens signed with one of the keys.
// Without keys everything is open; it is for the caller to keep an open
// server on the loopback interface.
func NewVerifier(keys Keys) *Verifier { return &Verifier{keys: keys} }

// Open reports whether no keys are configured and everything is allowed.
func (v *Verifier) Open() bool { return len(v.keys) == 0 }

// Publish returns what r may do if it may publish to a Stream. Errors wrap
// ErrNoToken, ErrBadToken, ErrForbidden or ErrRevoked.
func (v *Verifier) Publish(r *http.Request, stream string) (Grant, error) {
	g, err := v.stream(r, stream)
	if err == nil && !g.Publish {
		return Grant{}, fmt.Errorf("%w: canPublish is false", ErrForbidden)
	}
	return v.admit(g, true, err)
}

// Play returns what r may do if it may watch a Stream. Errors wrap ErrNoToken,
// ErrBadToken, ErrForbidden or ErrRevoked.
func (v *Verifier) Play(r *http.Request, stream string) (Grant, error) {
	g, err := v.stream(r, stream)
	if err == nil && !g.Subscribe {
		return Grant{}, fmt.Errorf("%w: canSubscribe is false", ErrForbidden)
	}
	return v.admit(g, false, err)
}

// Room returns what r may do if it may come into a Stream's Room, as everybody
// may who may do anything with the Stream. Errors wrap ErrNoToken, ErrBadToken,
// ErrForbidden or ErrRevoked.
func (v *Verifier) Room(r *http.Request, stream string) (Grant, error) {
	g, err := v.stream(r, stream)
	if err == nil && !g.Subscribe && !g.Publish && !g.Admin {
		return Grant{}, fmt.Errorf("%w: neither canSubscribe nor canPublish is true", ErrForbidden)
	}
	return v.admit(g, false, err)
}

// Moderate returns what r may do if it may moderate a Stream's Room. Errors
// wrap ErrNoToken, ErrBadToken, ErrForbidden or ErrRevoked.
func (v *Verifier) Moderate(r *http.Request, stream string) (Grant, error) {
	g, err := v.stream(r, stream)
	if err == nil && !g.Admin {
		return Grant{}, fmt.Errorf("%w: it takes roomAdmin", ErrForbidden)
	}
	return v.admit(g, false, err)
}

// Admin returns what r may do if it may look at the Node: roomAdmin for no
// Stream in particular ("" or "*"), or roomList. Who may change things too is
// an Operator. Errors wrap ErrNoToken, ErrBadToken, ErrForbidden or ErrRevoked.
func (v *Verifier) Admin(r *http.Request) (Grant, error) {
	g, video, err := v.verify(r)
	if err != nil {
		return Grant{}, err
	}
	if !g.Operator && !video.RoomList {
		return Grant{}, fmt.Errorf("%w: it takes roomAdmin without a room, or roomList", ErrForbidden)
	}
	g.Admin = true
	return v.admit(g, false, nil)
}

// Operate returns what r may do if it may do everything with every Stream.
// Errors wrap ErrNoToken, ErrBadToken, ErrForbidden or ErrRevoked.
func (v *Verifier) Operate(r *http.Request) (Grant, error) {
	g, err := v.Admin(r)
	if err == nil && !g.Operator {
		return Grant{}, fmt.Errorf("%w: it takes roomAdmin for no room in particular", ErrForbidden)
	}
	return g, err
}

// stream returns what r may do with one Stream. The token has to name it,
// and to carry roomJoin or roomAdmin; a roomAdmin may be for all Streams. The
// getters of the grant matter: an absent canPublish means allowed.
func (v *Verifier) stream(r *http.Request, stream string) (Grant, error) {
	g, video, err := v.verify(r)
	if err != nil {
		return Grant{}, err
	}
	g.Stream = stream
	if g.Open {
		g.Publish, g.Subscribe, g.PublishData, g.Admin = true, true, true, true
		return g, nil
	}
	switch {
	case !g.Operator && video.Room != stream:
		return Grant{}, fmt.Errorf("%w: it is for another stream", ErrForbidden)
	case !video.RoomJoin && !video.RoomAdmin:
		return Grant{}, fmt.Errorf("%w: roomJoin is missing", ErrForbidden)
	}
	g.Publish = video.GetCanPublish()
	g.Subscribe = video.GetCanSubscribe()
	g.PublishData = video.GetCanPublishData()
	g.Admin = video.RoomAdmin
	g.Hidden = video.Hidden
	return g, nil
}

// admit passes on what was decided so far, unless the bearer is barred.
func (v *Verifier) admit(g Grant, publishing bool, err error) (Grant, error) {
	if err == nil {
		err = v.Bars.Check(g, publishing, time.Now())
	}
	if err != nil {
		return Grant{}, err
	}
	return g, nil
}
