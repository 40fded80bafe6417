package origin

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-live/freshet/hls-egress/hlstest"
	"github.com/freshet-live/freshet/internal/httpx"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(costEnv); mode != "" {
		serveCost(mode)
	}
	goleak.VerifyTestMain(m)
}

// rig is an Origin with one Stream, "demo", that a test drives part by part.
type rig struct {
	t       *testing.T
	o       *Origin
	handler http.Handler
	s       *Stream
	p       *hlstest.Packager
	reg     *prometheus.Registry
}

func newRig(t *testing.T, renditions int, change ...func(*Config)) *rig {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	cfg := Config{Site: &httpx.Site{Log: log}}
	for _, f := range change {
		f(&cfg)
	}
	r := &rig{t: t, reg: prometheus.NewRegistry()}
	var err error
	r.o, err = New(cfg, log, r.reg)
	require.NoError(t, err)
	mux := http.NewServeMux()
	r.o.Register(mux)
	r.handler = cfg.Site.Handler(mux)
	r.open(renditions)
	return r
}

func (r *rig) open(renditions int) {
	r.p = hlstest.NewPackager(time.Now(), renditions, true)
	part, segment := r.p.Target()
	r.s = r.o.Open("demo", part, segment)
}

// parts publishes some more parts.
func (r *rig) parts(n int) {
	for range n {
		r.s.Apply(r.p.Next(time.Now()))
	}
}

// get asks for a path below /hls/demo/.
func (r *rig) get(path string, header ...string) *http.Response {
	r.t.Helper()
	return r.ask(http.MethodGet, "/hls/demo/"+path, header...)
}

func (r *rig) ask(method, path string, header ...string) *http.Response {
	r.t.Helper()
	req := httptest.NewRequestWithContext(r.t.Context(), method, path, nil)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, req)
	return w.Result()
}

func text(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(b)
}

// metric adds up a metric over those of its labels that have the values.
func (r *rig) metric(name string, values ...string) (total float64) {
	r.t.Helper()
	families, err := r.reg.Gather()
	require.NoError(r.t, err)
	for _, f := range families {
		if f.GetName() != "freshet_hls_"+name {
			continue
		}
		for _, m := range f.GetMetric() {
			has := 0
			for _, l := range m.GetLabel() {
				if slices.Contains(values, l.GetValue()) {
					has++
				}
			}
			if has == len(values) {
				total += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return total
}
