package rtc

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/health"
	"github.com/freshet-live/freshet/sfu/hub"
	"github.com/freshet-live/freshet/sfu/media"
)

func verdict(s *Session, id health.ID) (health.Verdict, bool) {
	for _, v := range s.Stats().Health {
		if v.ID == id {
			return v, true
		}
	}
	return health.Verdict{}, false
}

// An encoder that negotiates PLI and sends keyframes only at first is found
// out, without a viewer who would ask.
func TestHealthOfADeafEncoder(t *testing.T) {
	r := newRig(t, Config{})
	c := newClient(t, clientOptions{video: webrtc.MimeTypeVP8})
	session := r.publish(t, "live", "me", c)
	keyed := vp8(320, 180, 2)
	c.send("", 90000, func(i int) [][]byte {
		if len(r.hub.Stream("live").Video) > 0 {
			i = 1 // the Layer has begun: no more keyframes
		}
		return keyed(i)
	})
	require.Empty(t, session.Stats().Health)
	require.Eventually(t, func() bool {
		v, ok := verdict(session, health.Requests)
		return ok && v.Severity == health.Notice
	}, patience, 10*time.Millisecond)
	v, _ := verdict(session, health.Requests)
	require.Contains(t, v.Text, "ignores keyframe requests")
	v, ok := verdict(session, health.FrameRate)
	require.True(t, ok)
	require.InDelta(t, 50, v.Value, 30)
	require.LessOrEqual(t, session.Stats().Layers[0].KeyframeRequests, uint64(testRequests+1))
}

// An encoder with short GOPs is left alone: nothing needs to be asked.
func TestHealthAsksOnlyWhenItMatters(t *testing.T) {
	r := newRig(t, Config{})
	c := newClient(t, clientOptions{video: webrtc.MimeTypeVP8, audio: webrtc.MimeTypeOpus})
	session := r.publish(t, "live", "me", c)
	c.send("", 90000, vp8(320, 180, 2))
	c.send("audio", 48000, opusFrames)
	require.Eventually(t, func() bool {
		_, rate := verdict(session, health.FrameRate)
		sound, ok := verdict(session, health.Sound)
		return rate && ok && sound.Text == "The sound is stereo."
	}, patience, 10*time.Millisecond)
	for _, v := range session.Stats().Health {
		require.Equal(t, health.OK, v.Severity, "%+v", v)
	}
	v, _ := verdict(session, health.Keyframes)
	require.InDelta(t, 0.2, v.Value, 0.01)
	require.Zero(t, session.Stats().Layers[0].KeyframeRequests)
}

// OBS and FFmpeg make B-frames unless told not to.
func TestHealthOfBFrames(t *testing.T) {
	pictures, err := os.ReadFile("../frames/testdata/bframes.h264")
	require.NoError(t, err)
	r := newRig(t, Config{})
	c := newClient(t, clientOptions{video: webrtc.MimeTypeH264})
	session := r.publish(t, "live", "me", c)
	var payloader codecs.H264Payloader
	c.send("", 90000, func(int) [][]byte { return payloader.Payload(1200, bytes.Clone(pictures)) })
	require.Eventually(t, func() bool {
		v, ok := verdict(session, health.BFrames)
		return ok && v.Severity == health.Warning
	}, patience, 10*time.Millisecond)
}

func TestUnwatched(t *testing.T) {
	r := newRig(t, Config{})
	c := newClient(t, clientOptions{video: webrtc.MimeTypeVP8, rids: []string{"q", "h", "f"}})
	session := r.publish(t, "live", "me", c)
	for rid, side := range map[string]uint16{"q": 90, "h": 180, "f": 360} {
		c.send(rid, 90000, vp8(side*16/9, side, 1))
	}
	until := func(want ...string) {
		t.Helper()
		timeout := time.After(patience)
		for {
			rids, changed := session.Unwatched()
			if len(rids) == len(want) {
				require.Equal(t, want, rids)
				return
			}
			select {
			case <-changed:
			case <-timeout:
				require.FailNow(t, "timeout", "%v are unwatched, not %v", rids, want)
			}
		}
	}
	until("q", "h", "f")
	sub, err := r.hub.Subscribe("live", &sink{packets: make(chan got, 1<<16), snapshots: make(chan *media.Snapshot, 1<<12)}, true)
	require.NoError(t, err)
	rids, _ := session.Unwatched()
	require.Empty(t, rids)
	sub.Want(0)
	until("h", "f")
	sub.Want(1)
	until("f")
	sub.Want(hub.WantNone)
	until("q", "h", "f")
	sub.Close()
}
