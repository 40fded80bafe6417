package store

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/internal/redistest"
	"github.com/freshet-live/freshet/signaling/rooms/room"
)

// subject is what the shell of Rooms asks of a store.
type subject interface {
	Load(ctx context.Context, name string) (room.Past, error)
	Append(ctx context.Context, name string, entries []room.Entry) error
	Follow(ctx context.Context, name string, f func(room.Remote)) error
	Announce(ctx context.Context, name string, p room.People) error
	Names(ctx context.Context) ([]string, error)
	Erase(ctx context.Context, name string) error
	Run(ctx context.Context) error
	Close() error
}

var (
	_ subject = (*File)(nil)
	_ subject = (*Redis)(nil)
)

// both runs a test with each store. restart ends it and opens it anew.
func both(t *testing.T, test func(t *testing.T, s subject, restart func() subject)) {
	t.Run("file", func(t *testing.T) {
		dir := t.TempDir()
		s, stop := files(t, dir)
		test(t, s, func() subject {
			stop()
			s, stop = files(t, dir)
			return s
		})
	})
	redis := func(t *testing.T, server *redistest.Server) {
		dir := t.TempDir()
		n := startNode(t, server, "a", filepath.Join(dir, "a"), nil)
		test(t, n.store, func() subject {
			n.end()
			n = startNode(t, server, "a", filepath.Join(dir, "a"), nil)
			return n.store
		})
	}
	t.Run("redis", func(t *testing.T) { redis(t, redistest.Start(t)) })
	t.Run("redis away", func(t *testing.T) {
		server := redistest.Start(t)
		server.Stop()
		redis(t, server)
	})
}

func TestEntriesStay(t *testing.T) {
	both(t, func(t *testing.T, s subject, restart func() subject) {
		empty := load(t, s, "demo")
		require.NotEmpty(t, empty.Log)
		require.EqualValues(t, 1, empty.Next)
		require.Empty(t, empty.Recent)
		full := entry(3, room.Message, "")
		full.Client, full.Text, full.ReplyTo, full.MediaTime = "c-1", "<b>\u2028\"\n🎉", "id-00000001", 12345
		require.NoError(t, s.Append(t.Context(), "demo", said(1, 2)))
		require.NoError(t, s.Append(t.Context(), "demo", []room.Entry{full}))
		require.NoError(t, s.Append(t.Context(), "demo", nil))
		want := room.Past{Log: empty.Log, Next: 4, Recent: append(said(1, 2), full)}
		require.Equal(t, want, load(t, s, "demo"))
		s = restart()
		require.Equal(t, want, load(t, s, "demo"))
		require.NoError(t, s.Append(t.Context(), "demo", said(4, 1)), "and goes on")
		s = restart()
		require.Equal(t, []uint64{1, 2, 3, 4}, seqs(load(t, s, "demo").Recent))
	})
}

func TestWhatHoldsStays(t *testing.T) {
	both(t, func(t *testing.T, s subject, restart func() subject) {
		load(t, s, "demo")
		over := entry(6, room.Banned, "carl")
		over.Until = start + 10
		until := entry(7, room.Muted, "dan")
		until.Until = time.Now().Add(time.Hour).UnixMilli()
		until.Reason = "noise"
		early := entry(11, room.Unbanned, "eve") // of another Node: an earlier word
		early.At = start
		require.NoError(t, s.Append(t.Context(), "demo", []room.Entry{
			said(1, 1)[0], entry(2, room.Changed, ""), entry(3, room.Pinned, "id-00000001"), entry(4, room.Banned, "eve"),
			entry(5, room.Banned, "fay"), over, until, entry(8, room.Unbanned, "fay"), entry(9, room.Changed, ""),
			entry(10, room.Muted, "gil"), early,
		}))
		for i := range 30 {
			require.NoError(t, s.Append(t.Context(), "demo", said(uint64(12+i*50), 50)))
		}
		for range 2 {
			past := load(t, s, "demo")
			require.Equal(t, []uint64{1, 3, 4, 7, 9, 10}, seqs(past.Standing))
			require.Equal(t, "noise", past.Standing[3].Reason)
			require.Equal(t, 9, past.Standing[4].Settings.SlowMode)
			require.Len(t, past.Recent, 1000)
			require.Len(t, past.Audit, 10)
			require.EqualValues(t, 1512, past.Next, "what is old does not come back")
			s = restart()
		}
	})
}

func TestNames(t *testing.T) {
	both(t, func(t *testing.T, s subject, _ func() subject) {
		long := strings.Repeat("x", 64)
		for _, name := range []string{"b", "A-1_", "b-2", long} {
			load(t, s, "never-spoken-in-"+name[:1])
			require.NoError(t, s.Append(t.Context(), name, said(1, 1)))
		}
		names, err := s.Names(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"A-1_", "b", "b-2", long}, names)
		for _, bad := range []string{"", ".", "..", "a/b", "../a", ".hidden", "a.b", long + "x", "ü", "a\x00", "-a"} {
			_, err := s.Load(t.Context(), bad)
			require.ErrorIs(t, err, ErrName, bad)
			require.ErrorIs(t, s.Append(t.Context(), bad, said(1, 1)), ErrName, bad)
			require.ErrorIs(t, s.Erase(t.Context(), bad), ErrName, bad)
		}
	})
}

func TestManyAtOnce(t *testing.T) {
	both(t, func(t *testing.T, s subject, restart func() subject) {
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				name := fmt.Sprint("room", i)
				load(t, s, name)
				for k := range 20 {
					require.NoError(t, s.Append(t.Context(), name, said(uint64(k)*3+1, 3)))
					if k%7 == 0 {
						require.Len(t, load(t, s, name).Recent, k*3+3)
					}
				}
			})
		}
		wg.Wait()
		s = restart()
		for i := range 20 {
			require.Len(t, load(t, s, fmt.Sprint("room", i)).Recent, 60)
		}
	})
}

func TestFollowEndsWithItsContext(t *testing.T) {
	both(t, func(t *testing.T, s subject, _ func() subject) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Follow(ctx, "demo", func(room.Remote) { t.Error("there is nobody else") }) }()
		load(t, s, "demo")
		require.NoError(t, s.Announce(t.Context(), "demo", room.People{Count: 1}))
		require.NoError(t, s.Append(t.Context(), "demo", said(1, 1)))
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		_, err := s.Load(ctx, "demo")
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, s.Append(ctx, "demo", said(2, 1)), context.Canceled)
	})
}

func TestErase(t *testing.T) {
	both(t, func(t *testing.T, s subject, restart func() subject) {
		log := load(t, s, "demo").Log
		require.NoError(t, s.Append(t.Context(), "demo", said(1, 3)))
		if err := s.Erase(t.Context(), "demo"); strings.Contains(t.Name(), "away") {
			require.Error(t, err, "others would bring it back")
			return
		} else {
			require.NoError(t, err)
		}
		for range 2 {
			past := load(t, s, "demo")
			require.Empty(t, past.Recent)
			require.EqualValues(t, 1, past.Next)
			require.NotEqual(t, log, past.Log)
			names, err := s.Names(t.Context())
			require.NoError(t, err)
			require.Empty(t, names)
			s = restart()
		}
		anew := said(1, 1)
		anew[0].ID, anew[0].At = "anew", time.Now().UnixMilli()
		require.NoError(t, s.Append(t.Context(), "demo", anew))
		require.Len(t, load(t, restart(), "demo").Recent, 1)
	})
}

// TestLateEntries are appended when Run has ended, at the end of the process.
func TestLateEntries(t *testing.T) {
	dir := t.TempDir()
	f, stop := files(t, dir)
	load(t, f, "demo")
	stop()
	require.NoError(t, f.Append(t.Context(), "demo", said(1, 2)))
	f, _ = files(t, dir)
	require.Len(t, load(t, f, "demo").Recent, 2)
}
