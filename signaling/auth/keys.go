package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	livekit "github.com/livekit/protocol/auth"
)

// ErrKeys is wrapped by errors about API keys, in the configuration or for
// Mint.
var ErrKeys = errors.New("bad API key")

// minSecret is the length in bytes below which a secret for HS256 can be
// guessed (RFC 7518 section 3.2).
const minSecret = 32

// Keys maps API keys to their secrets.
type Keys map[string]string

// ParseKeys reads pairs of the form "key:secret". Errors wrap ErrKeys and
// never show a secret.
func ParseKeys(pairs ...string) (Keys, error) {
	keys := Keys{}
	for i, pair := range pairs {
		key, secret, found := strings.Cut(pair, ":")
		key, secret = strings.TrimSpace(key), strings.TrimSpace(secret)
		switch _, dup := keys[key]; {
		case !found || key == "" || secret == "":
			return nil, fmt.Errorf("%w: number %d is not of the form key:secret", ErrKeys, i+1)
		case dup:
			return nil, fmt.Errorf("%w: %q is there twice", ErrKeys, key)
		}
		keys[key] = secret
	}
	return keys, nil
}

// Weak returns the keys whose secret is shorter than 32 bytes, for a warning.
func (k Keys) Weak() []string {
	var weak []string
	for _, key := range slices.Sorted(maps.Keys(k)) {
		if len(k[key]) < minSecret {
			weak = append(weak, key)
		}
	}
	return weak
}

// LogValue keeps the secrets out of logs.
func (k Keys) LogValue() slog.Value {
	return slog.AnyValue(slices.Sorted(maps.Keys(k)))
}

// MintOptions says what a new token allows.
type MintOptions struct {
	// Key is the API key to sign with; "" for the only one there is, or the
	// first in alphabetical order.
	Key string
	// Stream is the one that the token is for; with Admin it may be empty,
	// for all of them.
	Stream string
	// Identity and Name are the bearer's; both may be empty.
	Identity, Name string
	// Publish, Subscribe, Data (chat) and Admin allow each what they say.
	Publish, Subscribe, Data, Admin bool
	// TTL is how long the token is valid; 0: six hours.
	TTL time.Duration
}

// Mint makes an access token. Errors wrap ErrKeys.
func Mint(keys Keys, o MintOptions) (string, error) {
	key, secret, err := keys.pick(o.Key)
	if err != nil {
		return "", err
	}
	grant := &livekit.VideoGrant{Room: o.Stream, RoomJoin: o.Stream != "", RoomAdmin: o.Admin}
	grant.SetCanPublish(o.Publish)
	grant.SetCanSubscribe(o.Subscribe)
	grant.SetCanPublishData(o.Data)
	token := livekit.NewAccessToken(key, secret).
		SetVideoGrant(grant).SetIdentity(o.Identity).SetName(o.Name).SetValidFor(o.TTL)
	return token.ToJWT()
}

// Derive returns a key of 32 bytes per secret, in the order of the API keys'
// names, for signing things that are not tokens. All nodes with the same keys
// derive the same; different purposes give unrelated keys.
func (k Keys) Derive(purpose string) [][]byte {
	out := make([][]byte, 0, len(k))
	for _, key := range slices.Sorted(maps.Keys(k)) {
		mac := hmac.New(sha256.New, []byte(k[key]))
		_, _ = mac.Write([]byte(purpose)) // never fails
		out = append(out, mac.Sum(nil))
	}
	return out
}
