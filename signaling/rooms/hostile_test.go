package rooms

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// raw is a client that may do anything.
type raw struct {
	net.Conn
	t  *testing.T
	in *bufio.Reader
}

// raw comes into a Room by hand; extra are header lines.
func (r *rig) raw(name, token string, extra ...string) *raw {
	r.t.Helper()
	u, err := url.Parse(r.base)
	require.NoError(r.t, err)
	conn, err := net.Dial("tcp", u.Host)
	require.NoError(r.t, err)
	r.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	head := "GET /rooms/" + name + "/ws?token=" + token + " HTTP/1.1\r\nHost: x\r\nOrigin: https://elsewhere.example\r\n" +
		"Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	for _, line := range extra {
		head += line + "\r\n"
	}
	_, err = io.WriteString(conn, head+"\r\n")
	require.NoError(r.t, err)
	c := &raw{conn, r.t, bufio.NewReader(conn)}
	resp, err := http.ReadResponse(c.in, nil)
	require.NoError(r.t, err)
	require.Equal(r.t, http.StatusSwitchingProtocols, resp.StatusCode)
	op, text := c.frame()
	require.EqualValues(r.t, 1, op)
	require.Contains(r.t, string(text), `"type":"hello"`)
	return c
}

// masked returns a client's frame with this first byte.
func masked(first byte, payload []byte) []byte {
	b := []byte{first}
	switch {
	case len(payload) < 126:
		b = append(b, 0x80|byte(len(payload)))
	default:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(len(payload)))
	}
	mask := []byte{1, 2, 3, 4}
	b = append(b, mask...)
	for i, c := range payload {
		b = append(b, c^mask[i%4])
	}
	return b
}

func (c *raw) write(b ...[]byte) {
	_, err := c.Write(bytes.Join(b, nil))
	require.NoError(c.t, err)
}

// frame returns the next frame as it is.
func (c *raw) frame() (op byte, payload []byte) {
	c.t.Helper()
	op, payload, err := c.tryFrame()
	require.NoError(c.t, err)
	return op, payload
}

func (c *raw) tryFrame() (op byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return 0, nil, err
	}
	n := int(head[1])
	if n == 126 {
		var l [2]byte
		if _, err := io.ReadFull(c.in, l[:]); err != nil {
			return 0, nil, err
		}
		n = int(binary.BigEndian.Uint16(l[:]))
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(c.in, payload)
	return head[0] & 0x4f, payload, err
}

// code reads up to the close frame and returns its code, 0 for none.
func (c *raw) code() (code int, reason string) {
	for {
		op, payload, err := c.tryFrame()
		if err != nil {
			return 0, err.Error()
		}
		if op == 8 && len(payload) >= 2 {
			return int(binary.BigEndian.Uint16(payload)), string(payload[2:])
		}
	}
}

// answer reads up to the answer to a command.
func (c *raw) answer(id string) message {
	c.t.Helper()
	for {
		_, payload := c.frame()
		var m message
		if json.Unmarshal(payload, &m) == nil && m.ID == id && m.Type != "" {
			return m
		}
	}
}

func sayText(id, text string) []byte {
	b, err := json.Marshal(command{"type": "message", "id": id, "text": text})
	if err != nil {
		panic(err)
	}
	return b
}

func TestHostileFrames(t *testing.T) {
	r := serve(t, newMemory(), nil)
	huge := masked(0x81, make([]byte, maxCommand+1))
	var bomb bytes.Buffer
	w, _ := flate.NewWriter(&bomb, flate.BestCompression)
	_, _ = w.Write(bytes.Repeat([]byte(" "), 4<<20))
	_ = w.Flush()
	squeezed := bomb.Bytes()[:bomb.Len()-4]
	for name, tc := range map[string]struct {
		send []byte
		code int
	}{
		"not masked":                        {[]byte{0x81, 2, '{', '}'}, 1002},
		"reserved bits":                     {masked(0xb1, []byte("{}")), 1002},
		"unknown opcode":                    {masked(0x83, nil), 1002},
		"long control frame":                {masked(0x89, make([]byte, 126)), 1002},
		"control in fragments":              {masked(0x09, nil), 1002},
		"continuation of nothing":           {masked(0x80, nil), 1002},
		"compressed without ever saying so": {masked(0xc1, []byte("x")), 1002},
		"binary":                            {masked(0x82, []byte("{}")), 1008},
		"too large":                         {huge, 1009},
		"too large, announced":              {append(binary.BigEndian.AppendUint64([]byte{0x81, 0x80 | 127}, 1<<40), 0, 0, 0, 0), 1009},
		"too large in pieces":               {bytes.Join([][]byte{masked(0x01, make([]byte, 5000)), masked(0x80, make([]byte, 5000))}, nil), 1009},
		"goodbye":                           {masked(0x88, []byte{0x03, 0xe8}), 1000},
		"goodbye, in words":                 {masked(0x88, append([]byte{0x0f, 0xa1}, "so long"...)), 4001},
		"goodbye without code":              {masked(0x88, nil), 1000},
		"a code nobody sends":               {masked(0x88, []byte{0x03, 0xed}), 1002},
		"pings without end":                 {bytes.Repeat(masked(0x89, []byte("x")), 3*frameBurst), 1008},
		"pongs without end":                 {bytes.Repeat(masked(0x8a, nil), 3*frameBurst), 1008},
		"commands without end":              {bytes.Repeat(masked(0x81, []byte(`{"type":"x"}`)), 4*frameBurst), 1008},
	} {
		t.Run(name, func(t *testing.T) {
			c := r.raw("demo", "mallory")
			c.t = t
			c.write(tc.send)
			code, reason := c.code()
			require.Equal(t, tc.code, code, reason)
		})
	}
	t.Run("a bomb", func(t *testing.T) {
		c := r.raw("demo", "mallory", "Sec-WebSocket-Extensions: permessage-deflate")
		c.t = t
		require.Less(t, len(squeezed), maxCommand, "or it is too large as it is")
		c.write(masked(0xc1, squeezed))
		code, reason := c.code()
		require.Equal(t, 1009, code, reason)
	})
}

// A command that has begun has to end: until then it has buffers.
func TestCommandsBitByBit(t *testing.T) {
	r := serve(t, newMemory(), func(c *Config) { c.stall = 300 * time.Millisecond })
	squeezed := []byte{0x52, 0x72} // the beginning of something
	for name, begin := range map[string][]byte{
		"half a frame":           masked(0x81, sayText("x", "hello"))[:20],
		"half a message":         masked(0x01, []byte(`{"type":`)),
		"half, and packed":       masked(0x41, squeezed),
		"fragments without end":  append(masked(0x01, nil), bytes.Repeat(masked(0x00, nil), 100)...),
		"with pings in between":  append(masked(0x01, nil), masked(0x89, []byte("here"))...),
		"a message, then a half": append(masked(0x81, sayText("y", "hello")), masked(0x01, []byte("{"))...),
	} {
		t.Run(name, func(t *testing.T) {
			c := r.raw("demo", "mallory", "Sec-WebSocket-Extensions: permessage-deflate")
			c.t = t
			c.write(begin)
			code, reason := c.code()
			require.Equal(t, 1008, code, reason)
			require.Contains(t, reason, "too long")
		})
	}
	c := r.raw("demo", "ann")
	c.write(masked(0x81, sayText("a", "hello")))
	require.Equal(t, "ack", c.answer("a").Type)
	idle := time.NewTimer(2 * r.cfg.stall)
	<-idle.C
	c.write(masked(0x81, sayText("b", "hello")))
	require.Equal(t, "ack", c.answer("b").Type, "between two commands there is time")
}

// Frames that are refused now and then, over hours, do not add up; those of a
// client that never slows down do.
func TestExcessIsForgotten(t *testing.T) {
	now := time.Now()
	// refusals returns how many frames in a row are refused without an end.
	refusals := func(b budget) (n int) {
		for b.forgive(now) {
			n++
		}
		return n
	}
	b := newBudget(framesPerSecond)
	for range 3 * frameBurst {
		for b.allow(now) {
		}
		require.True(t, b.forgive(now), "once in a minute")
		now = now.Add(time.Minute)
	}
	require.Equal(t, frameBurst, refusals(b))
	steady, sent := newBudget(framesPerSecond), 0
	for ; sent < 10*frameBurst; sent++ {
		if !steady.allow(now) && !steady.forgive(now) {
			break
		}
		now = now.Add(time.Second / (2 * framesPerSecond))
	}
	require.Less(t, sent, 10*frameBurst, "twice as fast as it may")
}

// Whoever floods is not read for long after the goodbye.
func TestAFloodIsNotReadToItsEnd(t *testing.T) {
	r := serve(t, newMemory(), nil)
	c := r.raw("demo", "mallory")
	flood := bytes.Repeat(masked(0x81, []byte(`{"type":"x"}`)), 2000)
	sent := 0
	for {
		n, err := c.Write(flood)
		if sent += n; err != nil {
			break
		}
		require.Less(t, sent, 64<<20, "who reads all of it?")
	}
}

// What is only wrong as a command is refused, and nothing else happens.
func TestGarbageIsRefused(t *testing.T) {
	r := serve(t, newMemory(), nil)
	c := r.raw("demo", "mallory")
	for _, garbage := range []string{"", "null", "[]", "{", "\x00", "\xff\xfe", `{"type":"nope","id":"x"}`, `{"type":"message","id":"x","text":7}`, strings.Repeat("[", 8000)} {
		c.write(masked(0x81, []byte(garbage)))
		for {
			_, payload := c.frame()
			var m message
			require.NoError(t, json.Unmarshal(payload, &m))
			if m.Type == "refused" {
				require.Equal(t, "malformed", m.Reason, garbage)
				break
			}
		}
	}
	c.write(masked(0x81, sayText("ok", "still here")))
	require.Equal(t, "ack", c.answer("ok").Type)
}

func TestFragmentsAndPings(t *testing.T) {
	r := serve(t, newMemory(), nil)
	c := r.raw("demo", "ann")
	text := sayText("f", strings.Repeat("é", 200))
	c.write(masked(0x01, text[:10]), masked(0x89, []byte("are you there")), masked(0x00, nil), masked(0x00, text[10:30]), masked(0x80, text[30:]))
	pong, ack := false, false
	for !pong || !ack {
		op, payload := c.frame()
		switch {
		case op == 0xa:
			require.Equal(t, "are you there", string(payload))
			pong = true
		case strings.Contains(string(payload), `"ack"`):
			ack = true
		}
	}
}

// Compressed frames hold what plain ones do.
func TestDeflate(t *testing.T) {
	r := serve(t, newMemory(), nil)
	ann := r.dial("demo", "token", "ann")
	long := strings.Repeat("all work and no play ", 20)
	for i := range 20 {
		require.Equal(t, "ack", ann.say(string(rune('a'+i)), long).Type)
	}
	bob := r.raw("demo", "bob")
	_ = bob.Close()
	c := r.dial("demo", "token", "carl") // its hello is compressed
	require.Len(t, c.hello.Entries, 20)
	require.Equal(t, strings.TrimSpace(long), c.hello.Entries[19].Text)

	f := newFrame("x", "", []byte(`{"type":"x","text":"`+strings.Repeat("a", 5000)+`"}`), time.Now())
	packed := f.wire(true)
	require.Less(t, len(packed), 200)
	require.Equal(t, byte(0xc1), packed[0])
	plain, err := io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(packed[2:]), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff"))))
	require.NoError(t, err)
	require.Equal(t, string(f.plain[f.text:]), string(plain))
}

func TestOffersDeflate(t *testing.T) {
	for offer, want := range map[string]bool{
		"": false, "permessage-deflate": true, "permessage-deflate; client_max_window_bits": true,
		"x-webkit-deflate-frame, permessage-deflate; server_no_context_takeover": true,
		"permessage-deflate; server_max_window_bits=10":                          false,
		"permessage-deflate; server_max_window_bits=15":                          true,
		"permessage-deflate; server_max_window_bits=9, permessage-deflate":       true,
		"permessage-deflate; unheard_of":                                         false,
		`x; y="a, permessage-deflate"`:                                           false,
	} {
		require.Equal(t, want, offersDeflate(http.Header{"Sec-Websocket-Extensions": {offer}}), offer)
	}
}

func FuzzOffersDeflate(f *testing.F) {
	f.Add("permessage-deflate; client_max_window_bits")
	f.Fuzz(func(_ *testing.T, offer string) { offersDeflate(http.Header{"Sec-Websocket-Extensions": {offer}}) })
}

// Peers that have vanished are found out: they answer no ping.
func TestHalfOpen(t *testing.T) {
	r := serve(t, newMemory(), nil)
	c := r.raw("demo", "ann")
	require.Eventually(t, func() bool {
		idle := false
		require.NoError(t, r.with(t.Context(), "demo", func(k *keeper, _ time.Time) {
			for _, m := range k.members {
				m.mu.Lock()
				idle = len(m.own) == 0 && m.since.Load() == 0
				m.mu.Unlock()
			}
		}))
		return idle
	}, 10*time.Second, 5*time.Millisecond)
	later := func(d time.Duration) {
		require.NoError(t, r.with(t.Context(), "demo", func(k *keeper, now time.Time) { k.tick(now.Add(d)) }))
	}
	later(pingEvery)
	for {
		if op, _ := c.frame(); op == 9 {
			break
		}
	}
	later(deadAfter + 2*time.Second)
	code, _ := c.code()
	require.Equal(t, 4008, code)
	empty(t, r, "demo")
}

// empty waits until nobody is in a Room.
func empty(t *testing.T, r *rig, name string) {
	t.Helper()
	require.Eventually(t, func() bool {
		n := -1
		err := r.with(t.Context(), name, func(k *keeper, _ time.Time) { n = len(k.members) })
		return err == nil && n == 0
	}, 10*time.Second, 5*time.Millisecond)
}
