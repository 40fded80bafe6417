package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/auth/authtest"
)

var errNoAdmin = errors.New("no admin")

// byToken lets "admin" look and "operator" act too.
type byToken struct{}

func (byToken) Admin(r *http.Request) (auth.Grant, error) {
	if token, _ := auth.FromRequest(r); token == "admin" || token == "operator" {
		return auth.Grant{}, nil
	}
	return auth.Grant{}, errNoAdmin
}

func (byToken) Operate(r *http.Request) (auth.Grant, error) {
	if token, _ := auth.FromRequest(r); token == "operator" {
		return auth.Grant{}, nil
	}
	return auth.Grant{}, errNoAdmin
}

func apiOf(d *Dispatcher) func(token, method, path, body string, answer any) int {
	site := &httpx.Site{Log: slog.New(slog.DiscardHandler), Errors: httpx.Table{{Err: errNoAdmin, Status: http.StatusForbidden}}}
	mux := http.NewServeMux()
	(&API{Site: site, Auth: byToken{}, Dispatcher: d}).Register(mux)
	h := site.Handler(mux)
	return func(token, method, path, body string, answer any) int {
		r := httptest.NewRequest(method, "/api/v1/webhooks"+path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if answer != nil {
			if err := json.Unmarshal(w.Body.Bytes(), answer); err != nil {
				panic(err)
			}
		}
		return w.Code
	}
}

func TestReplay(t *testing.T) {
	var up atomic.Bool
	s := newSink(t, func(w http.ResponseWriter, _ *http.Request, _ authtest.Event) {
		if !up.Load() {
			w.WriteHeader(http.StatusGone)
		}
	})
	d, stop := started(t, Config{URLs: []string{s.URL + "/hook?key=secret"}})
	do := apiOf(d)
	for i := range 3 {
		change(d, fmt.Sprint("s", i), media.Live)
	}
	sent := map[string]authtest.Event{}
	for range 3 {
		e := s.next(t)
		sent[e.ID] = e
	}
	require.Eventually(t, func() bool { return len(deadOf(t, d)) == 3 }, patience, 5e6)

	var page Letters
	require.Equal(t, 200, do("admin", "GET", "/dead-letters?limit=2", "", &page))
	require.Len(t, page.DeadLetters, 2)
	require.NotEmpty(t, page.Next)
	first := page.DeadLetters[0]
	require.Equal(t, "status 410", first.Reason)
	var rest Letters
	require.Equal(t, 200, do("admin", "GET", "/dead-letters?limit=2&cursor="+page.Next, "", &rest))
	require.Len(t, rest.DeadLetters, 1)
	require.Empty(t, rest.Next)
	require.NotEqual(t, page.DeadLetters[1].ID, rest.DeadLetters[0].ID)

	var about Receivers
	require.Equal(t, 200, do("admin", "GET", "", "", &about))
	require.Len(t, about.Receivers, 1)
	require.Equal(t, s.URL, about.Receivers[0].Host)
	require.Equal(t, "status 410", about.Receivers[0].LastError)
	require.NotNil(t, about.Receivers[0].LastTry)

	up.Store(true)
	var done Replayed
	require.Equal(t, 200, do("operator", "POST", "/replay", `{"ids":["`+first.ID+`","EV_none.x"]}`, &done))
	require.Equal(t, Replayed{1, []string{"EV_none.x"}}, done)
	again := s.next(t)
	require.Equal(t, sent[again.ID].Body, again.Body, "the same Event")
	require.Len(t, deadOf(t, d), 2)
	event, _, _ := strings.Cut(rest.DeadLetters[0].ID, ".")
	require.Equal(t, 200, do("operator", "POST", "/replay", `{"ids":["`+event+`"]}`, &done))
	require.Equal(t, Replayed{1, []string{}}, done)
	require.Equal(t, event, s.next(t).ID, "an Event's id will do")
	require.Equal(t, 200, do("operator", "POST", "/replay", `{"all":true}`, &done))
	require.Equal(t, 1, done.Replayed)
	s.next(t)
	require.Empty(t, deadOf(t, d))
	require.Equal(t, 200, do("operator", "POST", "/replay", `{"all":true}`, &done))
	require.Zero(t, done.Replayed)

	up.Store(false)
	change(d, "s0", media.Ended)
	s.next(t)
	stop()
	other, stop := started(t, Config{Dir: d.cfg.Dir})
	defer stop()
	require.Equal(t, 200, apiOf(other)("operator", "POST", "/replay", `{"all":true}`, &done))
	require.Zero(t, done.Replayed)
	require.NotEmpty(t, done.Skipped, "the receiver is not there any more")
	require.Len(t, deadOf(t, other), len(done.Skipped))
}

func TestAPIRefusals(t *testing.T) {
	d, _ := started(t, Config{})
	do := apiOf(d)
	for _, c := range []struct {
		token, method, path, body string
		want                      int
	}{
		{"", "GET", "", "", 403},
		{"", "GET", "/dead-letters", "", 403},
		{"", "POST", "/replay", `{"all":true}`, 403},
		{"admin", "POST", "/replay", `{"all":true}`, 403},
		{"operator", "POST", "/replay", ``, 400},
		{"operator", "POST", "/replay", `{}`, 400},
		{"operator", "POST", "/replay", `{"ids":[]}`, 400},
		{"operator", "POST", "/replay", `{"ids":["a"],"all":true}`, 400},
		{"operator", "POST", "/replay", `{"ids":[` + strings.Repeat(`"a",`, maxReplay) + `"a"]}`, 400},
		{"operator", "POST", "/replay", `{"ids":["` + strings.Repeat("a", 100_000) + `"]}`, 413},
		{"operator", "GET", "/replay", "", 405},
		{"admin", "GET", "/dead-letters?limit=0", "", 400},
		{"admin", "GET", "/dead-letters?limit=1001", "", 400},
		{"admin", "GET", "/dead-letters?limit=x", "", 400},
		{"admin", "GET", "/dead-letters?cursor=x!", "", 400},
		{"admin", "GET", "/dead-letters?cursor=eA", "", 400},
		{"admin", "GET", "/dead-letters", "", 200},
	} {
		require.Equal(t, c.want, do(c.token, c.method, c.path, c.body, nil), "%s %s %.40s", c.method, c.path, c.body)
	}
}

func TestDeadLettersAreBounded(t *testing.T) {
	d := &letters{dir: t.TempDir(), max: 1000}
	line, err := json.Marshal(Letter{ID: "EV_0000.r", Receiver: "r", Body: json.RawMessage(`{}`)})
	require.NoError(t, err)
	for i := range 200 {
		require.NoError(t, d.add(Letter{ID: fmt.Sprintf("EV_%04d.r", i), Receiver: "r", Body: json.RawMessage(`{}`)}))
	}
	var kept []string
	require.NoError(t, d.each(func(l Letter) { kept = append(kept, l.ID) }))
	require.Equal(t, "EV_0199.r", kept[len(kept)-1])
	require.IsIncreasing(t, kept)
	require.LessOrEqual(t, len(kept)*len(line), 2300)
	require.Greater(t, len(kept)*len(line), 800)
	taken, err := d.take(func(l Letter) bool { return l.ID != "EV_0199.r" })
	require.NoError(t, err)
	require.Len(t, taken, len(kept)-1)
	kept = nil
	require.NoError(t, d.each(func(l Letter) { kept = append(kept, l.ID) }))
	require.Equal(t, []string{"EV_0199.r"}, kept)
}

// After a line that was torn the next one begins anew.
func TestTornLines(t *testing.T) {
	d := &letters{dir: t.TempDir(), max: 1000}
	path := filepath.Join(d.dir, deadFile)
	require.NoError(t, os.WriteFile(path, []byte(`{"id":"EV_1.r","rec`), 0o600))
	require.NoError(t, d.add(Letter{ID: "EV_2.r", Receiver: "r", Body: json.RawMessage(`{}`)}))
	require.NoError(t, d.add(Letter{ID: "EV_3.r", Receiver: "r", Body: json.RawMessage(`{}`)}))
	var kept []string
	require.NoError(t, d.each(func(l Letter) { kept = append(kept, l.ID) }))
	require.Equal(t, []string{"EV_2.r", "EV_3.r"}, kept)
}

func FuzzReadLetters(f *testing.F) {
	good := `{"id":"EV_1.r","event":"room_started","receiver":"r","queuedAt":1,"body":{"id":"EV_1"}}`
	for _, text := range []string{"", good, good + "\n" + good[:30], good[:20] + "\n" + good, "\x00\n{}\n", good + "\n\n", strings.Repeat("x", 300_000) + "\n" + good} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n := 0
		bad, err := readLetters(strings.NewReader(string(data)), func(l Letter) {
			n++
			require.NotEmpty(t, l.ID)
			require.True(t, json.Valid(l.Body))
			it := l.item(t0)
			require.NotEmpty(t, withDropped(it.body, 3))
		})
		require.NoError(t, err)
		require.LessOrEqual(t, n+bad, strings.Count(string(data), "\n")+1)
		n2 := 0
		_, err = readLetters(io.MultiReader(strings.NewReader(string(data)), strings.NewReader("\n"+good+"\n")), func(Letter) { n2++ })
		require.NoError(t, err)
		require.Equal(t, n+1, n2, "what follows a torn line is read")
	})
}
