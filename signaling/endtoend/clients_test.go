package endtoend

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"
)

const (
	frameEvery    = 20 * time.Millisecond
	keyframeEvery = 10 // frames
)

// publisher sends VP8 pictures that tell which layer they are of, and sound.
type publisher struct {
	*client
	midID, ridID uint8
	mid          string
	video        []*webrtc.TrackLocalStaticRTP
	audio        *webrtc.TrackLocalStaticRTP
}

// publish goes live under a name; without rids it sends a single encoding.
func (s *server) publish(stream, identity string, rids ...string) *publisher {
	s.t.Helper()
	p := s.newPublisher(stream, identity, rids...)
	p.open(stream)
	p.learnExtensions()
	p.start(rids)
	return p
}

func (s *server) newPublisher(stream, identity string, rids ...string) *publisher {
	s.t.Helper()
	p := &publisher{client: &client{
		server: s, kind: "whip", pc: s.newConnection(), token: s.token(stream, identity, true), stopped: make(chan struct{}),
	}}
	s.t.Cleanup(p.stop)
	if len(rids) == 0 {
		rids = []string{""}
	}
	for _, rid := range rids {
		var opts []func(*webrtc.TrackLocalStaticRTP)
		if rid != "" {
			opts = append(opts, webrtc.WithRTPStreamID(rid))
		}
		track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "video", "s", opts...)
		require.NoError(s.t, err)
		p.video = append(p.video, track)
	}
	sendonly := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly}
	if s.bend.without != webrtc.RTPCodecTypeVideo {
		tr, err := p.pc.AddTransceiverFromTrack(p.video[0], sendonly)
		require.NoError(s.t, err)
		for _, track := range p.video[1:] {
			require.NoError(s.t, tr.Sender().AddEncoding(track))
		}
	}
	var err error
	p.audio, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus}, "audio", "s")
	require.NoError(s.t, err)
	if s.bend.without != webrtc.RTPCodecTypeAudio {
		_, err = p.pc.AddTransceiverFromTrack(p.audio, sendonly)
		require.NoError(s.t, err)
	}
	return p
}

func (p *publisher) learnExtensions() {
	tr := p.pc.GetTransceivers()[0]
	p.mid = tr.Mid()
	for _, e := range tr.Sender().GetParameters().HeaderExtensions {
		switch e.URI {
		case "urn:ietf:params:rtp-hdrext:sdes:mid":
			p.midID = uint8(e.ID)
		case "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id":
			p.ridID = uint8(e.ID)
		}
	}
}

// start sends a frame of each layer and of sound every 20 ms.
func (p *publisher) start(rids []string) {
	if len(rids) == 0 {
		rids = []string{""}
	}
	p.running.Go(func() {
		tick := time.NewTicker(frameEvery)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-p.stopped:
				return
			case <-tick.C:
			}
			for rank, rid := range rids {
				p.write(p.video[rank], rid, rank, i)
			}
			_ = p.audio.WriteRTP(&rtp.Packet{
				Header:  rtp.Header{Version: 2, SequenceNumber: uint16(i), Timestamp: uint32(i * 960)},
				Payload: []byte{0xfc, 0xff, 0xfe},
			})
		}
	})
}

func (p *publisher) write(track *webrtc.TrackLocalStaticRTP, rid string, rank, i int) {
	pkt := &rtp.Packet{
		Header: rtp.Header{
			Version: 2, Marker: true, SequenceNumber: uint16(i), Timestamp: uint32(i * 1800),
		},
		Payload: picture(rid, rank, i),
	}
	if rid != "" {
		_ = pkt.SetExtension(p.midID, []byte(p.mid))
		_ = pkt.SetExtension(p.ridID, []byte(rid))
	}
	_ = track.WriteRTP(pkt)
}

// picture is a VP8 frame in one packet (RFC 7741); its last byte is the first
// letter of the rid, '-' without one.
func picture(rid string, rank, i int) []byte {
	b := []byte{0x10, 0x01, 0, 0}
	if i%keyframeEvery == 0 {
		b = []byte{0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a}
		b = binary.LittleEndian.AppendUint16(b, uint16(320<<rank))
		b = binary.LittleEndian.AppendUint16(b, uint16(180<<rank))
	}
	if rid == "" {
		rid = "-"
	}
	return append(b, rid[0])
}

// viewer is a WHEP player.
type viewer struct {
	*client
	video, audio chan *rtp.Packet
}

func (s *server) watch(stream string) *viewer {
	s.t.Helper()
	v := s.newViewer(stream)
	v.open(stream)
	return v
}

func (s *server) newViewer(stream string) *viewer {
	s.t.Helper()
	v := &viewer{
		client: &client{
			server: s, kind: "whep", pc: s.newConnection(), token: s.token(stream, "viewer", false), stopped: make(chan struct{}),
		},
		video: make(chan *rtp.Packet, 1<<14), audio: make(chan *rtp.Packet, 1<<14),
	}
	s.t.Cleanup(v.stop)
	v.pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		to := v.video
		if track.Kind() == webrtc.RTPCodecTypeAudio {
			to = v.audio
		}
		for {
			pkt, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			select {
			case to <- pkt:
			case <-v.stopped:
				return
			}
		}
	})
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
		if kind == s.bend.without {
			continue
		}
		_, err := v.pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
		require.NoError(s.t, err)
	}
	return v
}

// next returns the next packet.
func next(t testing.TB, from <-chan *rtp.Packet, what string) *rtp.Packet {
	t.Helper()
	select {
	case p := <-from:
		return p
	case <-time.After(patience):
		require.FailNow(t, "timeout", "waiting for %s", what)
		return nil
	}
}

func layerOf(p *rtp.Packet) byte { return p.Payload[len(p.Payload)-1] }

func isKeyframe(p *rtp.Packet) bool { return len(p.Payload) > 8 }

// run checks that video goes on in one piece: one SSRC, numbers without gaps,
// timestamps that never go back (R13, R16, R19).
type run struct {
	t    testing.TB
	last *rtp.Packet
}

func (r *run) check(p *rtp.Packet) {
	r.t.Helper()
	if last := r.last; last != nil {
		require.Equal(r.t, last.SSRC, p.SSRC, "R16: one SSRC")
		require.Equal(r.t, last.SequenceNumber+1, p.SequenceNumber, "R13: numbers go on")
		require.Positive(r.t, int32(p.Timestamp-last.Timestamp), "R13: time goes on")
		if layerOf(p) != layerOf(last) {
			require.True(r.t, isKeyframe(p), "R19: a switch starts on a keyframe")
		}
	} else {
		require.True(r.t, isKeyframe(p), "R8: starts on a keyframe")
	}
	r.last = p
}

// until reads video until a packet of a layer has come.
func (r *run) until(v *viewer, layer byte) *rtp.Packet {
	r.t.Helper()
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		p := next(r.t, v.video, "video of layer "+string(layer))
		r.check(p)
		if layerOf(p) == layer {
			return p
		}
	}
	require.FailNow(r.t, "timeout", "no picture of layer %c", layer)
	return nil
}

// events subscribes to a session's events, which come as "name data".
func (v *viewer) events(names ...string) <-chan string {
	v.t.Helper()
	body, err := json.Marshal(names)
	require.NoError(v.t, err)
	a := v.do(http.MethodPost, v.url+"/sse", v.token, "application/json", string(body))
	require.Equal(v.t, http.StatusCreated, a.status, a.body)
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, v.server.url+a.header.Get("Location"), nil)
	require.NoError(v.t, err)
	r.Header.Set("Authorization", "Bearer "+v.token)
	resp, err := v.http.Do(r)
	require.NoError(v.t, err)
	require.Equal(v.t, http.StatusOK, resp.StatusCode)
	out := make(chan string, 1000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(out)
		name := ""
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if n, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				name = n
			}
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				out <- name + " " + data
			}
		}
	}()
	v.t.Cleanup(func() {
		cancel()
		_ = resp.Body.Close()
		<-done
	})
	return out
}

// event waits for one that begins so.
func event(t testing.TB, from <-chan string, prefix string) string {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case e, ok := <-from:
			require.True(t, ok, "the events have ended before %q", prefix)
			if strings.HasPrefix(e, prefix) {
				return e
			}
		case <-timeout:
			require.FailNow(t, "timeout", "waiting for %q", prefix)
		}
	}
}
