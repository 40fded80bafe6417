package httpx

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"
)

// Sizes of the bodies that are taken, in bytes.
const (
	MaxSDP  = 256 << 10
	MaxBody = 64 << 10
)

// RequireType checks a request's media type without regard to its case and
// parameters (RFC 9110 section 8.3.1). The error is a 415.
func RequireType(r *http.Request, want string) error {
	value := r.Header.Get("Content-Type")
	got, _, err := mime.ParseMediaType(value)
	if err != nil {
		// Odd parameters do not change what the type is.
		got, _, _ = strings.Cut(value, ";")
		got = strings.ToLower(strings.TrimSpace(got))
	}
	if got == want {
		return nil
	}
	if got == "" {
		got = "missing"
	}
	return &Problem{
		Status: http.StatusUnsupportedMediaType, Accept: want,
		Detail: "the Content-Type must be " + want + "; it is " + printable(got),
	}
}

// printable keeps what a peer wrote from filling logs and answers.
func printable(s string) string {
	const most = 80
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}

// ReadBody reads a whole body of at most limit bytes. The errors are a 413, a
// 408 for a body that takes longer than BodyTimeout, and a 400 for one that is
// cut short or badly framed.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var large *http.MaxBytesError
	switch {
	case err == nil:
		// A later deadline would look like the client hanging up.
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
		return body, nil
	case errors.As(err, &large):
		return nil, tooLarge(limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &Problem{
			Status: http.StatusRequestTimeout, Close: true,
			Detail: "the body took longer than " + BodyTimeout.String(),
		}
	default:
		return nil, &Problem{
			Status: http.StatusBadRequest, Close: true, Detail: "the body cannot be read: " + err.Error(),
		}
	}
}

func tooLarge(limit int64) error {
	p := Fail(http.StatusRequestEntityTooLarge, "the body may have %d bytes", limit)
	p.Close = true
	return p
}

// ReadJSON reads a body of type application/json into v. The errors are a 415,
// those of ReadBody, and a 400 for what is not one JSON value of v's shape.
func ReadJSON(w http.ResponseWriter, r *http.Request, v any) error {
	if err := RequireType(r, "application/json"); err != nil {
		return err
	}
	body, err := ReadBody(w, r, MaxBody)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return Fail(http.StatusBadRequest, "the body is not the JSON that belongs here: %s", printable(err.Error()))
	}
	return nil
}

// WriteJSON answers with a JSON document that must not be cached.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the client may be gone
	return nil
}
