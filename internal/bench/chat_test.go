package bench

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestChatReader(t *testing.T) {
	var b []byte
	sizes := []int{0, 5, 125, 126, 3000, 70_000, 1}
	for i, n := range sizes {
		payload := bytes.Repeat([]byte{byte('a' + i)}, n)
		switch {
		case n < 126:
			b = append(b, finalBit|opText, byte(n))
		case n < 1<<16:
			b = append(b, finalBit|opText, 126, byte(n>>8), byte(n))
		default:
			b = append(b, finalBit|opText, 127, 0, 0, 0, 0, 0, byte(n>>16), byte(n>>8), byte(n))
		}
		b = append(b, payload...)
	}
	for name, from := range map[string]io.Reader{"whole": bytes.NewReader(b), "by bytes": iotest.OneByteReader(bytes.NewReader(b)), "halves": iotest.HalfReader(bytes.NewReader(b))} {
		var r chatReader
		for i, n := range sizes {
			op, payload, err := r.next(from)
			require.NoError(t, err, name)
			require.EqualValues(t, opText, op)
			require.Equal(t, bytes.Repeat([]byte{byte('a' + i)}, n), append([]byte{}, payload...), "%s, %d", name, n)
		}
		_, _, err := r.next(from)
		require.ErrorIs(t, err, io.EOF)
		require.LessOrEqual(t, len(r.buf), chatBuffer, "a long frame's room is given back")
	}
	for _, bad := range []string{"\x01\x00", "\xc1\x00", "\x81\x80\x00\x00\x00\x00", "\x81\x7f\x00\x00\x00\x00\xff\xff\xff\xff"} {
		_, _, _, err := parseFrame([]byte(bad))
		require.ErrorIs(t, err, errChatFrame)
	}
}

func FuzzParseFrame(f *testing.F) {
	f.Add([]byte("\x81\x05hello"))
	f.Add([]byte("\x81\x7e\x00\x05hello"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, payload, size, err := parseFrame(b)
		if err == nil && payload != nil && (size > len(b) || len(payload) > size) {
			t.Fatal("beyond the end")
		}
		eachEntry(b, func(uint64, int64) {})
		quoted(b, positionKey)
	})
}

func TestEachEntry(t *testing.T) {
	frame := []byte(`{"type":"events","position":"k.7","entries":[{"seq":6,"id":"x","text":"\"seq\":99 said"},{"seq":7,"id":"y","text":"bench 1234 x"}]}`)
	var seqs []uint64
	var sent []int64
	eachEntry(frame, func(seq uint64, at int64) { seqs, sent = append(seqs, seq), append(sent, at) })
	require.Equal(t, []uint64{6, 7}, seqs)
	require.Equal(t, []int64{0, 1234}, sent)
	require.EqualValues(t, 7, positionSeq(quoted(frame, positionKey)))
	require.Equal(t, "events", string(quoted(frame, typeKey)))
}

// What is missing, comes twice or comes too early is seen.
func TestChatClientCounts(t *testing.T) {
	run := &chatRun{}
	run.since.Store(1)
	c := &chatClient{run: run, tally: &chatTally{latency: newHistogram()}, last: 5, began: true}
	c.take([]byte(`{"seq":6,"text":"bench 2 x"},{"seq":7}`), true)
	require.EqualValues(t, 2, c.tally.delivered)
	require.EqualValues(t, 1, c.tally.latency.count)
	c.take([]byte(`{"seq":7},{"seq":10}`), true)
	require.EqualValues(t, 1, c.tally.repeated)
	require.EqualValues(t, 2, c.tally.missed)
	c.take([]byte(`{"seq":9},{"seq":10},{"seq":11}`), false)
	require.EqualValues(t, 1, c.tally.repeated, "a whole history")
	require.EqualValues(t, 11, c.last)
	require.EqualValues(t, 4, c.tally.delivered)
}

func TestChatOptions(t *testing.T) {
	for _, bad := range []ChatOptions{
		{URL: "http://x/rooms/y", Duration: 1}, {URL: "http://x/rooms/y", Sockets: 1}, {URL: "x", Sockets: 1, Duration: 1},
		{URL: "http://x/rooms/y", Sockets: 2, Duration: 1, Slow: 2}, {URL: "http://x/rooms/y", Sockets: 2, Duration: 1, Text: 1000},
	} {
		_, err := bad.check()
		require.ErrorIs(t, err, ErrOptions)
	}
	for _, path := range []string{"/rooms/y", "/rooms/y/", "/rooms/y/ws"} {
		u, err := (&ChatOptions{URL: "http://x" + path, Sockets: 1, Duration: 1}).check()
		require.NoError(t, err)
		require.Equal(t, "/rooms/y/ws", u.Path)
	}
}
