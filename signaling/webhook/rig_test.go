package webhook

import (
	"context"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/auth/authtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var testKeys = auth.Keys{"team": strings.Repeat("s", 40)}

type keySigner struct{ keys auth.Keys }

func (s keySigner) SignBody(body []byte) (string, error) { return auth.SignBody(s.keys, "", body) }

const patience = 15 * time.Second

// sink is a receiver that verifies what it gets and answers as it is told.
type sink struct {
	*httptest.Server
	got chan authtest.Event
}

// newSink starts one; answer may be nil, for 200.
func newSink(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, e authtest.Event)) *sink {
	t.Helper()
	s := &sink{got: make(chan authtest.Event, 10_000)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Type") != ContentType || r.Method != http.MethodPost {
			t.Errorf("%s of type %q", r.Method, r.Header.Get("Content-Type"))
		}
		e, err := authtest.Receive(r, testKeys)
		if err != nil {
			t.Errorf("LiveKit's receiver refuses it: %v", err)
		}
		if answer != nil {
			answer(w, r, e)
		}
		s.got <- e
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *sink) next(t *testing.T) authtest.Event {
	t.Helper()
	select {
	case e := <-s.got:
		return e
	case <-time.After(patience):
		t.Fatal("no webhook has come")
		return authtest.Event{}
	}
}

// expect takes webhooks and holds them against their names.
func (s *sink) expect(t *testing.T, want ...string) []authtest.Event {
	t.Helper()
	var all []authtest.Event
	for _, name := range want {
		e := s.next(t)
		require.Equal(t, name, e.Event)
		all = append(all, e)
	}
	return all
}

// started runs a Dispatcher; stop ends it and waits.
func started(t *testing.T, cfg Config) (d *Dispatcher, stop func()) {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	if cfg.Retry == 0 {
		cfg.Retry = time.Millisecond
	}
	d, err := New(cfg, keySigner{testKeys}, slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	done := false
	stop = func() {
		if done {
			return
		}
		done = true
		cancel()
		select {
		case err := <-ended:
			require.NoError(t, err)
		case <-time.After(patience):
			t.Fatal("Run does not end")
		}
	}
	t.Cleanup(stop)
	return d, stop
}

func change(d *Dispatcher, stream string, state media.State) {
	d.StreamChanged(&media.Snapshot{Name: stream, State: state, Epoch: 1, Since: t0})
}

// newTLS puts a server with a certificate that nobody trusts before a sink.
func newTLS(t *testing.T, s *sink) *httptest.Server {
	t.Helper()
	front := httptest.NewUnstartedServer(s.Config.Handler)
	front.Config.ErrorLog = log.New(io.Discard, "", 0)
	front.StartTLS()
	t.Cleanup(front.Close)
	return front
}
