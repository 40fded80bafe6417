package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// errRefused is an answer other than 201.
var errRefused = errors.New("the server refused")

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 256 << 10

// session is a WHIP or WHEP resource (RFC 9725).
type session struct {
	http  *http.Client
	token string
	url   string // of the resource
}

// open posts an offer.
func (s *session) open(ctx context.Context, endpoint, offer string) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(offer))
	if err != nil {
		return nil, fmt.Errorf("POST: %w", err)
	}
	req.Header.Set("Content-Type", "application/sdp")
	r, err := s.do(req)
	if err != nil {
		return nil, err
	}
	if r.status != http.StatusCreated {
		text, _, _ := strings.Cut(strings.TrimSpace(r.body), "\n")
		return nil, fmt.Errorf("%w: %d %s", errRefused, r.status, text)
	}
	location, err := r.from.Parse(r.location)
	if err != nil {
		return nil, fmt.Errorf("answer's Location: %w", err)
	}
	s.url = location.String()
	return parseAnswer(r.body)
}

// close deletes the resource. The server does without if it must.
func (s *session) close(ctx context.Context) {
	if s.url == "" {
		return
	}
	if req, err := http.NewRequestWithContext(ctx, http.MethodDelete, s.url, nil); err == nil {
		_, _ = s.do(req)
	}
}

// response is what matters of an HTTP response.
type response struct {
	status         int
	from           *url.URL
	location, body string
}

func (s *session) do(req *http.Request) (*response, error) {
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, err // names method and URL
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", req.Method, err)
	}
	return &response{resp.StatusCode, resp.Request.URL, resp.Header.Get("Location"), string(body)}, nil
}
