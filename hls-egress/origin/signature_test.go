package origin

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/internal/httpx"
)

// doorman lets in who says "sesame".
type doorman struct{ secrets [][]byte }

var errClosed = errors.New("say the word")

func (d *doorman) View(r *http.Request, stream string) (string, error) {
	token, who, _ := strings.Cut(r.URL.Query().Get("token"), "-")
	if token == "sesame" && stream == "demo" {
		return who, nil
	}
	return "", errClosed
}

func (d *doorman) Secrets() [][]byte { return d.secrets }

func guarded(t *testing.T, change ...func(*Config)) (*rig, *doorman) {
	d := &doorman{secrets: [][]byte{[]byte("one"), []byte("two")}}
	r := newRig(t, 1, append(change, func(c *Config) {
		c.Access = d
		c.Site.Errors = httpx.Table{{Err: errClosed, Status: http.StatusUnauthorized}}
	})...)
	r.parts(23)
	return r, d
}

// firstURI returns the first variant's address.
func firstURI(t *testing.T, res *http.Response) string {
	t.Helper()
	require.Equal(t, http.StatusOK, res.StatusCode)
	for _, line := range strings.Split(text(t, res), "\n") {
		if line != "" && line[0] != '#' {
			return line
		}
	}
	t.Fatal("no variant")
	return ""
}

func TestSignedPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, d := guarded(t)
		require.Equal(t, http.StatusUnauthorized, r.get("index.m3u8").StatusCode)
		require.Equal(t, http.StatusUnauthorized, r.get("v0/index.m3u8").StatusCode)
		require.Equal(t, http.StatusUnauthorized, r.get("v0/"+segmentName(r.s.run, 1)).StatusCode)

		res := r.get("index.m3u8?token=sesame")
		require.Equal(t, "private, no-store", res.Header.Get("Cache-Control"))
		uri := firstURI(t, res)
		require.Regexp(t, `^~\d+\.[\w-]{22}/v0/index\.m3u8$`, uri)
		time.Sleep(signBucket / 2) //nolint:forbidigo // the clock is a fake one
		require.Equal(t, uri, firstURI(t, r.get("index.m3u8?token=sesame")), "the same for everybody")
		list := r.get(uri)
		require.Equal(t, http.StatusOK, list.StatusCode)
		require.Equal(t, "public, max-age=1", list.Header.Get("Cache-Control"))
		folder := strings.TrimSuffix(uri, indexFile)
		media := r.get(folder + segmentName(r.s.run, 1))
		require.Equal(t, http.StatusOK, media.StatusCode)
		require.Contains(t, media.Header.Get("Cache-Control"), "public")
		inside := r.get(strings.TrimSuffix(folder, "v0/") + indexFile)
		require.Equal(t, "v0/index.m3u8", firstURI(t, inside), "relative to the signed folder")

		for _, bad := range []string{
			strings.Replace(uri, "~", "~1", 1), strings.Replace(uri, ".", ".x", 1), "~/v0/index.m3u8",
			"~1.AAAAAAAAAAAAAAAAAAAAAA/v0/index.m3u8", "~x.y/v0/index.m3u8", strings.Replace(uri, "/v0", "=/v0", 1),
		} {
			require.Equal(t, http.StatusForbidden, r.get(bad).StatusCode, bad)
		}
		other := r.o.Open("other", r.s.format.Part, r.s.format.Target)
		other.Apply(r.p.Next(time.Now()))
		require.Equal(t, http.StatusForbidden, r.ask(http.MethodGet, "/hls/other/"+uri).StatusCode, "for another stream")

		d.secrets = [][]byte{[]byte("three"), []byte("one")}
		require.Equal(t, http.StatusOK, r.get(uri).StatusCode, "an older key that still holds")
		require.NotEqual(t, uri, firstURI(t, r.get("index.m3u8?token=sesame")))
		d.secrets = [][]byte{[]byte("three")}
		require.Equal(t, http.StatusForbidden, r.get(uri).StatusCode)
		d.secrets = [][]byte{[]byte("one")}

		time.Sleep(signTime - signBucket - time.Second) //nolint:forbidigo // the clock is a fake one
		require.Equal(t, http.StatusOK, r.get(uri).StatusCode)
		time.Sleep(signBucket + 2*time.Second) //nolint:forbidigo // the clock is a fake one
		require.Equal(t, http.StatusForbidden, r.get(uri).StatusCode)
	})
}

func TestSignedCookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := guarded(t)
		res := r.get("index.m3u8?token=sesame")
		require.Len(t, res.Cookies(), 1)
		c := res.Cookies()[0]
		require.True(t, c.HttpOnly)
		require.Equal(t, "/hls/demo/", c.Path)
		require.Equal(t, http.SameSiteLaxMode, c.SameSite)
		cookie := c.Name + "=" + c.Value
		media := r.get("v0/"+segmentName(r.s.run, 1), "Cookie", cookie)
		require.Equal(t, http.StatusOK, media.StatusCode)
		require.Contains(t, media.Header.Get("Cache-Control"), "private")
		again := r.get("index.m3u8", "Cookie", cookie)
		require.Contains(t, firstURI(t, again), c.Value, "it is not made younger")
		require.Empty(t, again.Cookies())
		require.Equal(t, http.StatusUnauthorized, r.get("index.m3u8", "Cookie", cookie+"x").StatusCode)
		require.Equal(t, http.StatusUnauthorized, r.ask(http.MethodGet, "/hls/other/index.m3u8", "Cookie", cookie).StatusCode)
	})
}

// The token itself opens every address.
func TestTokenOnEveryAddress(t *testing.T) {
	r, _ := guarded(t)
	for _, path := range []string{"v0/index.m3u8", "v0/" + segmentName(r.s.run, 1), "v0/" + initName(r.s.run, 0)} {
		res := r.get(path + "?token=sesame")
		require.Equal(t, http.StatusOK, res.StatusCode)
		require.Contains(t, res.Header.Get("Cache-Control"), "private")
	}
}

func TestOpenServerTakesSignedAddresses(t *testing.T) {
	r, d := guarded(t)
	uri := firstURI(t, r.get("index.m3u8?token=sesame"))
	d.secrets = nil
	require.Equal(t, http.StatusOK, r.get(uri).StatusCode)
	require.Equal(t, "v0/index.m3u8", firstURI(t, r.get("index.m3u8")))
}

// Whatever stands in an address, it is somebody's only if it was signed so.
func FuzzVerify(f *testing.F) {
	secrets := [][]byte{[]byte("one"), []byte("two")}
	now := time.Unix(1_000_000, 0)
	for _, who := range []string{"", "ann", "\x00", strings.Repeat("x", 300)} {
		f.Add(sign(secrets[1], "demo", "1000001", who))
	}
	f.Add("1000001.")
	f.Add(".AAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		g, err := verify(secrets, "demo", text, now)
		if err != nil {
			return
		}
		expiry, _, _ := strings.Cut(text, ".")
		again := sign(secrets[0], "demo", expiry, g.identity)
		if again != text {
			again = sign(secrets[1], "demo", expiry, g.identity)
		}
		require.Equal(t, again, text)
		_, err = verify(secrets, "demo", g.shared, now)
		require.NoError(t, err)
	})
}
