package endtoend

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/sfu/fanout"
	"github.com/freshet-live/freshet/sfu/fanout/wire"
	"github.com/freshet-live/freshet/sfu/hub"
	"github.com/freshet-live/freshet/sfu/rtc"
	"github.com/freshet-live/freshet/signaling"
	"github.com/freshet-live/freshet/signaling/api"
	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/whep"
	"github.com/freshet-live/freshet/signaling/whip"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for an event on a busy machine.
const patience = 20 * time.Second

// server is everything between two sockets, as the binary puts it together.
type server struct {
	t    testing.TB
	url  string
	keys auth.Keys
	http *http.Client
	hub  *hub.Hub
	// network is how the clients connect, and bend changes new ones.
	network webrtc.NetworkType
	bend    kind
	// stop ends the server and waits for all of it.
	stop func()
}

// options bend the server; the zero value is what `freshet serve` does.
type options struct {
	keys   auth.Keys
	tcp    bool // clients connect by ICE-TCP
	rtc    rtc.Config
	fanout fanout.Config
}

func start(t testing.TB, o options) *server {
	t.Helper()
	level := slog.LevelError
	if os.Getenv("FRESHET_TEST_DEBUG") != "" {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: level}))
	reg := prometheus.NewRegistry()
	h := hub.New(hub.Config{}, log)
	o.fanout.Wire = wire.Config{Listen: "127.0.0.1:0", TCPListen: "127.0.0.1:0"}
	engine, err := fanout.New(o.fanout, h, log, reg)
	require.NoError(t, err)
	publishers, err := rtc.NewServer(o.rtc, engine.Wire().PublisherUDP(), engine.Wire().PublisherTCP(), h, log, reg)
	require.NoError(t, err)

	var candidates []string
	for _, c := range engine.Wire().Candidates() {
		candidates = append(candidates, c.String())
	}
	verifier := auth.NewVerifier(o.keys)
	verifier.Bars, err = auth.NewBars("")
	require.NoError(t, err)
	site := &httpx.Site{Log: log, Errors: signaling.Errors(), Limits: httpx.NewLimiter(httpx.LimitConfig{})}
	in := whip.New(whip.Config{
		Site: site, Auth: verifier, Publisher: whip.Server(publishers), Log: log,
		Candidates: func() []string { return candidates },
	})
	out := whep.New(whep.Config{
		Site: site, Auth: verifier, Engine: whep.FanOut(engine), Streams: h, Log: log,
		Candidates: func() []string { return candidates },
		Playlist:   func(stream string) string { return "/hls/" + stream + "/index.m3u8" },
	})
	control := &api.Handler{Site: site, Auth: verifier, Streams: h, Publishers: in, Viewers: out, Bars: verifier.Bars, Log: log}
	mux := http.NewServeMux()
	in.Register(mux)
	out.Register(mux)
	control.Register(mux)

	ctx, cancel := context.WithCancel(context.Background())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	web := httpx.NewServer(ctx, site.Handler(mux), log)
	var running sync.WaitGroup
	run := func(f func(context.Context) error) {
		running.Go(func() {
			if err := f(ctx); err != nil && !errors.Is(err, http.ErrServerClosed) {
				t.Errorf("a part of the server ended: %v", err)
			}
		})
	}
	run(h.Run)
	run(engine.Run)
	run(publishers.Run)
	run(in.Run)
	run(out.Run)
	<-publishers.Ready()
	run(func(context.Context) error { return web.Serve(ln) })
	s := &server{
		t: t, url: "http://" + ln.Addr().String(), keys: o.keys, hub: h,
		http: &http.Client{Transport: &http.Transport{}}, network: webrtc.NetworkTypeUDP4,
	}
	if o.tcp {
		s.network = webrtc.NetworkTypeTCP4
	}
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := web.Shutdown(context.Background()); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		running.Wait()
		s.http.CloseIdleConnections()
	})
	t.Cleanup(s.stop)
	return s
}

// token mints one for a stream; without keys it is just a name.
func (s *server) token(stream, identity string, publish bool) string {
	s.t.Helper()
	if len(s.keys) == 0 {
		return identity
	}
	token, err := auth.Mint(s.keys, auth.MintOptions{
		Stream: stream, Identity: identity, Publish: publish, Subscribe: true, TTL: time.Hour,
	})
	require.NoError(s.t, err)
	return token
}

// answer is an HTTP answer with its body read.
type answer struct {
	status int
	header http.Header
	body   string
}

func (s *server) do(method, path, token, contentType, body string, headers ...string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, s.url+path, strings.NewReader(body))
	require.NoError(s.t, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := s.http.Do(r)
	require.NoError(s.t, err)
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// kind makes clients different from pion as it comes; zero changes nothing.
type kind struct {
	codecs   func(*webrtc.MediaEngine) error
	settings func(*webrtc.SettingEngine)
	offer    func(sdp string) string
	without  webrtc.RTPCodecType
}

// newConnection returns a pion PeerConnection on loopback, by UDP or by TCP.
func (s *server) newConnection() *webrtc.PeerConnection {
	t, network := s.t, s.network
	t.Helper()
	engine := &webrtc.MediaEngine{}
	if s.bend.codecs != nil {
		require.NoError(t, s.bend.codecs(engine))
	} else {
		require.NoError(t, engine.RegisterDefaultCodecs())
		require.NoError(t, webrtc.ConfigureSimulcastExtensionHeaders(engine))
	}
	settings := webrtc.SettingEngine{LoggerFactory: &logging.DefaultLoggerFactory{
		Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled,
	}}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.SetNetworkTypes([]webrtc.NetworkType{network})
	settings.SetIPFilter(net.IP.IsLoopback)
	if s.bend.settings != nil {
		s.bend.settings(&settings)
	}
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithSettingEngine(settings)).
		NewPeerConnection(webrtc.Configuration{})
	require.NoError(t, err)
	return pc
}

// client is what a publisher and a viewer have in common.
type client struct {
	*server
	pc    *webrtc.PeerConnection
	kind  string // "whip" or "whep"
	token string

	url, etag, answer string
	links             []string

	stopped chan struct{}
	once    sync.Once
	running sync.WaitGroup
}

// stop ends the client without a word to the server's HTTP side.
func (c *client) stop() {
	c.once.Do(func() {
		close(c.stopped)
		_ = c.pc.GracefulClose()
		c.running.Wait()
	})
}

// offer makes an offer and posts it.
func (c *client) post(stream string) answer {
	c.t.Helper()
	offer, err := c.pc.CreateOffer(nil)
	require.NoError(c.t, err)
	require.NoError(c.t, c.pc.SetLocalDescription(offer))
	body := offer.SDP
	if c.bend.offer != nil {
		body = c.bend.offer(body)
	}
	return c.do(http.MethodPost, "/"+c.kind+"/"+stream, c.token, "application/sdp", body)
}

// open makes a session of it.
func (c *client) open(stream string) {
	c.t.Helper()
	a := c.post(stream)
	require.Equal(c.t, http.StatusCreated, a.status, a.body)
	c.url, c.etag, c.answer = a.header.Get("Location"), a.header.Get("ETag"), a.body
	c.links = a.header.Values("Link")
	require.NoError(c.t, c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: a.body}))
}

func (c *client) delete() {
	c.t.Helper()
	require.Equal(c.t, http.StatusOK, c.do(http.MethodDelete, c.url, c.token, "", "").status)
}

const fragmentType = "application/trickle-ice-sdpfrag"

// restart does an ICE restart by PATCH (W21).
func (c *client) restart() {
	c.t.Helper()
	offer, err := c.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: true})
	require.NoError(c.t, err)
	require.NoError(c.t, c.pc.SetLocalDescription(offer))
	a := c.do(http.MethodPatch, c.url, c.token, fragmentType, credentials(offer.SDP), "If-Match", "*")
	require.Equal(c.t, http.StatusOK, a.status, a.body)
	require.NotEqual(c.t, c.etag, a.header.Get("ETag"))
	c.answer = strings.NewReplacer(replacements(c.answer, a.body)...).Replace(c.answer)
	c.etag = a.header.Get("ETag")
	require.NoError(c.t, c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: c.answer}))
}

// credentials returns the ICE credentials of a description as a fragment.
func credentials(sdp string) string {
	return attribute(sdp, "a=ice-ufrag:") + "\r\n" + attribute(sdp, "a=ice-pwd:") + "\r\n"
}

func replacements(old, fresh string) (pairs []string) {
	for _, name := range []string{"a=ice-ufrag:", "a=ice-pwd:"} {
		pairs = append(pairs, attribute(old, name), attribute(fresh, name))
	}
	return pairs
}

// attribute returns the first line that begins so.
func attribute(sdp, prefix string) string {
	for line := range strings.SplitSeq(sdp, "\n") {
		if strings.HasPrefix(line, prefix) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}
