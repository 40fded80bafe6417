package httpx_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/internal/httpx"
)

// pipeListener hands out in-memory connections, which live in a synctest
// bubble's time.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	close(l.done)
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (l *pipeListener) dial() net.Conn {
	client, server := net.Pipe()
	l.conns <- server
	return client
}

// inBubble serves the test resources under fake time.
func inBubble(t *testing.T, test func(t *testing.T, dial func() net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
		srv := httpx.NewServer(context.Background(), newHandler(newSite()), slog.New(slog.DiscardHandler))
		ended := make(chan error, 1)
		go func() { ended <- srv.Serve(httpx.Listener{Listener: l}) }()
		defer func() {
			require.NoError(t, srv.Close())
			require.ErrorIs(t, <-ended, http.ErrServerClosed)
			<-time.After(time.Second) // net/http lingers on connections that it closes
		}()
		test(t, l.dial)
	})
}

// What net/http refuses before any handler runs is told like everything else.
func TestAnswersOfNetHTTPItself(t *testing.T) { // H5
	head := "POST /things/a HTTP/1.1\r\nHost: a\r\n"
	for name, tc := range map[string]struct {
		request string
		status  int
		detail  string
	}{
		"huge header":         {head + "X: " + strings.Repeat("y", 2<<20) + "\r\n\r\n", 431, ""},
		"conflicting lengths": {head + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400, ""},
		"no host":             {"GET /things/a HTTP/1.1\r\n\r\n", 400, "missing required Host header"},
		"odd coding":          {head + "Transfer-Encoding: rot13\r\n\r\n", 501, "Unsupported transfer encoding"},
		"odd version":         {"GET /things/a HTTP/3.7\r\nHost: a\r\n\r\n", 505, "unsupported protocol version"},
		"no HTTP":             {"\x00\x01\r\n\r\n", 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, dial func() net.Conn) {
				conn := dial()
				written := make(chan struct{})
				go func() {
					defer close(written)
					_, _ = io.WriteString(conn, tc.request)
				}()
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				require.NoError(t, err)
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.Equal(t, tc.status, resp.StatusCode)
				require.Equal(t, httpx.ProblemType, resp.Header.Get("Content-Type"))
				require.Equal(t, "*", resp.Header.Get("Access-Control-Allow-Origin"))
				code := strings.ReplaceAll(strings.ToLower(http.StatusText(tc.status)), " ", "-")
				require.JSONEq(t, fmt.Sprintf(`{"type":"about:blank","title":%q,"status":%d,"code":%q,"detail":%q}`,
					http.StatusText(tc.status), tc.status, code, tc.detail), withDetail(body))
				require.NoError(t, conn.Close())
				<-written
			})
		})
	}
}

// withDetail puts in an empty detail where there is none.
func withDetail(body []byte) string {
	if !bytes.Contains(body, []byte(`"detail"`)) {
		return strings.Replace(string(body), "{", `{"detail":"",`, 1)
	}
	return string(body)
}

// The wrapped connection touches nothing that handlers write.
func TestHandlersAnswersStay(t *testing.T) {
	const text = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n400 Bad Request"
	srv := httpx.NewServer(context.Background(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, text)
	}), slog.New(slog.DiscardHandler))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(httpx.Listener{Listener: l}) }()
	resp, err := http.Get("http://" + l.Addr().String())
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusTeapot, resp.StatusCode)
	require.Equal(t, text, string(body))
	require.NoError(t, srv.Close())
	require.ErrorIs(t, <-ended, http.ErrServerClosed)
}

// exchange writes a request and returns the answer's status, 0 for none, and
// how long that took.
func exchange(conn net.Conn, request string) (status int, took time.Duration) {
	begin := time.Now()
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.WriteString(conn, request)
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		status = resp.StatusCode
	}
	took = time.Since(begin)
	_ = conn.Close()
	<-written
	return status, took
}

func TestSlowClientsAreCutOff(t *testing.T) { // H9, H10
	for name, tc := range map[string]struct {
		request string
		status  int
		within  time.Duration
	}{
		"headers never end":        {"GET /things/a HTTP/1.1\r\nHost: a\r\nX: y\r\n", 0, 15 * time.Second},
		"body never ends":          {"POST /things/a HTTP/1.1\r\nHost: a\r\nContent-Type: application/sdp\r\nContent-Length: 9\r\n\r\nabc", 408, 25 * time.Second},
		"body of a refused method": {"CONNECT /things/a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", 405, 25 * time.Second},
		"body of a refused type":   {"POST /things/a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", 415, 25 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, dial func() net.Conn) {
				status, took := exchange(dial(), tc.request)
				require.Less(t, took, tc.within)
				if tc.status != 0 {
					require.Equal(t, tc.status, status)
				}
			})
		})
	}
}

func TestBadFraming(t *testing.T) { // H2, H5
	head := "POST /things/a HTTP/1.1\r\nHost: a\r\nContent-Type: application/sdp\r\n"
	for name, tc := range map[string]struct {
		request string
		status  int
	}{
		"huge header":             {"GET /things/a HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("y", 2<<20) + "\r\n\r\n", 431},
		"conflicting lengths":     {head + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400},
		"bad chunk":               {head + "Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n", 400},
		"length beyond the bound": {head + "Content-Length: 1048576\r\n\r\n", 413},
		"chunks beyond the bound": {head + "Transfer-Encoding: chunked\r\n\r\n1f\r\n" + strings.Repeat("x", 31) + "\r\n0\r\n\r\n", 413},
		"no host":                 {"GET /things/a HTTP/1.1\r\n\r\n", 400},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, dial func() net.Conn) {
				status, took := exchange(dial(), tc.request)
				require.Equal(t, tc.status, status)
				require.Less(t, took, 25*time.Second)
			})
		})
	}
}

func TestDeadlinesDoNotOutliveTheirRequest(t *testing.T) {
	inBubble(t, func(t *testing.T, dial func() net.Conn) {
		conn := dial()
		defer conn.Close()
		in := bufio.NewReader(conn)
		for range 3 {
			_, err := io.WriteString(conn, "POST /things/a HTTP/1.1\r\nHost: a\r\nContent-Type: application/sdp\r\nContent-Length: 3\r\n\r\nabc")
			require.NoError(t, err)
			resp, err := http.ReadResponse(in, nil)
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, "abc", string(body))
			<-time.After(60 * time.Second) // longer than any deadline, shorter than the idle one
		}
	})
}

func TestRequestsEndWithTheServer(t *testing.T) {
	s := newSite()
	mux := http.NewServeMux()
	began := make(chan struct{})
	mux.Handle("/wait", s.Resource(httpx.Methods{http.MethodGet: func(w http.ResponseWriter, r *http.Request) error {
		close(began)
		<-r.Context().Done()
		return context.Cause(r.Context())
	}}))
	ctx, cancel := context.WithCancel(context.Background())
	srv := httpx.NewServer(ctx, s.Handler(mux), s.Log)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ln) }()
	answered := make(chan error, 1)
	go func() {
		resp, err := http.Get("http://" + ln.Addr().String() + "/wait")
		if err == nil {
			err = resp.Body.Close()
		}
		answered <- err
	}()
	<-began
	cancel()
	require.NoError(t, srv.Shutdown(context.Background()))
	require.NoError(t, <-answered)
	require.True(t, errors.Is(<-ended, http.ErrServerClosed))
	http.DefaultClient.CloseIdleConnections()
}

func TestConnectionsCanBeTakenOver(t *testing.T) {
	s := newSite()
	mux := http.NewServeMux()
	mux.HandleFunc("/upgrade", func(w http.ResponseWriter, _ *http.Request) {
		hijacker, ok := w.(http.Hijacker)
		if !ok {
			return
		}
		conn, _, err := hijacker.Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
		_ = conn.Close()
	})
	mux.HandleFunc("/file", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.Copy(w, strings.NewReader("content"))
		w.(http.Flusher).Flush()
	})
	srv := httptest.NewServer(s.Handler(mux))
	defer srv.Close()
	for path, status := range map[string]int{"/upgrade": http.StatusSwitchingProtocols, "/file": http.StatusOK} {
		resp, err := srv.Client().Get(srv.URL + path)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, status, resp.StatusCode)
	}
}
