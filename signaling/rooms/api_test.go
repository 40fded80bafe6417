package rooms

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/signaling/rooms/room"
)

func TestStreamShows(t *testing.T) {
	r := serve(t, newMemory(), func(c *Config) { c.IdleTime = time.Millisecond })
	ann := r.dial("demo", "token", "ann")
	since := time.UnixMilli(1_790_000_000_000)
	r.StreamChanged(&media.Snapshot{Name: "demo", State: media.Live, Since: since, Epoch: 1, Viewers: 3, Video: []*media.Layer{{RID: "f"}}, Active: []bool{true}})
	m := ann.until(func(m message) bool { return m.Stream != nil })
	require.Equal(t, room.StreamState{State: "live", Since: 1_790_000_000_000, Epoch: 1, Viewers: 3, Layers: []room.StreamLayer{{RID: "f", Active: true}}}, *m.Stream)
	// A Room stays open while its Stream lives, and closes some time later.
	require.NoError(t, ann.Close())
	empty(t, r, "demo")
	require.NoError(t, r.with(t.Context(), "demo", func(k *keeper, now time.Time) { require.False(t, k.retire(now)) }))
	r.StreamChanged(&media.Snapshot{Name: "demo", State: media.Ended, Since: since, Epoch: 1})
	r.StreamChanged(&media.Snapshot{Name: "nobody", State: media.Idle, Since: since})
	require.Eventually(t, func() bool { return r.look("demo") == nil }, 10*time.Second, 10*time.Millisecond)
	require.Nil(t, r.look("nobody"))
	r.dial("demo", "token", "ann") // and opens again
}

func TestAPI(t *testing.T) {
	r := serve(t, newMemory(), nil)
	ctx := t.Context()
	_, err := r.Room(ctx, "demo")
	require.ErrorIs(t, err, ErrNoRoom)
	ann := r.dial("demo", "token", "ann", "name", "Ann")
	require.Equal(t, "ack", ann.say("1", "one").Type)
	info, err := r.Room(ctx, "demo")
	require.NoError(t, err)
	require.Equal(t, 1, info.People)
	reply, err := r.Act(ctx, "demo", nil, room.Command{Verb: room.Announce, Text: "closing soon"})
	require.NoError(t, err)
	require.Nil(t, reply.Refused)
	list, err := r.Messages(ctx, "demo", "", 10)
	require.NoError(t, err)
	require.Len(t, list, 2)
	list, err = r.Messages(ctx, "demo", reply.Entry, 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
	_, err = r.Messages(ctx, "demo", "nothing", 10)
	require.ErrorIs(t, err, ErrNoEntry)
	people, err := r.People(ctx, "demo")
	require.NoError(t, err)
	require.Equal(t, "Ann", people[0].Name)
	reply, err = r.Act(ctx, "demo", nil, room.Command{Verb: room.Mute, Target: people[0].Identity})
	require.NoError(t, err)
	require.Nil(t, reply.Refused)
	require.Equal(t, "muted", ann.say("2", "two").Reason)
	mutes, err := r.Mutes(ctx, "demo")
	require.NoError(t, err)
	require.Len(t, mutes, 1)
	bans, err := r.Bans(ctx, "demo")
	require.NoError(t, err)
	require.Empty(t, bans)
	audit, err := r.Audit(ctx, "demo")
	require.NoError(t, err)
	require.NotEmpty(t, audit)
	names, err := r.Rooms(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"demo"}, names)
	n, err := r.Kick(ctx, "nobody", "go", func(room.Join) bool { return true })
	require.NoError(t, err)
	require.Zero(t, n)
	n, err = r.KickAll(ctx, "go", func(j room.Join) bool { return j.Person.Name == "Ann" })
	require.NoError(t, err)
	require.Equal(t, 1, n)
	end := ann.closed()
	require.Equal(t, 4003, end.Code)
	require.Equal(t, "go", end.Text)
}

// A Room that opens knows how its Stream does, whatever has become of the one
// before it.
func TestStreamIsKnownAtOnce(t *testing.T) {
	r := serve(t, newMemory(), nil)
	live := &media.Snapshot{Name: "demo", State: media.Live, Since: time.Now(), Epoch: 7}
	state := func() string {
		info, err := r.Room(t.Context(), "demo")
		require.NoError(t, err)
		return info.Stream.State
	}
	r.StreamChanged(live)
	require.Eventually(t, func() bool { return r.look("demo") != nil }, 10*time.Second, time.Millisecond)
	require.Eventually(t, func() bool { return state() == "live" }, 10*time.Second, time.Millisecond)
	old := r.look("demo")
	require.NoError(t, old.post(t.Context(), func(time.Time) { panic("a mistake") }))
	<-old.ended
	require.NoError(t, r.with(t.Context(), "demo", func(*keeper, time.Time) {}))
	require.Equal(t, "live", state())

	// One that would close while the news is on its way to it stays.
	var during, after bool
	require.NoError(t, r.with(t.Context(), "other", func(k *keeper, _ time.Time) {
		r.note(&media.Snapshot{Name: "other", State: media.Live}, true)
		during = r.mayRetire(k)
		r.note(&media.Snapshot{Name: "other", State: media.Ended}, false)
		after = r.mayRetire(k)
	}))
	require.False(t, during)
	require.True(t, after)
}
