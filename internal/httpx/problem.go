package httpx

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ProblemType is the media type of every error body (RFC 9457 section 3).
const ProblemType = "application/problem+json"

// Problem is an error as the client sees it (RFC 9457). It is an error itself,
// for handlers that know the status; errors from elsewhere find theirs in the
// Table.
type Problem struct { //nolint:errname // RFC 9457 gives it its name
	Status int
	// Code tells one cause from another of the same Status, in lower case and
	// dashes; it never changes. "" is the status's own name, as in "not-found".
	Code string
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

// typeBase and a Code are a problem's type (RFC 9457 section 3.1.1).
const typeBase = "https://github.com/freshet-live/freshet#problem-"

// document is the JSON form. Where nothing but the status is to be told, the
// type is about:blank, so that the title is the status text (RFC 9457 section
// 4.2.1). The code is a member of our own (section 3.2), for programs.
type document struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Code     string `json:"code"`
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
	d := describe(p.Status, p.Code)
	d.Detail, d.Instance = p.Detail, r.URL.EscapedPath()
	body, err := json.Marshal(d)
	if err == nil {
		_, _ = w.Write(append(body, '\n')) // the client may be gone
	}
}

// describe returns the document for a status, with or without a code.
func describe(status int, code string) document {
	title := http.StatusText(status)
	if code != "" {
		return document{Type: typeBase + code, Title: title, Status: status, Code: code}
	}
	words := strings.Fields(strings.ToLower(strings.ReplaceAll(title, "'", "")))
	return document{Type: "about:blank", Title: title, Status: status, Code: strings.Join(words, "-")}
}

// Row says how one sentinel error is told to clients.
type Row struct {
	Err    error
	Status int
	// Code, RetryAfter and Challenge are as in Problem.
	Code       string
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
				Status: row.Status, Code: row.Code, Detail: err.Error(),
				RetryAfter: row.RetryAfter, Challenge: row.Challenge,
			}
		}
	}
	return Fail(http.StatusInternalServerError, "the server failed on this request; its log says why")
}
