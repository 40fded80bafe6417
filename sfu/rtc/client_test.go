package rtc

import (
	"bytes"
	"encoding/binary"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/logging"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"
)

// clientOptions say what kind of publisher to be.
type clientOptions struct {
	video, audio string // MIME types, empty: none
	rids         []string
	noRTX        bool
	tcp          bool
	setup        string              // replaces a=setup of the offer
	edit         func(string) string // changes the offer
	drop         func(*rtp.Header) bool
	silent       *atomic.Bool // drops everything while set
}

// client is a publisher made of a full pion PeerConnection.
type client struct {
	pc       *webrtc.PeerConnection
	tracks   map[string]*webrtc.TrackLocalStaticRTP // by rid, "" and "audio"
	midID    uint8
	ridID    uint8
	mid      string
	offer    string
	stopped  chan struct{}
	stopOnce sync.Once
	rtcp     chan rtcp.Packet // some of what the server sends
	running  sync.WaitGroup
}

func newClient(t *testing.T, o clientOptions) *client {
	t.Helper()
	engine := &webrtc.MediaEngine{}
	require.NoError(t, engine.RegisterDefaultCodecs())
	require.NoError(t, webrtc.ConfigureSimulcastExtensionHeaders(engine))
	registry := &interceptor.Registry{}
	responder, err := nack.NewResponderInterceptor()
	require.NoError(t, err)
	registry.Add(responder)
	sender, err := report.NewSenderInterceptor(report.SenderInterval(50 * time.Millisecond))
	require.NoError(t, err)
	registry.Add(sender)
	require.NoError(t, webrtc.ConfigureTWCCHeaderExtensionSender(engine, registry))

	settings := webrtc.SettingEngine{LoggerFactory: &logging.DefaultLoggerFactory{Writer: t.Output(), DefaultLogLevel: logging.LogLevelDisabled}}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	if o.tcp {
		settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4})
	} else {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		require.NoError(t, err)
		mux := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: &lossyConn{PacketConn: conn, drop: o.drop, silent: o.silent}, Logger: settings.LoggerFactory.NewLogger("mux")})
		t.Cleanup(func() { _ = mux.Close() })
		settings.SetICEUDPMux(mux)
		settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	}
	pc, err := webrtc.NewAPI(
		webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(registry), webrtc.WithSettingEngine(settings),
	).NewPeerConnection(webrtc.Configuration{})
	require.NoError(t, err)
	c := &client{pc: pc, tracks: map[string]*webrtc.TrackLocalStaticRTP{}, stopped: make(chan struct{}), rtcp: make(chan rtcp.Packet, 1024)}
	t.Cleanup(c.stop)
	if o.audio != "" {
		c.addTrack(t, "audio", o.audio, nil, o)
	}
	if o.video != "" {
		c.addTrack(t, "", o.video, o.rids, o)
	}
	offer, err := pc.CreateOffer(nil)
	require.NoError(t, err)
	require.NoError(t, pc.SetLocalDescription(offer))
	c.offer = offer.SDP
	if o.setup != "" {
		c.offer = strings.ReplaceAll(c.offer, "a=setup:actpass", "a=setup:"+o.setup)
	}
	if o.edit != nil {
		c.offer = o.edit(c.offer)
	}
	return c
}

func (c *client) addTrack(t *testing.T, name, mime string, rids []string, o clientOptions) {
	t.Helper()
	capability := webrtc.RTPCodecCapability{MimeType: mime}
	var first *webrtc.RTPSender
	if len(rids) == 0 {
		rids = []string{""}
	}
	for i, rid := range rids {
		var options []func(*webrtc.TrackLocalStaticRTP)
		key := name
		if rid != "" {
			options = append(options, webrtc.WithRTPStreamID(rid))
			key = rid
		}
		track, err := webrtc.NewTrackLocalStaticRTP(capability, "track"+name, "stream", options...)
		require.NoError(t, err)
		c.tracks[key] = track
		if i > 0 {
			require.NoError(t, first.AddEncoding(track))
			c.drain(first, rid)
			continue
		}
		tr, err := c.pc.AddTransceiverFromTrack(track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
		require.NoError(t, err)
		require.NoError(t, tr.SetCodecPreferences(preferred(tr, mime, o.noRTX)))
		first = tr.Sender()
		c.drain(first, rid)
	}
}

// preferred leaves one codec, the first of its type, and its retransmissions.
func preferred(tr *webrtc.RTPTransceiver, mime string, noRTX bool) (out []webrtc.RTPCodecParameters) {
	for _, p := range tr.Sender().GetParameters().Codecs {
		if strings.EqualFold(p.MimeType, mime) && len(out) == 0 {
			out = append(out, p)
		} else if len(out) > 0 && !noRTX && p.SDPFmtpLine == "apt="+itoa(int(out[0].PayloadType)) {
			out = append(out, p)
		}
	}
	return out
}

func itoa(n int) string {
	var b [8]byte
	i := len(b)
	for {
		i--
		b[i] = byte('0' + n%10)
		if n /= 10; n == 0 {
			return string(b[i:])
		}
	}
}

// drain reads an encoding's RTCP, without which interceptors see none.
func (c *client) drain(s *webrtc.RTPSender, rid string) {
	c.running.Go(func() {
		for {
			packets, _, err := s.ReadSimulcastRTCP(rid)
			if err != nil {
				return
			}
			for _, p := range packets {
				select {
				case c.rtcp <- p:
				default:
				}
			}
		}
	})
}

func (c *client) stop() {
	c.stopOnce.Do(func() {
		close(c.stopped)
		_ = c.pc.GracefulClose()
		c.running.Wait()
	})
}

// publish sends the offer and takes the answer.
func (r *rig) publish(t *testing.T, stream, owner string, c *client) *Session {
	t.Helper()
	session, answer, err := r.Publish(t.Context(), stream, owner, c.offer)
	require.NoError(t, err)
	c.accept(t, answer)
	return session
}

// accept takes an answer.
func (c *client) accept(t *testing.T, answer string) {
	t.Helper()
	require.NoError(t, c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}))
	for _, tr := range c.pc.GetTransceivers() {
		if tr.Kind() == webrtc.RTPCodecTypeVideo && c.mid == "" {
			c.mid = tr.Mid()
			for _, e := range tr.Sender().GetParameters().HeaderExtensions {
				switch e.URI {
				case uriMID:
					c.midID = uint8(e.ID)
				case uriRID:
					c.ridID = uint8(e.ID)
				}
			}
		}
	}
}

// send writes frames at 50 a second until the client stops; the payloads of
// frame i come from frame.
func (c *client) send(name string, rate uint32, frame func(i int) [][]byte) {
	track := c.tracks[name]
	c.running.Go(func() {
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		seq := uint16(65500) // wraps soon
		for i := 0; ; i++ {
			select {
			case <-c.stopped:
				return
			case <-ticker.C:
			}
			payloads := frame(i)
			for j, payload := range payloads {
				p := &rtp.Packet{Header: rtp.Header{
					Version: 2, SequenceNumber: seq, Timestamp: uint32(i) * rate / 50, Marker: j == len(payloads)-1,
				}, Payload: payload}
				if name != "" && name != "audio" {
					_ = p.SetExtension(c.midID, []byte(c.mid))
					_ = p.SetExtension(c.ridID, []byte(name))
				}
				seq++
				_ = track.WriteRTP(p)
			}
		}
	})
}

// vp8 makes frames of so many packets, every tenth a keyframe of that size.
func vp8(width, height uint16, packets int) func(int) [][]byte {
	return func(i int) (out [][]byte) {
		frame := []byte{1, 0, 0}
		if i%10 == 0 {
			frame = []byte{0x10, 0, 0, 0x9d, 0x01, 0x2a}
			frame = binary.LittleEndian.AppendUint16(frame, width)
			frame = binary.LittleEndian.AppendUint16(frame, height)
		}
		for j := range packets {
			if j == 0 {
				out = append(out, append([]byte{0x10}, frame...))
			} else {
				out = append(out, []byte{0x00, byte(i), byte(j), 3, 4, 5})
			}
		}
		return out
	}
}

func opusFrames(int) [][]byte { return [][]byte{{0xfc, 0xff, 0xfe}} }

// recorded plays a file of package frames over and over.
func recorded(t *testing.T, mime string) func(int) [][]byte {
	t.Helper()
	var payloader rtp.Payloader
	var pictures [][]byte
	read := func(name string) []byte {
		b, err := os.ReadFile("../frames/testdata/" + name)
		require.NoError(t, err)
		return b
	}
	switch mime {
	case webrtc.MimeTypeH264:
		payloader, pictures = &codecs.H264Payloader{}, [][]byte{read("camera.h264")}
	case webrtc.MimeTypeH265:
		payloader, pictures = &codecs.H265Payloader{}, [][]byte{read("camera.h265")}
	case webrtc.MimeTypeVP8:
		payloader, pictures = &codecs.VP8Payloader{EnablePictureID: true}, ivf(read("camera.vp8.ivf"))
	case webrtc.MimeTypeVP9:
		payloader, pictures = &codecs.VP9Payloader{}, ivf(read("camera.vp9.ivf"))
	case webrtc.MimeTypeAV1:
		payloader, pictures = &codecs.AV1Payloader{}, ivf(read("camera.av1.ivf"))
	}
	return func(i int) [][]byte { return payloader.Payload(1200, bytes.Clone(pictures[i%len(pictures)])) }
}

func ivf(b []byte) (frames [][]byte) {
	for b = b[32:]; len(b) >= 12; {
		n := int(binary.LittleEndian.Uint32(b))
		frames = append(frames, b[12:12+n])
		b = b[12+n:]
	}
	return frames
}

// lossyConn drops RTP on its way out.
type lossyConn struct {
	net.PacketConn
	drop   func(*rtp.Header) bool
	silent *atomic.Bool
}

func (c *lossyConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	if c.silent != nil && c.silent.Load() {
		return len(b), nil
	}
	if c.drop != nil && len(b) > 12 && b[0]>>6 == 2 && (b[1] < 192 || b[1] > 223) {
		var h rtp.Header
		if _, err := h.Unmarshal(b); err == nil && c.drop(&h) {
			return len(b), nil
		}
	}
	return c.PacketConn.WriteTo(b, addr)
}
