package origin

import (
	"compress/gzip"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/internal/httpx"
)

func TestCompression(t *testing.T) {
	r := newRig(t, 1)
	r.parts(23)
	for _, path := range []string{"index.m3u8", "v0/index.m3u8"} {
		plain := r.get(path)
		require.Equal(t, "Accept-Encoding", plain.Header.Get("Vary"))
		require.Empty(t, plain.Header.Get("Content-Encoding"))
		packed := r.get(path, "Accept-Encoding", "br, GZIP;q=0.5")
		require.Equal(t, "gzip", packed.Header.Get("Content-Encoding"))
		z, err := gzip.NewReader(packed.Body)
		require.NoError(t, err)
		b, err := io.ReadAll(z)
		require.NoError(t, err)
		require.Equal(t, text(t, plain), string(b))
	}
	for _, refuse := range []string{"gzip;q=0", "gzip; q=0.0", "br", "identity"} {
		require.Empty(t, r.get("v0/index.m3u8", "Accept-Encoding", refuse).Header.Get("Content-Encoding"), refuse)
	}
}

// L23: how long caches may keep what.
func TestCacheControl(t *testing.T) {
	r := newRig(t, 1)
	r.parts(23)
	for path, want := range map[string]string{
		"index.m3u8":                             "public, max-age=1",
		"v0/index.m3u8":                          "public, max-age=1",
		"v0/index.m3u8?_HLS_msn=2&_HLS_part=1":   "public, max-age=2",
		"v0/" + segmentName(r.s.run, 1):          "public, max-age=60, immutable",
		"v0/" + partName(r.s.run, 1, 1):          "public, max-age=60, immutable",
		"v0/" + initName(r.s.run, 0):             "public, max-age=60, immutable",
		"v0/index.m3u8?_HLS_msn=200&_HLS_part=1": "no-store",
		"v0/" + segmentName(r.s.run, 9):          "no-store",
	} {
		require.Equal(t, want, r.get(path).Header.Get("Cache-Control"), path)
	}
}

func TestConditionalRequests(t *testing.T) {
	r := newRig(t, 1)
	r.parts(23)
	for _, path := range []string{"v0/index.m3u8", "v0/" + segmentName(r.s.run, 1), "v0/" + initName(r.s.run, 0)} {
		tag := r.get(path).Header.Get("Etag")
		require.NotEmpty(t, tag, path)
		for _, have := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
			res := r.get(path, "If-None-Match", have)
			require.Equal(t, http.StatusNotModified, res.StatusCode, path)
			require.Empty(t, text(t, res))
			require.Equal(t, tag, res.Header.Get("Etag"))
		}
		require.Equal(t, http.StatusOK, r.get(path, "If-None-Match", `"other"`).StatusCode)
	}
	tags := map[string]bool{}
	for range 2 {
		r.parts(1)
		tags[r.get("v0/index.m3u8").Header.Get("Etag")] = true
		tags[r.get("v0/index.m3u8?_HLS_skip=YES").Header.Get("Etag")] = true
		tags[r.get("v0/index.m3u8", "Accept-Encoding", "gzip").Header.Get("Etag")] = true
	}
	require.Len(t, tags, 6)
}

func TestRanges(t *testing.T) {
	r := newRig(t, 1)
	r.parts(23)
	path := "v0/" + segmentName(r.s.run, 1)
	whole := text(t, r.get(path))
	n := len(whole)
	for header, want := range map[string]string{
		"bytes=0-1": whole[:2], "bytes=3999-4000": whole[3999:4001], "bytes=39000-": whole[39000:],
		"bytes=-10": whole[n-10:], "bytes=-99999999": whole, "bytes=10-99999999999999999999": whole[10:],
	} {
		res := r.get(path, "Range", header)
		require.Equal(t, http.StatusPartialContent, res.StatusCode, header)
		require.Equal(t, want, text(t, res), header)
		require.EqualValues(t, len(want), res.ContentLength)
	}
	require.Equal(t, "bytes 3999-4000/40000", r.get(path, "Range", "bytes=3999-4000").Header.Get("Content-Range"))
	for _, header := range []string{"bytes=0-1,3-4", "bytes=x", "lines=1-2", "bytes=5-4", "bytes=", "bytes=-", "bytes=+1-2"} {
		res := r.get(path, "Range", header)
		require.Equal(t, http.StatusOK, res.StatusCode, header)
		require.Equal(t, whole, text(t, res), header)
	}
	for _, header := range []string{"bytes=40000-", "bytes=-0", "bytes=99999999999999999999-"} {
		res := r.get(path, "Range", header)
		require.Equal(t, http.StatusRequestedRangeNotSatisfiable, res.StatusCode, header)
		require.Equal(t, "bytes */40000", res.Header.Get("Content-Range"))
		require.Equal(t, "*", res.Header.Get("Access-Control-Allow-Origin"))
	}
	tag := r.get(path).Header.Get("Etag")
	require.Equal(t, http.StatusPartialContent, r.get(path, "Range", "bytes=0-1", "If-Range", tag).StatusCode)
	require.Equal(t, http.StatusOK, r.get(path, "Range", "bytes=0-1", "If-Range", `"old"`).StatusCode)
}

func TestHead(t *testing.T) {
	r := newRig(t, 1)
	r.parts(23)
	for _, path := range []string{"index.m3u8", "v0/index.m3u8", "v0/" + segmentName(r.s.run, 1)} {
		res := r.ask(http.MethodHead, "/hls/demo/"+path)
		require.Equal(t, http.StatusOK, res.StatusCode)
		require.Empty(t, text(t, res))
		require.Equal(t, r.get(path).Header.Get("Content-Length"), res.Header.Get("Content-Length"))
	}
	require.Equal(t, http.StatusMethodNotAllowed, r.ask(http.MethodPost, "/hls/demo/index.m3u8").StatusCode)
	res := r.ask(http.MethodOptions, "/hls/demo/index.m3u8", "Origin", "https://x", "Access-Control-Request-Method", "GET")
	require.Equal(t, http.StatusNoContent, res.StatusCode)
	require.Contains(t, res.Header.Get("Access-Control-Allow-Headers"), "Range")
}

// L10, L11, L28: what is wrong is refused at once, as a problem document.
func TestRefusals(t *testing.T) {
	r := newRig(t, 1)
	r.parts(23)
	run := r.s.run
	for path, want := range map[string]int{
		"v0/index.m3u8?_HLS_part=1":                 400,
		"v0/index.m3u8?_HLS_msn=x":                  400,
		"v0/index.m3u8?_HLS_msn=-1":                 400,
		"v0/index.m3u8?_HLS_msn=4":                  400,
		"v0/index.m3u8?_HLS_msn=2&_HLS_part=99":     400,
		"v0/index.m3u8?_HLS_msn=1e9":                400,
		"v0/index.m3u9":                             404,
		"v0/":                                       404,
		"v0":                                        404,
		"":                                          404,
		"nope/index.m3u8":                           404,
		"v0/" + partName(run, 2, 4):                 404,
		"v0/" + partName(run, 3, 0):                 404,
		"v0/" + segmentName(run, 2):                 404,
		"v0/" + segmentName("other", 1):             404,
		"v0/" + run + "-01.mp4":                     404,
		"v0/" + run + "-1.01.mp4":                   404,
		"v0/" + run + "-+1.mp4":                     404,
		"v0/" + run + "-1.mp4.mp4":                  404,
		"v0/" + run + "-99999999999999999999.0.mp4": 404,
		"v0/" + run + "-1.4294967296.mp4":           404,
		"v0/" + initName(run, 7):                    404,
		"v0/init-" + run + "-99999999999.mp4":       404,
		"v0/x/index.m3u8":                           404,
		"~x/v0/x/index.m3u8":                        404,
		"%2e%2e/index.m3u8":                         404,
		"v0/..%2fv0/index.m3u8":                     404,
		"v0/%00":                                    404,
	} {
		res := r.get(path)
		require.Equal(t, want, res.StatusCode, path)
		require.Equal(t, httpx.ProblemType, res.Header.Get("Content-Type"), path)
		require.Equal(t, "*", res.Header.Get("Access-Control-Allow-Origin"), path)
	}
	require.Equal(t, 404, r.ask(http.MethodGet, "/hls/-bad-/index.m3u8").StatusCode)
	require.Equal(t, 404, r.ask(http.MethodGet, "/hls/").StatusCode)
	// L12: long past is answered at once.
	require.Equal(t, 200, r.get("v0/index.m3u8?_HLS_msn=0&_HLS_part=77").StatusCode)
}

func TestStandIn(t *testing.T) {
	r := newRig(t, 2)
	r.parts(20)
	out := r.p.Next(r.p.Start)
	for i := range out.Parts {
		if out.Parts[i].Rendition == "v1" {
			out.Parts[i].Init = out.Parts[0].Init
		}
	}
	r.s.Apply(out)
	body := text(t, r.get("v1/index.m3u8"))
	require.Contains(t, body, `#EXT-X-MAP:URI="../v0/`+initName(r.s.run, 0)+`"`)
	require.Equal(t, 2, strings.Count(body, "#EXT-X-MAP"))
	require.NotContains(t, body, "#EXT-X-DISCONTINUITY\n")
}

// Where segments may begin without a keyframe, nobody is told otherwise.
func TestDependentSegments(t *testing.T) {
	r := newRig(t, 1)
	r.s.Dependent()
	r.parts(23)
	for _, path := range []string{"index.m3u8", "v0/index.m3u8", "audio/index.m3u8"} {
		require.NotContains(t, text(t, r.get(path)), "INDEPENDENT-SEGMENTS", path)
	}
	r.open(1)
	r.parts(11)
	require.Contains(t, text(t, r.get("index.m3u8")), "INDEPENDENT-SEGMENTS")
}

// A rendition that has long carried another one's media is not offered to
// whoever comes now; those who play it go on. Something is always there.
func TestSilentRenditionsAreHidden(t *testing.T) {
	r := newRig(t, 2)
	r.parts(23)
	silence := func(since time.Time, names ...string) {
		all := r.p.Specs()
		for i := range all {
			if slices.Contains(names, all[i].Name) {
				all[i].Silent = since
			}
		}
		r.s.Apply(segment.Output{Renditions: all})
	}
	silence(time.Now().Add(-hideAfter/2), "v1")
	require.Contains(t, text(t, r.get("index.m3u8")), "v1/")
	silence(time.Now().Add(-hideAfter), "v1")
	require.NotContains(t, text(t, r.get("index.m3u8")), "v1/")
	require.Equal(t, http.StatusOK, r.get("v1/index.m3u8").StatusCode)
	silence(time.Now().Add(-hideAfter), "v0", "v1", "audio")
	require.Contains(t, text(t, r.get("index.m3u8")), "v1/")
	silence(time.Time{})
	require.Contains(t, text(t, r.get("index.m3u8")), "v1/")
}

// A number that is used again for another section must not be found in caches
// under the old one's name.
func TestSectionsAreToldApart(t *testing.T) {
	r := newRig(t, 1)
	r.parts(10)
	out := r.p.Next(r.p.Start)
	other := *out.Parts[0].Init
	other.Data = []byte("another one")
	out.Parts[0].Init = &other
	r.s.Apply(out)
	require.Len(t, text(t, r.get("v0/"+initName(r.s.run, 0))), 600)
	require.Equal(t, "another one", text(t, r.get("v0/"+initName(r.s.run, 1))))
	require.Contains(t, text(t, r.get("v0/index.m3u8")), initName(r.s.run, 1))

	same := other // a copy is the same section
	out = r.p.Next(r.p.Start)
	out.Parts[0].Init = &same
	r.s.Apply(out)
	require.Equal(t, http.StatusNotFound, r.get("v0/"+initName(r.s.run, 2)).StatusCode)
}

func TestMetrics(t *testing.T) {
	r := newRig(t, 1)
	r.parts(23)
	r.get("v0/" + segmentName(r.s.run, 1))
	r.get("v0/" + segmentName(r.s.run, 7))
	require.EqualValues(t, 1, r.metric("requests_total", "segment", "200"))
	require.EqualValues(t, 1, r.metric("requests_total", "segment", "404"))
	require.EqualValues(t, 40_000, r.metric("sent_bytes_total", "segment"))
	r.o.sweep(r.p.Start)
	require.EqualValues(t, 23*4400, r.metric("window_memory_bytes"))
	_, err := New(r.o.cfg, r.o.log, r.reg)
	require.Error(t, err, "one registry holds one origin")
}

func FuzzParseRange(f *testing.F) {
	f.Add("bytes=0-1", int64(10))
	f.Add("bytes=-5", int64(0))
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			size = -(size + 1)
		}
		from, to, partial, err := parseRange(header, size)
		switch {
		case err != nil:
			require.False(t, partial)
		case partial:
			require.True(t, 0 <= from && from < to && to <= size)
		default:
			require.Equal(t, [2]int64{0, size}, [2]int64{from, to})
		}
	})
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{
		"/hls/demo/index.m3u8", "/hls/demo/~1.x/v0/index.m3u8", "/hls/demo/v0/abc-1.2.mp4", "/hls/demo/v0/init-abc-0.mp4",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		a, ok := parseAddress(path)
		if !ok || a.rendition == "" {
			return
		}
		require.NotContains(t, a.rendition+a.file, "/")
		it, ok := parseFile(a.file)
		if !ok {
			return
		}
		// One name for each file.
		switch it.kind {
		case kindInit:
			require.Equal(t, a.file, initName(it.run, it.part))
		case kindPart:
			require.Equal(t, a.file, partName(it.run, it.msn, it.part))
		case kindSegment:
			require.Equal(t, a.file, segmentName(it.run, it.msn))
		default:
			require.Equal(t, indexFile, a.file)
		}
	})
}
