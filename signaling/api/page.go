package api

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-live/freshet/internal/httpx"
)

// Codes of problems, for programs; docs/api.md explains them.
const (
	codeBadParameter = "bad-parameter"
	codeBadCursor    = "bad-cursor"
	codeBadField     = "bad-field"
	codeNameTaken    = "name-taken"
	codeNotLive      = "not-live"
	codeNoSession    = "no-session"
	codeNoStream     = "no-stream"
	codeNoRevocation = "no-revocation"
	codeTooMany      = "too-many-revocations"
)

const (
	defaultLimit = 100
	maxLimit     = 1000
)

// window is the part of a list that a request asks for.
type window struct {
	limit int
	// after is the key of the last item that the client has, "" for none.
	after string
}

// query reads parameters, and refuses unknown ones: one that is misspelt would
// else be passed over in silence.
func query(r *http.Request, known ...string) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, problem(http.StatusBadRequest, codeBadParameter, "the query cannot be read")
	}
	for name, values := range q {
		switch {
		case name == "token":
		case !contains(known, name):
			return nil, problem(http.StatusBadRequest, codeBadParameter, "there is no parameter %s", quote(name))
		case len(values) > 1:
			return nil, problem(http.StatusBadRequest, codeBadParameter, "the parameter %s is there twice", name)
		}
	}
	return q, nil
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// quote shows what a client wrote, or the beginning of it.
func quote(s string) string {
	const most = 60
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strconv.Quote(s)
}

func problem(status int, code, format string, args ...any) *httpx.Problem {
	return &httpx.Problem{Status: status, Code: code, Detail: fmt.Sprintf(format, args...)}
}

// number reads a parameter between least and most.
func number(q url.Values, name string, least, most, otherwise int) (int, error) {
	if !q.Has(name) {
		return otherwise, nil
	}
	n, err := strconv.Atoi(q.Get(name))
	if err != nil || n < least || n > most {
		return 0, problem(http.StatusBadRequest, codeBadParameter, "%s must be a whole number between %d and %d", name, least, most)
	}
	return n, nil
}

// blockTime reads the parameter block: for how long somebody is kept out
// afterwards.
func blockTime(r *http.Request) (time.Duration, error) {
	q, err := query(r, "block")
	if err != nil {
		return 0, err
	}
	seconds, err := number(q, "block", 0, maxSeconds, 0)
	return time.Duration(seconds) * time.Second, err
}

// windowOf reads limit and cursor. A cursor is a list's name and the key of the
// last item that was told: it stays good whatever comes and goes meanwhile.
func windowOf(q url.Values, list string) (window, error) {
	limit, err := number(q, "limit", 1, maxLimit, defaultLimit)
	if err != nil {
		return window{}, err
	}
	w := window{limit: limit}
	if !q.Has("cursor") {
		return w, nil
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(q.Get("cursor"))
	of, key, ok := strings.Cut(string(text), "\n")
	if err != nil || !ok || of != list || key == "" {
		return window{}, problem(http.StatusBadRequest, codeBadCursor, "the cursor is none of this list")
	}
	w.after = key
	return w, nil
}

// cut returns the window of a list that is in the order of its keys, and the
// cursor for what comes next, nil at the end.
func cut[T any](all []T, key func(T) string, w window, list string) (items []T, next *string) {
	from := sort.Search(len(all), func(i int) bool { return key(all[i]) > w.after })
	to := min(from+w.limit, len(all))
	if to < len(all) {
		cursor := base64.RawURLEncoding.EncodeToString([]byte(list + "\n" + key(all[to-1])))
		next = &cursor
	}
	return append([]T{}, all[from:to]...), next
}

// timeKey orders by time, then by id.
func timeKey(t time.Time, id string) string {
	return fmt.Sprintf("%020d %s", t.UnixNano(), id)
}
