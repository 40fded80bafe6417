package hub

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// ladder publishes three Layers, which have all sent something.
func ladder(t *testing.T, h *Hub) (*Publication, []*Layer) {
	t.Helper()
	p, _ := publish(t, h, "ann")
	require.NoError(t, p.Start())
	var layers []*Layer
	for rank, rid := range []string{"q", "h", "f"} {
		l := layer(t, p, h264, rid, rank)
		l.Write(packet(1))
		layers = append(layers, l)
	}
	return p, layers
}

func TestDemand(t *testing.T) {
	h := newHub(Config{})
	p, _ := ladder(t, h)
	wanted := func() []bool {
		snap, _ := p.Watch()
		return snap.Wanted
	}
	// changes returns whether a step woke those who watch the Stream.
	changes := func(step func()) bool {
		_, changed := p.Watch()
		step()
		select {
		case <-changed:
			return true
		default:
			return false
		}
	}
	require.Equal(t, []bool{false, false, false}, wanted(), "nobody is there")

	var sub, other *Subscription
	require.True(t, changes(func() { sub = subscribe(t, h, &sink{}) }))
	require.Equal(t, []bool{true, true, true}, wanted(), "who says nothing may need all")
	require.True(t, changes(func() { sub.Want(0) }))
	require.Equal(t, []bool{true, false, false}, wanted())
	require.True(t, changes(func() { sub.Want(1) }))
	require.Equal(t, []bool{true, true, false}, wanted(), "what lies below is wanted too")

	other = subscribe(t, h, &sink{})
	require.Equal(t, []bool{true, true, true}, wanted())
	require.True(t, changes(func() { other.Want(WantNone) }))
	require.Equal(t, []bool{true, true, false}, wanted(), "the first one's wish goes on")
	require.False(t, changes(func() { other.Want(0) }), "less than the other wants")

	sub.Close()
	other.Want(-7)
	require.Equal(t, []bool{false, false, false}, wanted())
	other.Close()
	require.False(t, changes(func() { other.Want(WantAll); sub.Want(1) }), "they are gone")
}

func subscribe(t *testing.T, h *Hub, s *sink) *Subscription {
	t.Helper()
	sub, err := h.Subscribe("s", s, true)
	require.NoError(t, err)
	return sub
}

// Whoever comes and goes, the highest wish of those present holds.
func TestDemandIsTheHighestWish(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDemand()
		var present []int
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			before := d.highest
			var changed bool
			if len(present) > 0 && rapid.Bool().Draw(t, "leaves") {
				i := rapid.IntRange(0, len(present)-1).Draw(t, "who")
				changed = d.remove(present[i])
				present = append(present[:i], present[i+1:]...)
			} else {
				rank := rapid.SampledFrom([]int{WantNone, 0, 1, 2, WantAll}).Draw(t, "rank")
				changed = d.add(rank)
				present = append(present, rank)
			}
			want := WantNone
			for _, rank := range present {
				want = max(want, rank)
			}
			require.Equal(t, want, d.highest)
			require.Equal(t, before != want, changed)
		}
	})
}

// A Layer that was paused is active again for its first keyframe, so that who
// waits for it need not ask for another.
func TestPausedLayerWakesWithItsKeyframe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(Config{})
		run(t, h)
		p, layers := ladder(t, h)
		defer p.End()
		var s sink
		sub := subscribe(t, h, &s)
		defer sub.Close()
		for seq := uint64(2); seq < 40; seq++ {
			layers[0].Write(packet(seq))
			<-time.After(50 * time.Millisecond)
		}
		require.Equal(t, []bool{true, false, false}, h.Stream("s").Active)

		late := packet(2)
		layers[2].Write(late)
		require.Equal(t, []bool{true, false, false}, h.Stream("s").Active, "nobody can begin with that")
		key := packet(3)
		key.Keyframe = true
		layers[2].Write(key)
		require.Equal(t, []bool{true, false, true}, h.Stream("s").Active)
		require.True(t, layers[2].Status().Active)
		s.mu.Lock()
		defer s.mu.Unlock()
		require.Same(t, key, s.packets[len(s.packets)-1])
		require.Equal(t, []bool{true, false, true}, s.snapshots[len(s.snapshots)-1].Active, "told before the packet came")
	})
}
