package httpx

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
)

// Listener makes problem documents of the answers that net/http gives by
// itself to requests that no handler ever sees, such as one with a header that
// is too large (431) or with two lengths (400).
type Listener struct{ net.Listener }

// Accept waits for the next connection.
func (l Listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err //nolint:wrapcheck // http.Server looks at it
	}
	return &conn{c}, nil
}

type conn struct{ net.Conn }

// Unwrap returns the connection that a Listener has accepted, for those who
// have taken it over: with all that the kernel lets one do with it.
func Unwrap(c net.Conn) net.Conn {
	if w, ok := c.(*conn); ok {
		return w.Conn
	}
	return c
}

// Write rewrites such an answer, which net/http writes in one piece, and
// passes everything else on.
func (c *conn) Write(b []byte) (int, error) {
	problem, ok := problemOf(b)
	if !ok {
		return c.Conn.Write(b) //nolint:wrapcheck // as the connection itself
	}
	if _, err := c.Conn.Write(problem); err != nil {
		return 0, err //nolint:wrapcheck // as the connection itself
	}
	return len(b), nil
}

// ReadFrom keeps files on the way from the kernel to the kernel.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(c.Conn, r) //nolint:wrapcheck // as the connection itself
}

// CloseWrite lets net/http end its side first, so that a client that is still
// sending reads the answer instead of a reset.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite() //nolint:wrapcheck // as the connection itself
	}
	return nil
}

const (
	plainHead = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
	maxPlain  = 1 << 10 // bytes; net/http's own answers are one sentence
)

// problemOf returns the problem document for one of net/http's own answers. No
// other answer has just these two headers: handlers' have a Date.
func problemOf(answer []byte) ([]byte, bool) {
	const version = "HTTP/1.1 "
	if len(answer) > maxPlain || !bytes.HasPrefix(answer, []byte(version)) {
		return nil, false
	}
	line, text, ok := bytes.Cut(answer, []byte(plainHead))
	if !ok || bytes.ContainsRune(line, '\n') {
		return nil, false
	}
	code, _, _ := bytes.Cut(line[len(version):], []byte(" "))
	status, err := strconv.Atoi(string(code))
	if err != nil || status < http.StatusBadRequest {
		return nil, false
	}
	title := http.StatusText(status)
	detail := bytes.TrimPrefix(text, []byte(string(code)+" "+title))
	d := describe(status, "")
	d.Detail = string(bytes.TrimPrefix(detail, []byte(": ")))
	body, err := json.Marshal(d)
	if err != nil {
		return nil, false
	}
	return fmt.Appendf(nil, version+"%d %s\r\nAccess-Control-Allow-Origin: *\r\nCache-Control: no-store\r\n"+
		"Content-Type: "+ProblemType+"\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s\n", status, title, len(body)+1, body), true
}
