package endtoend

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/fanout"
)

// playlistLink is what every viewer is told.
func playlistLink(stream string) string {
	return "</hls/" + stream + `/index.m3u8>; rel="alternate"; type="application/vnd.apple.mpegurl"`
}

// requireFull checks the answer to a viewer for whom there is no seat.
func requireFull(t testing.TB, a answer, stream, detail string) {
	t.Helper()
	require.Equal(t, http.StatusServiceUnavailable, a.status, a.body)
	require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
	var problem struct{ Detail string }
	require.NoError(t, json.Unmarshal([]byte(a.body), &problem))
	require.Contains(t, problem.Detail, detail)
	wait, err := strconv.Atoi(a.header.Get("Retry-After"))
	require.NoError(t, err)
	require.Positive(t, wait)
	require.Equal(t, []string{playlistLink(stream)}, a.header.Values("Link"))
	require.Contains(t, a.header.Get("Access-Control-Expose-Headers"), "Link", "W14")
	require.Empty(t, a.header.Get("Location"))
}

func TestSeatsOfAStream(t *testing.T) { // W34
	s := start(t, options{fanout: fanout.Config{MaxPerStream: 2}})
	s.publish("demo", "alice")
	first, second, third := s.watch("demo"), s.watch("demo"), s.newViewer("demo")
	require.Contains(t, first.links, playlistLink("demo"))
	r := run{t: t}
	r.check(next(t, first.video, "the first viewer's picture"))
	next(t, second.video, "the second viewer's picture")

	requireFull(t, third.post("demo"), "demo", "the stream has as many viewers as it may")
	other := s.watch("other") // another stream has seats
	require.Contains(t, other.links, playlistLink("other"))

	// Who is there goes on as if nothing had happened.
	for range 50 {
		r.check(next(t, first.video, "picture"))
	}

	second.delete()
	third.stop()
	third = s.watch("demo") // 201 at once
	next(t, third.video, "the third viewer's picture")
	require.Equal(t, 2, s.hub.Stream("demo").Viewers)
}

func TestSeatsOfTheNode(t *testing.T) { // W34
	s := start(t, options{fanout: fanout.Config{MaxViewers: 3}})
	s.publish("demo", "alice")
	// All at once: as many get in as there are seats.
	viewers := make([]*viewer, 8)
	answers := make([]answer, len(viewers))
	var all sync.WaitGroup
	for i := range viewers {
		viewers[i] = s.newViewer("demo")
		all.Go(func() { answers[i] = viewers[i].post("demo") })
	}
	all.Wait()
	seated := 0
	for _, a := range answers {
		if a.status == http.StatusCreated {
			seated++
			continue
		}
		requireFull(t, a, "demo", "the server has as many viewers as it may")
	}
	require.Equal(t, 3, seated)
}

func TestSeatsByBandwidth(t *testing.T) { // W34
	// The publisher sends some 60 kbit/s with all headers.
	s := start(t, options{fanout: fanout.Config{MaxBandwidth: 40_000}})
	s.publish("demo", "alice")
	first := s.watch("demo") // alone there is always a seat
	next(t, first.video, "picture")
	var a answer
	require.Eventually(t, func() bool {
		v := s.newViewer("demo")
		defer v.stop()
		a = v.post("demo")
		if a.status == http.StatusCreated {
			s.do(http.MethodDelete, a.header.Get("Location"), v.token, "", "")
		}
		return a.status != http.StatusCreated
	}, patience, 100*time.Millisecond)
	requireFull(t, a, "demo", "the server's network is busy")
	first.delete()
	require.Eventually(t, func() bool { return s.newViewer("demo").post("demo").status == http.StatusCreated },
		patience, 100*time.Millisecond)
}
