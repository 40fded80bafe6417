package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// errStatus is an answer other than 200.
var errStatus = errors.New("status")

const (
	// hlsTimeout bounds one request, waiting included.
	hlsTimeout = 30 * time.Second
	// maxPlaylist bounds a playlist in bytes.
	maxPlaylist = 16 << 20
)

// hlsConn is a connection to one server by HTTP/1.1, without what net/http
// does for others: thousands have to fit into one process beside the server.
type hlsConn struct {
	conn   net.Conn
	r      *bufio.Reader
	header string // of every request, behind the path
	line   []byte
	body   bytes.Buffer
}

// dialURL connects to a URL's server, by TLS and HTTP/1.1 for https.
func dialURL(ctx context.Context, u *url.URL) (net.Conn, error) {
	d := net.Dialer{Timeout: joinTimeout}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if u.Scheme != "https" {
		return conn, nil
	}
	secure := tls.Client(conn, &tls.Config{ServerName: u.Hostname(), NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12})
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("connect: %w", err), conn.Close())
	}
	return secure, nil
}

// dialHLS connects. The connection closes when ctx ends.
func dialHLS(ctx context.Context, u *url.URL, plain bool) (*hlsConn, error) {
	conn, err := dialURL(ctx, u)
	if err != nil {
		return nil, err
	}
	const readBuffer = 8 << 10
	c := &hlsConn{conn: conn, r: bufio.NewReaderSize(conn, readBuffer)}
	c.header = " HTTP/1.1\r\nHost: " + u.Host + "\r\nUser-Agent: freshet-bench\r\n"
	if !plain {
		c.header += "Accept-Encoding: gzip\r\n"
	}
	c.header += "\r\n"
	return c, nil
}

// hlsAnswer is what came back. The body of a playlist is there until the next
// request.
type hlsAnswer struct {
	body   []byte
	size   int64
	packed bool
}

// get asks for a path with its query. The body is kept, or only counted. The
// error wraps errStatus for an answer other than 200, after which the
// connection is still good.
func (c *hlsConn) get(path string, keep bool) (hlsAnswer, error) {
	c.line = append(append(append(c.line[:0], "GET "...), path...), c.header...)
	_ = c.conn.SetDeadline(time.Now().Add(hlsTimeout))
	if _, err := c.conn.Write(c.line); err != nil {
		return hlsAnswer{}, fmt.Errorf("request: %w", err)
	}
	status, err := c.statusLine()
	if err != nil {
		return hlsAnswer{}, err
	}
	length, chunked, packed, err := c.headers()
	if err != nil {
		return hlsAnswer{}, err
	}
	body := io.LimitReader(c.r, length)
	if chunked {
		body = httputil.NewChunkedReader(c.r)
	}
	a := hlsAnswer{packed: packed}
	if keep && length < maxPlaylist {
		c.body.Reset()
		a.size, err = c.body.ReadFrom(body)
		a.body = c.body.Bytes()
	} else {
		a.size, err = io.Copy(io.Discard, body)
	}
	switch {
	case err != nil:
		return a, fmt.Errorf("answer: %w", err)
	case chunked:
		_, err = c.r.Discard(len("\r\n")) // behind the last chunk there are no trailers
	case a.size != length:
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return a, fmt.Errorf("answer: %w", err)
	}
	if status != "200" {
		return a, fmt.Errorf("%w %s for %s", errStatus, status, strings.SplitN(path, "?", 2)[0])
	}
	return a, nil
}

func (c *hlsConn) statusLine() (string, error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return "", fmt.Errorf("answer: %w", err)
	}
	const at, end = len("HTTP/1.1 "), len("HTTP/1.1 200")
	if len(line) < end {
		return "", fmt.Errorf("answer: no status in %.20q", line)
	}
	return string(line[at:end]), nil
}

func (c *hlsConn) headers() (length int64, chunked, packed bool, err error) {
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return 0, false, false, fmt.Errorf("answer: %w", err)
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return length, chunked, packed, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.ParseInt(string(value), 10, 62); err != nil || length < 0 {
				return 0, false, false, fmt.Errorf("answer: length %.20q", value)
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = bytes.EqualFold(value, []byte("chunked"))
		case bytes.EqualFold(name, []byte("Content-Encoding")):
			packed = bytes.EqualFold(value, []byte("gzip"))
		}
	}
}

func (c *hlsConn) close() { _ = c.conn.Close() }
