package webhook

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/signaling/auth/authtest"
)

func newAdmission(t *testing.T, cfg AdmissionConfig) *Admission {
	t.Helper()
	a, err := NewAdmission(cfg, keySigner{testKeys}, slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	return a
}

var ann = Question{
	Action: Publish, Via: "whip", Stream: "demo", Identity: "ann", Name: "Ann", TokenID: "token-1",
	Address: "192.0.2.1", UserAgent: "OBS",
}

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		want   string // "": admitted; ErrNoAnswer's text; or the reason
	}{
		"empty":                {200, "", ""},
		"no content":           {204, "", ""},
		"blank":                {200, " \n", ""},
		"yes":                  {200, `{"allow":true}`, ""},
		"no":                   {200, `{"allow":false,"reason":"not paid"}`, "not paid"},
		"no, without a reason": {200, `{"allow":false}`, noReasonText},
		"403":                  {403, "", noReasonText},
		"403 with yes":         {403, `{"allow":true,"reason":"odd"}`, "odd"},
		"403 as a problem":     {403, `{"detail":"over 18 only"}`, "over 18 only"},
		"403 in HTML":          {403, "<html>", noReasonText},
		"a reason with tricks": {403, `{"reason":"a\u202e\u0000b\r\n c\u2028` + strings.Repeat("x", 300) + `"}`, "ab c " + strings.Repeat("x", 194) + "…"},
		"says nothing":         {200, `{}`, ErrNoAnswer.Error()},
		"of another type":      {200, `{"allow":"true"}`, ErrNoAnswer.Error()},
		"null":                 {200, `null`, ErrNoAnswer.Error()},
		"text":                 {200, "OK", ErrNoAnswer.Error()},
		"two values":           {200, `{"allow":true}{"allow":false}`, ErrNoAnswer.Error()},
		"huge":                 {200, `{"allow":true}` + strings.Repeat(" ", maxAnswer) + "x", ErrNoAnswer.Error()},
		"404":                  {404, "", ErrNoAnswer.Error()},
		"500":                  {500, `{"allow":true}`, ErrNoAnswer.Error()},
		"redirect":             {307, "", ErrNoAnswer.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSink(t, func(w http.ResponseWriter, _ *http.Request, _ authtest.Event) {
				w.Header().Set("Location", "/")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			err := newAdmission(t, AdmissionConfig{URL: s.URL}).Ask(t.Context(), ann)
			e := s.next(t)
			require.Equal(t, "admission", e.Event)
			require.Equal(t, "demo", e.Room)
			require.Equal(t, "ann", e.Identity)
			for _, field := range []string{
				`"action":"publish"`, `"via":"whip"`, `"stream":"demo"`, `"identity":"ann"`, `"name":"Ann"`,
				`"address":"192.0.2.1"`, `"userAgent":"OBS"`, `"tokenId":"token-1"`,
			} {
				require.Contains(t, string(e.Body), field)
			}
			switch c.want {
			case "":
				require.NoError(t, err)
			case ErrNoAnswer.Error():
				require.ErrorIs(t, err, ErrNoAnswer)
				require.NoError(t, newAdmission(t, AdmissionConfig{URL: s.URL, FailOpen: true}).Ask(t.Context(), ann))
			default:
				require.ErrorIs(t, err, ErrDenied)
				require.Equal(t, ErrDenied.Error()+": "+c.want, err.Error())
				require.ErrorIs(t, newAdmission(t, AdmissionConfig{URL: s.URL, FailOpen: true}).Ask(t.Context(), ann), ErrDenied,
					"a no is an answer")
			}
		})
	}
}

func TestNobodyIsAsked(t *testing.T) {
	require.NoError(t, newAdmission(t, AdmissionConfig{}).Ask(t.Context(), ann))
	_, err := NewAdmission(AdmissionConfig{URL: "nowhere"}, nil, nil, nil)
	require.ErrorIs(t, err, ErrURL)
}

// hanging is an endpoint that answers when it is let.
func hanging(t *testing.T) (s *sink, arrived *atomic.Int32, release func()) {
	t.Helper()
	gate := make(chan struct{})
	release = sync.OnceFunc(func() { close(gate) })
	arrived = &atomic.Int32{}
	s = newSink(t, func(_ http.ResponseWriter, r *http.Request, _ authtest.Event) {
		arrived.Add(1)
		select {
		case <-gate:
		case <-r.Context().Done():
		}
	})
	t.Cleanup(release)
	return s, arrived, release
}

// Whoever asks the same at the same time shares the answer.
func TestEqualQuestionsAreAskedOnce(t *testing.T) {
	s, arrived, release := hanging(t)
	a := newAdmission(t, AdmissionConfig{URL: s.URL, Timeout: time.Minute})
	answers := make(chan error, 51)
	for range 50 {
		go func() { answers <- a.Ask(t.Context(), ann) }()
	}
	other := ann
	other.Identity = "bob"
	go func() { answers <- a.Ask(t.Context(), other) }()
	require.Eventually(t, func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.waiting == 51 && arrived.Load() == 2
	}, patience, time.Millisecond)
	release()
	for range 51 {
		require.NoError(t, <-answers)
	}
	require.EqualValues(t, 2, arrived.Load())
	require.NoError(t, a.Ask(t.Context(), ann))
	require.EqualValues(t, 3, arrived.Load(), "an answer is not kept")
}

// A player that comes again is not asked about again at once.
func TestAYesHoldsForPlayers(t *testing.T) {
	var arrived, status atomic.Int32
	s := newSink(t, func(w http.ResponseWriter, _ *http.Request, _ authtest.Event) {
		arrived.Add(1)
		w.WriteHeader(int(status.Load()))
	})
	a := newAdmission(t, AdmissionConfig{URL: s.URL, FailOpen: true})
	status.Store(http.StatusForbidden)
	require.ErrorIs(t, a.AskAgain(t.Context(), ann), ErrDenied)
	status.Store(http.StatusInternalServerError)
	require.NoError(t, a.AskAgain(t.Context(), ann))
	status.Store(http.StatusForbidden)
	require.ErrorIs(t, a.AskAgain(t.Context(), ann), ErrDenied, "nobody has said yes")
	status.Store(http.StatusOK)
	require.NoError(t, a.AskAgain(t.Context(), ann))
	status.Store(http.StatusForbidden)
	require.NoError(t, a.AskAgain(t.Context(), ann))
	require.EqualValues(t, 4, arrived.Load())
	require.ErrorIs(t, a.Ask(t.Context(), ann), ErrDenied)
	for i := range 2 * maxSaid {
		a.said[Question{Identity: fmt.Sprint(i)}] = time.Now().Add(time.Hour)
	}
	other := ann
	other.Identity = "bob"
	status.Store(http.StatusOK)
	require.NoError(t, a.AskAgain(t.Context(), other))
	require.Len(t, a.said, 1)
}

// A client that goes away does not spoil it for the others.
func TestTheFirstToAskMayLeave(t *testing.T) {
	s, arrived, release := hanging(t)
	a := newAdmission(t, AdmissionConfig{URL: s.URL, Timeout: time.Minute})
	first, leave := context.WithCancel(t.Context())
	answers := make(chan error, 2)
	go func() { answers <- a.Ask(first, ann) }()
	require.Eventually(t, func() bool { return arrived.Load() == 1 }, patience, time.Millisecond)
	second, leaveToo := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() { left <- a.Ask(second, ann) }()
	go func() { answers <- a.Ask(t.Context(), ann) }()
	require.Eventually(t, func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.waiting == 3
	}, patience, time.Millisecond)
	leave()
	leaveToo()
	require.ErrorIs(t, <-left, context.Canceled)
	release()
	require.NoError(t, <-answers)
	require.NoError(t, <-answers)
}

// An endpoint that hangs holds up only so many, each for the timeout, and then
// nobody until it answers again.
func TestAHangingEndpoint(t *testing.T) {
	s, arrived, release := hanging(t)
	a := newAdmission(t, AdmissionConfig{URL: s.URL, Timeout: 300 * time.Millisecond, Waiting: 20})
	const crowd = 200
	type result struct {
		err  error
		took time.Duration
	}
	results := make(chan result, crowd)
	for i := range crowd {
		go func() {
			q, began := ann, time.Now()
			q.Identity = fmt.Sprint(i)
			err := a.Ask(t.Context(), q)
			results <- result{err, time.Since(began)}
		}()
	}
	slow := 0
	for range crowd {
		r := <-results
		require.ErrorIs(t, r.err, ErrNoAnswer)
		require.Less(t, r.took, 5*time.Second)
		if r.took >= 300*time.Millisecond {
			slow++
		}
	}
	require.LessOrEqual(t, int(arrived.Load()), 20)
	require.LessOrEqual(t, slow, 40, "the rest was told at once")

	began := time.Now()
	require.ErrorIs(t, a.Ask(t.Context(), ann), ErrNoAnswer)
	require.Less(t, time.Since(began), 300*time.Millisecond, "the fuse is open")
	release()
	require.Eventually(t, func() bool { return a.Ask(t.Context(), ann) == nil }, patience, 10*time.Millisecond)
	require.NoError(t, a.Ask(t.Context(), ann))
}

func TestFuse(t *testing.T) {
	var f fuse
	for range fuseFailures {
		require.True(t, f.try(t0))
		f.report(t0, false)
	}
	require.False(t, f.try(t0))
	now := t0.Add(fusePause)
	require.True(t, f.try(now))
	require.False(t, f.try(now), "one tries for all")
	f.report(now, false)
	require.False(t, f.try(now.Add(fusePause)))
	now = now.Add(2 * fusePause)
	require.True(t, f.try(now))
	f.report(now, true)
	require.True(t, f.try(now))
	require.True(t, f.try(now))
}

func FuzzReadAnswer(f *testing.F) {
	for _, body := range []string{"", `{"allow":true}`, `{"allow":false,"reason":"x\u202e"}`, `{"detail":"\u0000"}`, "\xff", `[1]`, `{"allow":null}`} {
		f.Add(200, []byte(body))
		f.Add(403, []byte(body))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		allow, reason, err := readAnswer(status, body)
		if allow {
			require.NoError(t, err)
			require.True(t, status >= 200 && status < 300)
			require.Empty(t, reason)
		}
		if err != nil {
			require.ErrorIs(t, err, errAnswer)
			return
		}
		require.Equal(t, allow, reason == "")
		require.LessOrEqual(t, len([]rune(reason)), maxReason)
		require.NotContains(t, reason, "\n")
		require.Equal(t, reason, plain(reason))
	})
}
