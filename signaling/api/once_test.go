package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/rooms/room"
)

func TestIdempotencyKey(t *testing.T) {
	g := newRig(t, keys)
	post := func(token, key, body string) answer {
		return g.do(http.MethodPost, "/api/v1/streams", token, body, headerKey, key)
	}
	first := post(g.operator, "k1", `{"name":"show"}`)
	require.Equal(t, 201, first.status)
	require.Empty(t, first.header.Get(headerReplayed))
	again := post(g.operator, "k1", `{"name":"show"}`)
	require.Equal(t, first.body, again.body, "the very same tokens")
	require.Equal(t, 201, again.status)
	require.Equal(t, "true", again.header.Get(headerReplayed))
	require.Equal(t, first.header.Get("Location"), again.header.Get("Location"))
	require.Equal(t, "no-store", again.header.Get("Cache-Control"))

	other := post(g.operator, "k1", `{"name":"other"}`)
	require.Equal(t, 422, other.status)
	require.Equal(t, codeKeyReused, other.code(t))
	elsewhere := g.do(http.MethodPost, "/api/v1/revocations", g.operator, `{"identity":"x"}`, headerKey, "k1")
	require.Equal(t, 422, elsewhere.status, "a key is for one request, whatever the resource")
	require.NotEqual(t, first.body, post(g.operator, "k2", `{"name":"show"}`).body)
	boss := g.mint(auth.MintOptions{Identity: "boss", Admin: true})
	require.NotEqual(t, first.body, post(boss, "k1", `{"name":"show"}`).body, "another caller's key is another key")
	require.Equal(t, 403, post(g.viewer, "k1", `{"name":"show"}`).status)

	// What failed may be tried again under the same key, and corrected.
	require.Equal(t, 400, post(g.operator, "k3", `{"nick":"x"}`).status)
	require.Equal(t, 201, post(g.operator, "k3", `{"name":"x"}`).status)

	require.Equal(t, codeBadKey, post(g.operator, strings.Repeat("k", 256), `{}`).code(t))
	require.Equal(t, codeBadKey, post(g.operator, "ä", `{}`).code(t))
}

// What was done although its answer never came is not done again.
func TestIdempotentCommands(t *testing.T) {
	g := newRig(t, keys)
	post := func(token, path, key, body string) answer {
		return g.do(http.MethodPost, demoRoom+path, token, body, headerKey, key)
	}
	entries := func() (n int) {
		require.NoError(t, g.hall.with("demo", func(r *room.Room, now time.Time) { n = r.Info(now).Kept }))
		return n
	}
	for i, c := range []struct{ path, body, corrected string }{
		{"/messages", `{"text":"hello"}`, `{"text":"good day"}`},
		{"/actions", `{"type":"settings","slowMode":10}`, `{"type":"settings","slowMode":20}`},
		{"/actions", `{"type":"mute","target":"bob","seconds":60}`, `{"type":"mute","target":"bob","seconds":90}`},
	} {
		key, before := fmt.Sprint("key", i), entries()
		g.hall.late = 1
		require.Equal(t, 503, post(g.host, c.path, key, c.body).status)
		require.Equal(t, before+1, entries(), c.body)
		again := post(g.host, c.path, key, c.body)
		require.Less(t, again.status, 300, again.body)
		require.Equal(t, before+1, entries(), c.body)
		require.Less(t, post(g.host, c.path, key+"x", c.corrected).status, 300)
		g.hall.late = 1
		require.Equal(t, 503, post(g.host, c.path, key+"y", c.body).status)
		n := entries()
		require.Less(t, post(g.host, c.path, key+"y", c.corrected).status, 300)
		require.Equal(t, n+1, entries(), "a corrected request is another one")
	}
}

// print stands for a request.
func printOf(s string) [sha256.Size]byte { return sha256.Sum256([]byte(s)) }

// Of many at once one runs; the others wait and get its answer.
func TestConcurrentKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table replies
		var runs atomic.Int32
		run := func() (*saved, error) {
			<-time.After(time.Second) // in a bubble
			if runs.Add(1) == 1 {
				return nil, errors.New("the first fails")
			}
			return &saved{status: 201}, nil
		}
		var wg sync.WaitGroup
		var failed, replayed atomic.Int32
		for range 20 {
			wg.Go(func() {
				_, again, err := table.once(t.Context(), "k", printOf("a"), time.Now(), run)
				if err != nil {
					failed.Add(1)
				}
				if again {
					replayed.Add(1)
				}
			})
		}
		wg.Wait()
		require.Equal(t, int32(2), runs.Load())
		require.Equal(t, int32(1), failed.Load())
		require.Equal(t, int32(18), replayed.Load())
	})
}

// Who waits for long is told so.
func TestBusyKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table replies
		release := make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _, err := table.once(t.Context(), "k", printOf("a"), time.Now(), func() (*saved, error) {
				<-release
				return &saved{}, nil
			})
			require.NoError(t, err)
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), keyWait)
		defer cancel()
		_, _, err := table.once(ctx, "k", printOf("a"), time.Now(), nil)
		require.ErrorContains(t, err, "409")
		close(release)
		<-done
		_, again, err := table.once(t.Context(), "k", printOf("a"), time.Now(), nil)
		require.NoError(t, err)
		require.True(t, again)
	})
}

// A request that panics leaves its key free.
func TestPanicFreesKey(t *testing.T) {
	var table replies
	require.Panics(t, func() {
		_, _, _ = table.once(t.Context(), "k", printOf("a"), since, func() (*saved, error) { panic("boom") })
	})
	_, again, err := table.once(t.Context(), "k", printOf("a"), since, func() (*saved, error) { return &saved{}, nil })
	require.NoError(t, err)
	require.False(t, again)
}

// The table is bounded in number and in time.
func TestKeysAreForgotten(t *testing.T) {
	var table replies
	ask := func(key string, now time.Time) (again bool) {
		_, again, err := table.once(t.Context(), key, printOf("a"), now, func() (*saved, error) { return &saved{}, nil })
		require.NoError(t, err)
		return again
	}
	require.False(t, ask("k", since))
	require.True(t, ask("k", since.Add(replyTime-1)))
	require.False(t, ask("k", since.Add(replyTime)))
	for i := range 2 * maxReplies {
		ask(fmt.Sprint(i), since.Add(replyTime))
	}
	require.LessOrEqual(t, len(table.known), maxReplies)
	require.LessOrEqual(t, len(table.order), maxReplies)
	require.False(t, ask("k", since.Add(replyTime)))
}
