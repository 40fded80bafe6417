package origin

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// bans is who may no longer watch.
type bans struct {
	identity string
	addr     netip.Addr
}

func (b *bans) barred(stream, identity string, addr netip.Addr) bool {
	return stream == "demo" && (b.identity != "" && identity == b.identity || b.addr.IsValid() && addr == b.addr)
}

func barring(t *testing.T, perViewer bool) (*rig, *bans) {
	b := &bans{}
	r, _ := guarded(t, func(c *Config) { c.Barred, c.PerViewer = b.barred, perViewer })
	return r, b
}

// With playlists per viewer, whoever is barred gets no playlist from then on,
// and the others still share their media.
func TestBarredViewer(t *testing.T) {
	r, b := barring(t, true)
	ann, bob := firstURI(t, r.get("index.m3u8?token=sesame-ann")), firstURI(t, r.get("index.m3u8?token=sesame-bob"))
	require.NotEqual(t, ann, bob)
	require.Equal(t, ann, firstURI(t, r.get("index.m3u8?token=sesame-ann")), "so that a player may come again")
	require.NotContains(t, ann, "ann")

	list := r.get(bob)
	require.Contains(t, list.Header.Get("Cache-Control"), "private")
	media := firstURI(t, list)
	require.Equal(t, media, firstURI(t, r.get(ann)))
	require.Regexp(t, `^\.\./\.\./~\d+\.[\w-]{22}/v0/\w+-0\.mp4$`, media)
	at := strings.TrimPrefix(media, "../../")
	res := r.get(at)
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Contains(t, res.Header.Get("Cache-Control"), "public")
	for _, tag := range []string{"MAP", "PART", "PRELOAD-HINT"} {
		require.Regexp(t, `#EXT-X-`+tag+`:.*URI="\.\./\.\./~`, text(t, r.get(bob)))
	}
	require.Contains(t, text(t, r.get(bob)), `REPORT:URI="../audio/`)
	require.Equal(t, text(t, r.get(bob)), text(t, r.get(bob, "Accept-Encoding", "identity")))

	waiting := r.get(bob + "?_HLS_msn=2&_HLS_part=0&_HLS_skip=YES")
	require.Equal(t, http.StatusOK, waiting.StatusCode)
	b.identity = "bob"
	for _, path := range []string{bob, "index.m3u8?token=sesame-bob", strings.Replace(bob, "v0", "audio", 1)} {
		res := r.get(path)
		require.Equal(t, http.StatusForbidden, res.StatusCode, path)
		require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
	}
	require.Equal(t, http.StatusOK, r.get(ann).StatusCode)
	own := strings.TrimSuffix(bob, indexFile) + segmentName(r.s.run, 0)
	require.Equal(t, http.StatusForbidden, r.get(own).StatusCode)
}

// Somebody else's name does not fit into an address.
func TestOwnAddressIsSealed(t *testing.T) {
	r, _ := barring(t, true)
	uri := firstURI(t, r.get("index.m3u8?token=sesame-bob"))
	at := strings.Index(uri, "/v0") - 1
	for _, c := range "AQgw" {
		if forged := uri[:at] + string(c) + uri[at+1:]; forged != uri {
			require.Equal(t, http.StatusForbidden, r.get(forged).StatusCode, forged)
		}
	}
	shared := uri[:strings.Index(uri, ".")+23] + uri[at+1:] // the seal without the name
	require.Equal(t, http.StatusForbidden, r.get(shared).StatusCode, shared)
}

// By default addresses are the same for all: who is barred is found by a
// cookie or a token, and by the network.
func TestBarredByAddress(t *testing.T) {
	r, b := barring(t, false)
	res := r.get("index.m3u8?token=sesame-bob")
	cookie := res.Cookies()[0].Name + "=" + res.Cookies()[0].Value
	uri := firstURI(t, res)
	require.Equal(t, uri, firstURI(t, r.get("index.m3u8?token=sesame-ann")))
	require.Equal(t, uri, firstURI(t, r.get("index.m3u8", "Cookie", cookie)))
	require.Equal(t, http.StatusOK, r.get("v0/index.m3u8", "Cookie", cookie).StatusCode)
	b.identity = "bob"
	require.Equal(t, http.StatusForbidden, r.get("v0/index.m3u8", "Cookie", cookie).StatusCode)
	require.Equal(t, http.StatusForbidden, r.get("index.m3u8", "Cookie", cookie).StatusCode)
	require.Equal(t, http.StatusForbidden, r.get("index.m3u8?token=sesame-bob").StatusCode)
	require.Equal(t, http.StatusOK, r.get(uri).StatusCode, "nobody can tell whose it is")
	b.addr = netip.MustParseAddr("192.0.2.1") // that of httptest's requests
	require.Equal(t, http.StatusForbidden, r.get(uri).StatusCode)
	require.Equal(t, http.StatusForbidden, r.get(strings.TrimSuffix(uri, indexFile)+segmentName(r.s.run, 0)).StatusCode)
}

// A server without keys can bar by address.
func TestBarredOnOpenServer(t *testing.T) {
	b := &bans{}
	r := newRig(t, 1, func(c *Config) { c.Barred = b.barred })
	r.parts(23)
	require.Equal(t, http.StatusOK, r.get("v0/index.m3u8").StatusCode)
	b.addr = netip.MustParseAddr("192.0.2.1")
	require.Equal(t, http.StatusForbidden, r.get("v0/index.m3u8").StatusCode)
}

// BenchmarkPerViewer is what a playlist costs whose media is elsewhere: it is
// written once per part, not once per viewer.
func BenchmarkPerViewer(b *testing.B) {
	r := newRig(&testing.T{}, 1)
	r.parts(305)
	v := r.s.rendition("v0").current.Load()
	v.bytes(false, true, "")
	b.Run("once", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			v.bytes(false, true, "../../~"+time.Duration(i).String()+"/v0/")
		}
	})
	b.Run("again", func(b *testing.B) {
		for b.Loop() {
			v.bytes(false, true, "../../~x/v0/")
		}
	})
}
