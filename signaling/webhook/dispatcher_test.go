package webhook

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/signaling/auth/authtest"
	"github.com/freshet-live/freshet/signaling/rooms/room"
)

func TestABroadcastAsAReceiverSeesIt(t *testing.T) {
	s := newSink(t, nil)
	d, stop := started(t, Config{URLs: []string{s.URL + "/hook?key=secret"}, RoomMessages: true, Node: "n1"})
	publisher := Visit{Stream: "demo", Session: "p1", Identity: "ann", Name: "Ann", Via: "whip", Publisher: true, Since: time.Now()}
	change(d, "demo", media.Live)
	d.Joined(publisher)
	d.Joined(viewer(1))
	d.Joined(viewer(2))
	d.Said("demo", []room.Entry{{ID: "01L", Kind: room.Banned, Target: "x"}, {ID: "01K", Kind: room.Message, Text: "hello"}})
	change(d, "demo", media.Reconnecting)
	d.Left(publisher)
	d.Left(viewer(2))
	change(d, "demo", media.Ended)

	got := s.expect(t, RoomStarted, ParticipantJoined, RoomMessage, ParticipantJoined, StreamReconnecting,
		ParticipantLeft, ParticipantLeft, RoomFinished)
	seen := map[string]bool{}
	for _, e := range got {
		require.Equal(t, "demo", e.Room)
		require.WithinDuration(t, time.Now(), time.Unix(e.CreatedAt, 0), patience)
		require.False(t, seen[e.ID])
		seen[e.ID] = true
	}
	require.Equal(t, got[0].RoomSID, got[7].RoomSID)
	require.NotEmpty(t, got[0].RoomSID)
	require.Equal(t, "ann", got[1].Identity)
	require.Equal(t, "p1", got[1].SID)
	require.Equal(t, "ACTIVE", got[1].State)
	require.True(t, got[1].IsPublisher)
	require.Equal(t, "id1", got[3].Identity)
	require.False(t, got[3].IsPublisher)
	require.Equal(t, "DISCONNECTED", got[6].State)
	var two struct {
		Participants []Participant
		Node         string
	}
	require.NoError(t, json.Unmarshal(got[3].Body, &two))
	require.Len(t, two.Participants, 2)
	require.Equal(t, "n1", two.Node)
	require.Contains(t, string(got[2].Body), `"text":"hello"`)
	stop()
	require.NoFileExists(t, filepath.Join(d.cfg.Dir, pendingFile))
}

// A batch goes out when its second is over, without anything else happening.
func TestABatchDoesNotWaitForOthers(t *testing.T) {
	s := newSink(t, nil)
	d, _ := started(t, Config{URLs: []string{s.URL}})
	d.Joined(viewer(1))
	s.expect(t, ParticipantJoined)
}

func TestTriesAgainUntilItIsTaken(t *testing.T) {
	var n, redirected atomic.Int32
	s := newSink(t, func(w http.ResponseWriter, r *http.Request, _ authtest.Event) {
		if r.URL.Path == "/elsewhere" {
			redirected.Add(1)
		}
		switch n.Add(1) {
		case 1:
			w.WriteHeader(http.StatusInternalServerError)
		case 2:
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		case 3:
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, "HTTP/1.1 200 O")
				_ = conn.Close()
			}
		case 4:
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write(make([]byte, 10<<20))
		case 5:
			w.Header().Set("X", strings.Repeat("x", 1<<20))
		}
	})
	d, stop := started(t, Config{URLs: []string{s.URL}})
	change(d, "demo", media.Live)
	got := s.expect(t, RoomStarted, RoomStarted, RoomStarted, RoomStarted, RoomStarted, RoomStarted)
	for _, e := range got {
		require.Equal(t, got[0].ID, e.ID)
		require.Equal(t, got[0].Body, e.Body)
	}
	require.Zero(t, redirected.Load(), "redirects are not followed")
	change(d, "demo", media.Ended)
	s.expect(t, RoomFinished)
	stop()
	require.Empty(t, s.got)
	require.NoFileExists(t, filepath.Join(d.cfg.Dir, deadFile))
}

func TestARefusedEventIsGivenUpAtOnce(t *testing.T) {
	for _, status := range []int{400, 410, 413, 415, 422} {
		s := newSink(t, func(w http.ResponseWriter, _ *http.Request, e authtest.Event) {
			if e.Event == RoomStarted {
				w.WriteHeader(status)
			}
		})
		d, stop := started(t, Config{URLs: []string{s.URL + "/hook?key=secret"}})
		change(d, "demo", media.Live)
		change(d, "demo", media.Ended)
		s.expect(t, RoomStarted, RoomFinished)
		stop()
		dead := deadOf(t, d)
		require.Len(t, dead, 1)
		require.Equal(t, RoomStarted, dead[0].Event)
		require.Equal(t, fmt.Sprint("status ", status), dead[0].Reason)
		require.Equal(t, 1, dead[0].Tries)
		require.Equal(t, s.URL, dead[0].Host)
		file, err := os.ReadFile(filepath.Join(d.cfg.Dir, deadFile))
		require.NoError(t, err)
		require.NotContains(t, string(file), "secret")
		info, err := os.Stat(filepath.Join(d.cfg.Dir, deadFile))
		require.NoError(t, err)
		require.EqualValues(t, 0o600, info.Mode().Perm())
	}
}

func deadOf(t *testing.T, d *Dispatcher) []Letter {
	t.Helper()
	var all []Letter
	require.NoError(t, d.dead.each(func(l Letter) { all = append(all, l) }))
	return all
}

// One receiver hangs, another is not there: the third hears everything at once,
// and whoever tells is never held up.
func TestReceiversDoNotDelayEachOther(t *testing.T) {
	release := make(chan struct{})
	hangs := newSink(t, func(_ http.ResponseWriter, r *http.Request, _ authtest.Event) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	t.Cleanup(func() { close(release) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	nobody := "http://" + l.Addr().String()
	require.NoError(t, l.Close())
	works := newSink(t, nil)
	d, stop := started(t, Config{URLs: []string{hangs.URL, nobody, works.URL}, Grace: 50 * time.Millisecond})
	for i := range 200 {
		change(d, fmt.Sprint("s", i), media.Live)
	}
	for range 200 {
		require.Equal(t, RoomStarted, works.next(t).Event)
	}
	began := time.Now()
	stop()
	require.Less(t, time.Since(began), 5*time.Second)
	n := map[string]int{}
	require.NoError(t, readFile(filepath.Join(d.cfg.Dir, pendingFile), func(l Letter) { n[l.Host]++ }))
	require.GreaterOrEqual(t, n[hangs.URL], 200)
	require.GreaterOrEqual(t, n[nobody], 200)
	require.LessOrEqual(t, n[works.URL], 200, "at most the ends of the Streams")
}

// Streams keep their order though the receiver fails at random and answers
// several requests at once.
func TestOrderPerStream(t *testing.T) {
	var mu sync.Mutex
	turn, order := 0, map[string][]string{}
	s := newSink(t, func(w http.ResponseWriter, _ *http.Request, e authtest.Event) {
		mu.Lock()
		defer mu.Unlock()
		if turn++; turn%3 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		order[e.Room] = append(order[e.Room], e.Event)
	})
	d, stop := started(t, Config{URLs: []string{s.URL}})
	for range 5 {
		for i := range 8 {
			stream := fmt.Sprint("s", i)
			change(d, stream, media.Live)
			change(d, stream, media.Reconnecting)
			change(d, stream, media.Ended)
		}
	}
	for taken := 0; taken < 120; {
		s.next(t)
		mu.Lock()
		taken = 0
		for _, o := range order {
			taken += len(o)
		}
		mu.Unlock()
	}
	stop()
	for stream, got := range order {
		require.Len(t, got, 15, stream)
		for i, name := range got {
			require.Equal(t, []string{RoomStarted, StreamReconnecting, RoomFinished}[i%3], name, stream)
		}
	}
}

// What was not delivered before the end is delivered after the restart.
func TestRestart(t *testing.T) {
	var up atomic.Bool
	s := newSink(t, func(w http.ResponseWriter, _ *http.Request, _ authtest.Event) {
		if !up.Load() {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	cfg := Config{URLs: []string{s.URL}, Dir: t.TempDir(), Retry: time.Hour}
	d, stop := started(t, cfg)
	change(d, "demo", media.Live)
	id := s.expect(t, RoomStarted)[0].ID
	stop()
	change(d, "demo", media.Live)
	require.Equal(t, 2, d.receivers[0].queue.len(), "nobody hears it any more")

	up.Store(true)
	other := cfg
	other.URLs = []string{"http://127.0.0.1:1/elsewhere"}
	d, stop = started(t, cfg)
	got := s.expect(t, RoomStarted, RoomFinished)
	require.Equal(t, id, got[0].ID)
	stop()
	require.NoFileExists(t, filepath.Join(cfg.Dir, pendingFile))
	require.Empty(t, deadOf(t, d))
	require.Empty(t, s.got)

	// To somebody who is not configured any more nothing is sent.
	up.Store(false)
	d, stop = started(t, cfg)
	change(d, "demo", media.Live)
	s.expect(t, RoomStarted)
	stop()
	d, stop = started(t, other)
	stop()
	dead := deadOf(t, d)
	require.Len(t, dead, 2)
	require.Equal(t, "the receiver is no longer configured", dead[1].Reason)
}

// What waits is in the file already while the process lives, as it may be
// killed, and what was delivered is not in it any more.
func TestWhatWaitsIsWrittenDown(t *testing.T) {
	var up atomic.Bool
	s := newSink(t, func(w http.ResponseWriter, _ *http.Request, _ authtest.Event) {
		if !up.Load() {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	cfg := Config{URLs: []string{s.URL}, Dir: t.TempDir(), Save: 10 * time.Millisecond}
	waiting := func() (n int) {
		require.NoError(t, readFile(filepath.Join(cfg.Dir, pendingFile), func(Letter) { n++ }))
		return n
	}
	d, stop := started(t, cfg)
	change(d, "a", media.Live)
	change(d, "b", media.Live)
	require.Eventually(t, func() bool { return waiting() == 2 }, patience, time.Millisecond)

	killed, err := os.ReadFile(filepath.Join(cfg.Dir, pendingFile))
	require.NoError(t, err)
	up.Store(true)
	require.Eventually(t, func() bool { return waiting() == 0 }, patience, time.Millisecond)
	stop()

	require.NoError(t, os.WriteFile(filepath.Join(cfg.Dir, pendingFile), killed, 0o600))
	up.Store(false)
	_, stop = started(t, cfg)
	s.next(t)
	stop()
	require.Equal(t, 2, waiting())
}

// A process that is killed tells nobody that its broadcasts are over. The next
// one does.
func TestBroadcastsOfAKilledProcess(t *testing.T) {
	s := newSink(t, nil)
	cfg := Config{URLs: []string{s.URL}, Dir: t.TempDir(), Save: 10 * time.Millisecond}
	path := filepath.Join(cfg.Dir, liveFile)
	d, stop := started(t, cfg)
	change(d, "demo", media.Live)
	first := s.expect(t, RoomStarted)[0]
	var killed []byte
	require.Eventually(t, func() (ok bool) {
		var err error
		killed, err = os.ReadFile(path)
		return err == nil
	}, patience, time.Millisecond)
	stop()
	s.expect(t, RoomFinished)
	require.NoFileExists(t, path)

	require.NoError(t, os.WriteFile(path, killed, 0o600))
	d, stop = started(t, cfg)
	last := s.expect(t, RoomFinished)[0]
	require.Equal(t, first.RoomSID, last.RoomSID)
	require.NotEqual(t, first.ID, last.ID)
	require.Contains(t, string(last.Body), `"state":"ended"`)
	require.Contains(t, string(last.Body), `"epoch":1`)
	change(d, "demo", media.Live)
	require.NotEqual(t, first.RoomSID, s.expect(t, RoomStarted)[0].RoomSID)
	stop()
	s.expect(t, RoomFinished)
	require.NoFileExists(t, path)

	require.NoError(t, os.WriteFile(path, []byte("{"), 0o600))
	_, stop = started(t, cfg)
	stop()
	require.Empty(t, s.got)
}

// Without a folder nothing is kept, and nothing fails.
func TestNoFolder(t *testing.T) {
	d, err := New(Config{URLs: []string{"http://127.0.0.1:1/"}, GiveUp: 1}, keySigner{testKeys}, slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	change(d, "demo", media.Live)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, d.Run(ctx))
	dead, err := d.DeadLetters()
	require.NoError(t, err)
	require.Empty(t, dead)
}

// A receiver that closes a connection just as it is used again costs no failure.
func TestAKeptConnectionThatIsGone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	taken := make(chan bool, 10)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { // one answer, and an end instead of the next
				defer conn.Close()
				in := bufio.NewReader(conn)
				for i := range 2 {
					r, err := http.ReadRequest(in)
					if err != nil || i == 1 {
						return
					}
					_, _ = io.Copy(io.Discard, r.Body)
					taken <- strings.HasPrefix(r.Header.Get("Idempotency-Key"), "EV_")
					_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
				}
			})
		}
	})
	a := newAdmission(t, AdmissionConfig{URL: "http://" + l.Addr().String()})
	for range 5 {
		require.NoError(t, a.Ask(t.Context(), ann))
		require.True(t, <-taken)
	}
	require.NoError(t, l.Close())
	a.client.CloseIdleConnections()
	serving.Wait()
}

func TestOldEventsBecomeDeadLetters(t *testing.T) {
	var up atomic.Bool
	s := newSink(t, func(w http.ResponseWriter, _ *http.Request, _ authtest.Event) {
		if !up.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	d, _ := started(t, Config{URLs: []string{s.URL}, GiveUp: 500 * time.Millisecond})
	change(d, "demo", media.Live)
	require.Eventually(t, func() bool { return len(deadOf(t, d)) == 1 }, patience, 5*time.Millisecond)
	dead := deadOf(t, d)[0]
	require.Greater(t, dead.Tries, 1)
	require.Equal(t, "status 500", dead.Reason)
	require.GreaterOrEqual(t, dead.DiedAt-dead.QueuedAt, int64(500))
}

// Retry-After is obeyed for the receiver as a whole.
func TestRetryAfterIsObeyed(t *testing.T) {
	var n atomic.Int32
	s := newSink(t, func(w http.ResponseWriter, _ *http.Request, _ authtest.Event) {
		if n.Add(1) == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	d, _ := started(t, Config{URLs: []string{s.URL}})
	change(d, "demo", media.Live)
	s.expect(t, RoomStarted)
	began := time.Now()
	s.expect(t, RoomStarted)
	require.GreaterOrEqual(t, time.Since(began), 900*time.Millisecond)
}

func TestTLSIsVerified(t *testing.T) {
	s := newSink(t, nil)
	tlsServer := newTLS(t, s)
	d, stop := started(t, Config{URLs: []string{tlsServer.URL}, GiveUp: 20 * time.Millisecond})
	change(d, "demo", media.Live)
	require.Eventually(t, func() bool { return len(deadOf(t, d)) == 1 }, patience, 5*time.Millisecond)
	require.Contains(t, deadOf(t, d)[0].Reason, "certificate")
	stop()
	require.Empty(t, s.got)

	pool := tlsServer.Client().Transport.(*http.Transport).TLSClientConfig
	d, _ = started(t, Config{URLs: []string{tlsServer.URL}, Transport: func(tr *http.Transport) { tr.TLSClientConfig = pool.Clone() }})
	change(d, "demo", media.Live)
	s.expect(t, RoomStarted)
}

func TestCheckURL(t *testing.T) {
	for _, good := range []string{"https://a.example/hook?key=x", "http://127.0.0.1:9000", "http://[::1]:1/"} {
		require.NoError(t, CheckURL(good))
	}
	for _, bad := range []string{"", "a.example", "ftp://a/", "https:///x", "https://u:secret@a/", "http://a/#secret", "http://a b/", "http://:80/"} {
		err := CheckURL(bad)
		require.ErrorIs(t, err, ErrURL, bad)
		require.NotContains(t, err.Error(), "secret")
	}
	_, err := New(Config{URLs: []string{"nowhere"}}, keySigner{}, nil, nil)
	require.ErrorIs(t, err, ErrURL)
}

func TestErrorsHideTheURL(t *testing.T) {
	_, err := post(t.Context(), newClient(1, nil), keySigner{testKeys}, "http://127.0.0.1:1/?key=secret", "EV_1", []byte("{}"))
	require.Error(t, err)
	require.NotContains(t, err.Error(), "secret")
}

func TestRetryAfterHeader(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"": {}, "x": {}, "-5": {}, "0": {}, "7": now.Add(7 * time.Second), "99999999": now.Add(time.Hour),
		"9999999999999999999": {}, "Sun, 22 Nov 2026 12:00:30 GMT": now.Add(30 * time.Second), "Sun, 22 Nov 2026 11:00:00 GMT": {},
	} {
		h := http.Header{}
		h.Set("Retry-After", text)
		require.Equal(t, want, retryAfter(h, now, time.Hour), text)
	}
}
