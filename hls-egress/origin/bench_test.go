package origin

import (
	"net/http"
	"net/http/httptest"
	"testing"

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
