package origin

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-live/freshet/internal/httpx"
)

// How long signed addresses hold. All viewers who come within one bucket get
// the same ones, so that caches between here and there share what they hold.
const (
	signBucket = time.Hour
	signTime   = 12 * time.Hour
)

// cookieName is the cookie that holds a signature for players which drop the
// path's.
const cookieName = "freshet_hls"

// grant is how a request has shown that it may watch.
type grant struct {
	// open is set when nobody has to show anything, inPath when the address
	// itself is the permission: only then may caches share the answer.
	open, inPath bool
	// sign is the signature that it showed or shall have, "" with open.
	sign string
	// fresh is set when sign is new.
	fresh bool
}

// authorize decides about a request. Errors are those of Access, or a 403
// about a signature.
func (o *Origin) authorize(r *http.Request, a address, now time.Time) (grant, error) {
	if o.cfg.Access == nil {
		return grant{open: true}, nil
	}
	secrets := o.cfg.Access.Secrets()
	if len(secrets) == 0 {
		return grant{open: true}, nil
	}
	if a.signed {
		if err := verify(secrets, a.stream, a.sign, now); err != nil {
			return grant{}, err
		}
		return grant{inPath: true, sign: a.sign}, nil
	}
	if c, err := r.Cookie(cookieName); err == nil && verify(secrets, a.stream, c.Value, now) == nil {
		return grant{sign: c.Value}, nil
	}
	if err := o.cfg.Access.View(r, a.stream); err != nil {
		return grant{}, err //nolint:wrapcheck // the Site knows it
	}
	return grant{sign: sign(secrets[0], a.stream, now), fresh: true}, nil
}

// sign returns "expiry.signature" for all addresses of a Stream.
func sign(secret []byte, stream string, now time.Time) string {
	expiry := strconv.FormatInt(now.Truncate(signBucket).Add(signTime).Unix(), 10)
	return expiry + "." + base64.RawURLEncoding.EncodeToString(seal(secret, stream, expiry))
}

func seal(secret []byte, stream, expiry string) []byte {
	const bits128 = 16 // as many as anybody can guess at
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write([]byte(stream + "\n" + expiry)) // never fails
	return mac.Sum(nil)[:bits128]
}

// verify checks what sign made, by any of the keys that hold now.
func verify(secrets [][]byte, stream, text string, now time.Time) error {
	expiry, code, ok := strings.Cut(text, ".")
	got, err := base64.RawURLEncoding.Strict().DecodeString(code)
	if !ok || err != nil {
		return errSignature
	}
	for _, secret := range secrets {
		if !hmac.Equal(got, seal(secret, stream, expiry)) {
			continue
		}
		end, err := strconv.ParseInt(expiry, 10, 64)
		if err != nil || now.Unix() >= end {
			return errExpired
		}
		return nil
	}
	return errSignature
}

var (
	errSignature = httpx.Fail(http.StatusForbidden, "the address is not signed by this server")
	errExpired   = httpx.Fail(http.StatusForbidden, "the address has expired; open the stream anew")
)

// setCookie gives a new signature to players that keep cookies.
func setCookie(w http.ResponseWriter, r *http.Request, a address, g grant) {
	if !g.fresh {
		return
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // an open port has no TLS
		Name: cookieName, Value: g.sign, Path: prefix + a.stream + "/", MaxAge: int(signTime / time.Second),
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode,
	})
}
