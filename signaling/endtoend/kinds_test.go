package endtoend

import (
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/signaling/auth"
)

// only registers Opus and one video codec, without header extensions,
// feedback or retransmissions.
func only(name string) func(*webrtc.MediaEngine) error {
	return func(engine *webrtc.MediaEngine) error {
		opus := webrtc.RTPCodecParameters{PayloadType: 111, RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2,
		}}
		if err := engine.RegisterCodec(opus, webrtc.RTPCodecTypeAudio); err != nil {
			return err
		}
		return engine.RegisterCodec(webrtc.RTPCodecParameters{PayloadType: 120, RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: "video/" + name, ClockRate: 90000,
		}}, webrtc.RTPCodecTypeVideo)
	}
}

// setup makes the client insist on a DTLS role (W32).
func setup(role string) func(string) string {
	return func(sdp string) string { return strings.ReplaceAll(sdp, "a=setup:actpass", "a=setup:"+role) }
}

func TestKindsOfClients(t *testing.T) { // E32, E65, R14
	kinds := map[string]kind{
		"any":           {},
		"DTLS client":   {offer: setup("active")},
		"DTLS server":   {offer: setup("passive")},
		"bare VP8":      {codecs: only("VP8")},
		"bare, passive": {codecs: only("VP8"), offer: setup("passive")},
	}
	for name, publishing := range kinds {
		t.Run("publisher "+name, func(t *testing.T) {
			s := start(t, options{})
			s.bend = publishing
			s.publish("demo", "")
			for _, watching := range kinds {
				s.bend = watching
				v := s.watch("demo")
				r := &run{t: t}
				for range 5 {
					r.check(next(t, v.video, "video"))
				}
				next(t, v.audio, "sound")
				if watching.codecs != nil {
					require.EqualValues(t, 120, r.last.PayloadType, "R14: the viewer's own number")
					require.False(t, r.last.Extension, "R1: nothing that was not offered")
				}
				v.delete()
			}
		})
	}
}

func TestOneKindOfMedia(t *testing.T) { // E65, W52
	s := start(t, options{})
	s.publish("demo", "")
	s.bend = kind{codecs: only("H264")}
	deaf := s.watch("demo") // takes the sound of what it cannot see
	next(t, deaf.audio, "sound")
	require.Empty(t, deaf.video)
	require.Eventually(t, func() bool { return len(s.hub.Stream("demo").Video) > 0 }, patience, time.Millisecond)

	s.bend.without = webrtc.RTPCodecTypeAudio
	a := s.newViewer("demo").post("demo")
	require.Equal(t, http.StatusUnprocessableEntity, a.status, "nothing to play: %s", a.body)
	require.Contains(t, a.body, "VP8")

	s.bend = kind{without: webrtc.RTPCodecTypeVideo}
	listener := s.watch("demo")
	s.publish("radio", "")
	s.bend = kind{without: webrtc.RTPCodecTypeAudio}
	watcher := s.watch("demo")
	s.publish("camera", "")
	s.bend = kind{}
	radio, camera := s.watch("radio"), s.watch("camera")
	for _, v := range []*viewer{listener, radio} {
		for range 5 {
			next(t, v.audio, "sound")
		}
		require.Empty(t, v.video)
	}
	for _, v := range []*viewer{watcher, camera} {
		r := &run{t: t}
		for range 5 {
			r.check(next(t, v.video, "video"))
		}
		require.Empty(t, v.audio)
	}
}

// mortal is a client's socket that falls silent, as by kill -9.
type mortal struct {
	net.PacketConn
	dead atomic.Bool
}

func (m *mortal) WriteTo(b []byte, to net.Addr) (int, error) {
	if m.dead.Load() {
		return len(b), nil
	}
	return m.PacketConn.WriteTo(b, to)
}

// mortalClients makes new clients use one socket that can die.
func (s *server) mortalClients() *mortal {
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(s.t, err)
	m := &mortal{PacketConn: c}
	mux := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: m})
	s.t.Cleanup(func() { _ = mux.Close() })
	s.bend = kind{settings: func(e *webrtc.SettingEngine) { e.SetICEUDPMux(mux) }}
	return m
}

// A publisher that dies without a word finds its name free for itself at once,
// and for nobody else; viewers go on in their sessions.
func TestPublisherCrashes(t *testing.T) { // E64, W43, R13
	keys := auth.Keys{"key": "a-secret-that-is-long-enough-for-it"}
	for name, c := range map[string]struct {
		keys            auth.Keys
		identity, other string
	}{
		"open, no token":   {identity: "", other: "bob"},
		"open, stream key": {identity: "alice", other: ""},
		"keys":             {keys: keys, identity: "alice", other: "bob"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, options{keys: c.keys})
			v := s.watch("demo")
			socket := s.mortalClients()
			first := s.publish("demo", c.identity)
			r := &run{t: t}
			for range 20 {
				r.check(next(t, v.video, "video"))
			}
			socket.dead.Store(true)
			s.bend = kind{}
			a := s.newPublisher("demo", c.other).post("demo")
			require.Equal(t, http.StatusConflict, a.status, a.body)

			begin := time.Now()
			s.publish("demo", c.identity)
			require.Eventually(t, func() bool { return s.hub.Stream("demo").Epoch == 2 }, patience, time.Millisecond)
			for range 10 + len(v.video) {
				p := next(t, v.video, "video after the crash")
				require.Equal(t, r.last.SSRC, p.SSRC)
				require.Equal(t, r.last.SequenceNumber+1, p.SequenceNumber)
				require.Positive(t, int32(p.Timestamp-r.last.Timestamp))
				r.last = p
			}
			require.Less(t, time.Since(begin), 5*time.Second, "E64")
			require.Eventually(t, func() bool {
				return s.do(http.MethodGet, first.url, first.token, "", "").status == http.StatusNotFound
			}, patience, 10*time.Millisecond, "the dead session is gone")
		})
	}
}
