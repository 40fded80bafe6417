package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"time"

	livekit "github.com/livekit/protocol/auth"
)

// bodyTTL is how long a receiver may take a signed body for new, as long as
// LiveKit's servers allow.
const bodyTTL = 5 * time.Minute

// SignBody returns the value of the Authorization header that a webhook with
// this body carries: a token without a grant, whose claim "sha256" is the
// body's hash. The webhook receivers of LiveKit's server SDKs verify it. Key
// names the API key to sign with; "" is the first in alphabetical order. Errors
// wrap ErrKeys.
func SignBody(keys Keys, key string, body []byte) (string, error) {
	key, secret, err := keys.pick(key)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(body)
	token, err := livekit.NewAccessToken(key, secret).SetValidFor(bodyTTL).
		SetSha256(base64.StdEncoding.EncodeToString(sum[:])).ToJWT()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrKeys, err)
	}
	return token, nil
}

// pick returns the API key of a name and its secret; "" is the first in
// alphabetical order. Errors wrap ErrKeys.
func (k Keys) pick(name string) (key, secret string, err error) {
	if len(k) == 0 {
		return "", "", fmt.Errorf("%w: no keys are configured", ErrKeys)
	}
	if name == "" {
		name = slices.Min(slices.Collect(maps.Keys(k)))
	}
	secret, ok := k[name]
	if !ok {
		return "", "", fmt.Errorf("%w: %q is not configured", ErrKeys, name)
	}
	return name, secret, nil
}
