package rtc

import (
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/hub"
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
	for _, noRTX := range []bool{false, true} {
		t.Run(map[bool]string{false: "by RTX", true: "by plain NACK"}[noRTX], func(t *testing.T) {
			r := newRig(t, Config{})
			s := r.watch(t, "live")
			var n atomic.Int64
			var seen sync.Map
			c := newClient(t, clientOptions{video: webrtc.MimeTypeVP8, noRTX: noRTX, drop: func(h *rtp.Header) bool {
				if h.PayloadType != 96 {
					return false // retransmissions get through
				}
				if _, again := seen.LoadOrStore(h.SequenceNumber, true); again {
					return false
				}
				return n.Add(1)%9 == 0
			}})
			session := r.publish(t, "live", "me", c)
			c.send("", 90000, vp8(320, 180, 5))

			const enough = 600
			have := map[uint64]bool{}
			first := s.until(t, "the first packet", func(g got) bool { return true }).packet.Seq
			have[first] = true
			s.until(t, "every packet", func(g got) bool {
				have[g.packet.Seq] = true
				for i := range uint64(enough) {
					if !have[first+i] {
						return false
					}
				}
				return true
			})
			stats := session.Stats().Layers[0]
			require.GreaterOrEqual(t, stats.Repaired, uint64(enough/9-10))
			require.LessOrEqual(t, stats.NACKs, 2*stats.Repaired+10, "what was repaired is not asked for again")
			require.Zero(t, stats.Lost)
			require.Positive(t, session.Stats().RTT)
		})
	}
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

// W43: the same owner takes over, but only once connected; others get a
// conflict; a half-open second session hurts nobody.
func TestTakeOver(t *testing.T) {
	r := newRig(t, Config{})
	s := r.watch(t, "live")
	first := newClient(t, clientOptions{audio: webrtc.MimeTypeOpus})
	one := r.publish(t, "live", "me", first)
	first.send("audio", 48000, opusFrames)
	s.until(t, "the first publisher", func(g got) bool { return g.layer.Epoch == 1 })

	stranger := newClient(t, clientOptions{audio: webrtc.MimeTypeOpus})
	_, _, err := r.Publish(t.Context(), "live", "somebody else", stranger.offer)
	require.ErrorIs(t, err, hub.ErrPublisherExists)

	second := newClient(t, clientOptions{audio: webrtc.MimeTypeOpus})
	two, answer, err := r.Publish(t.Context(), "live", "me", second.offer)
	require.NoError(t, err)
	for range 10 {
		s.until(t, "the first going on", func(g got) bool { return g.layer.Epoch == 1 })
	}
	require.NoError(t, one.Err())

	require.NoError(t, second.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}))
	second.send("audio", 48000, opusFrames)
	s.until(t, "the second publisher", func(g got) bool { return g.layer.Epoch == 2 })
	await(t, one)
	require.ErrorIs(t, one.Err(), hub.ErrReplaced)
	require.NoError(t, two.Err())
}

func await(t *testing.T, s *Session) {
	t.Helper()
	select {
	case <-s.Done():
	case <-time.After(patience):
		require.FailNow(t, "the session goes on")
	}
}

func TestReconnect(t *testing.T) {
	r := newRig(t, Config{})
	s := r.watch(t, "live")
	for epoch := uint64(1); epoch <= 2; epoch++ {
		c := newClient(t, clientOptions{video: webrtc.MimeTypeVP8})
		session := r.publish(t, "live", "me", c)
		c.send("", 90000, vp8(320, 180, 1))
		s.until(t, "media", func(g got) bool { return g.layer.Epoch == epoch })
		session.Close(nil)
		await(t, session)
		s.untilState(t, "the wait for a reconnect", func(snap *media.Snapshot) bool { return snap.State == media.Reconnecting })
		c.stop()
	}
}

// W47, R18: DTLS close_notify ends the session at once.
func TestPeerCloses(t *testing.T) {
	r := newRig(t, Config{})
	s := r.watch(t, "live")
	c := newClient(t, clientOptions{audio: webrtc.MimeTypeOpus})
	session := r.publish(t, "live", "me", c)
	c.send("audio", 48000, opusFrames)
	s.until(t, "media", func(got) bool { return true })
	c.stop()
	await(t, session)
	require.ErrorIs(t, session.Err(), ErrPeerGone)
}

// W47: so does silence, in its time.
func TestConsentIsLost(t *testing.T) {
	r := newRig(t, Config{ConsentTimeout: time.Second})
	s := r.watch(t, "live")
	var silent atomic.Bool
	c := newClient(t, clientOptions{audio: webrtc.MimeTypeOpus, silent: &silent})
	session := r.publish(t, "live", "me", c)
	c.send("audio", 48000, opusFrames)
	s.until(t, "media", func(got) bool { return true })
	silent.Store(true)
	await(t, session)
	require.ErrorIs(t, session.Err(), ErrConsentLost)
}

// H8, H11: who never connects goes away and leaves the name free.
func TestNeverConnected(t *testing.T) {
	r := newRig(t, Config{ConnectTimeout: 300 * time.Millisecond, MaxSessions: 2})
	c := newClient(t, clientOptions{audio: webrtc.MimeTypeOpus})
	one, _, err := r.Publish(t.Context(), "live", "me", c.offer)
	require.NoError(t, err)
	_, _, err = r.Publish(t.Context(), "live", "me", c.offer)
	require.NoError(t, err)
	_, _, err = r.Publish(t.Context(), "live", "me", c.offer)
	require.ErrorIs(t, err, ErrBusy)
	await(t, one)
	require.ErrorIs(t, one.Err(), ErrNeverConnected)
	require.Eventually(t, func() bool {
		session, _, err := r.Publish(t.Context(), "live", "somebody else", c.offer)
		if err == nil {
			session.Close(nil)
			await(t, session)
		}
		return err == nil
	}, patience, 10*time.Millisecond)
}

// W21, W22, W24: media goes on after an ICE restart; an impossible one leaves
// the session as it was.
func TestICERestart(t *testing.T) {
	for _, test := range []struct {
		name    string
		options clientOptions
	}{
		{"declared SSRCs", clientOptions{video: webrtc.MimeTypeVP8}},
		{"RIDs", clientOptions{video: webrtc.MimeTypeVP8, rids: []string{"q", "h"}}},
		{"SSRC not declared", clientOptions{video: webrtc.MimeTypeVP8, edit: withoutSSRC}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, Config{})
			s := r.watch(t, "live")
			c := newClient(t, test.options)
			session, answer, err := r.Publish(t.Context(), "live", "me", c.offer)
			require.NoError(t, err)
			c.accept(t, answer)
			for name := range c.tracks {
				c.send(name, 90000, vp8(320, 180, 1))
			}
			s.until(t, "media", func(got) bool { return true })

			_, _, err = session.RestartICE("abc", "short")
			require.ErrorIs(t, err, ErrMalformed)
			for range 3 {
				offer, err := c.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: true})
				require.NoError(t, err)
				require.NoError(t, c.pc.SetLocalDescription(offer))
				ufrag, pwd, err := session.RestartICE(credential(offer.SDP, "ice-ufrag"), credential(offer.SDP, "ice-pwd"))
				require.NoError(t, err)
				answer = strings.ReplaceAll(answer, credential(answer, "ice-ufrag"), ufrag)
				answer = strings.ReplaceAll(answer, credential(answer, "ice-pwd"), pwd)
				restarted := time.Now()
				c.accept(t, answer)
				s.until(t, "media after the restart", func(g got) bool { return g.packet.Arrival.After(restarted.Add(300 * time.Millisecond)) })
			}
			require.NoError(t, session.Err())
		})
	}
}

func credential(sdp, key string) string {
	_, after, _ := strings.Cut(sdp, "a="+key+":")
	value, _, _ := strings.Cut(after, "\r\n")
	return value
}

func TestServerStops(t *testing.T) {
	r := newRig(t, Config{})
	c := newClient(t, clientOptions{audio: webrtc.MimeTypeOpus})
	session := r.publish(t, "live", "me", c)
	r.cancel()
	await(t, session)
	_, _, err := r.Publish(t.Context(), "live", "me", c.offer)
	require.ErrorIs(t, err, ErrBusy)
}
