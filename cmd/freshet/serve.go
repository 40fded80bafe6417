package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	hlsegress "github.com/freshet-live/freshet/hls-egress"
	"github.com/freshet-live/freshet/hls-egress/origin"
	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/sfu/fanout"
	"github.com/freshet-live/freshet/sfu/fanout/wire"
	"github.com/freshet-live/freshet/sfu/hub"
	"github.com/freshet-live/freshet/sfu/rtc"
	"github.com/freshet-live/freshet/signaling"
	"github.com/freshet-live/freshet/signaling/rooms"
	"github.com/freshet-live/freshet/signaling/rooms/store"
	"github.com/freshet-live/freshet/signaling/session"
	"github.com/freshet-live/freshet/signaling/webhook"
	"github.com/freshet-live/freshet/signaling/whep"
	"github.com/freshet-live/freshet/signaling/whip"
	"github.com/freshet-live/freshet/web"
)

// shutdownTimeout bounds how long open HTTP requests may take at the end.
const shutdownTimeout = 3 * time.Second

// Run serves until ctx ends.
func (c *serveCmd) Run(ctx context.Context, s *streams) error {
	set, err := loadSettings(c.Config, s.environ, c.overrides())
	if err != nil {
		return err
	}
	level := &slog.LevelVar{}
	level.Set(set.logLevel())
	srv, err := newServer(set, newLogger(set, level, s.stderr))
	if err != nil {
		return err
	}
	if err := printBanner(s.stdout, srv.base(), len(set.Auth.Keys) > 0, srv.hls != nil); err != nil {
		return errors.Join(err, srv.Close())
	}
	srv.reload = func() error {
		set, err := loadSettings(c.Config, s.environ, c.overrides())
		if err != nil {
			return err
		}
		level.Set(set.logLevel())
		return srv.access.set(set.Auth.Keys, srv.log)
	}
	return srv.Run(ctx)
}

// server is the running product: everything that serve puts together.
type server struct {
	log    *slog.Logger
	public net.Listener
	cert   *httpx.Certificate // of public; nil: no TLS
	admin  net.Listener       // nil: off
	access access
	hub    *hub.Hub
	engine *fanout.Engine
	ingest *rtc.Server
	whip   *whip.Handler
	whep   *whep.Handler
	origin *origin.Origin    // nil: no HLS
	hls    *hlsegress.Bridge // nil: no HLS
	rooms  *rooms.Handler

	roomFiles *store.File
	roomStore roomStore
	redis     redis.UniversalClient // nil: one Node
	roomTemp  string                // a folder to remove at the end, "" for none

	hooks     *webhook.Dispatcher
	admission *webhook.Admission

	handler http.Handler // of public
	ops     http.Handler // of admin
	reload  func() error
}

func newServer(set *settings, log *slog.Logger) (_ *server, err error) {
	s := &server{log: log, reload: func() error { return nil }}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	pages, err := web.Handler()
	if err != nil {
		return nil, err
	}
	s.access.gated = set.Webhooks.Admission != ""
	if err := s.access.set(set.Auth.Keys, log); err != nil {
		return nil, err
	}
	if set.HTTP.TLSCert != "" {
		if s.cert, err = httpx.NewCertificate(set.HTTP.TLSCert, set.HTTP.TLSKey, log); err != nil {
			return nil, fmt.Errorf("http.tls-cert: %w", err)
		}
	}
	if s.public, err = listen("http.listen", set.HTTP.Listen); err != nil {
		return nil, err
	}
	if !off(set.Admin.Listen) {
		if s.admin, err = listen("admin.listen", set.Admin.Listen); err != nil {
			return nil, err
		}
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if err := s.openMedia(set, reg); err != nil {
		return nil, err
	}
	proxies, err := httpx.ParseProxies(set.HTTP.TrustedProxies...)
	if err != nil {
		return nil, fmt.Errorf("http.trusted-proxies: %w", err)
	}
	site := &httpx.Site{
		Log: s.log, Errors: signaling.Errors(), Limits: httpx.NewLimiter(httpx.LimitConfig{}), Proxies: proxies,
	}
	if err := s.openHLS(set, site, reg); err != nil {
		return nil, err
	}
	if err := s.openRooms(set, site, reg); err != nil {
		return nil, err
	}
	if err := s.openWebhooks(set, reg); err != nil {
		return nil, err
	}
	if err := s.openBars(set); err != nil {
		return nil, err
	}
	s.handler = s.routes(set, site, pages)
	s.ops = opsHandler(reg)
	return s, nil
}

// base is how a browser on this machine reaches the server.
func (s *server) base() string {
	if s.cert != nil {
		return "https" + strings.TrimPrefix(baseURL(s.public.Addr()), "http")
	}
	return baseURL(s.public.Addr())
}

func listen(key, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr) //nolint:noctx // a listener has no deadline
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s: another program has %s: choose another address by --%s HOST:PORT", key, addr, key)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return l, nil
}

func (s *server) openMedia(set *settings, reg *prometheus.Registry) (err error) {
	ips, err := set.publicIPs()
	if err != nil {
		return err
	}
	s.hub = hub.New(hub.Config{ReconnectWindow: set.Stream.ReconnectWindow, OnChange: s.streamChanged}, s.log)
	s.engine, err = fanout.New(fanout.Config{
		Wire: wire.Config{
			Listen: set.Media.Listen, TCPListen: set.Media.TCPListen,
			PublicIPs: ips, Sockets: set.Media.Workers, DisableGSO: !set.Media.GSO,
		},
		Workers: set.Media.Workers, MaxViewers: set.Media.MaxViewers, MaxPerStream: set.Stream.MaxViewers,
		MaxCPU: set.Media.MaxCPU, MaxBandwidth: uint64(set.Media.MaxBandwidth), //nolint:gosec // checked
	}, s.hub, s.log, reg)
	if err != nil {
		return err
	}
	w := s.engine.Wire()
	s.ingest, err = rtc.NewServer(rtc.Config{}, w.PublisherUDP(), w.PublisherTCP(), s.hub, s.log, reg)
	return err
}

// routes builds the public handler.
func (s *server) routes(set *settings, site *httpx.Site, pages http.Handler) http.Handler {
	candidates := func() []string {
		var out []string
		for _, c := range s.engine.Wire().Candidates() {
			out = append(out, c.String())
		}
		return out
	}
	servers := set.iceServers()
	ice := func() []session.ICEServer { return servers }
	s.whip = whip.New(whip.Config{
		Site: site, Auth: &s.access, Ask: s.ask(webhook.Publish, "whip"), Publisher: whip.Server(s.ingest),
		Candidates: candidates, ICEServers: ice, Log: s.log,
	})
	var playlist func(string) string
	if s.origin != nil {
		playlist = func(stream string) string { return "/hls/" + stream + "/index.m3u8" }
	}
	s.whep = whep.New(whep.Config{
		Site: site, Auth: &s.access, Ask: s.ask(webhook.Play, "whep"), Engine: whep.FanOut(s.engine), Streams: s.hub,
		Candidates: candidates, ICEServers: ice, Playlist: playlist, Log: s.log,
	})
	s.whip.Sessions.Observer = s.hooks.Observe("whip", true)
	s.whep.Sessions.Observer = s.hooks.Observe("whep", false)
	mux := http.NewServeMux()
	s.whip.Register(mux)
	s.whep.Register(mux)
	s.rooms.Register(mux)
	s.openControl(site).Register(mux)
	missing := []string{"/whip/", "/whep/", "/rooms/", "/api/"}
	if s.origin != nil {
		s.origin.Register(mux)
	} else {
		missing = append(missing, "/hls/")
	}
	for _, path := range missing {
		mux.Handle(path, site.Missing()) // what the pages answer has no cross-origin headers
	}
	mux.Handle("/", pages)
	return site.Handler(mux)
}

// opsHandler serves metrics and profiles, for the operator only.
func opsHandler(reg *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// Close gives back what newServer opened, for a server that never ran.
func (s *server) Close() error {
	var errs []error
	for _, l := range []net.Listener{s.public, s.admin} {
		if l != nil {
			errs = append(errs, l.Close())
		}
	}
	return errors.Join(append(errs, s.closeRooms())...)
}

// Run serves until ctx ends, then says goodbye to everybody.
func (s *server) Run(ctx context.Context) error {
	return s.runWithWebhooks(ctx, s.runAll)
}

func (s *server) runAll(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.hub.Run(ctx) })
	g.Go(func() error { return s.engine.Run(ctx) })
	g.Go(func() error { return s.ingest.Run(ctx) })
	g.Go(func() error { return s.whip.Run(ctx) })
	g.Go(func() error { return s.whep.Run(ctx) })
	g.Go(func() error { return s.runRooms(ctx) })
	if s.hls != nil {
		g.Go(func() error { return s.hls.Run(ctx) })
	}
	g.Go(func() error { return s.reloadOnHangup(ctx) })
	g.Go(func() error { return serveHTTP(ctx, s.ingest.Ready(), s.public, s.cert, s.handler, s.log) })
	if s.admin != nil {
		g.Go(func() error { return serveHTTP(ctx, s.ingest.Ready(), s.admin, nil, s.ops, s.log) })
	}
	return g.Wait()
}

// reloadOnHangup reads the settings again at each SIGHUP. Settings with a
// mistake change nothing.
func (s *server) reloadOnHangup(ctx context.Context) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangup:
			if err := s.reload(); err != nil {
				s.log.Error("settings not reloaded", "err", err)
				continue
			}
			s.log.Info("settings reloaded: auth.keys and log.level")
		}
	}
}

// serveHTTP serves one listener from ready until ctx ends, by TLS and HTTP/2 if
// there is a certificate. Clients that come
// earlier wait: the banner is out, and nobody shall get a 503 for being quick.
// Requests end with ctx, event streams at once.
func serveHTTP(ctx context.Context, ready <-chan struct{}, l net.Listener, cert *httpx.Certificate, h http.Handler, log *slog.Logger) error {
	select {
	case <-ready:
	case <-ctx.Done():
		return l.Close()
	}
	srv := httpx.NewServer(ctx, h, log)
	var g errgroup.Group
	g.Go(func() error {
		<-ctx.Done()
		deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if err := srv.Shutdown(deadline); err != nil {
			return srv.Close()
		}
		return nil
	})
	var err error
	if cert != nil {
		srv.TLSConfig = cert.Config()
		err = srv.ServeTLS(l, "", "")
	} else {
		err = srv.Serve(httpx.Listener{Listener: l})
	}
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return errors.Join(err, g.Wait())
}
