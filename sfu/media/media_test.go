package media

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var began = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestCanonicalCodecName(t *testing.T) {
	for in, want := range map[string]string{"h264": H264, "OPUS": Opus, "av1": AV1, "Vp8": VP8, "VP9": VP9, "h265": H265} {
		got, ok := CanonicalCodecName(in)
		require.True(t, ok)
		require.Equal(t, want, got)
	}
	_, ok := CanonicalCodecName("rtx")
	require.False(t, ok)
}

func TestParameter(t *testing.T) {
	const fmtp = " apt = 96;Profile-Level-ID=42e01f; empty=;flag"
	for name, want := range map[string]string{
		"apt": "96", "profile-level-id": "42e01f", "empty": "", "flag": "", "level": "", "": "",
	} {
		require.Equal(t, want, Parameter(fmtp, name), name)
	}
	require.Empty(t, Parameter("", "apt"))
}

func TestKind(t *testing.T) {
	require.Equal(t, Audio, Codec{Name: Opus}.Kind())
	require.Equal(t, Video, Codec{Name: AV1}.Kind())
	require.Equal(t, []string{"audio", "video", "unknown"}, []string{Audio.String(), Video.String(), Kind(0).String()})
	require.True(t, Codec{}.IsZero())
	require.False(t, Codec{Name: VP8}.IsZero())
}

// A Clock's two directions undo each other, also over the wrap of timestamps.
func TestClockRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Clock{
			Timestamp: rapid.Uint32().Draw(t, "timestamp"), Wall: began,
			Rate: rapid.SampledFrom([]uint32{48000, 90000}).Draw(t, "rate"),
		}
		distance := rapid.Int32().Draw(t, "distance")
		ts := c.Timestamp + uint32(distance)
		require.InDelta(t, 0, int32(c.At(c.Time(ts))-ts), 1)
	})
}

func TestLayerBeforeItsFirstPacket(t *testing.T) {
	var l Layer
	_, ok := l.Clock()
	require.False(t, ok)
	require.Zero(t, l.Status())
	l.SetClock(Clock{Rate: 90000})
	l.SetStatus(LayerStatus{Active: true})
	c, ok := l.Clock()
	require.True(t, ok)
	require.Equal(t, uint32(90000), c.Rate)
	require.True(t, l.Status().Active)
}

func TestSnapshotActiveVideo(t *testing.T) {
	s := Snapshot{Active: []bool{true, false}}
	require.True(t, s.ActiveVideo(0))
	require.False(t, s.ActiveVideo(1) || s.ActiveVideo(2) || s.ActiveVideo(-1))
}
