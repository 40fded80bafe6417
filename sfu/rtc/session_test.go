package rtc

import (
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
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

func TestSimulcast(t *testing.T) {
	type size struct{ w, h uint16 }
	sizes := map[string]size{"q": {160, 90}, "h": {320, 180}, "f": {640, 360}}
	for _, test := range []struct {
		name  string
		rids  []string
		noRTX bool
	}{
		{"as browsers list them", []string{"q", "h", "f"}, false},
		{"best first, as OBS does", []string{"f", "h", "q"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, Config{})
			s := r.watch(t, "live")
			c := newClient(t, clientOptions{video: webrtc.MimeTypeVP8, rids: test.rids, noRTX: test.noRTX})
			session := r.publish(t, "live", "me", c)
			for rid, size := range sizes {
				c.send(rid, 90000, vp8(size.w, size.h, 2))
			}
			snap := s.untilState(t, "three layers", func(snap *media.Snapshot) bool { return len(snap.Video) == 3 })
			for i, rid := range []string{"q", "h", "f"} {
				require.Equal(t, rid, snap.Video[i].RID)
				require.Equal(t, i, snap.Video[i].Rank)
			}
			for _, l := range snap.Video {
				s.until(t, "packets of "+l.RID, func(g got) bool { return g.layer == l })
				before := keyframeRequests(session, l.RID)
				require.True(t, l.RequestKeyframe(time.Now()))
				require.Eventually(t, func() bool { return keyframeRequests(session, l.RID) == before+1 }, patience, time.Millisecond)
			}
		})
	}
}

func keyframeRequests(s *Session, rid string) uint64 {
	for _, l := range s.Stats().Layers {
		if l.RID == rid {
			return l.KeyframeRequests
		}
	}
	return 0
}

// W52: one track is enough. P: and TCP where UDP does not pass.
func TestOneTrackAndTCP(t *testing.T) {
	for _, test := range []struct {
		name    string
		options clientOptions
	}{
		{"audio only", clientOptions{audio: webrtc.MimeTypeOpus}},
		{"video only", clientOptions{video: webrtc.MimeTypeVP8}},
		{"over TCP", clientOptions{audio: webrtc.MimeTypeOpus, tcp: true}},
		// W32: FFmpeg 8 offers setup:passive.
		{"setup:passive", clientOptions{audio: webrtc.MimeTypeOpus, setup: "passive"}},
		{"setup:active", clientOptions{audio: webrtc.MimeTypeOpus, setup: "active"}},
		{"SSRC not declared", clientOptions{audio: webrtc.MimeTypeOpus, edit: withoutSSRC}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, Config{})
			s := r.watch(t, "live")
			c := newClient(t, test.options)
			r.publish(t, "live", "me", c)
			if test.options.audio != "" {
				c.send("audio", 48000, opusFrames)
			} else {
				c.send("", 90000, vp8(320, 180, 1))
			}
			s.until(t, "media", func(got) bool { return true })
		})
	}
}

var ssrcLine = regexp.MustCompile(`a=ssrc.*\r\n`)

func withoutSSRC(offer string) string { return ssrcLine.ReplaceAllString(offer, "") }

// R5, R7: what is lost on the way in is asked for again, and only that.
func TestLossIsRepaired(t *testing.T) {
	for _, test := range []struct {
		name    string
		options clientOptions
	}{
		{"by RTX", clientOptions{video: webrtc.MimeTypeVP8}},
		{"by plain NACK", clientOptions{video: webrtc.MimeTypeVP8, noRTX: true}},
		{"simulcast", clientOptions{video: webrtc.MimeTypeVP8, rids: []string{"q", "h"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, Config{})
			s := r.watch(t, "live")
			test.options.drop = dropFirst(9)
			c := newClient(t, test.options)
			session := r.publish(t, "live", "me", c)
			for name := range c.tracks {
				c.send(name, 90000, vp8(320, 180, 5))
			}
			layer := s.until(t, "the first packet", func(got) bool { return true }).layer
			s.untilComplete(t, layer, 500)
			for _, stats := range session.Stats().Layers {
				require.Positive(t, stats.Repaired)
				require.LessOrEqual(t, stats.NACKs, 2*stats.Repaired+20, "what was repaired is not asked for again")
				require.Zero(t, stats.Lost)
			}
			require.Positive(t, session.Stats().RTT)
		})
	}
}

// dropFirst loses every n-th packet once; retransmissions get through.
func dropFirst(n int64) func(*rtp.Header) bool {
	type key struct {
		ssrc uint32
		seq  uint16
	}
	var sent atomic.Int64
	var seen sync.Map
	return func(h *rtp.Header) bool {
		if h.PayloadType != 96 {
			return false
		}
		if _, again := seen.LoadOrStore(key{h.SSRC, h.SequenceNumber}, true); again {
			return false
		}
		return sent.Add(1)%n == 0
	}
}

// untilComplete waits until so many packets of a Layer have come without a
// hole.
func (s *sink) untilComplete(t *testing.T, layer *media.Layer, count int) {
	t.Helper()
	have := map[uint64]bool{}
	next := uint64(0)
	s.until(t, "every packet", func(g got) bool {
		if g.layer != layer {
			return false
		}
		if next == 0 {
			next = g.packet.Seq
		}
		have[g.packet.Seq] = true
		for have[next] {
			next++
			count--
		}
		return count <= 0
	})
}

// R4, R8, R12: the publisher gets congestion feedback, receiver reports and
// keyframe requests.
func TestFeedback(t *testing.T) {
	r := newRig(t, Config{})
	s := r.watch(t, "live")
	c := newClient(t, clientOptions{video: webrtc.MimeTypeVP8})
	r.publish(t, "live", "me", c)
	c.send("", 90000, vp8(320, 180, 2))
	layer := s.until(t, "media", func(got) bool { return true }).layer
	ssrc := uint32(c.pc.GetSenders()[0].GetParameters().Encodings[0].SSRC)
	require.True(t, layer.RequestKeyframe(time.Now()))

	var report, congestion, keyframe bool
	timeout := time.After(patience)
	for !report || !congestion || !keyframe {
		select {
		case p := <-c.rtcp:
			switch p := p.(type) {
			case *rtcp.ReceiverReport:
				report = report || len(p.Reports) > 0 && p.Reports[0].SSRC == ssrc
			case *rtcp.TransportLayerCC:
				congestion = congestion || p.PacketStatusCount > 0
			case *rtcp.PictureLossIndication:
				keyframe = keyframe || p.MediaSSRC == ssrc
			}
		case <-timeout:
			require.FailNow(t, "timeout", "report %v, congestion %v, keyframe %v", report, congestion, keyframe)
		}
	}
}
