package httpx_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/internal/httpx"
)

func from(addr string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.RemoteAddr = addr
	return r
}

func TestLimiter(t *testing.T) { // W34
	l := httpx.NewLimiter(httpx.LimitConfig{PerSecond: 1, Burst: 3, Loopback: 10, Addresses: 4})
	now := time.Unix(1, 0)
	allowed := func(addr string) (n int) {
		for range 100 {
			if l.Check(from(addr), now) == nil {
				n++
			}
		}
		return n
	}
	require.Equal(t, 3, allowed("192.0.2.1:1000"))
	require.Equal(t, 0, allowed("192.0.2.1:2000"), "the port is no new client")
	require.Equal(t, 0, allowed("[::ffff:192.0.2.1]:1"), "nor is the mapped form")
	require.Equal(t, 3, allowed("192.0.2.2:1"))
	require.Equal(t, 3, allowed("[2001:db8::1]:1"))
	require.Equal(t, 0, allowed("[2001:db8::2]:1"), "one /64 is one client")
	require.Equal(t, 30, allowed("127.0.0.1:1"))

	var p *httpx.Problem
	require.True(t, errors.As(l.Check(from("127.0.0.1:2"), now), &p))
	require.Equal(t, http.StatusTooManyRequests, p.Status)
	require.Positive(t, p.RetryAfter)

	now = now.Add(2 * time.Second)
	require.Equal(t, 2, allowed("192.0.2.2:1"), "tokens come back")
	for i := range 10 {
		require.Equal(t, 3, allowed(fmt.Sprintf("198.51.100.%d:1", i)))
	}
	require.Equal(t, 3, allowed("192.0.2.2:1"), "addresses seen long ago are forgotten")

	var none *httpx.Limiter
	require.NoError(t, none.Check(from("192.0.2.1:1"), now))
}

func TestLimitedMethods(t *testing.T) {
	s := newSite()
	s.Limits = httpx.NewLimiter(httpx.LimitConfig{PerSecond: 0.1, Burst: 1})
	h := newHandler(s)
	require.Equal(t, http.StatusConflict, do(h, http.MethodDelete, "/things/a", "").StatusCode)
	resp := do(h, http.MethodDelete, "/things/a", "")
	requireProblem(t, resp, http.StatusTooManyRequests, "")
	require.NotEmpty(t, resp.Header.Get("Retry-After"))
	require.Equal(t, http.StatusOK, do(h, http.MethodGet, "/things/a", "").StatusCode)
}
