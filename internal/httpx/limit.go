package httpx

import (
	"container/list"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// LimitConfig sets how often one address may ask for changes. The zero value
// means the defaults.
type LimitConfig struct {
	// PerSecond and Burst are for one IPv4 address or IPv6 /64.
	PerSecond float64
	Burst     int
	// Loopback multiplies both for loopback addresses: a proxy on this machine
	// brings everybody's requests, and tests bring a lot of their own.
	Loopback float64
	// Addresses bounds how many addresses are remembered.
	Addresses int
}

const (
	defaultPerSecond = 20
	defaultBurst     = 100
	defaultLoopback  = 50
	defaultAddresses = 4096
)

// Limiter limits requests per client address, by a token bucket each. The
// addresses seen longest ago are forgotten first. A nil Limiter allows all.
type Limiter struct {
	cfg LimitConfig

	mu     sync.Mutex
	recent *list.List // of *bucket, newest first
	known  map[netip.Prefix]*list.Element
}

type bucket struct {
	key    netip.Prefix
	tokens *rate.Limiter
}

// NewLimiter returns a Limiter.
func NewLimiter(cfg LimitConfig) *Limiter {
	if cfg.PerSecond <= 0 {
		cfg.PerSecond = defaultPerSecond
	}
	if cfg.Burst <= 0 {
		cfg.Burst = defaultBurst
	}
	if cfg.Loopback <= 0 {
		cfg.Loopback = defaultLoopback
	}
	if cfg.Addresses <= 0 {
		cfg.Addresses = defaultAddresses
	}
	return &Limiter{cfg: cfg, recent: list.New(), known: map[netip.Prefix]*list.Element{}}
}

// Check takes a token of the request's address. The error is a 429 with
// Retry-After (RFC 6585 section 4).
func (l *Limiter) Check(r *http.Request, now time.Time) error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	tokens := l.bucketLocked(clientPrefix(r.RemoteAddr)).tokens
	l.mu.Unlock()
	return Take(tokens, now)
}

// Take takes a token of a bucket, or returns the 429 that says when there will
// be one.
func Take(tokens *rate.Limiter, now time.Time) error {
	res := tokens.ReserveN(now, 1)
	wait := res.DelayFrom(now)
	if res.OK() && wait == 0 {
		return nil
	}
	res.CancelAt(now)
	p := Fail(http.StatusTooManyRequests, "too many requests in a short time")
	p.RetryAfter = max(wait, time.Second)
	return p
}

func (l *Limiter) bucketLocked(key netip.Prefix) *bucket {
	if e := l.known[key]; e != nil {
		l.recent.MoveToFront(e)
		return e.Value.(*bucket)
	}
	per, burst := l.cfg.PerSecond, l.cfg.Burst
	if key.Addr().IsLoopback() {
		per, burst = per*l.cfg.Loopback, int(float64(burst)*l.cfg.Loopback)
	}
	b := &bucket{key: key, tokens: rate.NewLimiter(rate.Limit(per), burst)}
	l.known[key] = l.recent.PushFront(b)
	if l.recent.Len() > l.cfg.Addresses {
		oldest := l.recent.Remove(l.recent.Back()).(*bucket)
		delete(l.known, oldest.key)
	}
	return b
}

// clientPrefix is what counts as one client: an IPv6 user owns a whole /64.
func clientPrefix(remote string) netip.Prefix {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	addr := ap.Addr().Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 64
		if addr.IsLoopback() {
			bits = 128
		}
	}
	p, _ := addr.Prefix(bits)
	return p
}
