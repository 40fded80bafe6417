package main

import (
	"strings"

	"github.com/freshet-live/freshet/internal/config"
)

// serveCmd has the common settings as flags; a nil pointer is a flag that was
// not given. The names are the keys of the settings.
type serveCmd struct {
	Config   string `name:"config" short:"c" placeholder:"FILE" help:"YAML file with the settings."`
	Insecure bool   `name:"insecure" help:"Serve everybody without keys, on any address."`

	HTTP      *string  `name:"http.listen" placeholder:"HOST:PORT" help:"Pages, WHIP, WHEP and API (default 127.0.0.1:8080)."`
	TLSCert   *string  `name:"http.tls-cert" placeholder:"FILE" help:"PEM file with a certificate and its chain: http.listen speaks HTTPS."`
	TLSKey    *string  `name:"http.tls-key" placeholder:"FILE" help:"PEM file with the certificate's key."`
	Media     *string  `name:"media.listen" placeholder:"HOST:PORT" help:"RTP over UDP (default: as http.listen)."`
	MediaTCP  *string  `name:"media.tcp-listen" placeholder:"HOST:PORT" help:"RTP over TCP (default: the next port; off: none)."`
	PublicIP  []string `name:"media.public-ip" placeholder:"IP" help:"Address that the world reaches media.listen by; repeatable."`
	Admin     *string  `name:"admin.listen" placeholder:"HOST:PORT" help:"Metrics and profiles (default 127.0.0.1:8090; off: none)."`
	Keys      []string `name:"auth.keys" placeholder:"KEY:SECRET" help:"API key and secret that tokens are signed with; repeatable."`
	LogLevel  *string  `name:"log.level" placeholder:"LEVEL" help:"debug, info, warn or error (default info)."`
	Reconnect *string  `name:"stream.reconnect-window" placeholder:"DURATION" help:"How long a stream waits for its publisher to come back (default 30s)."`

	Turn      *string `name:"turn.listen" placeholder:"HOST:PORT" help:"Not in this version; only off is accepted."`
	DataDir   *string `name:"data-dir" placeholder:"DIR" help:"Where files go, such as HLS segments (default ./data)."`
	Redis     *string `name:"cluster.redis" placeholder:"URL" help:"Redis that shares rooms with other nodes, redis://HOST:PORT."`
	Region    *string `name:"cluster.region" placeholder:"NAME" help:"Not used by this version."`
	Node      *string `name:"cluster.node" placeholder:"NAME" help:"This node's name, different on each (default: the host's name and some letters)."`
	Advertise *string `name:"cluster.advertise" placeholder:"URL" help:"Not used by this version."`
}

// overrides returns the flags that were given.
func (c *serveCmd) overrides() []config.Override {
	var out []config.Override
	add := func(key string, value *string) {
		if value != nil {
			out = append(out, config.Override{Key: key, Name: "--" + key, Value: *value})
		}
	}
	list := func(key string, values []string) {
		if len(values) > 0 {
			joined := strings.Join(values, ",")
			add(key, &joined)
		}
	}
	add("http.listen", c.HTTP)
	add("http.tls-cert", c.TLSCert)
	add("http.tls-key", c.TLSKey)
	add("media.listen", c.Media)
	add("media.tcp-listen", c.MediaTCP)
	list("media.public-ip", c.PublicIP)
	add("admin.listen", c.Admin)
	list("auth.keys", c.Keys)
	add("log.level", c.LogLevel)
	add("stream.reconnect-window", c.Reconnect)
	add("turn.listen", c.Turn)
	add("data-dir", c.DataDir)
	add("cluster.redis", c.Redis)
	add("cluster.region", c.Region)
	add("cluster.node", c.Node)
	add("cluster.advertise", c.Advertise)
	if c.Insecure {
		yes := "true"
		add("insecure", &yes)
	}
	return out
}
