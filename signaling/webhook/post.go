package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ContentType is the media type of what is sent. LiveKit chose one of its own
// so that frameworks leave the body as it is until the signature is checked.
const ContentType = "application/webhook+json"

const (
	maxHeaders = 16 << 10
	// maxDrain is how much of an answer that nobody needs is read, to keep the
	// connection.
	maxDrain = 4 << 10
	idleTime = 30 * time.Second
)

// errRedirect: a receiver has to be configured where it is. What is signed is
// not carried on to places that the operator has not named.
var errRedirect = errors.New("redirects are not followed")

// Signer signs bodies, as access tokens are signed.
type Signer interface {
	// SignBody returns the value of the Authorization header; "" sends none.
	SignBody(body []byte) (string, error)
}

// newClient returns an HTTP client for one endpoint, with up to conns
// connections. Its requests are bounded by their contexts.
func newClient(conns int, wrap func(*http.Transport)) *http.Client {
	tr := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
		MaxIdleConnsPerHost: conns, MaxConnsPerHost: conns,
		IdleConnTimeout: idleTime, MaxResponseHeaderBytes: maxHeaders,
	}
	if wrap != nil {
		wrap(tr)
	}
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// post sends a signed body. The caller closes the answer's body. The error does
// not show the URL, in which there may be a secret. The id is the same each time
// that a body is sent, which also lets net/http send it once more where a
// connection that was kept has just been closed.
func post(ctx context.Context, c *http.Client, s Signer, to, id string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", bare(err))
	}
	token, err := s.SignBody(body)
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	req.Header.Set("Content-Type", ContentType)
	req.Header.Set("Idempotency-Key", id)
	req.Header.Set("User-Agent", "freshet")
	resp, err := c.Do(req)
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", bare(err))
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		finish(resp)
		return nil, fmt.Errorf("webhook: status %d: %w", resp.StatusCode, errRedirect)
	}
	return resp, nil
}

// bare takes the URL from an error.
func bare(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
}

// finish ends an answer whose body is of no interest.
func finish(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, maxDrain) // a longer one costs the connection
	_ = resp.Body.Close()
}

// judge says what a status means for an Event. Most of those that are the
// sender's fault heal: a receiver that is being set up answers 404, one whose
// keys are being changed 401.
func judge(status int) outcome {
	switch {
	case status >= 200 && status < 300:
		return taken
	case status == http.StatusBadRequest, status == http.StatusGone, status == http.StatusRequestEntityTooLarge,
		status == http.StatusUnsupportedMediaType, status == http.StatusUnprocessableEntity:
		return refused
	default:
		return failed
	}
}

// retryAfter reads the header of that name (RFC 9110 section 10.2.3), up to
// longest from now; zero without one.
func retryAfter(h http.Header, now time.Time, longest time.Duration) time.Time {
	text := strings.TrimSpace(h.Get("Retry-After"))
	at, err := http.ParseTime(text)
	if seconds, nerr := strconv.ParseUint(text, 10, 31); nerr == nil {
		at, err = now.Add(time.Duration(seconds)*time.Second), nil
	}
	if err != nil || !at.After(now) {
		return time.Time{}
	}
	if end := now.Add(longest); at.After(end) {
		return end
	}
	return at
}
