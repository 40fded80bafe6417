package webhook

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/signaling/auth"
)

// Authorizer decides who may look at what was not delivered, and who may send
// it again.
type Authorizer interface {
	Admin(r *http.Request) (auth.Grant, error)
	Operate(r *http.Request) (auth.Grant, error)
}

// API serves /api/v1/webhooks. Its fields are set before Register.
type API struct {
	Site       *httpx.Site
	Auth       Authorizer
	Dispatcher *Dispatcher
}

const (
	defaultPage = 100
	maxPage     = 1000
	maxReplay   = 1000
)

// Register puts the resources into a mux.
func (a *API) Register(mux *http.ServeMux) {
	mux.Handle("/api/v1/webhooks", a.Site.Resource(httpx.Methods{http.MethodGet: a.list}))
	mux.Handle("/api/v1/webhooks/dead-letters", a.Site.Resource(httpx.Methods{http.MethodGet: a.letters}))
	mux.Handle("/api/v1/webhooks/replay", a.Site.Resource(httpx.Methods{http.MethodPost: a.replay}))
}

// Receivers is the answer about who is told.
type Receivers struct {
	Receivers []Receiver `json:"receivers"`
}

// Receiver is how one of them does.
type Receiver struct {
	ID   string `json:"id"`
	Host string `json:"host"`
	// Queued is how many Events wait; Failures how many requests have failed
	// since the last that did not.
	Queued   int `json:"queued"`
	Failures int `json:"failures"`
	// LastTry is when a request last ended, LastError why it failed.
	LastTry   *time.Time `json:"lastTry,omitempty"`
	LastError string     `json:"lastError,omitempty"`
}

// Letters is a page of dead letters, those first that died first.
type Letters struct {
	DeadLetters []Letter `json:"deadLetters"`
	// Next is the cursor of the next page, "" on the last.
	Next string `json:"next,omitempty"`
}

// Replay says which dead letters to send again.
type Replay struct {
	// IDs are those of dead letters, or of Events, for all who have not got
	// them.
	IDs []string `json:"ids,omitempty"`
	All bool     `json:"all,omitempty"`
}

// Replayed is what came of it.
type Replayed struct {
	Replayed int `json:"replayed"`
	// Skipped are the dead letters whose receiver is no longer configured, and
	// the IDs that none has.
	Skipped []string `json:"skipped"`
}

func (a *API) list(w http.ResponseWriter, r *http.Request) error {
	if _, err := a.Auth.Admin(r); err != nil {
		return err //nolint:wrapcheck // the Site knows it
	}
	out := Receivers{Receivers: []Receiver{}}
	for _, to := range a.Dispatcher.receivers {
		out.Receivers = append(out.Receivers, to.describe())
	}
	return httpx.WriteJSON(w, http.StatusOK, out)
}

func (r *receiver) describe() Receiver {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := Receiver{ID: r.id, Host: r.host, Queued: r.queue.len(), Failures: r.queue.failures, LastError: r.last.error}
	if at := r.last.at; !at.IsZero() {
		d.LastTry = &at
	}
	return d
}

func (a *API) letters(w http.ResponseWriter, r *http.Request) error {
	if _, err := a.Auth.Admin(r); err != nil {
		return err //nolint:wrapcheck // the Site knows it
	}
	limit, err := pageSize(r)
	if err != nil {
		return err
	}
	after, err := parseCursor(r.URL.Query().Get("cursor"))
	if err != nil {
		return err
	}
	var all []Letter
	if err := a.Dispatcher.dead.each(func(l Letter) {
		if compareLetters(l, after) > 0 {
			all = append(all, l)
		}
	}); err != nil {
		return err
	}
	slices.SortFunc(all, compareLetters)
	out := Letters{DeadLetters: []Letter{}}
	if len(all) > limit {
		all = all[:limit]
		out.Next = cursor(all[limit-1])
	}
	out.DeadLetters = append(out.DeadLetters, all...)
	return httpx.WriteJSON(w, http.StatusOK, out)
}

func pageSize(r *http.Request) (int, error) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return defaultPage, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxPage {
		return 0, httpx.Fail(http.StatusBadRequest, "limit must be a number from 1 to %d", maxPage)
	}
	return n, nil
}

// compareLetters orders dead letters by when they died. An ID is there once or
// is replaced.
func compareLetters(a, b Letter) int {
	return cmp.Or(cmp.Compare(a.DiedAt, b.DiedAt), strings.Compare(a.ID, b.ID))
}

func cursor(l Letter) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(l.DiedAt, 10) + " " + l.ID))
}

// parseCursor returns what a cursor names; "" is before everything.
func parseCursor(text string) (Letter, error) {
	if text == "" {
		return Letter{}, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	died, id, ok := strings.Cut(string(raw), " ")
	at, nerr := strconv.ParseInt(died, 10, 64)
	if err != nil || nerr != nil || !ok {
		return Letter{}, httpx.Fail(http.StatusBadRequest, "the cursor is not one of ours; begin without one")
	}
	return Letter{DiedAt: at, ID: id}, nil
}

func (a *API) replay(w http.ResponseWriter, r *http.Request) error {
	if _, err := a.Auth.Operate(r); err != nil {
		return err //nolint:wrapcheck // the Site knows it
	}
	var what Replay
	if err := httpx.ReadJSON(w, r, &what); err != nil {
		return err //nolint:wrapcheck // a Problem
	}
	switch {
	case what.All == (len(what.IDs) > 0):
		return httpx.Fail(http.StatusBadRequest, "name the dead letters in ids, or say all, but not both")
	case len(what.IDs) > maxReplay:
		return httpx.Fail(http.StatusBadRequest, "ids may have %d members", maxReplay)
	}
	done, err := a.Dispatcher.replay(what)
	if err != nil {
		return err
	}
	return httpx.WriteJSON(w, http.StatusOK, done)
}

// replay sends dead letters again, in the order in which they died.
func (d *Dispatcher) replay(what Replay) (Replayed, error) {
	known := map[string]bool{}
	for _, r := range d.receivers {
		known[r.id] = true
	}
	wanted := map[string]bool{}
	for _, id := range what.IDs {
		wanted[id] = false
	}
	out := Replayed{Skipped: []string{}}
	taken, err := d.dead.take(func(l Letter) bool {
		event, _, _ := strings.Cut(l.ID, ".")
		if _, named := wanted[l.ID]; named {
			wanted[l.ID] = true
		} else if _, named := wanted[event]; named {
			wanted[event] = true
		} else if !what.All {
			return false
		}
		if !known[l.Receiver] {
			out.Skipped = append(out.Skipped, l.ID)
		}
		return known[l.Receiver]
	})
	if err != nil {
		return Replayed{}, err
	}
	slices.SortStableFunc(taken, func(a, b Letter) int { return cmp.Compare(a.DiedAt, b.DiedAt) })
	now := time.Now()
	for _, l := range taken {
		d.requeue(now, l)
	}
	for id, found := range wanted {
		if !found {
			out.Skipped = append(out.Skipped, id)
		}
	}
	slices.Sort(out.Skipped)
	out.Replayed = len(taken)
	return out, nil
}
