package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// chatClient is one person in a Room, over one connection after the other.
type chatClient struct {
	run   *chatRun
	n     int
	tally *chatTally
	query string // token and name

	mu   sync.Mutex
	conn net.Conn

	// The reader's own:
	reader   chatReader
	last     uint64 // the Seq that was read last
	position string
	began    bool
	slow     bool
	closed   int // the close code, 0: none came
	left     string
}

// errClosed is a connection that the server has ended.
var errClosed = errors.New("the server has closed the connection")

// dial connects and reads hello.
func (c *chatClient) dial(ctx context.Context) error {
	conn, err := dialURL(ctx, c.run.url)
	if err != nil {
		return err
	}
	_ = conn.SetDeadline(time.Now().Add(joinTimeout))
	c.reader.start, c.reader.end = 0, 0
	if err := c.upgrade(conn); err != nil {
		return errors.Join(err, conn.Close())
	}
	_, hello, err := c.reader.next(conn)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	_ = conn.SetDeadline(time.Time{})
	c.welcome(hello)
	c.mu.Lock()
	c.conn = conn
	c.mu.Unlock()
	return nil
}

// upgrade makes a WebSocket of a connection (RFC 6455 section 4.1). What comes
// with the answer stays in the reader.
func (c *chatClient) upgrade(conn net.Conn) error {
	u := c.run.url
	query := c.query
	if c.began {
		query += "&resume=" + url.QueryEscape(c.position)
	}
	path := u.EscapedPath() + "?" + strings.TrimPrefix(u.RawQuery+"&"+query, "&")
	_, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: "+u.Host+
		"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	if err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	r := &c.reader
	for {
		r.reserve(0)
		n, err := conn.Read(r.buf[r.end:])
		if err != nil {
			return fmt.Errorf("upgrade: %w", err)
		}
		r.end += n
		head, _, whole := bytes.Cut(r.buf[:r.end], []byte("\r\n\r\n"))
		if !whole {
			continue
		}
		r.start = len(head) + 4
		return switched(head)
	}
}

// switched reads the status line of the answer to an upgrade.
func switched(head []byte) error {
	_, rest, _ := bytes.Cut(head, []byte(" "))
	if status := number(rest); status != http.StatusSwitchingProtocols {
		return fmt.Errorf("%w %d", errStatus, status)
	}
	return nil
}

// welcome takes the history or what was missed.
func (c *chatClient) welcome(hello []byte) {
	resumed := bytes.Contains(hello, []byte(`"resumed":true`))
	switch {
	case !c.began:
		c.last = positionSeq(quoted(hello, positionKey))
	case resumed:
		c.take(hello, true)
	default:
		c.tally.unresumed.Add(1)
		c.take(hello, false)
	}
	c.began = true
	c.position = string(quoted(hello, positionKey))
}

// positionSeq returns the Seq that a position names (docs/rooms.md).
func positionSeq(position []byte) uint64 {
	return number(position[bytes.LastIndexByte(position, '.')+1:])
}

// take counts Entries. What is known may come again only if it is a whole
// history.
func (c *chatClient) take(frame []byte, once bool) {
	now := c.run.now()
	measuring := c.run.since.Load()
	c.tally.mu.Lock()
	defer c.tally.mu.Unlock()
	eachEntry(frame, func(seq uint64, sent int64) {
		switch {
		case seq == c.last+1:
			c.last = seq
		case seq > c.last:
			c.tally.missed += seq - c.last - 1
			c.last = seq
		case once:
			c.tally.repeated++
			return
		default:
			return
		}
		c.tally.delivered++
		if measuring != 0 && sent >= measuring && once && !c.slow {
			c.tally.latency.add(time.Duration(now - sent))
		}
	})
}

// follow reads until the connection ends, and returns why.
func (c *chatClient) follow(conn net.Conn) error {
	for {
		op, payload, err := c.reader.next(conn)
		if err != nil {
			return err
		}
		switch op {
		case opText:
			c.tally.frames.Add(1)
			c.heard(payload)
		case opPing:
			c.write(conn, appendFrame(nil, opPong, payload))
		case opClose:
			if len(payload) >= 2 {
				c.closed, c.left = int(binary.BigEndian.Uint16(payload)), string(payload[2:])
			}
			return errClosed
		}
	}
}

func (c *chatClient) heard(payload []byte) {
	switch string(quoted(payload, typeKey)) {
	case "events":
		c.take(payload, true)
		c.position = string(quoted(payload, positionKey))
	case "ack":
		c.tally.acks.Add(1)
		c.run.acked(number(after(payload, seqKey)))
	case "refused":
		c.tally.refused.Add(1)
		c.run.fail(fmt.Errorf("refused: %s", quoted(payload, []byte(`"reason":"`))))
	}
}

func after(b, key []byte) []byte {
	_, rest, _ := bytes.Cut(b, key)
	return rest
}

func (c *chatClient) write(conn net.Conn, frame []byte) {
	_ = conn.SetWriteDeadline(time.Now().Add(joinTimeout))
	_, _ = conn.Write(frame) // reading tells of what is wrong
}

// say sends a message that carries the time. It reports whether there was a
// connection to do so.
func (c *chatClient) say(id uint64) bool {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn == nil {
		return false
	}
	b := []byte(`{"type":"message","id":"` + strconv.FormatUint(id, 10) + `","text":"` + stampWord)
	b = append(strconv.AppendInt(b, c.run.now(), 10), c.run.filler...)
	c.write(conn, appendFrame(nil, opText, append(b, `"}`...)))
	return true
}

// drop breaks the connection off, as a lost network does.
func (c *chatClient) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		_ = c.conn.Close()
	}
}
