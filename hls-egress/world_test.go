package hlsegress

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-live/freshet/hls-egress/origin"
	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/hls-egress/transcode"
	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/sfu/frames"
	"github.com/freshet-live/freshet/sfu/hub"
	"github.com/freshet-live/freshet/sfu/media"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a hub with a Bridge, and a web server before it.
type world struct {
	t      *testing.T
	hub    *hub.Hub
	bridge *Bridge
	site   *httptest.Server
}

type worldOptions struct {
	bridge Config
	ffmpeg string
	window time.Duration // for reconnecting
}

func newWorld(t *testing.T, o worldOptions) *world {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	if o.window == 0 {
		o.window = time.Minute
	}
	h := hub.New(hub.Config{ReconnectWindow: o.window}, log)
	reg := prometheus.NewPedanticRegistry()
	org, err := origin.New(origin.Config{
		Site: &httpx.Site{Log: log}, Dir: t.TempDir(),
		Live: func(name string) bool { s := h.Stream(name); return s != nil && s.State == media.Live },
	}, log, reg)
	require.NoError(t, err)
	b, err := New(o.bridge, h, org, transcode.New(transcode.Config{Path: o.ffmpeg}, log, reg), log, reg)
	require.NoError(t, err)
	mux := http.NewServeMux()
	org.Register(mux)
	site := httptest.NewServer(mux)

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	go func() { ended <- h.Run(ctx) }()
	go func() { ended <- b.Run(ctx) }()
	t.Cleanup(func() {
		site.Close()
		cancel()
		require.NoError(t, <-ended)
		require.NoError(t, <-ended)
		http.DefaultClient.CloseIdleConnections()
	})
	return &world{t: t, hub: h, bridge: b, site: site}
}

// get returns what is at a path below /hls/.
func (w *world) get(path string) string {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.site.URL+"/hls/"+path, nil)
	require.NoError(w.t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	require.Equal(w.t, http.StatusOK, resp.StatusCode, "%s: %s", path, body)
	return string(body)
}

// until reloads a playlist until it matches.
func (w *world) until(path, pattern string) string {
	w.t.Helper()
	want := regexp.MustCompile(pattern)
	deadline := time.After(20 * time.Second)
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for {
		body := w.get(path)
		if want.MatchString(body) {
			return body
		}
		select {
		case <-poll.C:
		case <-deadline:
			require.Failf(w.t, "no match", "%s never matches %s:\n%s", path, pattern, body)
		}
	}
}

// encoding is one Layer of a broadcast.
type encoding struct {
	rid   string
	codec media.Codec
	clip  [][][]byte // payloads of each picture
	every time.Duration
	layer *hub.Layer
	clock *frames.LayerClock
	look  *frames.Inspector
	seq   uint64
	at    int
}

var (
	avc  = media.Codec{Name: media.H264, ClockRate: 90_000, Fmtp: "packetization-mode=1;profile-level-id=42e01f"}
	vp8  = media.Codec{Name: media.VP8, ClockRate: 90_000}
	opus = media.Codec{Name: media.Opus, ClockRate: 48_000, Channels: 2}
)

// video returns an encoding of eight recorded pictures, with a keyframe every
// quarter of a second, at 15 pictures a second.
func video(t *testing.T, rid string, codec media.Codec) *encoding {
	t.Helper()
	e := &encoding{rid: rid, codec: codec, every: time.Second / 15}
	var pictures [][]byte
	var p rtp.Payloader = &codecs.H264Payloader{}
	if codec.Name == media.VP8 {
		raw, err := os.ReadFile("../sfu/frames/testdata/camera.vp8.ivf")
		require.NoError(t, err)
		for rest := raw[32:]; len(rest) > 12; {
			n := binary.LittleEndian.Uint32(rest)
			pictures = append(pictures, rest[12:12+n])
			rest = rest[12+n:]
		}
		p = &codecs.VP8Payloader{EnablePictureID: true}
	} else {
		raw, err := os.ReadFile("../sfu/frames/testdata/camera.h264")
		require.NoError(t, err)
		pictures = accessUnits(raw)
	}
	for _, picture := range pictures {
		e.clip = append(e.clip, p.Payload(1100, picture))
	}
	return e
}

// accessUnits cuts an H264 byte stream after each slice: the clip has one per
// picture.
func accessUnits(raw []byte) (out [][]byte) {
	var unit []byte
	for nal := range bytes.SplitSeq(raw, []byte{0, 0, 1}) {
		nal = bytes.TrimRight(nal, "\x00")
		if len(nal) == 0 {
			continue
		}
		unit = append(append(unit, 0, 0, 0, 1), nal...)
		if t := nal[0] & 0x1f; t == 1 || t == 5 {
			out, unit = append(out, unit), nil
		}
	}
	return out
}

func sound() *encoding {
	frame, _ := segment.Silence(media.Opus)
	return &encoding{codec: opus, every: 20 * time.Millisecond, clip: [][][]byte{{frame}}}
}

type publisher struct{}

func (publisher) RequestKeyframe(*media.Layer) {}
func (publisher) End(error)                    {}

// broadcast publishes until the returned function is called.
func (w *world) broadcast(name string, encodings ...*encoding) (stop func()) {
	w.t.Helper()
	pub, err := w.hub.Publish(name, "ann", publisher{})
	require.NoError(w.t, err)
	require.NoError(w.t, pub.Start())
	base := frames.NewTimebase()
	for i, e := range encodings {
		e.layer, err = pub.AddLayer(e.codec, e.rid, i)
		require.NoError(w.t, err)
		e.clock, e.look = base.Layer(e.codec.ClockRate), frames.NewInspector(e.codec)
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(5 * time.Millisecond)
		defer t.Stop()
		began := time.Now()
		for {
			select {
			case <-done:
				pub.End()
				return
			case now := <-t.C:
				for _, e := range encodings {
					for time.Duration(e.at)*e.every <= now.Sub(began) {
						e.send(now, began)
					}
				}
			}
		}
	}()
	stop = func() {
		select {
		case <-done:
		default:
			close(done)
		}
		<-ended
	}
	w.t.Cleanup(stop)
	return stop
}

// send writes the next picture, with a sender report at the first.
func (e *encoding) send(now, began time.Time) {
	ts := uint32(time.Duration(e.at) * e.every * time.Duration(e.codec.ClockRate) / time.Second)
	if e.at == 0 {
		e.clock.Report(frames.NTPTime(began), ts, now)
	}
	if c, changed := e.clock.Packet(ts, now); changed {
		e.layer.SetClock(c)
	}
	payloads := e.clip[e.at%len(e.clip)]
	for i, payload := range payloads {
		info := e.look.Inspect(ts, payload)
		if info.Width > 0 {
			e.layer.SetSize(info.Width, info.Height)
		}
		e.seq++
		e.layer.Write(&media.Packet{
			Seq: e.seq, Timestamp: ts, Arrival: now, Marker: i == len(payloads)-1, FrameStart: info.FrameStart,
			Keyframe: info.Keyframe, Descriptor: info.Descriptor, Payload: payload,
		})
	}
	e.at++
}

func lines(text, prefix string) (out []string) {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), prefix); ok {
			out = append(out, rest)
		}
	}
	return out
}
