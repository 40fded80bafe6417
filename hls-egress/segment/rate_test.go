package segment

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRate(t *testing.T) {
	var r rate
	const target = 3 * time.Second
	add := func(bytes int, d time.Duration) bool { return r.add(bytes, d, true, target) }
	require.True(t, add(250_000, 2*time.Second)) // 1 Mbit/s
	require.Equal(t, uint64(1_100_000), r.declared, "a tenth above the peak")
	require.Equal(t, uint64(1_000_000), r.average)
	require.False(t, add(240_000, 2*time.Second), "nothing that a player has to know")
	require.True(t, add(500_000, 2*time.Second))
	require.Equal(t, uint64(2_200_000), r.declared)
	for range 50 {
		add(1000, 2*time.Second)
	}
	require.Equal(t, uint64(2_200_000), r.declared, "it never falls")
	require.Less(t, r.average, uint64(100_000))
	require.LessOrEqual(t, len(r.recent), 4, "bounded")

	// Segments shorter than half a target count together.
	r = rate{}
	add(1_000_000, 100*time.Millisecond)
	require.Zero(t, r.declared)
	add(100_000, 1900*time.Millisecond)
	require.InDelta(t, 1_100_000*8/2*1.1, r.declared, 10_000)
}

func TestGuess(t *testing.T) {
	require.Equal(t, uint64(1_500_000), Spec{Bitrate: 1_000_000}.guess(640, 360, 30))
	require.Equal(t, uint64(160_000), Spec{}.guess(0, 0, 0))
	require.InDelta(t, 3_400_000, Spec{}.guess(1280, 720, 30), 100_000)
}

func TestOpusTicks(t *testing.T) {
	for want, packet := range map[int64][]byte{
		960: {0xfc, 1}, 480: {0x00, 1}, 2880: {0x18, 1}, 120: {0x80, 1}, 1920: {0xfd, 1}, 5760: {0xff, 6}, 240: {0x88},
	} {
		require.Equal(t, want, opusTicks(packet), "%x", packet)
	}
	for _, packet := range [][]byte{nil, {0xff}, {0xff, 0}, {0xff, 63}} {
		require.Equal(t, int64(960), opusTicks(packet), "%x", packet)
	}
}
