package origin

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"
	"time"

	"github.com/bluenviron/gohlslib/v2"
	"github.com/bluenviron/gohlslib/v2/pkg/codecs"
	"github.com/stretchr/testify/require"
)

// sink is a ResponseWriter that keeps nothing.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }

// BenchmarkServe is what the server adds to net/http per request.
func BenchmarkServe(b *testing.B) {
	r := newRig(&testing.T{}, 3)
	r.parts(305)
	for name, path := range map[string]string{
		"playlist": "v0/index.m3u8?_HLS_msn=30&_HLS_part=3", "delta": "v0/index.m3u8?_HLS_msn=30&_HLS_part=3&_HLS_skip=YES",
		"part": "v0/" + partName(r.s.run, 30, 3),
	} {
		b.Run(name, func(b *testing.B) {
			req := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/hls/demo/"+path, nil)
			req.Header.Set("Accept-Encoding", "gzip, deflate, br")
			w := &sink{}
			b.ReportAllocs()
			for b.Loop() {
				w.header = http.Header{}
				r.handler.ServeHTTP(w, req)
			}
			require.Equal(b, http.StatusOK, w.status)
		})
	}
}

// BenchmarkApply is what a part costs with nobody there to ask for it.
func BenchmarkApply(b *testing.B) {
	r := newRig(&testing.T{}, 3)
	r.parts(305)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		out := r.p.Next(r.p.Start)
		b.StartTimer()
		r.s.Apply(out)
	}
}

// BenchmarkGohlslib is the same of the packager that others use.
func BenchmarkGohlslib(b *testing.B) {
	sps, pps := []byte{
		0x67, 0x42, 0xc0, 0x28, 0xd9, 0x00, 0x78, 0x02, 0x27, 0xe5, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03,
		0x00, 0xf0, 0x3c, 0x60, 0xc9, 0x20,
	}, []byte{8}
	track := &gohlslib.Track{ClockRate: 90_000, Codec: &codecs.H264{SPS: sps, PPS: pps}}
	m := &gohlslib.Muxer{
		Variant: gohlslib.MuxerVariantLowLatency, Tracks: []*gohlslib.Track{track}, SegmentCount: 30,
		SegmentMinDuration: 2 * time.Second, PartMinDuration: 200 * time.Millisecond,
	}
	require.NoError(b, m.Start())
	defer m.Close()
	const rate = 30
	start := time.Now()
	for i := range 61 * rate {
		unit := make([]byte, 600)
		units := [][]byte{unit}
		if unit[0] = 1; i%(2*rate) == 0 {
			unit[0], units = 5, [][]byte{sps, pps, unit}
		}
		require.NoError(b, m.WriteH264(track, start.Add(time.Duration(i)*time.Second/rate), int64(i)*90_000/rate, units))
	}
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		m.Handle(w, httptest.NewRequestWithContext(b.Context(), http.MethodGet, path, nil))
		return w
	}
	media := regexp.MustCompile(`(?m)^[^#].*m3u8.*$`).FindString(get("/index.m3u8").Body.String())
	parts := regexp.MustCompile(`PART:.*URI="([^"]+)"`).FindAllStringSubmatch(get("/"+media).Body.String(), -1)
	for name, path := range map[string]string{"playlist": "/" + media, "delta": "/" + media + "?_HLS_skip=YES", "part": "/" + parts[0][1]} {
		b.Run(name, func(b *testing.B) {
			req := httptest.NewRequestWithContext(b.Context(), http.MethodGet, path, nil)
			w := &sink{}
			b.ReportAllocs()
			for b.Loop() {
				w.header = http.Header{}
				m.Handle(w, req)
			}
			require.Equal(b, http.StatusOK, w.status)
		})
	}
}
