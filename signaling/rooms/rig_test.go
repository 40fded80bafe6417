package rooms

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/rooms/room"
)

// memory is a Store that forgets with the test.
type memory struct {
	mu     sync.Mutex
	rooms  map[string]*room.Past
	remote map[string]func(room.Remote)
	told   map[string]room.People
	// fail makes Append fail, hold makes it wait.
	fail error
	hold chan struct{}
}

func newMemory() *memory {
	return &memory{rooms: map[string]*room.Past{}, remote: map[string]func(room.Remote){}, told: map[string]room.People{}}
}

func (m *memory) Load(_ context.Context, name string) (room.Past, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.past(name)
	c := *p
	c.Recent = slices.Clone(p.Recent)
	c.Standing = slices.Clone(p.Standing)
	return c, nil
}

func (m *memory) past(name string) *room.Past {
	if m.rooms[name] == nil {
		m.rooms[name] = &room.Past{Log: "log" + name, Next: 1}
	}
	return m.rooms[name]
}

func (m *memory) Append(ctx context.Context, name string, entries []room.Entry) error {
	m.mu.Lock()
	hold, fail := m.hold, m.fail
	m.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if fail != nil {
		return fail
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.past(name)
	for _, e := range entries {
		if e.Seq != p.Next {
			return errors.New("a gap in the log")
		}
		p.Next++
		p.Recent = append(p.Recent, e)
		if e.Kind != room.Message {
			p.Standing = append(p.Standing, e)
		}
	}
	return nil
}

func (m *memory) Follow(ctx context.Context, name string, f func(room.Remote)) error {
	m.mu.Lock()
	m.remote[name] = f
	m.mu.Unlock()
	<-ctx.Done()
	return ctx.Err()
}

func (m *memory) Announce(_ context.Context, name string, p room.People) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told[name] = p
	return nil
}

func (m *memory) Names(context.Context) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.rooms)), nil
}

// anybody is an open server.
type anybody struct{}

func (anybody) Room(r *http.Request, stream string) (auth.Grant, error) {
	return auth.NewVerifier(nil).Room(r, stream)
}

// rig is a served Handler.
type rig struct {
	*Handler
	t     *testing.T
	base  string
	stop  context.CancelFunc
	ended chan struct{}
	store Store
}

// serve runs a Handler until the test ends, or stop.
func serve(t *testing.T, store Store, set func(*Config)) *rig {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	cfg := Config{
		Site: &httpx.Site{Log: log, Errors: testErrors()}, Auth: anybody{},
		Room: room.Config{Node: "n1", Messages: room.Rate{PerSecond: 10_000, Burst: 10_000}, AddressMessages: room.Rate{PerSecond: 10_000, Burst: 10_000}},
	}
	if set != nil {
		set(&cfg)
	}
	h, err := New(cfg, store, log, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	r := &rig{Handler: h, t: t, stop: cancel, ended: make(chan struct{}), store: store}
	go func() {
		defer close(r.ended)
		if err := h.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	mux := http.NewServeMux()
	h.Register(mux)
	srv := httptest.NewUnstartedServer(from(cfg.Site.Handler(mux)))
	srv.Listener = httpx.Listener{Listener: srv.Listener}
	srv.Start()
	r.base = srv.URL
	t.Cleanup(func() {
		cancel()
		<-r.ended
		srv.CloseClientConnections()
		srv.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return r
}

// from lets the query parameter "from" say where a request comes from.
func from(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if addr := r.URL.Query().Get("from"); addr != "" {
			r.RemoteAddr = net.JoinHostPort(addr, "1")
		}
		next.ServeHTTP(w, r)
	})
}

// testErrors is the part of signaling.Errors that is about Rooms.
func testErrors() httpx.Table {
	return httpx.Table{
		{Err: room.ErrBanned, Status: http.StatusForbidden}, {Err: room.ErrLocked, Status: http.StatusForbidden},
		{Err: room.ErrFull, Status: http.StatusServiceUnavailable, RetryAfter: time.Second},
		{Err: ErrBusy, Status: http.StatusServiceUnavailable, RetryAfter: time.Second},
		{Err: ErrTooMany, Status: http.StatusTooManyRequests, RetryAfter: time.Second},
		{Err: ErrClosed, Status: http.StatusServiceUnavailable, RetryAfter: time.Second},
	}
}

// message is any frame from the server.
type message struct {
	Type     string       `json:"type"`
	Position string       `json:"position"`
	Resumed  bool         `json:"resumed"`
	You      room.Person  `json:"you"`
	Entries  []room.Entry `json:"entries"`
	ID       string       `json:"id"`
	Entry    string       `json:"entry"`
	Seq      uint64       `json:"seq"`
	Durable  *bool        `json:"durable"`
	Reason   string       `json:"reason"`
	Detail   string       `json:"detail"`

	People    *room.People      `json:"people"`
	Reactions []room.Reaction   `json:"reactions"`
	Stream    *room.StreamState `json:"stream"`
}

// client is a WebSocket client.
type client struct {
	*websocket.Conn
	t        *testing.T
	hello    message
	position string
	texts    []string
	seqs     []uint64
}

func (r *rig) url(name, path string, query url.Values) string {
	return r.base + "/rooms/" + name + path + "?" + query.Encode()
}

func query(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return q
}

// dial comes into a Room and reads hello.
func (r *rig) dial(name string, pairs ...string) *client {
	r.t.Helper()
	c, resp, err := r.try(name, pairs...)
	if resp != nil {
		require.NoError(r.t, err, resp.Status)
	}
	require.NoError(r.t, err)
	c.hello = c.next()
	require.Equal(r.t, "hello", c.hello.Type)
	c.take(c.hello)
	require.Equal(r.t, "state", c.next().Type)
	return c
}

func (r *rig) try(name string, pairs ...string) (*client, *http.Response, error) {
	d := websocket.Dialer{EnableCompression: true}
	conn, resp, err := d.Dial("ws"+strings.TrimPrefix(r.url(name, "/ws", query(pairs...)), "http"), nil)
	if err != nil {
		return nil, resp, err
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	return &client{Conn: conn, t: r.t}, resp, nil
}

// next returns the next frame.
func (c *client) next() message {
	c.t.Helper()
	m, err := c.read()
	require.NoError(c.t, err)
	return m
}

func (c *client) read() (message, error) {
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, b, err := c.ReadMessage()
	if err != nil {
		return message{}, err
	}
	var m message
	return m, json.Unmarshal(b, &m)
}

// take notes what a frame tells.
func (c *client) take(m message) {
	if m.Position != "" {
		c.position = m.Position
	}
	for _, e := range m.Entries {
		c.seqs = append(c.seqs, e.Seq)
		if e.Kind == room.Message {
			c.texts = append(c.texts, e.Text)
		}
	}
}

// until reads up to the first frame that is wanted, and returns it.
func (c *client) until(wanted func(message) bool) message {
	c.t.Helper()
	for {
		m := c.next()
		c.take(m)
		if wanted(m) {
			return m
		}
	}
}

func (c *client) answer(id string) message {
	c.t.Helper()
	return c.until(func(m message) bool { return m.ID == id })
}

func (c *client) send(v any) {
	c.t.Helper()
	require.NoError(c.t, c.WriteJSON(v))
}

type command map[string]any

// say says something and waits for the answer.
func (c *client) say(id, text string) message {
	c.t.Helper()
	c.send(command{"type": "message", "id": id, "text": text})
	return c.answer(id)
}

// closed reads to the end and returns how it came.
func (c *client) closed() *websocket.CloseError {
	c.t.Helper()
	for {
		m, err := c.read()
		if err == nil {
			c.take(m)
			continue
		}
		var e *websocket.CloseError
		require.ErrorAs(c.t, err, &e)
		return e
	}
}
