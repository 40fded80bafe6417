package rooms

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/rooms/room"
)

func TestLimits(t *testing.T) {
	r := serve(t, newMemory(), func(c *Config) {
		c.MaxSockets, c.MaxPerAddress, c.MaxPerRoom, c.MaxRooms = 9, 3, 4, 2
	})
	refused := func(status int, name string, pairs ...string) {
		t.Helper()
		_, resp, err := r.try(name, pairs...)
		require.Error(t, err)
		require.Equal(t, status, resp.StatusCode)
		require.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"))
		require.NotEmpty(t, resp.Header.Get("Retry-After"))
	}
	var all []*client
	for i := range 3 {
		all = append(all, r.dial("demo", "token", fmt.Sprint(i), "from", "192.0.2.1"))
	}
	refused(http.StatusTooManyRequests, "demo", "token", "3", "from", "192.0.2.1")
	refused(http.StatusTooManyRequests, "other", "token", "3", "from", "192.0.2.1")
	all = append(all, r.dial("demo", "token", "4", "from", "192.0.2.2"))
	refused(http.StatusServiceUnavailable, "demo", "token", "5", "from", "192.0.2.3")
	for i := range 3 { // a proxy on this machine brings everybody
		all = append(all, r.dial("other", "token", fmt.Sprint(10+i), "from", "127.0.0.1"))
	}
	all = append(all, r.dial("other", "token", "13", "from", "127.0.0.1"))
	refused(http.StatusServiceUnavailable, "third", "token", "14", "from", "127.0.0.1")
	r.cfg.MaxRooms = 3
	all = append(all, r.dial("third", "token", "15", "from", "127.0.0.1"))
	refused(http.StatusServiceUnavailable, "third", "token", "16", "from", "127.0.0.1")
	for _, c := range all {
		require.NoError(t, c.Close())
	}
	require.Eventually(t, func() bool {
		r.seats.mu.Lock()
		defer r.seats.mu.Unlock()
		return r.seats.taken == 0 && len(r.seats.by) == 0
	}, 10*time.Second, 5*time.Millisecond)
}

// slowAuth decides when it is told to.
type slowAuth struct {
	asked  chan struct{}
	decide chan error
}

func (a *slowAuth) Room(r *http.Request, stream string) (auth.Grant, error) {
	a.asked <- struct{}{}
	if err := <-a.decide; err != nil {
		return auth.Grant{}, err
	}
	return anybody{}.Room(r, stream)
}

// Whether somebody may come in is asked last, and at once only for as many as
// there are seats.
func TestAsksLast(t *testing.T) {
	a := &slowAuth{asked: make(chan struct{}, 100), decide: make(chan error)}
	r := serve(t, newMemory(), func(c *Config) { c.Auth, c.MaxPerAddress = a, 3 })
	get := func(path string) int {
		resp, err := http.Get(r.base + path)
		if !assert.NoError(t, err) {
			return 0
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	const events = "/rooms/demo/events?token=ann&from=192.0.2.1"
	got := make(chan int, 3)
	for range 3 {
		go func() { got <- get(events) }()
	}
	for range 3 {
		<-a.asked
	}
	for range 10 {
		require.Equal(t, http.StatusTooManyRequests, get(events))
	}
	require.Empty(t, a.asked)
	for range 3 {
		a.decide <- httpx.Fail(http.StatusForbidden, "no")
		require.Equal(t, http.StatusForbidden, <-got)
	}
	r.seats.mu.Lock()
	require.Zero(t, r.seats.taken, "who is refused has no seat")
	r.seats.mu.Unlock()
	r.joins = httpx.NewLimiter(httpx.LimitConfig{PerSecond: .001, Burst: 1, Loopback: 1})
	require.NoError(t, r.joins.Check(httptest.NewRequest(http.MethodGet, events, nil), time.Now())) // of 192.0.2.1
	require.Equal(t, http.StatusTooManyRequests, get(events))
	require.Empty(t, a.asked)
}

// More than ten of one identity: the oldest goes.
func TestOldestGoes(t *testing.T) {
	r := serve(t, newMemory(), nil)
	first := r.dial("demo", "token", "ann")
	for range 10 {
		r.dial("demo", "token", "ann")
	}
	require.Equal(t, 4013, first.closed().Code)
}

func TestPlainRequests(t *testing.T) {
	r := serve(t, newMemory(), nil)
	for path, status := range map[string]int{
		"/rooms/demo/ws": http.StatusUpgradeRequired, "/rooms/-/ws": http.StatusNotFound, "/rooms/-/events": http.StatusNotFound,
	} {
		resp, err := http.Get(r.base + path)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, status, resp.StatusCode, path)
		require.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"))
	}
	req, err := http.NewRequest(http.MethodGet, r.base+"/rooms/demo/ws", nil)
	require.NoError(t, err)
	for k, v := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "12", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="} {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	require.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"))
	empty(t, r, "demo")
}

// stream reads server-sent events.
type stream struct {
	*bufio.Scanner
	resp *http.Response
	t    *testing.T
}

func (r *rig) events(name, last string, pairs ...string) *stream {
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.url(name, "/events", query(pairs...)), nil)
	require.NoError(r.t, err)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(r.t, err)
	r.t.Cleanup(func() { _ = resp.Body.Close() })
	require.Equal(r.t, http.StatusOK, resp.StatusCode)
	return &stream{bufio.NewScanner(resp.Body), resp, r.t}
}

// next returns the fields of the next event, joined.
func (s *stream) next() string {
	s.t.Helper()
	var lines []string
	for s.Scan() {
		if s.Text() == "" && len(lines) > 0 {
			return strings.Join(lines, "\n")
		}
		if s.Text() != "" && s.Text()[0] != ':' {
			lines = append(lines, s.Text())
		}
	}
	return ""
}

func TestEvents(t *testing.T) {
	r := serve(t, newMemory(), nil)
	s := r.events("demo", "", "token", "eve")
	require.Equal(t, "text/event-stream", s.resp.Header.Get("Content-Type"))
	require.Equal(t, "no", s.resp.Header.Get("X-Accel-Buffering"))
	require.Equal(t, "*", s.resp.Header.Get("Access-Control-Allow-Origin"))
	require.True(t, strings.HasPrefix(s.next(), "id: logdemo.0\nevent: hello\ndata: {\"type\":\"hello\""))
	require.True(t, strings.HasPrefix(s.next(), "event: state\ndata: {\"type\":\"state\""))
	ann := r.dial("demo", "token", "ann")
	require.Equal(t, "ack", ann.say("1", "one\ntwo").Type)
	for {
		e := s.next()
		require.NotEmpty(t, e)
		if strings.HasPrefix(e, "id: logdemo.1\nevent: events\ndata: ") {
			require.Contains(t, e, `"text":"one\ntwo"`)
			break
		}
	}
	require.Equal(t, "ack", ann.say("2", "three").Type)
	again := r.events("demo", "logdemo.1", "token", "eve")
	hello := again.next()
	require.Contains(t, hello, `"resumed":true`)
	require.Contains(t, hello, "three")
	require.NotContains(t, hello, "two")
	// The banned are sent away here, too.
	mod := r.dial("demo", "token", "mod", "role", "moderator")
	identity := ""
	require.NoError(t, r.with(t.Context(), "demo", func(k *keeper, _ time.Time) {
		for _, p := range k.room.Locals() {
			if p.Role == room.Viewer && p.Identity != ann.hello.You.Identity {
				identity = p.Identity
			}
		}
	}))
	mod.send(command{"type": "ban", "id": "b", "target": identity})
	require.Equal(t, "ack", mod.answer("b").Type)
	for _, one := range []*stream{s, again} {
		for one.next() != "" {
		}
	}
}

func TestRoles(t *testing.T) {
	with := func(query string) *http.Request {
		r, err := http.NewRequest(http.MethodGet, "http://x/?"+query, nil)
		require.NoError(t, err)
		return r
	}
	for _, tc := range []struct {
		g     auth.Grant
		query string
		want  room.Role
	}{
		{auth.Grant{Open: true, Admin: true, Publish: true}, "", room.Viewer},
		{auth.Grant{Open: true}, "role=host", room.Host},
		{auth.Grant{Open: true}, "role=operator", room.Viewer},
		{auth.Grant{Subscribe: true}, "role=host", room.Viewer},
		{auth.Grant{Publish: true}, "", room.Speaker},
		{auth.Grant{Admin: true}, "", room.Moderator},
		{auth.Grant{Admin: true, Publish: true}, "", room.Host},
	} {
		require.Equal(t, tc.want, RoleOf(tc.g, with(tc.query)))
	}
	j := visitor(auth.Grant{Open: true}, with("name=x&resume="+strings.Repeat("y", 300)))
	require.NotEmpty(t, j.Person.Identity)
	require.NotEqual(t, j.Person.Identity, visitor(auth.Grant{Open: true}, with("")).Person.Identity)
	require.Empty(t, j.Resume)
	require.False(t, j.Named)
	j = visitor(auth.Grant{Identity: "ann", Name: "Ann", PublishData: true}, with("name=x"))
	require.Equal(t, "Ann", j.Person.Name)
	require.True(t, j.Named && j.Write)
}

// Coming and going has its limit, for each address.
func TestJoinsAreLimited(t *testing.T) {
	r := serve(t, newMemory(), nil)
	r.joins = httpx.NewLimiter(httpx.LimitConfig{PerSecond: .001, Burst: 2, Loopback: 1})
	r.dial("demo", "token", "a")
	r.dial("demo", "token", "b")
	_, resp, err := r.try("demo", "token", "c")
	require.Error(t, err)
	require.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
	require.NotEmpty(t, resp.Header.Get("Retry-After"))
	resp, err = http.Get(r.base + "/rooms/demo/events")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
}
