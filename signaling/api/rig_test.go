package api

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/sfu/fanout"
	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/sfu/rtc"
	"github.com/freshet-live/freshet/signaling"
	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/rooms"
	"github.com/freshet-live/freshet/signaling/rooms/room"
	"github.com/freshet-live/freshet/signaling/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var keys = auth.Keys{"team": "0123456789abcdef0123456789abcdef"}

// crowd is one kind of sessions.
type crowd[S any] struct {
	mu    sync.Mutex
	infos []session.Info
	known map[string]bool
	stats S
	ended []error
}

func (c *crowd[S]) add(g auth.Grant) session.Info {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.infos) + len(c.ended)
	i := session.Info{Grant: g, ID: fmt.Sprintf("%s-%05d", g.Identity, n), Agent: "test", Created: since.Add(time.Duration(n) * time.Second)}
	c.infos = append(c.infos, i)
	if c.known == nil {
		c.known = map[string]bool{}
	}
	c.known[i.Stream+"/"+i.ID] = true
	return i
}

func (c *crowd[S]) Infos(stream string) (out []session.Info) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, i := range c.infos {
		if i.Stream == stream {
			out = append(out, i)
		}
	}
	return out
}

func (c *crowd[S]) Stats(stream, id string) (s S, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ok = c.known[stream+"/"+id]
	if ok {
		s = c.stats
	}
	return s, ok
}

func (c *crowd[S]) End(match func(session.Info) bool, reason error) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := len(c.infos)
	c.infos = slices.DeleteFunc(c.infos, match)
	for range before - len(c.infos) {
		c.ended = append(c.ended, reason)
	}
	return before - len(c.infos)
}

type publishers struct{ crowd[rtc.SessionStats] }

func (p *publishers) Publisher(stream string) (time.Time, rtc.SessionStats, bool) {
	return since, p.stats, len(p.Infos(stream)) > 0
}

type viewers struct{ crowd[fanout.ViewerStats] }

func (v *viewers) EachViewer(stream string, f func(time.Time, fanout.ViewerStats)) {
	for range v.Infos(stream) {
		f(since, v.stats)
	}
}

// streams is a hub without media.
type streams struct {
	snaps []*media.Snapshot
	ended []string
}

func (s *streams) Streams() []*media.Snapshot { return s.snaps }

func (s *streams) Stream(name string) *media.Snapshot {
	for _, snap := range s.snaps {
		if snap.Name == name {
			return snap
		}
	}
	return nil
}

func (s *streams) End(name string, _ error) bool {
	snap := s.Stream(name)
	if snap == nil || snap.State != media.Live {
		return false
	}
	s.ended = append(s.ended, name)
	return true
}

// hall has real Rooms, without what carries them.
type hall struct {
	mu  sync.Mutex
	now time.Time
	all map[string]*room.Room
	cut int
	// late is how many commands are carried out after their sender has gone.
	late int
}

func (h *hall) with(name string, f func(r *room.Room, now time.Time)) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.all[name]
	if r == nil {
		return fmt.Errorf("%w: %s", rooms.ErrNoRoom, name)
	}
	h.now = h.now.Add(time.Second)
	f(r, h.now)
	h.cut += len(r.Drain(h.now).Cut)
	return nil
}

func (h *hall) Rooms(context.Context) (names []string, err error) {
	for name := range h.all {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

func (h *hall) Room(_ context.Context, name string) (i room.Info, err error) {
	err = h.with(name, func(r *room.Room, now time.Time) { i = r.Info(now) })
	return i, err
}

func (h *hall) People(_ context.Context, name string) (p []room.Person, err error) {
	err = h.with(name, func(r *room.Room, _ time.Time) { p = r.Locals() })
	return p, err
}

func (h *hall) Messages(_ context.Context, name, before string, limit int) (list []room.Entry, err error) {
	found := false
	if err = h.with(name, func(r *room.Room, _ time.Time) { list, found = r.Messages(before, limit) }); err == nil && !found {
		err = rooms.ErrNoEntry
	}
	return list, err
}

func (h *hall) Act(_ context.Context, name string, by *room.Person, cmd room.Command) (rep room.Reply, err error) {
	err = h.with(name, func(r *room.Room, now time.Time) { rep = r.Act(now, by, cmd) })
	if h.late > 0 && err == nil {
		h.late--
		return room.Reply{}, rooms.ErrBusy
	}
	return rep, err
}

func (h *hall) Bans(_ context.Context, name string) (list []room.Entry, err error) {
	err = h.with(name, func(r *room.Room, now time.Time) { list = r.Bans(now) })
	return list, err
}

func (h *hall) Mutes(_ context.Context, name string) (list []room.Entry, err error) {
	err = h.with(name, func(r *room.Room, now time.Time) { list = r.Mutes(now) })
	return list, err
}

func (h *hall) Audit(_ context.Context, name string) (list []room.Entry, err error) {
	err = h.with(name, func(r *room.Room, _ time.Time) { list = r.Audit() })
	return list, err
}

func (h *hall) Kick(_ context.Context, name, reason string, match func(room.Join) bool) (n int, err error) {
	if h.all[name] == nil {
		return 0, nil
	}
	err = h.with(name, func(r *room.Room, now time.Time) { n = r.Kick(now, reason, match) })
	return n, err
}

func (h *hall) KickAll(ctx context.Context, reason string, match func(room.Join) bool) (n int, err error) {
	names, _ := h.Rooms(ctx)
	for _, name := range names {
		one, err := h.Kick(ctx, name, reason, match)
		if n += one; err != nil {
			return n, err
		}
	}
	return n, nil
}

// egressOf has one Stream as HLS.
type egressOf string

func (e egressOf) HLS(stream string) *HLS {
	if stream != string(e) {
		return nil
	}
	return &HLS{URL: "/hls/demo/index.m3u8", PartTargetMs: 234, TargetDurationMs: 3000, SkewMs: 0.5, Renditions: []Rendition{
		{Name: "q", Kind: "video", Codecs: "avc1.42C01F", Width: 320, Height: 180, FrameRate: 30, Bandwidth: 400_000, State: "live"},
	}}
}

// rig is the API with everything behind it: a live stream "demo" by ann, whom
// bob watches, and its Room.
type rig struct {
	t       testing.TB
	doc     *document
	auth    *auth.Verifier
	streams *streams
	in      *publishers
	out     *viewers
	hall    *hall
	office  office
	logs    *strings.Builder
	handler http.Handler
	// The tokens of an operator, of demo's host, moderator
	// and viewer, and of another stream's host.
	operator, host, moderator, viewer, stranger string
}

func newRig(t testing.TB, keys auth.Keys) *rig {
	t.Helper()
	bars, err := auth.NewBars("")
	require.NoError(t, err)
	g := &rig{
		t: t, doc: loadDocument(t), auth: auth.NewVerifier(keys), streams: demoStreams(), in: demoPublishers(), out: demoViewers(),
		hall: &hall{now: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC), all: map[string]*room.Room{}}, logs: &strings.Builder{},
	}
	g.auth.Bars = bars

	for _, name := range []string{"demo", "empty"} {
		g.hall.all[name] = room.New(name, room.Config{}, room.Past{Log: "l", Next: 1})
	}
	log := slog.New(slog.NewTextHandler(g.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	h := &Handler{
		Site: &httpx.Site{Log: log, Errors: signaling.Errors()}, Log: log,
		Auth: g.auth, Streams: g.streams, Publishers: g.in, Viewers: g.out, Egress: egressOf("demo"),
		Bars: bars, Rooms: g.hall, Records: g.hall, Guests: g.hall, Webhooks: &g.office,
	}
	mux := http.NewServeMux()
	h.Register(mux)
	g.handler = h.Site.Handler(mux)
	if len(keys) == 0 {
		return g
	}
	g.operator = g.mint(auth.MintOptions{Identity: "root", Name: "Root", Admin: true})
	g.host = g.mint(auth.MintOptions{Stream: "demo", Identity: "ann", Name: "Ann", Admin: true, Publish: true, Subscribe: true, Data: true})
	g.moderator = g.mint(auth.MintOptions{Stream: "demo", Identity: "mod", Admin: true, Subscribe: true, Data: true})
	g.viewer = g.mint(auth.MintOptions{Stream: "demo", Identity: "bob", Subscribe: true, Data: true})
	g.stranger = g.mint(auth.MintOptions{Stream: "other", Identity: "eve", Admin: true, Publish: true, Subscribe: true, Data: true})
	return g
}

func (g *rig) mint(o auth.MintOptions) string {
	g.t.Helper()
	token, err := g.auth.Mint(o)
	require.NoError(g.t, err)
	return token
}

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) code(t testing.TB) string {
	t.Helper()
	var p struct{ Code string }
	require.NoError(t, json.Unmarshal([]byte(a.body), &p), a.body)
	return p.Code
}

// into reads the body, and leaves nothing of what was there.
func (a answer) into(t testing.TB, v any) {
	t.Helper()
	reflect.ValueOf(v).Elem().SetZero()
	require.NoError(t, json.Unmarshal([]byte(a.body), v), a.body)
}

// do asks, and holds the answer against the description.
func (g *rig) do(method, path, token, body string, headers ...string) answer {
	g.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "live.example"
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	g.handler.ServeHTTP(w, r)
	a := answer{w.Code, w.Header(), w.Body.String()}
	if strings.HasPrefix(r.URL.Path, "/api/v1/") && method != http.MethodOptions && method != http.MethodHead {
		g.doc.requireDescribed(g.t, method, r.URL.Path, a.status, a.header.Get("Content-Type"), []byte(a.body))
	}
	for _, secret := range []string{g.operator, g.host, g.moderator, g.viewer, g.stranger} {
		if secret != "" && (strings.Contains(a.body, secret) || strings.Contains(g.logs.String(), secret)) {
			g.t.Fatalf("%s %s gives a token away: %s", method, path, a.body)
		}
	}
	return a
}

// as is do for the operator, who expects a status.
func (g *rig) as(method, path, body string, status int) answer {
	g.t.Helper()
	a := g.do(method, path, g.operator, body)
	require.Equal(g.t, status, a.status, a.body)
	return a
}

// join brings somebody into demo's Room.
func (g *rig) join(identity string, role room.Role, token string, addr string) {
	g.t.Helper()
	err := g.hall.with("demo", func(r *room.Room, now time.Time) {
		_, err := r.Join(now, room.Join{
			Conn: room.Conn(now.UnixNano()), Person: room.Person{Identity: identity, Name: identity, Role: role},
			Write: true, Address: netip.MustParseAddr(addr), Token: token,
		})
		require.NoError(g.t, err)
	})
	require.NoError(g.t, err)
}
