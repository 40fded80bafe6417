package bench

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const endText = `#EXTM3U
#EXT-X-TARGETDURATION:2
#EXT-X-PART-INF:PART-TARGET=0.2
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-SKIP:SKIPPED-SEGMENTS=3
#EXT-X-PROGRAM-DATE-TIME:2026-11-22T10:00:00.000Z
#EXT-X-PART:DURATION=0.2,URI="a,b.mp4",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.2,URI="10.1.mp4"
#EXTINF:2.0,
10.mp4
#EXT-X-PROGRAM-DATE-TIME:2026-11-22T10:00:02.000Z
#EXT-X-PART:DURATION=0.2,URI="11.0.mp4"
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="11.1.mp4"
`

func TestParseEnd(t *testing.T) {
	e, err := parseEnd(endText)
	require.NoError(t, err)
	require.EqualValues(t, 11, e.msn)
	require.Equal(t, 1, e.part)
	require.Len(t, e.parts, 3)
	require.Equal(t, "a,b.mp4", e.parts[0].uri)
	require.Equal(t, time.Date(2026, 11, 22, 10, 0, 2, 200e6, time.UTC), e.parts[2].end)
	require.False(t, e.ended)
	for _, bad := range []string{
		"", "#EXTM3U\n", strings.Replace(endText, "QUENCE:7", "QUENCE:x", 1), strings.Replace(endText, "DURATION=0.2", "DURATION=x", 1),
	} {
		_, err := parseEnd(bad)
		require.ErrorIs(t, err, errPlaylist)
	}
}

func FuzzParseEnd(f *testing.F) {
	f.Add(endText)
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := parseEnd(text); err != nil {
			require.ErrorIs(t, err, errPlaylist)
		}
		_, _, _ = parseRenditions(text)
	})
}

func TestParseRenditions(t *testing.T) {
	video, audio, err := parseRenditions("#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"a\",URI=\"a.m3u8\"\n" +
		"#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"x,y\",AUDIO=\"g\"\nv.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=1\nw.m3u8\n")
	require.NoError(t, err)
	require.Equal(t, "v.m3u8", video)
	require.Equal(t, "a.m3u8", audio)
	_, _, err = parseRenditions("#EXTM3U\n")
	require.ErrorIs(t, err, errPlaylist)
}

// edgeServer is a live playlist with a part each 50 ms, ten to a segment.
type edgeServer struct {
	*httptest.Server
	mu      sync.Mutex
	began   time.Time
	spoiled int // parts that are refused
	end     bool
	queries map[string]int
}

const edgePart = 50 * time.Millisecond

func newEdgeServer(t *testing.T) *edgeServer {
	s := &edgeServer{began: time.Now().Add(-time.Second), queries: map[string]int{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *edgeServer) serve(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasSuffix(r.URL.Path, "index.m3u8"):
		fmt.Fprint(w, "#EXTM3U\n#EXT-X-MEDIA:GROUP-ID=\"g\",URI=\"audio.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"g\"\nvideo.m3u8?x=y\n")
	case strings.HasSuffix(r.URL.Path, ".m3u8"):
		s.playlist(w, r)
	default:
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.spoiled > 0 {
			s.spoiled--
			http.Error(w, "no", http.StatusNotFound)
			return
		}
		w.(http.Flusher).Flush() // chunked
		fmt.Fprint(w, strings.Repeat("x", 5000))
	}
}

func (s *edgeServer) playlist(w http.ResponseWriter, r *http.Request) {
	var msn, part int
	q := r.URL.Query()
	if q.Get("_HLS_msn") != "" {
		fmt.Sscan(q.Get("_HLS_msn"), &msn)
		fmt.Sscan(q.Get("_HLS_part"), &part)
		timer := time.NewTimer(time.Until(s.began.Add(time.Duration(10*msn+part+1) * edgePart)))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queries[q.Get("_HLS_skip")+q.Get("x")]++
	n := int(time.Since(s.began) / edgePart)
	z := gzip.NewWriter(w)
	w.Header().Set("Content-Encoding", "gzip")
	fmt.Fprintf(z, "#EXTM3U\n#EXT-X-PART-INF:PART-TARGET=0.05\n#EXT-X-MEDIA-SEQUENCE:%d\n", n/10)
	fmt.Fprintf(z, "#EXT-X-PROGRAM-DATE-TIME:%s\n", s.began.Add(time.Duration(n/10*10)*edgePart).Format(time.RFC3339Nano))
	for i := range n % 10 {
		fmt.Fprintf(z, "#EXT-X-PART:DURATION=0.05,URI=\"%s-%d.%d\"\n", r.URL.Path[1:], n/10, i)
	}
	if s.end {
		fmt.Fprint(z, "#EXT-X-ENDLIST\n")
	}
	_ = z.Close()
}

func TestHLSClients(t *testing.T) {
	s := newEdgeServer(t)
	rep, err := RunHLS(t.Context(), HLSOptions{URL: s.URL + "/index.m3u8", Clients: 3, Duration: time.Second})
	require.NoError(t, err)
	require.Zero(t, rep.Failed)
	require.Zero(t, rep.Errors, rep.Failure)
	require.InDelta(t, 3*2*20*9/10, rep.Parts, 30) // nine of ten parts are ever listed
	require.Greater(t, rep.RequestsPerSecond, 150.)
	require.Positive(t, rep.Latency.P50)
	require.Less(t, rep.Latency.P50, 1000.)
	require.Positive(t, rep.Reload.Count)
	require.Positive(t, rep.BitsPerSecond)
	require.Nil(t, rep.Server)
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Greater(t, s.queries["YESy"], 20, "the URI's own query is kept")
	require.Greater(t, s.queries["YES"], 20)
}

func TestHLSClientsGoOnAfterErrors(t *testing.T) {
	s := newEdgeServer(t)
	s.spoiled = 1
	rep, err := RunHLS(t.Context(), HLSOptions{URL: s.URL + "/index.m3u8", Clients: 1, Duration: time.Second})
	require.NoError(t, err)
	require.EqualValues(t, 1, rep.Errors)
	require.Contains(t, rep.Failure, "404")
	require.Positive(t, rep.Parts)
}

func TestHLSEnd(t *testing.T) {
	s := newEdgeServer(t)
	s.end = true
	rep, err := RunHLS(t.Context(), HLSOptions{URL: s.URL + "/index.m3u8", Clients: 1, Duration: 100 * time.Millisecond})
	require.NoError(t, err)
	require.Zero(t, rep.Parts)
	require.Zero(t, rep.Errors)
}

func TestHLSFailsClearly(t *testing.T) {
	good := HLSOptions{URL: "http://127.0.0.1:1/x", Clients: 1, Duration: time.Second}
	for name, spoil := range map[string]func(*HLSOptions){
		"no URL":      func(o *HLSOptions) { o.URL = "" },
		"odd URL":     func(o *HLSOptions) { o.URL = "ftp://x/y" },
		"no client":   func(o *HLSOptions) { o.Clients = 0 },
		"no duration": func(o *HLSOptions) { o.Duration = 0 },
	} {
		bad := good
		spoil(&bad)
		_, err := RunHLS(t.Context(), bad)
		require.ErrorIs(t, err, ErrOptions, name)
	}
	_, err := RunHLS(t.Context(), good)
	require.ErrorIs(t, err, ErrNobody)
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	good.URL = srv.URL + "/hls/x/index.m3u8"
	_, err = RunHLS(t.Context(), good)
	require.ErrorIs(t, err, ErrNobody)
	require.Contains(t, err.Error(), "404 for /hls/x/index.m3u8")
}

// Answers that are not HTTP end in errors.
func TestHLSConnTakesAnything(t *testing.T) {
	for _, text := range []string{
		"", "x\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 200 OK\r\n" + strings.Repeat("x", 10_000),
		"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				b := bufio.NewWriter(c)
				_, _ = b.WriteString(text)
				_ = b.Flush()
				_ = c.Close()
			}
		}))
		u, err := url.Parse(srv.URL)
		require.NoError(t, err)
		c, err := dialHLS(context.Background(), u, false)
		require.NoError(t, err)
		_, err = c.get("/", true)
		require.Error(t, err, text)
		c.close()
		srv.Close()
	}
}
