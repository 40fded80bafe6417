package rtc

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/hub"
	"github.com/freshet-live/freshet/sfu/media"
)

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
