package httpx_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/internal/httpx"
)

// behind serves one request through a Site that trusts some proxies, and
// returns it as a handler sees it.
func behind(t testing.TB, r *http.Request, trusted ...string) (seen *http.Request) {
	t.Helper()
	proxies, err := httpx.ParseProxies(trusted...)
	require.NoError(t, err)
	site := newSite()
	site.Proxies = proxies
	mux := http.NewServeMux()
	mux.HandleFunc("/x", func(_ http.ResponseWriter, r *http.Request) { seen = r })
	site.Handler(mux).ServeHTTP(httptest.NewRecorder(), r)
	return seen
}

func TestTrustedProxies(t *testing.T) {
	const proxy = "10.0.0.1:4000"
	for name, c := range map[string]struct {
		peer    string
		headers []string
		want    string
	}{
		"nobody's word":                   {"192.0.2.9:1", []string{"X-Forwarded-For", "198.51.100.1"}, "192.0.2.9:1"},
		"a proxy's":                       {proxy, []string{"X-Forwarded-For", "198.51.100.1"}, "198.51.100.1:0"},
		"silent proxy":                    {proxy, nil, proxy},
		"lies to the left":                {proxy, []string{"X-Forwarded-For", "127.0.0.1, 198.51.100.1"}, "198.51.100.1:0"},
		"over two proxies":                {proxy, []string{"X-Forwarded-For", "1.1.1.1, 198.51.100.1, 10.9.9.9"}, "198.51.100.1:0"},
		"in two fields":                   {proxy, []string{"X-Forwarded-For", "1.1.1.1", "X-Forwarded-For", "198.51.100.1,10.2.2.2"}, "198.51.100.1:0"},
		"proxies all the way":             {proxy, []string{"X-Forwarded-For", "10.3.3.3, 10.2.2.2"}, "10.3.3.3:0"},
		"with ports":                      {proxy, []string{"X-Forwarded-For", "198.51.100.1:77"}, "198.51.100.1:77"},
		"IPv6":                            {proxy, []string{"X-Forwarded-For", "2001:db8::1"}, "[2001:db8::1]:0"},
		"IPv6 in brackets":                {proxy, []string{"X-Forwarded-For", "[2001:db8::1]"}, "[2001:db8::1]:0"},
		"mapped":                          {"[::ffff:10.0.0.1]:9", []string{"X-Forwarded-For", "::ffff:198.51.100.1"}, "198.51.100.1:0"},
		"nonsense":                        {proxy, []string{"X-Forwarded-For", "1.1.1.1, <script>"}, proxy},
		"nonsense behind a proxy":         {proxy, []string{"X-Forwarded-For", "1.1.1.1, unknown, 10.2.2.2"}, "10.2.2.2:0"},
		"empty":                           {proxy, []string{"X-Forwarded-For", ""}, proxy},
		"Forwarded":                       {proxy, []string{"Forwarded", `for=192.0.2.60;proto=http;by=203.0.113.43`}, "192.0.2.60:0"},
		"Forwarded, quoted, in capitals":  {proxy, []string{"Forwarded", `For="[2001:db8:cafe::17]:4711"`}, "[2001:db8:cafe::17]:4711"},
		"Forwarded over two":              {proxy, []string{"Forwarded", `for=9.9.9.9, for=192.0.2.60, for=10.2.2.2`}, "192.0.2.60:0"},
		"Forwarded, hidden":               {proxy, []string{"Forwarded", `for=9.9.9.9, for=_hidden`}, proxy},
		"Forwarded without for":           {proxy, []string{"Forwarded", `for=9.9.9.9, proto=https`}, proxy},
		"X-Forwarded-For goes before":     {proxy, []string{"Forwarded", `for=9.9.9.9`, "X-Forwarded-For", "198.51.100.1"}, "198.51.100.1:0"},
		"a single address, not its net":   {"192.0.2.2:1", []string{"X-Forwarded-For", "198.51.100.1"}, "192.0.2.2:1"},
		"a single address":                {"192.0.2.1:1", []string{"X-Forwarded-For", "198.51.100.1"}, "198.51.100.1:0"},
		"an address that cannot be known": {"@", []string{"X-Forwarded-For", "198.51.100.1"}, "@"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/x", nil)
			r.RemoteAddr = c.peer
			for i := 0; i+1 < len(c.headers); i += 2 {
				r.Header.Add(c.headers[i], c.headers[i+1])
			}
			seen := behind(t, r, "10.0.0.0/8", "192.0.2.1")
			require.Equal(t, c.want, seen.RemoteAddr)
		})
	}
	for _, bad := range []string{"", "10.0.0.0/33", "proxy.example", "10.0.0.0/8/8", "::ffff:10.0.0.0/104", "fe80::1%eth0"} {
		_, err := httpx.ParseProxies(bad)
		require.Error(t, err, bad)
	}
}

func TestOrigin(t *testing.T) {
	for name, c := range map[string]struct {
		peer, host string
		tls        bool
		headers    []string
		want       string
	}{
		"plain":              {"192.0.2.9:1", "live.example:8080", false, nil, "http://live.example:8080"},
		"TLS":                {"192.0.2.9:1", "live.example", true, nil, "https://live.example"},
		"IPv6":               {"192.0.2.9:1", "[2001:db8::1]:80", false, nil, "http://[2001:db8::1]:80"},
		"a client's claims":  {"192.0.2.9:1", "a", false, []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil.example"}, "http://a"},
		"a proxy's":          {"10.0.0.1:1", "a", false, []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "live.example"}, "https://live.example"},
		"of two proxies":     {"10.0.0.1:1", "a", false, []string{"X-Forwarded-Proto", "ftp, https"}, "https://a"},
		"odd scheme":         {"10.0.0.1:1", "a", false, []string{"X-Forwarded-Proto", "javascript"}, "http://a"},
		"no host":            {"192.0.2.9:1", "", false, nil, ""},
		"a path":             {"192.0.2.9:1", "a/b", false, nil, ""},
		"a user":             {"192.0.2.9:1", "a@b", false, nil, ""},
		"quotes":             {"192.0.2.9:1", `a"b`, false, nil, ""},
		"a bad port":         {"192.0.2.9:1", "a:b", false, nil, ""},
		"a host of a script": {"10.0.0.1:1", "a", false, []string{"X-Forwarded-Host", "<script>"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/x", nil)
			r.RemoteAddr, r.Host = c.peer, c.host
			if c.tls {
				r.TLS = &tls.ConnectionState{}
			}
			for i := 0; i+1 < len(c.headers); i += 2 {
				r.Header.Add(c.headers[i], c.headers[i+1])
			}
			got, ok := httpx.Origin(behind(t, r, "10.0.0.0/8"))
			require.Equal(t, c.want, got)
			require.Equal(t, c.want != "", ok)
		})
	}
}

// Whatever is claimed, what comes out is an address that was there, and never
// one to the left of an untrusted one.
func FuzzTrustedProxies(f *testing.F) {
	f.Add("10.0.0.1:1", "198.51.100.1, 10.2.2.2", "for=1.2.3.4")
	f.Add("192.0.2.1:1", "x,,[::1]:2", `for="[::1]:3";by=x`)
	f.Fuzz(func(t *testing.T, peer, list, forwarded string) {
		r := httptest.NewRequest(http.MethodGet, "/x", nil)
		r.RemoteAddr = peer
		r.Header["X-Forwarded-For"] = []string{list}
		r.Header["Forwarded"] = []string{forwarded}
		seen := behind(t, r, "10.0.0.0/8").RemoteAddr
		if seen == peer {
			return
		}
		addr, err := netip.ParseAddr(strings.Trim(peer, "[]"))
		if at, e := netip.ParseAddrPort(peer); e == nil {
			addr, err = at.Addr(), nil
		}
		require.NoError(t, err)
		require.True(t, netip.MustParsePrefix("10.0.0.0/8").Contains(addr.Unmap()), "only a proxy's word counts")
		_, err = netip.ParseAddrPort(seen)
		require.NoError(t, err)
	})
}
