package origin

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/hls-egress/hlstest"
)

// pending is a request that may have to wait.
type pending struct {
	rec  *httptest.ResponseRecorder
	done chan struct{}
}

// start asks for a path below /hls/demo/ in the background.
func (r *rig) start(ctx context.Context, path string) *pending {
	p := &pending{rec: httptest.NewRecorder(), done: make(chan struct{})}
	req := httptest.NewRequestWithContext(ctx, http.MethodGet, "/hls/demo/"+path, nil)
	go func() {
		defer close(p.done)
		r.handler.ServeHTTP(p.rec, req)
	}()
	synctest.Wait()
	return p
}

func (p *pending) waits() bool {
	synctest.Wait()
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// L8, L9, L13, L15: each request is answered with the part that it waits for,
// neither before nor after.
func TestRequestsWaitForTheirPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		r.parts(13)
		run := r.s.run
		part := r.start(t.Context(), "v0/index.m3u8?_HLS_msn=1&_HLS_part=3")
		later := r.start(t.Context(), "v0/index.m3u8?_HLS_msn=1&_HLS_part=5&_HLS_skip=YES")
		whole := r.start(t.Context(), "v0/index.m3u8?_HLS_msn=1")
		over := r.start(t.Context(), "v0/index.m3u8?_HLS_msn=1&_HLS_part=10")
		hint := r.start(t.Context(), "v0/"+partName(run, 1, 3))
		for _, p := range []*pending{part, later, whole, over, hint} {
			require.True(t, p.waits())
		}
		require.EqualValues(t, 5, r.metric("blocked_requests"))

		r.parts(1)
		require.False(t, part.waits())
		require.Equal(t, http.StatusOK, part.rec.Code)
		require.Contains(t, part.rec.Body.String(), partName(run, 1, 3))
		require.False(t, hint.waits())
		require.Equal(t, 4000, hint.rec.Body.Len())
		require.True(t, later.waits())
		r.parts(2)
		require.False(t, later.waits())
		require.True(t, whole.waits())
		r.parts(4)
		require.False(t, whole.waits())
		require.Contains(t, whole.rec.Body.String(), "\n"+segmentName(run, 1)+"\n")
		require.True(t, over.waits(), "the first part of the next segment")
		r.parts(1)
		require.False(t, over.waits())
		require.Zero(t, r.metric("blocked_requests"))
		require.EqualValues(t, 5, r.metric("wake_seconds"))
	})
}

func TestWaitingHasAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		r.parts(13)
		begin := time.Now()
		p := r.start(t.Context(), "v0/index.m3u8?_HLS_msn=2")
		q := r.start(t.Context(), "v0/"+partName(r.s.run, 1, 3))
		<-p.done
		<-q.done
		require.Equal(t, 6*time.Second, time.Since(begin)) // L9: 3 TD
		require.Equal(t, http.StatusServiceUnavailable, p.rec.Code)
		require.Equal(t, http.StatusServiceUnavailable, q.rec.Code)
		require.NotEmpty(t, p.rec.Header().Get("Retry-After"))
		require.Equal(t, "no-store", p.rec.Header().Get("Cache-Control"))
	})
}

func TestClientsThatVanishLeaveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		r.parts(13)
		ctx, cancel := context.WithCancel(t.Context())
		p := r.start(ctx, "v0/index.m3u8?_HLS_msn=2")
		require.True(t, p.waits())
		cancel()
		require.False(t, p.waits())
		require.Zero(t, r.o.blocked.Load())
	})
}

func TestTooManyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1, func(c *Config) { c.MaxBlocked = 2 })
		r.parts(13)
		for range 2 {
			require.True(t, r.start(t.Context(), "v0/index.m3u8?_HLS_msn=1").waits())
		}
		p := r.start(t.Context(), "v0/index.m3u8?_HLS_msn=1")
		require.False(t, p.waits())
		require.Equal(t, http.StatusServiceUnavailable, p.rec.Code)
		r.s.End()
		synctest.Wait()
	})
}

// A part that was hinted at and never came is not waited for any longer.
func TestHintThatDoesNotComeTrue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		r.parts(13)
		p := r.start(t.Context(), "v0/"+partName(r.s.run, 1, 3))
		require.True(t, p.waits())
		out := r.p.Next(time.Now())
		for i := range out.Parts {
			out.Parts[i].MSN++
		}
		r.s.Apply(out)
		require.False(t, p.waits())
		require.Equal(t, http.StatusNotFound, p.rec.Code)
	})
}

// A playlist without a segment stops players: they wait for the first one.
func TestFirstPlaylistHasASegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		r.parts(3)
		p := r.start(t.Context(), "v0/index.m3u8")
		require.True(t, p.waits())
		eager := r.start(t.Context(), "v0/index.m3u8?_HLS_msn=0&_HLS_part=1")
		require.False(t, eager.waits())
		require.Equal(t, http.StatusOK, eager.rec.Code)
		r.parts(7)
		require.False(t, p.waits())
		require.Contains(t, p.rec.Body.String(), "#EXTINF")
	})
}

// A Stream that is about to start is waited for, another one is not.
func TestStreamThatIsAboutToStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		live := false
		r := newRig(t, 1, func(c *Config) { c.Live = func(string) bool { return live } })
		res := r.ask(http.MethodGet, "/hls/other/index.m3u8")
		require.Equal(t, http.StatusNotFound, res.StatusCode)
		live = true
		other := &pending{rec: httptest.NewRecorder(), done: make(chan struct{})}
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/hls/other/index.m3u8", nil)
		go func() { defer close(other.done); r.handler.ServeHTTP(other.rec, req) }()
		require.True(t, other.waits())
		s := r.o.Open("other", r.s.format.Part, r.s.format.Target)
		require.True(t, other.waits())
		s.Apply(r.p.Next(time.Now()))
		require.False(t, other.waits())
		require.Equal(t, http.StatusOK, other.rec.Code)

		begin := time.Now()
		res = r.ask(http.MethodGet, "/hls/third/index.m3u8")
		require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
		require.Equal(t, defaultStartWait, time.Since(begin))
	})
}

func TestRenditionsOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		low := r.p.Specs()[0]
		low.Name = "240p"
		r.s.Offer(append(r.p.Specs()[:0:0], low))
		r.parts(25)
		require.Contains(t, text(t, r.get("index.m3u8")), "240p/index.m3u8")
		require.True(t, r.s.LastUse("240p").IsZero())

		p := r.start(t.Context(), "240p/index.m3u8")
		require.True(t, p.waits())
		require.Equal(t, "240p", <-r.s.Demand())
		second := r.start(t.Context(), "240p/index.m3u8")
		require.True(t, second.waits())
		require.Empty(t, r.s.Demand(), "once is enough")
		require.Equal(t, time.Now(), r.s.LastUse("240p").In(time.Local))

		r.parts(5)
		r.p.Add(low)
		r.parts(12)
		require.False(t, p.waits())
		require.Equal(t, http.StatusOK, p.rec.Code)
		require.Contains(t, p.rec.Body.String(), "#EXT-X-MEDIA-SEQUENCE:3\n")
		require.Contains(t, text(t, r.get("v0/index.m3u8")), "../240p/index.m3u8")
		part := partName(r.s.run, 3, 0)
		require.Equal(t, http.StatusOK, r.get("240p/"+part).StatusCode)

		r.p.Remove("240p")
		waiting := r.start(t.Context(), "240p/index.m3u8?_HLS_msn=5")
		r.parts(1)
		require.False(t, waiting.waits(), "it has gone")
		require.Equal(t, http.StatusNotFound, waiting.rec.Code)
		require.Equal(t, http.StatusOK, r.get("240p/"+part).StatusCode, "L19")
		require.NotContains(t, text(t, r.get("v0/index.m3u8")), "240p")

		again := r.start(t.Context(), "240p/index.m3u8")
		require.True(t, again.waits())
		require.Equal(t, "240p", <-r.s.Demand())
		r.parts(7)
		r.p.Add(low)
		r.parts(40)
		require.False(t, again.waits())
		body := again.rec.Body.String()
		require.Contains(t, body, "#EXT-X-MEDIA-SEQUENCE:5\n")
		require.Contains(t, body, "init-"+r.s.run+"-1.mp4", "another encoder, another section")
	})
}

func TestUnknownRenditionIsNotWaitedFor(t *testing.T) {
	r := newRig(t, 1)
	r.parts(13)
	for _, path := range []string{"v9/index.m3u8", "v9/" + partName(r.s.run, 1, 3)} {
		require.Equal(t, http.StatusNotFound, r.get(path).StatusCode, path)
	}
}

func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		r.parts(23)
		p := r.start(t.Context(), "v0/index.m3u8?_HLS_msn=3")
		hint := r.start(t.Context(), "v0/"+partName(r.s.run, 2, 3))
		r.s.End()
		require.False(t, p.waits())
		require.False(t, hint.waits())
		require.Equal(t, http.StatusOK, p.rec.Code)
		require.True(t, strings.HasSuffix(p.rec.Body.String(), segmentName(r.s.run, 2)+"\n#EXT-X-ENDLIST\n"))
		require.Equal(t, http.StatusNotFound, hint.rec.Code)
		r.s.Apply(r.p.Next(time.Now())) // too late, and harmless
		require.False(t, r.start(t.Context(), "v0/"+partName(r.s.run, 3, 0)).waits(), "nothing comes any more")

		old := r.s
		r.open(1)
		r.parts(11)
		require.NotEqual(t, old.run, r.s.run)
		require.Contains(t, text(t, r.get("v0/index.m3u8")), r.s.run)
		require.Equal(t, http.StatusOK, r.get("v0/"+segmentName(old.run, 1)).StatusCode)

		time.Sleep(defaultWindow + time.Second) //nolint:forbidigo // the clock is a fake one
		r.o.sweep(time.Now())
		require.Equal(t, http.StatusNotFound, r.get("v0/"+segmentName(old.run, 1)).StatusCode)
		require.Equal(t, http.StatusOK, r.get("v0/"+segmentName(r.s.run, 0)).StatusCode)
		r.s.End()
		time.Sleep(defaultWindow + time.Second) //nolint:forbidigo // the clock is a fake one
		r.o.sweep(time.Now())
		require.Equal(t, http.StatusNotFound, r.get("index.m3u8").StatusCode)
		require.Empty(t, r.o.runs)
	})
}

// A publisher that comes back after the end begins a new run: whoever asks
// meanwhile waits for that instead of getting the old one's end.
func TestNewRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		live := true
		r := newRig(t, 1, func(c *Config) { c.Live = func(string) bool { return live } })
		r.parts(23)
		r.s.End()
		p := r.start(t.Context(), "index.m3u8")
		require.True(t, p.waits())
		live = false
		require.Equal(t, http.StatusOK, r.get("index.m3u8").StatusCode, "nobody comes back: the end is all there is")
		live = true
		old := r.s
		r.open(1)
		r.parts(11)
		require.False(t, p.waits())
		require.Equal(t, http.StatusOK, p.rec.Code)

		waiting := r.start(t.Context(), "v0/index.m3u8?_HLS_msn=1")
		require.True(t, waiting.waits())
		second := r.s
		r.open(1)
		require.False(t, waiting.waits(), "a run ends when the next one begins")
		require.True(t, second.over())
		require.True(t, old.over())
	})
}

// Who comes before the sound waits for it, but not for ever.
func TestExpectedRendition(t *testing.T) {
	for _, comes := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, 1, func(c *Config) { c.Live = func(string) bool { return true } })
			r.p = hlstest.NewPackager(time.Now(), 1, false)
			r.s.Expect("audio")
			r.parts(11)
			index, audio := r.start(t.Context(), "index.m3u8"), r.start(t.Context(), "audio/index.m3u8")
			require.True(t, index.waits() && audio.waits())
			require.Equal(t, http.StatusOK, r.get("v0/index.m3u8").StatusCode)
			if comes {
				r.p = hlstest.NewPackager(time.Now(), 1, true)
				r.parts(11)
			} else {
				r.s.Expect("")
			}
			<-index.done
			<-audio.done
			require.Equal(t, comes, strings.Contains(index.rec.Body.String(), `URI="audio/index.m3u8"`))
			require.Equal(t, comes, audio.rec.Code == http.StatusOK)
		})
	}
}
