package forward

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/freshet-live/freshet/sfu/media"
)

// However the live Packets, their late repairs and the Cursor's turns mix: each
// Packet goes out at most once, those that were not late all do, and what the
// Cursor sends is in order.
func TestCursorSendsEachPacketOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cache := NewCache(4096)
		l := &media.Layer{History: cache}
		var c Cursor
		sent, queue := map[uint64]int{}, []*media.Packet(nil)
		var missing []uint64
		seq, highest, sentAny := uint64(100), uint64(0), false
		put := func(s uint64) {
			p := &media.Packet{Seq: s}
			require.True(t, cache.Put(p))
			queue = append(queue, p)
		}
		live := func(p *media.Packet, busy bool) {
			switch {
			case !c.Pass(l, p):
			case busy && (!sentAny || p.Seq > highest):
				c.Begin(l, p.Seq)
			default:
				sent[p.Seq]++
				highest, sentAny = max(highest, p.Seq), true
			}
		}
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"put", "put", "lose", "repair", "take", "pump", "busy"}).Draw(t, "step") {
			case "put":
				put(seq)
				seq++
			case "lose":
				missing = append(missing, seq)
				seq++
			case "repair":
				if len(missing) > 0 {
					put(missing[0])
					missing = missing[1:]
				}
			case "take":
				for _, p := range queue {
					live(p, false)
				}
				queue = nil
			case "busy":
				if len(queue) > 0 {
					live(queue[0], true)
					queue = queue[1:]
				}
			case "pump":
				for range rapid.IntRange(0, 5).Draw(t, "budget") {
					p := c.Peek()
					if p == nil {
						break
					}
					require.True(t, !sentAny || p.Seq > highest, "in order")
					sent[p.Seq]++
					highest, sentAny = p.Seq, true
					c.Advance()
				}
			}
		}
		for c.Active() {
			if p := c.Peek(); p != nil {
				sent[p.Seq]++
				c.Advance()
			}
		}
		for _, p := range queue {
			live(p, false)
		}
		gone := 0
		for s := uint64(100); s < seq; s++ {
			require.LessOrEqual(t, sent[s], 1, "packet %d", s)
			if cache.Packet(s) != nil && sent[s] == 0 {
				gone++
			}
		}
		require.LessOrEqual(t, gone, max(0, c.passed-rememberedHoles), "lost for want of memory only")
	})
}

func TestCursorRests(t *testing.T) {
	var c Cursor
	require.Nil(t, c.Peek())
	require.True(t, c.Pass(&media.Layer{}, key))
	cache := NewCache(16)
	l := &media.Layer{History: cache}
	c.Begin(l, 5)
	require.True(t, c.Active())
	require.Nil(t, c.Peek(), "nothing there yet")
	require.False(t, c.Active())
	c.Begin(l, 5)
	require.False(t, c.Pass(l, &media.Packet{Seq: 5}))
	require.True(t, c.Pass(l, &media.Packet{Seq: 4}), "before its time")
	c.Stop()
	require.True(t, c.Pass(l, &media.Packet{Seq: 5}))
}
