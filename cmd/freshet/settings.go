package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-live/freshet/internal/config"
	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/session"
)

// settings is everything that can be configured, documented in docs/config.md.
type settings struct {
	HTTP struct {
		Listen string `yaml:"listen"`
		// TLSCert and TLSKey are PEM files; both or none.
		TLSCert string `yaml:"tls-cert"`
		TLSKey  string `yaml:"tls-key"`
		// TrustedProxies are networks whose word is taken for who a client is.
		TrustedProxies []string `yaml:"trusted-proxies"`
	} `yaml:"http"`
	Media struct {
		Listen     string   `yaml:"listen"`
		TCPListen  string   `yaml:"tcp-listen"`
		PublicIP   []string `yaml:"public-ip"`
		Workers    int      `yaml:"workers"`
		GSO        bool     `yaml:"gso"`
		MaxViewers int      `yaml:"max-viewers"`
		// MaxCPU is a share of the cores, MaxBandwidth is in bit/s.
		MaxCPU       float64 `yaml:"max-cpu"`
		MaxBandwidth int     `yaml:"max-bandwidth"`
		// ICEServers are announced to publishers and viewers in Link headers.
		ICEServers []iceServer `yaml:"ice-servers"`
	} `yaml:"media"`
	Admin struct {
		Listen string `yaml:"listen"`
	} `yaml:"admin"`
	Stream struct {
		ReconnectWindow time.Duration `yaml:"reconnect-window"`
		MaxViewers      int           `yaml:"max-viewers"`
	} `yaml:"stream"`
	HLS      hlsSettings     `yaml:"hls"`
	Rooms    roomSettings    `yaml:"rooms"`
	Webhooks webhookSettings `yaml:"webhooks"`
	Auth     struct {
		Keys []string `yaml:"keys"`
	} `yaml:"auth"`
	Log struct {
		Level string `yaml:"level"`
		JSON  bool   `yaml:"json"`
	} `yaml:"log"`
	// DataDir is where files go.
	DataDir  string `yaml:"data-dir"`
	Insecure bool   `yaml:"insecure"`

	Cluster struct {
		// Redis is what redisOptions reads; "" is one Node.
		Redis string `yaml:"redis"`
		// Node is different on each Node.
		Node string `yaml:"node"`
		// Region and Advertise have no effect yet.
		Region    string `yaml:"region"`
		Advertise string `yaml:"advertise"`
	} `yaml:"cluster"`

	// Turn belongs to a part that this version does not have. It is known, so
	// that one command line fits every version; check refuses an address.
	Turn struct {
		Listen string `yaml:"listen"`
	} `yaml:"turn"`
}

type iceServer struct {
	URLs       []string `yaml:"urls"`
	Username   string   `yaml:"username"`
	Credential string   `yaml:"credential"`
}

func defaultSettings() *settings {
	s := &settings{}
	s.HTTP.Listen = "127.0.0.1:8080"
	s.Media.GSO = true
	s.Media.MaxViewers = 10_000
	s.Media.MaxCPU = 0.85
	s.Admin.Listen = "127.0.0.1:8090"
	s.Stream.ReconnectWindow = 30 * time.Second
	s.HLS = defaultHLS()
	s.Rooms = defaultRooms()
	s.Webhooks = defaultWebhooks()
	s.Log.Level = "info"
	s.DataDir = "./data"
	return s
}

// loadSettings reads the file (if any), the environment and the flags.
func loadSettings(file string, environ []string, flags []config.Override) (*settings, error) {
	s := defaultSettings()
	if file != "" {
		if err := config.File(s, file); err != nil {
			return nil, err
		}
	}
	env, err := config.Environ(s, "FRESHET", environ)
	if err != nil {
		return nil, err
	}
	if err := config.Set(s, append(env, flags...)); err != nil {
		return nil, err
	}
	if err := s.complete(); err != nil && file != "" && !overridden(append(env, flags...), err) {
		return nil, config.Place(file, err)
	} else if err != nil {
		return nil, err
	}
	return s, nil
}

// overridden reports whether the key that an error begins with was set by the
// environment or a flag, so that the file is not to blame.
func overridden(by []config.Override, err error) bool {
	return slices.ContainsFunc(by, func(o config.Override) bool { return strings.HasPrefix(err.Error(), o.Key+":") })
}

func off(listen string) bool { return listen == "" || listen == "off" }

// complete fills in what follows from other settings and checks the rest.
func (s *settings) complete() error {
	if off(s.HTTP.Listen) {
		return errors.New("http.listen: the server needs an address to listen on")
	}
	if s.Media.Listen == "" {
		s.Media.Listen = s.HTTP.Listen
	}
	if off(s.Media.Listen) {
		return errors.New("media.listen: media needs a UDP port; leave it empty to take that of http.listen")
	}
	if _, _, err := splitListen("http.listen", s.HTTP.Listen); err != nil {
		return err
	}
	mediaHost, mediaPort, err := splitListen("media.listen", s.Media.Listen)
	if err != nil {
		return err
	}
	if s.Media.TCPListen == "" {
		next := 0
		if mediaPort != 0 {
			next = mediaPort + 1
		}
		s.Media.TCPListen = net.JoinHostPort(mediaHost, strconv.Itoa(next))
	}
	if err := s.completeCluster(); err != nil {
		return err
	}
	return s.check()
}

func (s *settings) check() error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.Log.Level)); err != nil {
		return fmt.Errorf("log.level: %q is none of debug, info, warn, error", s.Log.Level)
	}
	if (s.HTTP.TLSCert == "") != (s.HTTP.TLSKey == "") {
		return errors.New("http.tls-cert: a certificate needs its key, and a key its certificate: set http.tls-key too")
	}
	if _, err := httpx.ParseProxies(s.HTTP.TrustedProxies...); err != nil {
		return fmt.Errorf("http.trusted-proxies: %w", err)
	}
	if s.Stream.ReconnectWindow <= 0 {
		return errors.New("stream.reconnect-window: must be longer than 0s")
	}
	if s.Media.Workers < 0 {
		return errors.New("media.workers: must not be negative; 0 is one per core")
	}
	if s.Media.MaxViewers <= 0 {
		return errors.New("media.max-viewers: must be 1 or more")
	}
	if !(s.Media.MaxCPU >= 0 && s.Media.MaxCPU <= 1) { // nor is it NaN
		return errors.New("media.max-cpu: must be a share of the cores between 0 and 1; 0 is no limit")
	}
	if s.Media.MaxBandwidth < 0 {
		return errors.New("media.max-bandwidth: must not be negative; 0 is no limit")
	}
	if s.Stream.MaxViewers < 0 {
		return errors.New("stream.max-viewers: must not be negative; 0 is no limit")
	}
	if _, err := s.publicIPs(); err != nil {
		return err
	}
	if _, err := auth.ParseKeys(s.Auth.Keys...); err != nil {
		return fmt.Errorf("auth.keys: %w", err)
	}
	for _, server := range s.Media.ICEServers {
		if err := server.check(); err != nil {
			return err
		}
	}
	if !off(s.Turn.Listen) {
		return errors.New("turn.listen: this version has no TURN server yet; leave it empty and name yours in media.ice-servers")
	}
	if err := s.HLS.check(); err != nil {
		return err
	}
	if err := s.Rooms.check(); err != nil {
		return err
	}
	if err := s.Webhooks.check(s.Auth.Keys); err != nil {
		return err
	}
	return s.checkOpen()
}

func (i iceServer) check() error {
	if len(i.URLs) == 0 {
		return errors.New("media.ice-servers: each needs urls")
	}
	for _, u := range i.URLs {
		scheme, _, ok := strings.Cut(u, ":")
		if !ok || (scheme != "stun" && scheme != "stuns" && scheme != "turn" && scheme != "turns") || strings.ContainsAny(u, "<>\" \r\n") {
			return fmt.Errorf("media.ice-servers: %q is no stun:, stuns:, turn: or turns: URL", u)
		}
	}
	return nil
}

// checkOpen refuses to serve the world without keys.
func (s *settings) checkOpen() error {
	if len(s.Auth.Keys) > 0 || s.Insecure {
		return nil
	}
	for _, l := range []struct{ key, listen string }{
		{"http.listen", s.HTTP.Listen}, {"media.listen", s.Media.Listen},
		{"media.tcp-listen", s.Media.TCPListen}, {"admin.listen", s.Admin.Listen},
	} {
		if off(l.listen) {
			continue
		}
		host, _, err := splitListen(l.key, l.listen)
		if err != nil {
			return err
		}
		if !loopback(host) {
			return fmt.Errorf("%s: %s is open to everybody without keys: set auth.keys (key:secret), or --insecure if that is meant", l.key, l.listen)
		}
	}
	return nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

func splitListen(key, listen string) (host string, port int, err error) {
	if off(listen) {
		return "", 0, nil
	}
	host, text, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("%s: %q is not host:port", key, listen)
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("%s: %q has no port between 0 and 65535", key, listen)
	}
	return host, port, nil
}

func (s *settings) publicIPs() ([]netip.Addr, error) {
	var out []netip.Addr
	for _, text := range s.Media.PublicIP {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("media.public-ip: %q is no IP address", text)
		}
		if ip.IsUnspecified() || ip.IsMulticast() {
			return nil, fmt.Errorf("media.public-ip: nobody can connect to %s; name the address that the world uses", ip)
		}
		out = append(out, ip)
	}
	return out, nil
}

func (s *settings) iceServers() []session.ICEServer {
	var out []session.ICEServer
	for _, i := range s.Media.ICEServers {
		out = append(out, session.ICEServer{URLs: i.URLs, Username: i.Username, Credential: i.Credential})
	}
	return out
}

func (s *settings) logLevel() slog.Level {
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.Log.Level)) // checked before
	return level
}
