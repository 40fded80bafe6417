package rooms

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/rooms/room"
)

// Who is revoked between being let in and showing in the Room, so that nothing
// that sends away could find them, leaves at once.
func TestRevokedOnTheWayIn(t *testing.T) {
	var r *rig
	var revoked atomic.Bool
	var mu sync.Mutex
	var asked []auth.Grant
	r = serve(t, newMemory(), func(c *Config) {
		c.Site.Errors = append(httpx.Table{{Err: auth.ErrRevoked, Status: http.StatusForbidden}}, c.Site.Errors...)
		c.Revoked = func(g auth.Grant) error {
			if !revoked.Load() {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, g)
			people, err := r.People(t.Context(), "demo")
			assert.NoError(t, err)
			assert.True(t, slices.ContainsFunc(people, func(p room.Person) bool { return p.Identity == g.Identity }),
				"whoever sends away now finds them")
			return auth.ErrRevoked
		}
	})
	bob := r.dial("demo", "token", "bob").hello.You.Identity
	ann := r.dial("demo", "token", "ann")
	revoked.Store(true)

	_, resp, err := r.try("demo", "token", "eve")
	require.Error(t, err)
	require.Equal(t, http.StatusForbidden, resp.StatusCode)
	resp, err = http.Get(r.url("demo", "/events", query("token", "eve")))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusForbidden, resp.StatusCode)

	mu.Lock()
	defer mu.Unlock()
	require.Len(t, asked, 2)
	for _, g := range asked {
		require.Equal(t, "demo", g.Stream)
		require.NotEmpty(t, g.TokenID)
		require.True(t, g.Address.IsLoopback())
		require.NotEqual(t, bob, g.Identity)
	}
	require.Eventually(t, func() bool {
		people, err := r.People(t.Context(), "demo")
		return err == nil && len(people) == 2
	}, 5*time.Second, 10*time.Millisecond)
	r.seats.mu.Lock()
	require.Equal(t, 2, r.seats.taken)
	r.seats.mu.Unlock()
	require.Equal(t, "ack", ann.say("1", "still here").Type)
}
