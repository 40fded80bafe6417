package httpx

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"
)

// ProblemType is the media type of every error body (RFC 9457 section 3).
const ProblemType = "application/problem+json"

// Problem is an error as the client sees it (RFC 9457). It is an error itself,
// for handlers that know the status; errors from elsewhere find theirs in the
// Table.
type Problem struct { //nolint:errname // RFC 9457 gives it its name
	Status int
	// Detail is one sentence for a person: what is wrong with this request.
	Detail string
	// RetryAfter is when to try again, rounded up to seconds; 0: not said.
	RetryAfter time.Duration
	// Challenge is the value of WWW-Authenticate on a 401 (RFC 6750 section 3).
	Challenge string
	// Accept lists the media types that would be taken, on a 415 (RFC 9110
	// section 15.5.16).
	Accept string
	// Close ends the connection after the answer.
	Close bool
}

// Fail returns a Problem with a formatted detail.
func Fail(status int, format string, args ...any) *Problem {
	return &Problem{Status: status, Detail: fmt.Sprintf(format, args...)}
}

// Error returns the status and the detail.
func (p *Problem) Error() string {
	return strconv.Itoa(p.Status) + " " + http.StatusText(p.Status) + ": " + p.Detail
}

// document is the JSON form. The type is always about:blank, so that the title
// is the status text (RFC 9457 section 4.2.1).
type document struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail,omitempty"`
	Instance string `json:"instance,omitempty"`
}

// write sends the problem in answer to a request.
func (p *Problem) write(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", ProblemType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.RetryAfter.Seconds()))))
	}
	if p.Challenge != "" {
		h.Set("WWW-Authenticate", p.Challenge)
	}
	if p.Accept != "" {
		h.Set("Accept", p.Accept)
	}
	if p.Close {
		h.Set("Connection", "close")
	}
	w.WriteHeader(p.Status)
	if r.Method == http.MethodHead {
		return
	}
	body, err := json.Marshal(document{
		Type: "about:blank", Title: http.StatusText(p.Status), Status: p.Status,
		Detail: p.Detail, Instance: r.URL.EscapedPath(),
	})
	if err == nil {
		_, _ = w.Write(append(body, '\n')) // the client may be gone
	}
}

// Row says how one sentinel error is told to clients.
type Row struct {
	Err    error
	Status int
	// RetryAfter and Challenge are as in Problem.
	RetryAfter time.Duration
	Challenge  string
}

// Table maps errors to problems; the first Row that the error is, wins.
type Table []Row

// Problem returns what to tell the client about an error. The text of an error
// that is in no Row stays inside: it becomes a bare 500.
func (t Table) Problem(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	for _, row := range t {
		if errors.Is(err, row.Err) {
			return &Problem{
				Status: row.Status, Detail: err.Error(),
				RetryAfter: row.RetryAfter, Challenge: row.Challenge,
			}
		}
	}
	return Fail(http.StatusInternalServerError, "the server failed on this request; its log says why")
}
