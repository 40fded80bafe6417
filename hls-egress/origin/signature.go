package origin

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-live/freshet/internal/httpx"
)

// How long signed addresses hold. All viewers who come within one bucket get
// the same ones, but for those of playlists with Config.PerViewer, so that
// caches between here and there share what they hold.
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
	// itself is the permission.
	open, inPath bool
	// sign is the signature for addresses, "" with open; cookie that for a new
	// cookie, "" when none is needed.
	sign, cookie string
	// shared is the signature that all viewers have in common and that ends
	// with sign.
	shared string
	// identity is whose grant it is, "" when it may be anybody's.
	identity string
}

// public reports whether caches may share what this grant is answered with: the
// address alone must be enough, and be the same for everybody.
func (g *grant) public() bool { return g.open || g.inPath && g.identity == "" }

// authorize decides about a request. Errors are those of Access, or a 403
// about a signature or somebody who is barred.
func (o *Origin) authorize(r *http.Request, a address, now time.Time) (g grant, err error) {
	if g, err = o.admit(r, a, now); err != nil || o.cfg.Barred == nil {
		return g, err
	}
	from, _ := netip.ParseAddrPort(r.RemoteAddr) // the zero value is nobody's
	if o.cfg.Barred(a.stream, g.identity, from.Addr().Unmap()) {
		return g, errBarred
	}
	return g, nil
}

func (o *Origin) admit(r *http.Request, a address, now time.Time) (grant, error) {
	if o.cfg.Access == nil {
		return grant{open: true}, nil
	}
	secrets := o.cfg.Access.Secrets()
	if len(secrets) == 0 {
		return grant{open: true}, nil
	}
	if a.signed {
		g, err := verify(secrets, a.stream, a.sign, now)
		g.inPath = true
		return g, err
	}
	if c, err := r.Cookie(cookieName); err == nil {
		if g, err := verify(secrets, a.stream, c.Value, now); err == nil {
			if !o.cfg.PerViewer {
				g.sign = g.shared
			}
			return g, nil
		}
	}
	identity, err := o.cfg.Access.View(r, a.stream)
	if err != nil {
		return grant{}, err //nolint:wrapcheck // the Site knows it
	}
	expiry := strconv.FormatInt(now.Truncate(signBucket).Add(signTime).Unix(), 10)
	g := grant{identity: identity, shared: sign(secrets[0], a.stream, expiry, ""), cookie: sign(secrets[0], a.stream, expiry, identity)}
	if g.sign = g.shared; o.cfg.PerViewer {
		g.sign = g.cookie
	}
	return g, nil
}

// sealSize is as much of a code as anybody can guess at, in bytes.
const sealSize = 16

// sign returns "expiry.code" for the addresses of a Stream. A code that is
// somebody's own holds the identity, encrypted, so that it says nothing to
// whoever comes to see an address, and so that any node knows it again without
// a list.
func sign(secret []byte, stream, expiry, identity string) string {
	code := seal(secret, stream, expiry, identity)
	if identity != "" {
		code = append(code, cover(secret, code, []byte(identity))...)
	}
	return expiry + "." + base64.RawURLEncoding.EncodeToString(code)
}

func seal(secret []byte, stream, expiry, identity string) []byte {
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write([]byte(stream + "\n" + expiry)) // never fails
	if identity != "" {
		_, _ = mac.Write([]byte("\n" + identity))
	}
	return mac.Sum(nil)[:sealSize]
}

// cover encrypts an identity, or decrypts it. The nonce is its seal, which is
// another one for each other identity, stream and expiry (the construction of
// RFC 5297: deterministic, and authenticated by the nonce itself).
func cover(secret, nonce, text []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write([]byte("identities"))
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	out := make([]byte, len(text))
	cipher.NewCTR(block, nonce).XORKeyStream(out, text)
	return out
}

// verify checks what sign made, by any of the keys that hold now, and tells
// whose it is.
func verify(secrets [][]byte, stream, text string, now time.Time) (grant, error) {
	expiry, encoded, ok := strings.Cut(text, ".")
	code, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil || len(code) < sealSize {
		return grant{}, errSignature
	}
	for _, secret := range secrets {
		identity := ""
		if len(code) > sealSize {
			identity = string(cover(secret, code[:sealSize], code[sealSize:]))
		}
		if !hmac.Equal(code[:sealSize], seal(secret, stream, expiry, identity)) {
			continue
		}
		end, err := strconv.ParseInt(expiry, 10, 64)
		if err != nil || now.Unix() >= end {
			return grant{}, errExpired
		}
		g := grant{sign: text, shared: text, identity: identity}
		if identity != "" {
			g.shared = sign(secret, stream, expiry, "")
		}
		return g, nil
	}
	return grant{}, errSignature
}

var (
	errSignature = httpx.Fail(http.StatusForbidden, "the address is not signed by this server")
	errBarred    = httpx.Fail(http.StatusForbidden, "you may not watch this stream any more")
	errExpired   = httpx.Fail(http.StatusForbidden, "the address has expired; open the stream anew")
)

// setCookie gives a new signature to players that keep cookies.
func setCookie(w http.ResponseWriter, r *http.Request, a address, g grant) {
	if g.cookie == "" {
		return
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // an open port has no TLS
		Name: cookieName, Value: g.cookie, Path: prefix + a.stream + "/", MaxAge: int(signTime / time.Second),
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode,
	})
}
