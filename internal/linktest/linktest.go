// Package linktest is a bad network for tests: a UDP relay on loopback that
// limits, delays and loses what goes from a server to its clients.
package linktest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// Conditions is the state of a Link towards the clients. The zero value is a
// perfect link. Datagrams are never reordered.
type Conditions struct {
	// Rate is in bit/s, headers included; 0: no limit.
	Rate uint64
	// Queue is how long a datagram may wait in front of the limit before
	// datagrams are dropped; 0: 200 ms.
	Queue time.Duration
	// Delay is in each direction. Jitter is added to it towards the clients,
	// evenly spread between 0 and Jitter.
	Delay, Jitter time.Duration
	// Loss is the share of datagrams lost, 0 to 1.
	Loss float64
	// Down: nothing passes in either direction.
	Down bool
}

const (
	defaultQueue = 200 * time.Millisecond
	overhead     = 28 // IPv4 and UDP, in bytes
	buffered     = 1 << 14
)

// Link is a relay in front of one server.
type Link struct {
	front  *net.UDPConn
	server *net.UDPAddr

	mu         sync.Mutex
	conditions Conditions
	clients    map[netip.AddrPort]*client
	closed     bool
	tasks      sync.WaitGroup
}

// client is one peer of the relay, with its own socket towards the server.
type client struct {
	addr     netip.AddrPort
	back     *net.UDPConn
	up, down *pipe
}

// New starts a Link to a server; it ends with the test.
func New(t testing.TB, server netip.AddrPort) *Link {
	t.Helper()
	l, err := Start(server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// Start starts a Link to a server; the error is that of its socket.
func Start(server netip.AddrPort) (*Link, error) {
	front, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	l := &Link{front: front, server: net.UDPAddrFromAddrPort(server), clients: map[netip.AddrPort]*client{}}
	_ = front.SetReadBuffer(4 << 20)
	l.tasks.Go(l.read)
	return l, nil
}

// Addr is where clients send to.
func (l *Link) Addr() netip.AddrPort { return l.front.LocalAddr().(*net.UDPAddr).AddrPort() }

// Set changes the conditions for what comes from now on.
func (l *Link) Set(c Conditions) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conditions = c
}

func (l *Link) now() Conditions {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conditions
}

// Close ends the Link and waits for its goroutines.
func (l *Link) Close() {
	l.mu.Lock()
	l.closed = true
	for _, c := range l.clients {
		_ = c.back.Close()
		close(c.up.stop)
		close(c.down.stop)
	}
	l.mu.Unlock()
	_ = l.front.Close()
	l.tasks.Wait()
}

// read takes what the clients send.
func (l *Link) read() {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := l.front.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if c := l.client(from); c != nil {
			if now := l.now(); !now.Down {
				c.up.put(buf[:n], time.Now().Add(now.Delay))
			}
		}
	}
}

// client returns the client with an address, a new one if need be.
func (l *Link) client(addr netip.AddrPort) *client {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.clients[addr]; c != nil || l.closed {
		return c
	}
	back, err := net.DialUDP("udp", nil, l.server)
	if err != nil {
		return nil
	}
	_ = back.SetReadBuffer(4 << 20)
	c := &client{addr: addr, back: back, up: newPipe(), down: newPipe()}
	l.clients[addr] = c
	l.tasks.Go(func() { c.up.run(func(b []byte) { _, _ = back.Write(b) }) })
	l.tasks.Go(func() { c.down.run(func(b []byte) { _, _ = l.front.WriteToUDPAddrPort(b, addr) }) })
	l.tasks.Go(func() { l.shape(c) })
	return c
}

// shape takes what the server sends to a client.
func (l *Link) shape(c *client) {
	buf := make([]byte, 1<<16)
	var free time.Time // when the line is free
	for {
		n, err := c.back.Read(buf)
		if err != nil {
			return
		}
		now, is := time.Now(), l.now()
		if is.Down || rand.Float64() < is.Loss { //nolint:gosec // no secret
			continue
		}
		out := now
		if is.Rate > 0 {
			limit := is.Queue
			if limit == 0 {
				limit = defaultQueue
			}
			if free.Before(now) {
				free = now
			}
			if free.Sub(now) > limit {
				continue
			}
			free = free.Add(time.Duration(uint64(n+overhead) * 8 * uint64(time.Second) / is.Rate)) //nolint:gosec // small
			out = free
		}
		out = out.Add(is.Delay)
		if is.Jitter > 0 {
			out = out.Add(rand.N(is.Jitter)) //nolint:gosec // no secret
		}
		c.down.put(buf[:n], out)
	}
}

// pipe keeps datagrams until they are due, in order.
type pipe struct {
	queue chan datagram
	stop  chan struct{}
}

type datagram struct {
	data []byte
	at   time.Time
}

func newPipe() *pipe { return &pipe{queue: make(chan datagram, buffered), stop: make(chan struct{})} }

func (p *pipe) put(data []byte, at time.Time) {
	select {
	case p.queue <- datagram{data: append([]byte(nil), data...), at: at}:
	default: // full
	}
}

func (p *pipe) run(send func([]byte)) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-p.stop:
			return
		case d := <-p.queue:
			if wait := time.Until(d.at); wait > 0 {
				timer.Reset(wait)
				select {
				case <-p.stop:
					return
				case <-timer.C:
				}
			}
			send(d.data)
		}
	}
}
