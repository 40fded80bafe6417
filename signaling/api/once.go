package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/rooms/room"
)

const (
	codeKeyReused = "idempotency-key-reused"
	codeKeyBusy   = "idempotency-key-busy"
	codeBadKey    = "bad-idempotency-key"

	headerKey      = "Idempotency-Key"
	headerReplayed = "Idempotency-Replayed"

	maxKey     = 255
	maxReplies = 4096
	replyTime  = 24 * time.Hour
	keyWait    = 10 * time.Second
)

// call is a POST that was let in, with its body read.
type call struct {
	*http.Request
	grant auth.Grant
	body  []byte
	// id is the same for each repetition under an Idempotency-Key, "" without
	// one. It is that of a room.Command.
	id string
}

// decode reads the body; none at all is {}.
func (c *call) decode(v any) error {
	if len(bytes.TrimSpace(c.body)) == 0 {
		return nil
	}
	return httpx.DecodeExact(c.body, v) //nolint:wrapcheck // a Problem
}

// reply is what a POST is answered with when all went well.
type reply struct {
	status   int
	location string
	body     any
}

// post makes a resource's method of a function that changes something. An
// Idempotency-Key makes it safe to repeat: for a day the same caller gets the
// same answer to the same request, and nothing happens twice
// (draft-ietf-httpapi-idempotency-key-header). Only success is remembered.
func (h *Handler) post(allow func(r *http.Request) (auth.Grant, error), f func(c *call) (reply, error)) httpx.Func {
	return func(w http.ResponseWriter, r *http.Request) error {
		grant, err := allow(r)
		if err != nil {
			return err
		}
		if _, err := query(r); err != nil {
			return err
		}
		if r.ContentLength != 0 {
			if err := httpx.RequireType(r, "application/json"); err != nil {
				return err //nolint:wrapcheck // a Problem
			}
		}
		body, err := httpx.ReadBody(w, r, httpx.MaxBody)
		if err != nil {
			return err //nolint:wrapcheck // a Problem
		}
		key := r.Header.Get(headerKey)
		if !validKey(key) {
			return problem(http.StatusBadRequest, codeBadKey, "an %s has up to %d printable ASCII characters", headerKey, maxKey)
		}
		run := func() (*saved, error) {
			rep, err := f(&call{r, grant, body, commandID(r, grant, key, body)})
			if err != nil {
				return nil, err
			}
			text, err := json.Marshal(rep.body)
			return &saved{rep.status, rep.location, append(text, '\n')}, err
		}
		if key == "" {
			s, err := run()
			if err != nil {
				return err
			}
			return s.write(w)
		}
		ctx, cancel := context.WithTimeout(r.Context(), keyWait)
		defer cancel()
		s, again, err := h.replies.once(ctx, who(grant)+"\n"+key, fingerprint(r, body), time.Now(), run)
		if err != nil {
			return err
		}
		if again {
			w.Header().Set(headerReplayed, "true")
		}
		return s.write(w)
	}
}

func validKey(key string) bool {
	for i := range len(key) {
		if key[i] < 0x20 || key[i] > 0x7e {
			return false
		}
	}
	return len(key) <= maxKey
}

// who tells callers apart, so that nobody gets what another was answered.
func who(g auth.Grant) string { return g.TokenID + "\n" + g.Identity }

func fingerprint(r *http.Request, body []byte) [sha256.Size]byte {
	sum := sha256.New()
	_, _ = io.WriteString(sum, r.Method+" "+r.URL.EscapedPath()+"\n") // a hash takes everything
	_, _ = sum.Write(body)
	return [sha256.Size]byte(sum.Sum(nil))
}

// commandID makes a command's id of a request with an Idempotency-Key, so that the
// Room knows one again whose answer never came. A request that was corrected
// under the same key is another command.
func commandID(r *http.Request, g auth.Grant, key string, body []byte) string {
	if key == "" {
		return ""
	}
	mark := fingerprint(r, body)
	sum := sha256.Sum256([]byte(who(g) + "\n" + key + "\n" + string(mark[:])))
	const enough = 16
	return room.HiddenID + hex.EncodeToString(sum[:enough])
}

// saved is an answer as it went out.
type saved struct {
	status   int
	location string
	body     []byte
}

func (s *saved) write(w http.ResponseWriter) error {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	if s.location != "" {
		h.Set("Location", s.location)
	}
	w.WriteHeader(s.status)
	_, _ = w.Write(s.body) //nolint:gosec // JSON, and said to be; the client may be gone
	return nil
}

// replies remembers answers by key, the latest maxReplies of a day. The zero
// value is ready.
type replies struct {
	mu    sync.Mutex
	known map[string]*remembered
	order []*remembered // oldest first
}

// remembered is a request on its way, or its answer.
type remembered struct {
	key   string
	mark  [sha256.Size]byte
	at    time.Time
	done  chan struct{} // closed with answer set, or nil for a failure
	saved *saved
}

// once runs a request, or returns what its first run was answered. Who comes
// while that is running waits for it.
func (t *replies) once(
	ctx context.Context, key string, mark [sha256.Size]byte, now time.Time, run func() (*saved, error),
) (s *saved, again bool, err error) {
	for {
		entry, first := t.claim(key, mark, now)
		if entry.mark != mark {
			return nil, false, problem(http.StatusUnprocessableEntity, codeKeyReused, "the %s was used for another request", headerKey)
		}
		if first {
			return t.fill(entry, run)
		}
		select {
		case <-entry.done:
			if entry.saved != nil {
				return entry.saved, true, nil
			}
		case <-ctx.Done():
			return nil, false, &httpx.Problem{
				Status: http.StatusConflict, Code: codeKeyBusy, RetryAfter: time.Second,
				Detail: "the first request with this " + headerKey + " is still running",
			}
		}
	}
}

// claim returns what is known by a key; first is set for whom it was made, and
// who runs the request.
func (t *replies) claim(key string, mark [sha256.Size]byte, now time.Time) (entry *remembered, first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil {
		t.known = map[string]*remembered{}
	}
	for len(t.order) > 0 && (len(t.order) >= maxReplies || now.Sub(t.order[0].at) >= replyTime) {
		t.forgetLocked(t.order[0])
		t.order = t.order[1:]
	}
	if entry = t.known[key]; entry != nil {
		return entry, false
	}
	entry = &remembered{key: key, mark: mark, at: now, done: make(chan struct{})}
	t.known[key], t.order = entry, append(t.order, entry)
	return entry, true
}

func (t *replies) forgetLocked(entry *remembered) {
	if t.known[entry.key] == entry {
		delete(t.known, entry.key)
	}
}

// fill runs the request. What fails, or panics, may be tried again.
func (t *replies) fill(entry *remembered, run func() (*saved, error)) (*saved, bool, error) {
	defer func() {
		if entry.saved == nil {
			t.mu.Lock()
			t.forgetLocked(entry)
			t.mu.Unlock()
		}
		close(entry.done)
	}()
	s, err := run()
	if err == nil {
		entry.saved = s
	}
	return s, false, err
}
