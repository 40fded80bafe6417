package endtoend

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/fanout"
	"github.com/freshet-live/freshet/sfu/rtc"
)

// offers returns descriptions to play with: of a publisher and of a viewer.
func (s *server) offers() (publish, play string) {
	s.t.Helper()
	for _, pc := range []*webrtc.PeerConnection{s.newPublisher("x", "").pc, s.newViewer("x").pc} {
		offer, err := pc.CreateOffer(nil)
		require.NoError(s.t, err)
		if publish == "" {
			publish = offer.SDP
		} else {
			play = offer.SDP
		}
	}
	return publish, play
}

func TestHalfOpenSessions(t *testing.T) { // H8, H11, H12
	const timeout = 2 * time.Second
	s := start(t, options{
		rtc: rtc.Config{ConnectTimeout: timeout}, fanout: fanout.Config{HandshakeTimeout: timeout},
	})
	s.publish("demo", "")
	v := s.watch("demo")
	r := &run{t: t}
	r.check(next(t, v.video, "video"))

	publish, play := s.offers()
	var mu sync.Mutex
	var locations []string
	var posting sync.WaitGroup
	for worker := range 4 {
		posting.Go(func() {
			for i := range 50 {
				path, offer := "/whep/demo", play
				if i%5 == 0 { // each publisher under a name of its own
					path, offer = "/whip/half-"+string(rune('a'+worker))+string(rune('a'+i%25)), publish
				}
				a := s.do(http.MethodPost, path, "anna", "application/sdp", offer)
				switch a.status {
				case http.StatusCreated:
					mu.Lock()
					locations = append(locations, a.header.Get("Location"))
					mu.Unlock()
				case http.StatusTooManyRequests, http.StatusServiceUnavailable:
				default:
					t.Errorf("%s: %d %s", path, a.status, a.body)
				}
			}
		})
	}
	posted := make(chan struct{})
	go func() {
		posting.Wait()
		close(posted)
	}()
	for open := true; open; { // the viewer sees no gap meanwhile
		r.check(next(t, v.video, "video beside the flood"))
		select {
		case <-posted:
			open = false
		default:
		}
	}
	require.NotEmpty(t, locations)
	for range 50 {
		r.check(next(t, v.video, "video after the flood"))
	}
	for _, url := range locations {
		require.Eventually(t, func() bool {
			return s.do(http.MethodGet, url, "anna", "", "").status == http.StatusNotFound
		}, patience, 50*time.Millisecond, "H8: %s goes by itself", url)
	}
	require.Eventually(t, func() bool { return s.hub.Stream("half-aa") == nil }, patience, 50*time.Millisecond, "its name is free")

	s.publish("again", "") // H12
	again := s.watch("again")
	(&run{t: t}).until(again, '-')
}

func TestConcurrentRequests(t *testing.T) { // H17, W43
	s := start(t, options{})
	publish, play := s.offers()
	post := func(path, offer string, identity func(i int) string) map[int]int {
		statuses := make(chan int, 20)
		for i := range cap(statuses) {
			go func() { statuses <- s.do(http.MethodPost, path, identity(i), "application/sdp", offer).status }()
		}
		count := map[int]int{}
		for range cap(statuses) {
			count[<-statuses]++
		}
		return count
	}
	require.Equal(t, map[int]int{201: 20}, post("/whep/demo", play, func(int) string { return "" }))
	require.Equal(t, map[int]int{201: 1, 409: 19}, post("/whip/strangers", publish, strconv.Itoa))
	require.Equal(t, map[int]int{201: 20}, post("/whip/friends", publish, func(int) string { return "anna" }),
		"one identity replaces itself")
}

func TestPeersThatLeave(t *testing.T) { // W47, E47
	s := start(t, options{})
	p := s.publish("demo", "")
	v := s.watch("demo")
	next(t, v.video, "video")
	for _, c := range []*client{v.client, p.client} {
		c.stop() // a DTLS close_notify, no DELETE
		require.Eventually(t, func() bool {
			return s.do(http.MethodGet, c.url, c.token, "", "").status == http.StatusNotFound
		}, patience, 10*time.Millisecond, c.kind)
	}
	s.publish("demo", "") // the name is free for a stranger
}

func TestDeleteFreesTheNameAtOnce(t *testing.T) { // W9
	s := start(t, options{})
	for range 5 {
		p := s.publish("demo", "")
		p.delete()
		a := s.newPublisher("demo", "").post("demo")
		require.Equal(t, http.StatusCreated, a.status, a.body)
		require.Equal(t, http.StatusOK, s.do(http.MethodDelete, a.header.Get("Location"), "", "", "").status)
	}
}

func TestHostileBodies(t *testing.T) { // H1, H2, H3, H4
	s := start(t, options{})
	publish, play := s.offers()
	lines := strings.SplitAfter(publish, "\r\n")
	media := strings.Join(lines[len(lines)/2:], "")
	for name, offer := range map[string]string{
		"empty": "", "garbage": strings.Repeat("\x00\xff", 5000), "huge": strings.Repeat("a=b\r\n", 100_000),
		"500 sections":   publish + strings.Repeat("m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:x\r\n", 500),
		"500 candidates": publish + strings.Repeat("a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n", 500),
		"no session":     media,
		"html":           "<html></html>",
	} {
		for _, path := range []string{"/whip/hostile", "/whep/hostile"} {
			begin := time.Now()
			a := s.do(http.MethodPost, path, "anna", "application/sdp", offer)
			require.Less(t, a.status, 500, "%s: %s", name, a.body)
			require.Less(t, time.Since(begin), 3*time.Second, name)
		}
	}
	for _, offer := range []string{publish, play} {
		path := map[bool]string{true: "/whip/hostile", false: "/whep/hostile"}[offer == publish]
		for n := 0; n < len(offer); n += 211 {
			flipped := []byte(offer)
			flipped[n] ^= 1 << (n % 8)
			for _, body := range []string{offer[:n], string(flipped)} {
				a := s.do(http.MethodPost, path, "anna", "application/sdp", body)
				require.Contains(t, []int{201, 400, 409, 422}, a.status, "%d: %s", n, a.body)
			}
		}
	}
	s.publish("fine", "")
	(&run{t: t}).until(s.watch("fine"), '-') // H12
}

func TestRestartStorm(t *testing.T) { // H13, W24
	s := start(t, options{})
	p := s.publish("demo", "")
	v := s.watch("demo")
	r := &run{t: t}
	r.check(next(t, v.video, "video"))
	storm := func(c *client) {
		count := map[int]int{}
		for i := range 200 {
			fragment := fmt.Sprintf("a=ice-ufrag:storm%d\r\na=ice-pwd:%022d\r\n", i, i)
			count[s.do(http.MethodPatch, c.url, c.token, fragmentType, fragment, "If-Match", "*").status]++
		}
		require.Len(t, count, 2, "%v", count)
		require.Positive(t, count[http.StatusOK])
		require.Positive(t, count[http.StatusTooManyRequests])
		require.Equal(t, http.StatusNoContent, s.do(http.MethodGet, c.url, c.token, "", "").status, "the session stays")
	}
	storm(v.client)
	for range 50 + len(v.video) { // nobody uses the new credentials: media stays where it is
		r.check(next(t, v.video, "video after a storm of the viewer's"))
	}
	// pion gives up the old path with the first restart, so a publisher that
	// does this to itself is off until it restarts in earnest.
	storm(p.client)
	require.Eventually(t, func() bool {
		a := s.do(http.MethodPatch, p.url, p.token, fragmentType, "a=end-of-candidates\r\n", "If-Match", "*")
		return a.status != http.StatusTooManyRequests
	}, patience, 500*time.Millisecond, "the limit lets go")
	p.restart()
	for range 50 + len(v.video) {
		next(t, v.video, "video after the publisher's own restart")
	}
}
