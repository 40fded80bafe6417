package rtc

import (
	"testing"

	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/media"
)

func TestEachCodecFlows(t *testing.T) {
	for _, mime := range []string{
		webrtc.MimeTypeH264, webrtc.MimeTypeH265, webrtc.MimeTypeVP8, webrtc.MimeTypeVP9, webrtc.MimeTypeAV1,
	} {
		t.Run(mime, func(t *testing.T) {
			r := newRig(t, Config{})
			s := r.watch(t, "live")
			c := newClient(t, clientOptions{video: mime, audio: webrtc.MimeTypeOpus})
			session := r.publish(t, "live", "me", c)
			c.send("", 90000, recorded(t, mime))
			c.send("audio", 48000, opusFrames)

			video := s.until(t, "video", func(g got) bool { return g.layer.Kind == media.Video })
			require.True(t, video.packet.Keyframe, "a Layer begins with a keyframe")
			require.Equal(t, mime[len("video/"):], video.layer.Codec.Name)
			audio := s.until(t, "audio", func(g got) bool { return g.layer.Kind == media.Audio })
			require.Equal(t, media.Opus, audio.layer.Codec.Name)
			snap := s.untilState(t, "both tracks and the size", func(snap *media.Snapshot) bool {
				return snap.Audio != nil && len(snap.Video) == 1 && snap.Video[0].Status().Width == 320
			})
			require.Equal(t, media.Live, snap.State)
			s.until(t, "a clock from sender reports", func(got) bool {
				clock, ok := video.layer.Clock()
				return ok && clock.Reported
			})
			require.True(t, session.Stats().Connected)
			require.Len(t, session.Stats().Layers, 2)
		})
	}
}
