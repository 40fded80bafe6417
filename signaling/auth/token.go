package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	livekit "github.com/livekit/protocol/auth"
)

// open returns what holds for everybody on a server without keys. The token is
// not looked into, but names its bearer: OBS users type any stream key that
// they like.
func open(r *http.Request) Grant {
	g := Grant{Open: true, Operator: true, Address: Address(r)}
	if token, ok := FromRequest(r); ok {
		g.Identity, g.TokenID = hash(token), hash(token)
	}
	return g
}

// verify checks a request's token and returns the part of the Grant that
// holds for every Stream.
func (v *Verifier) verify(r *http.Request) (Grant, *livekit.VideoGrant, error) {
	if v.Open() {
		return open(r), &livekit.VideoGrant{}, nil
	}
	token, ok := FromRequest(r)
	if !ok {
		return Grant{}, nil, ErrNoToken
	}
	g, video, err := v.look(token)
	g.Address = Address(r)
	return g, video, err
}

// Inspect returns what a token says of its bearer and of itself: Identity,
// Name, TokenID, Expires and Operator. On an open server any text is a token.
// Errors wrap ErrBadToken.
func (v *Verifier) Inspect(token string) (Grant, error) {
	if v.Open() {
		return Grant{Open: true, Operator: true, Identity: hash(token), TokenID: hash(token)}, nil
	}
	g, _, err := v.look(token)
	return g, err
}

// Mint makes an access token; on an open server, which looks into none, it is
// "". Errors wrap ErrKeys.
func (v *Verifier) Mint(o MintOptions) (string, error) {
	if v.Open() {
		return "", nil
	}
	return Mint(v.keys, o)
}

// look checks a token's form, signature and time.
func (v *Verifier) look(token string) (Grant, *livekit.VideoGrant, error) {
	if len(token) > maxToken {
		return Grant{}, nil, fmt.Errorf("%w: too long", ErrBadToken)
	}
	if !compact(token) {
		return Grant{}, nil, fmt.Errorf("%w: not a JWT signed with HS256", ErrBadToken)
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
	g := Grant{
		Identity: parsed.Identity(), Name: claims.Name, TokenID: hash(token),
		Operator: video.RoomAdmin && (video.Room == "" || video.Room == "*"),
	}
	if g.Identity == "" {
		g.Identity = hash(token)
	}
	if registered.ExpiresAt != nil {
		g.Expires = registered.ExpiresAt.Time
	}
	return g, video, nil
}

// compact reports whether a token is written in the one way in which RFC 7515
// section 7.1 has it: three parts of base64url, no bit of which is without a
// meaning. Decoders let more pass, by which one token could go under many names
// and slip past what is barred.
func compact(token string) bool {
	parts := strings.Split(token, ".")
	for _, part := range parts {
		if _, err := base64.RawURLEncoding.Strict().DecodeString(part); err != nil || part == "" || strings.ContainsAny(part, "\r\n") {
			return false
		}
	}
	return len(parts) == 3
}

// hash names a token's bearer without giving the token away.
func hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return "token-" + base64.RawURLEncoding.EncodeToString(sum[:12])
}

// Address returns the address that a request comes from, the zero Addr where it
// is not known.
func Address(r *http.Request) netip.Addr {
	if at, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return at.Addr().Unmap().WithZone("")
	}
	at, _ := netip.ParseAddr(r.RemoteAddr) // the zero Addr is unknown
	return at.Unmap().WithZone("")
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
