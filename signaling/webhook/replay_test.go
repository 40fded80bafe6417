package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/signaling/auth/authtest"
)

func TestReplay(t *testing.T) {
	var up atomic.Bool
	s := newSink(t, func(w http.ResponseWriter, _ *http.Request, _ authtest.Event) {
		if !up.Load() {
			w.WriteHeader(http.StatusGone)
		}
	})
	d, stop := started(t, Config{URLs: []string{s.URL + "/hook?key=secret"}})
	for i := range 3 {
		change(d, fmt.Sprint("s", i), media.Live)
	}
	sent := map[string]authtest.Event{}
	for range 3 {
		e := s.next(t)
		sent[e.ID] = e
	}
	require.Eventually(t, func() bool { return len(deadOf(t, d)) == 3 }, patience, 5*time.Millisecond)
	dead, err := d.DeadLetters()
	require.NoError(t, err)
	require.Len(t, dead, 3)
	require.True(t, slices.IsSortedFunc(dead, func(a, b Letter) int { return strings.Compare(a.Key(), b.Key()) }))
	about := d.Receivers()
	require.Len(t, about, 1)
	require.Equal(t, s.URL, about[0].Host)
	require.Equal(t, "status 410", about[0].LastError)
	require.NotNil(t, about[0].LastTry)

	up.Store(true)
	replay := func(d *Dispatcher, what Replay) Replayed {
		done, err := d.Replay(what)
		require.NoError(t, err)
		return done
	}
	require.Equal(t, Replayed{1, []string{"EV_none.x"}}, replay(d, Replay{IDs: []string{dead[0].ID, "EV_none.x"}}))
	again := s.next(t)
	require.Equal(t, sent[again.ID].Body, again.Body, "the same Event")
	require.Len(t, deadOf(t, d), 2)
	event, _, _ := strings.Cut(dead[2].ID, ".")
	require.Equal(t, Replayed{1, []string{}}, replay(d, Replay{IDs: []string{event}}))
	require.Equal(t, event, s.next(t).ID, "an Event's id will do")
	require.Equal(t, 1, replay(d, Replay{All: true}).Replayed)
	s.next(t)
	require.Empty(t, deadOf(t, d))
	require.Zero(t, replay(d, Replay{All: true}).Replayed)

	up.Store(false)
	change(d, "s0", media.Ended)
	s.next(t)
	stop()
	other, stop := started(t, Config{Dir: d.cfg.Dir})
	defer stop()
	done := replay(other, Replay{All: true})
	require.Zero(t, done.Replayed)
	require.NotEmpty(t, done.Skipped, "the receiver is not there any more")
	require.Len(t, deadOf(t, other), len(done.Skipped))
}

// A dead letter that is sent again is always in a file: among those that wait
// before it leaves the dead ones.
func TestReplayLosesNothing(t *testing.T) {
	dir := t.TempDir()
	hold := make(chan struct{})
	s := newSink(t, func(http.ResponseWriter, *http.Request, authtest.Event) { <-hold })
	cfg := Config{URLs: []string{s.URL}, Dir: dir, Save: time.Hour}
	to := receiverID(s.URL)
	letter := func(id string) Letter {
		return Letter{ID: id + "." + to, Event: "room_started", Receiver: to, DiedAt: 1, Body: json.RawMessage(`{"id":"` + id + `"}`)}
	}
	waiting := func() (ids []string) {
		require.NoError(t, readFile(filepath.Join(dir, pendingFile), func(l Letter) { ids = append(ids, l.ID) }))
		return ids
	}
	// The last process has left something, and this one has not begun yet.
	require.NoError(t, writeLetters(filepath.Join(dir, pendingFile), []Letter{letter("EV_0")}))
	d, err := New(cfg, keySigner{testKeys}, slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	require.NoError(t, d.dead.add(letter("EV_1")))
	_, err = d.Replay(Replay{All: true})
	require.NoError(t, err)
	require.Equal(t, []string{"EV_0." + to, "EV_1." + to}, waiting())
	require.Empty(t, deadOf(t, d))

	d, _ = started(t, cfg)
	t.Cleanup(sync.OnceFunc(func() { close(hold) })) // before stop
	require.Eventually(t, func() bool { return d.Receivers()[0].Queued == 2 }, patience, time.Millisecond)
	require.NoError(t, d.dead.add(letter("EV_2")))
	done, err := d.Replay(Replay{All: true})
	require.NoError(t, err)
	require.Equal(t, 1, done.Replayed)
	require.ElementsMatch(t, []string{"EV_0." + to, "EV_1." + to, "EV_2." + to}, waiting())

	// What cannot be written stays where it is.
	require.NoError(t, d.dead.add(letter("EV_3")))
	full := errors.New("disk full")
	_, err = d.dead.take(func(Letter) bool { return true }, func([]Letter) error { return full })
	require.ErrorIs(t, err, full)
	require.Len(t, deadOf(t, d), 1)
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
	taken, err := d.take(func(l Letter) bool { return l.ID != "EV_0199.r" }, func([]Letter) error { return nil })
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
