package segment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/hls-egress/segment"
)

func TestOneLayerAndSound(t *testing.T) {
	w := newWorld(t, segment.Config{}, "opus", layer("video", 0, sps720, 8000))
	w.run(30 * time.Second)
	w.good()
	part, target := w.ladder.Target()
	require.Equal(t, 234*time.Millisecond, part)
	require.Equal(t, 3*time.Second, target)
	require.True(t, w.ladder.Independent())
	for _, name := range []string{"video", "audio"} {
		require.Equal(t, 14, w.check.Segments(name), name)
		require.InDelta(t, 145, w.check.Parts(name), 4, name)
	}
	v := w.check.Rendition("video")
	require.Equal(t, "avc1.42C01F", v.Codecs)
	require.Equal(t, [2]int{1280, 720}, [2]int{v.Width, v.Height})
	require.Equal(t, 30.0, v.FrameRate)
	require.Equal(t, 2, w.check.Rendition("audio").Channels)
}

func TestThreeLayers(t *testing.T) {
	w := newWorld(t, segment.Config{}, "opus", simulcast()...)
	w.run(30 * time.Second)
	w.good()
	for _, name := range []string{"q", "h", "f", "audio"} {
		require.Equal(t, 14, w.check.Segments(name), name)
	}
	require.Zero(t, w.ladder.Stats())
}
