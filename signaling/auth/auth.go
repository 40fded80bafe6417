// Package auth decides who may publish to, watch or administer a Stream. Its
// tokens are LiveKit access tokens: JWTs signed with HS256 whose claim "video"
// says what is allowed, so that every LiveKit server SDK mints them.
package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	livekit "github.com/livekit/protocol/auth"
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
	// Admin allows to moderate the Stream's Room; from Verifier.Admin, to
	// administer the Node.
	Admin bool
	// Hidden viewers do not show among the people of a Room.
	Hidden bool
	// Expires is when the token ends, zero when it does not. A session may
	// outlive it: a token admits, it does not cut off.
	Expires time.Time
}

// Verifier checks the tokens of requests. It is safe for concurrent use.
type Verifier struct {
	keys Keys
}

// NewVerifier returns a Verifier for tokens signed with one of the keys.
// Without keys everything is open; it is for the caller to keep an open
// server on the loopback interface.
func NewVerifier(keys Keys) *Verifier { return &Verifier{keys: keys} }

// Open reports whether no keys are configured and everything is allowed.
func (v *Verifier) Open() bool { return len(v.keys) == 0 }

// Publish returns what r may do if it may publish to a Stream. Errors wrap
// ErrNoToken, ErrBadToken or ErrForbidden.
func (v *Verifier) Publish(r *http.Request, stream string) (Grant, error) {
	g, err := v.stream(r, stream)
	if err == nil && !g.Publish {
		return Grant{}, fmt.Errorf("%w: canPublish is false", ErrForbidden)
	}
	return g, err
}

// Play returns what r may do if it may watch a Stream. Errors wrap
// ErrNoToken, ErrBadToken or ErrForbidden.
func (v *Verifier) Play(r *http.Request, stream string) (Grant, error) {
	g, err := v.stream(r, stream)
	if err == nil && !g.Subscribe {
		return Grant{}, fmt.Errorf("%w: canSubscribe is false", ErrForbidden)
	}
	return g, err
}

// Admin returns what r may do if it may administer the Node: roomAdmin for no
// Stream in particular ("" or "*"), or roomList. Errors wrap ErrNoToken,
// ErrBadToken or ErrForbidden.
func (v *Verifier) Admin(r *http.Request) (Grant, error) {
	if v.Open() {
		return openGrant(r, ""), nil
	}
	g, video, err := v.verify(r)
	if err != nil {
		return Grant{}, err
	}
	if !video.RoomList && !adminOfAll(video) {
		return Grant{}, fmt.Errorf("%w: it takes roomAdmin without a room, or roomList", ErrForbidden)
	}
	g.Admin = true
	return g, nil
}

// stream returns what r may do with one Stream. The token has to name it,
// and to carry roomJoin or roomAdmin; a roomAdmin may be for all Streams. The
// getters of the grant matter: an absent canPublish means allowed.
func (v *Verifier) stream(r *http.Request, stream string) (Grant, error) {
	if v.Open() {
		return openGrant(r, stream), nil
	}
	g, video, err := v.verify(r)
	if err != nil {
		return Grant{}, err
	}
	switch {
	case !adminOfAll(video) && video.Room != stream:
		return Grant{}, fmt.Errorf("%w: it is for another stream", ErrForbidden)
	case !video.RoomJoin && !video.RoomAdmin:
		return Grant{}, fmt.Errorf("%w: roomJoin is missing", ErrForbidden)
	}
	g.Stream = stream
	g.Publish = video.GetCanPublish()
	g.Subscribe = video.GetCanSubscribe()
	g.PublishData = video.GetCanPublishData()
	g.Admin = video.RoomAdmin
	g.Hidden = video.Hidden
	return g, nil
}

// adminOfAll reports whether a grant is for no Stream in particular.
func adminOfAll(video *livekit.VideoGrant) bool {
	return video.RoomAdmin && (video.Room == "" || video.Room == "*")
}

// openGrant allows everything. The token is not looked into, but names its
// bearer: OBS users type any stream key that they like.
func openGrant(r *http.Request, stream string) Grant {
	g := Grant{Open: true, Stream: stream, Publish: true, Subscribe: true, PublishData: true, Admin: true}
	if token, ok := FromRequest(r); ok {
		g.Identity = hash(token)
	}
	return g
}

// verify checks a request's token and returns the part of the Grant that
// holds for every Stream.
func (v *Verifier) verify(r *http.Request) (Grant, *livekit.VideoGrant, error) {
	token, ok := FromRequest(r)
	if !ok {
		return Grant{}, nil, ErrNoToken
	}
	if len(token) > maxToken {
		return Grant{}, nil, fmt.Errorf("%w: too long", ErrBadToken)
	}
	parsed, err := livekit.ParseAPIToken(token)
	if err != nil {
		return Grant{}, nil, fmt.Errorf("%w: not a JWT signed with HS256", ErrBadToken)
	}
	secret, known := v.keys[parsed.APIKey()]
	if !known {
		return Grant{}, nil, fmt.Errorf("%w: its issuer is not one of our API keys", ErrBadToken)
	}
	registered, claims, err := parsed.Verify(secret)
	if err != nil {
		return Grant{}, nil, fmt.Errorf("%w: %w", ErrBadToken, err)
	}
	video := claims.Video
	if video == nil {
		video = &livekit.VideoGrant{}
	}
	g := Grant{Identity: parsed.Identity(), Name: claims.Name}
	if g.Identity == "" {
		g.Identity = hash(token)
	}
	if registered.ExpiresAt != nil {
		g.Expires = registered.ExpiresAt.Time
	}
	return g, video, nil
}

// hash names a token's bearer without giving the token away.
func hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return "token-" + base64.RawURLEncoding.EncodeToString(sum[:12])
}

// FromRequest returns the token of a request: "Authorization: Bearer" with
// the scheme in any case (W39, RFC 6750 section 2.1), or else the query
// parameter "token", for players that cannot set headers. Credentials of
// another scheme are somebody else's, such as a proxy's, and are passed over.
func FromRequest(r *http.Request) (token string, ok bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if token = strings.TrimSpace(token); token != "" && strings.EqualFold(scheme, "Bearer") {
		return token, true
	}
	token = r.URL.Query().Get("token")
	return token, token != ""
}
