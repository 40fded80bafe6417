package forward

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/freshet-live/freshet/sfu/media"
)

func TestCacheRefusesDuplicatesAndOldPackets(t *testing.T) {
	c := NewCache(3) // rounded up to 4
	require.True(t, c.Put(&media.Packet{Seq: 10}))
	require.False(t, c.Put(&media.Packet{Seq: 10}), "a duplicate")
	require.True(t, c.Put(&media.Packet{Seq: 12}))
	require.True(t, c.Put(&media.Packet{Seq: 11}), "repaired late")
	require.True(t, c.Put(&media.Packet{Seq: 14}))
	require.False(t, c.Put(&media.Packet{Seq: 10}), "older than the ring")
	require.Nil(t, c.Packet(10), "overwritten by 14")
	require.Nil(t, c.Packet(13), "never received")
	require.Equal(t, uint64(12), c.Packet(12).Seq)
}

func TestCacheTakesAPacketBeforeTheFirst(t *testing.T) {
	c := NewCache(4)
	require.True(t, c.Put(&media.Packet{Seq: 2}))
	require.True(t, c.Put(&media.Packet{Seq: 0}), "reordered at the very beginning")
	require.Equal(t, uint64(0), c.Packet(0).Seq)
}

// The Cache holds all that was put within its size of the newest, and nothing
// that was not put.
func TestCacheAgreesWithAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const size = 16
		c := NewCache(size)
		base := rapid.SampledFrom([]uint64{0, 40, 1 << 40}).Draw(t, "base")
		stored, newest := map[uint64]bool{}, uint64(0)
		for range rapid.IntRange(1, 200).Draw(t, "packets") {
			at := newest
			if len(stored) == 0 {
				at = base
			}
			seq := at + uint64(rapid.IntRange(0, 24).Draw(t, "ahead"))
			seq -= min(seq, uint64(rapid.IntRange(0, 24).Draw(t, "behind")))
			old := len(stored) > 0 && seq+size <= newest
			require.Equal(t, !old && !stored[seq], c.Put(&media.Packet{Seq: seq}))
			if !old {
				stored[seq] = true
			}
			newest = max(newest, seq)
			for probe := newest - min(newest, 2*size); probe <= newest; probe++ {
				p := c.Packet(probe)
				if p != nil {
					require.True(t, stored[probe] && p.Seq == probe)
				} else {
					require.False(t, stored[probe] && probe+size > newest)
				}
			}
		}
	})
}

// What is kept is bounded in bytes and time, and what was forgotten for it
// does not come back: it may have been forwarded.
func TestCacheIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		size  int
		every time.Duration
		kept  uint64
	}{
		"bytes": {size: 64 << 10, every: time.Millisecond, kept: maxCacheBytes / (64 << 10)},
		"time":  {size: 1, every: time.Second, kept: uint64(maxCacheAge/time.Second) + 1},
	} {
		t.Run(name, func(t *testing.T) {
			cache := NewCache(8192)
			const last = 1000
			for seq := range uint64(last + 1) {
				p := &media.Packet{Seq: seq, Arrival: began.Add(time.Duration(seq) * c.every), Payload: make([]byte, c.size)}
				require.True(t, cache.Put(p))
			}
			require.NotNil(t, cache.Packet(last-c.kept+1))
			require.Nil(t, cache.Packet(last-c.kept))
			require.False(t, cache.Put(&media.Packet{Seq: last - c.kept, Arrival: began}))
		})
	}
}
