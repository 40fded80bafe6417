package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// redisTimeout bounds the wait for an answer of Redis. Nobody waits for one.
const redisTimeout = 2 * time.Second

// nodeRule keeps names of Nodes fit for logs and keys.
var nodeRule = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// completeCluster names this Node, if nobody has.
func (s *settings) completeCluster() error {
	c := &s.Cluster
	if c.Node == "" && c.Redis != "" {
		host, _ := os.Hostname() // "" does it, too
		host = regexp.MustCompile(`[^A-Za-z0-9-]`).ReplaceAllString(host, "")
		c.Node = strings.TrimLeft(host[:min(len(host), 40)]+"-"+strings.ToLower(rand.Text()[:6]), "-")
	}
	if c.Node != "" && !nodeRule.MatchString(c.Node) {
		return errors.New("cluster.node: a name has up to 64 letters, digits, dots, dashes and underscores, and begins with a letter or digit")
	}
	if c.Redis == "" {
		return nil
	}
	if _, err := redisOptions(c.Redis); err != nil {
		return fmt.Errorf("cluster.redis: %w", err)
	}
	return nil
}

// redisOptions reads cluster.redis: a URL of one server, of Sentinels (with
// master_name) or of a Redis Cluster (with cluster=true or more than one addr),
// or HOST:PORT, several of which are a Redis Cluster. Errors do not show the
// password.
func redisOptions(text string) (*redis.UniversalOptions, error) {
	o := &redis.UniversalOptions{}
	if !strings.Contains(text, "://") {
		o.Addrs = strings.Split(text, ",")
	} else if err := redisURL(text, o); err != nil {
		return nil, err
	}
	for i, addr := range o.Addrs {
		addr = strings.TrimSpace(addr)
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return nil, fmt.Errorf("%q is not host:port", addr)
		}
		o.Addrs[i] = addr
	}
	// Whoever calls tries again by itself, and knows better for how long.
	o.MaxRetries, o.DialerRetries = -1, 1
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = redisTimeout, redisTimeout, redisTimeout
	o.ContextTimeoutEnabled = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return o, nil
}

func redisURL(text string, o *redis.UniversalOptions) error {
	u, err := url.Parse(text)
	if err != nil {
		return errors.New("not a URL; a password with other than letters and digits is percent-encoded")
	}
	q := u.Query()
	addrs, master, cluster := q["addr"], q.Get("master_name"), q.Get("cluster") == "true"
	for _, key := range []string{"addr", "master_name", "cluster"} {
		q.Del(key)
	}
	u.RawQuery = q.Encode()
	one, err := redis.ParseURL(u.String())
	if err != nil {
		return fmt.Errorf("not a URL of Redis: %s", strings.TrimPrefix(err.Error(), "redis: "))
	}
	o.Addrs = append([]string{one.Addr}, addrs...)
	if one.Network == "unix" {
		return errors.New("a socket is of this machine only; name an address")
	}
	o.Username, o.Password, o.DB, o.TLSConfig = one.Username, one.Password, one.DB, one.TLSConfig
	o.MasterName, o.IsClusterMode = master, cluster
	if (cluster || master == "" && len(addrs) > 0) && one.DB != 0 {
		return errors.New("a Redis Cluster has only the database 0")
	}
	return nil
}

// quiet silences the client, once for all: it has one logger per process. Who
// uses it tells of outages, and does not repeat itself.
var quiet sync.Once

// newRedis makes a client, which connects when it is needed.
func newRedis(text string) (redis.UniversalClient, error) {
	o, err := redisOptions(text)
	if err != nil {
		return nil, fmt.Errorf("cluster.redis: %w", err)
	}
	quiet.Do(func() { redis.SetLogger(silence{}) })
	return redis.NewUniversalClient(o), nil
}

type silence struct{}

// Printf says nothing.
func (silence) Printf(context.Context, string, ...any) {}
