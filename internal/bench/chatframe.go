package bench

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// Opcodes of RFC 6455 section 5.2, and the bits beside them.
const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xa

	finalBit  = 0x80
	maskedBit = 0x80
	opMask    = 0x0f
)

// maxChatFrame bounds what a server may send at once.
const maxChatFrame = 8 << 20

var errChatFrame = errors.New("not a frame that this client knows")

// chatReader takes WebSocket frames apart, with a buffer that is as large as
// the largest frame that waits in it.
type chatReader struct {
	buf        []byte
	start, end int // of what is there and has not been taken
}

// chatBuffer holds a usual frame.
const chatBuffer = 2 << 10

// next returns the next frame, whose payload is good until the next call.
func (r *chatReader) next(from io.Reader) (op byte, payload []byte, err error) {
	for {
		op, payload, size, err := parseFrame(r.buf[r.start:r.end])
		if err != nil {
			return 0, nil, err
		}
		if size > 0 && r.start+size <= r.end {
			r.start += size
			return op, payload, nil
		}
		r.reserve(size)
		n, err := from.Read(r.buf[r.end:])
		r.end += n
		if err != nil && n == 0 {
			return 0, nil, fmt.Errorf("read: %w", err)
		}
	}
}

// reserve makes room for a frame of a size, 0 for one that is not known yet,
// and at least for something.
func (r *chatReader) reserve(size int) {
	left := r.buf[r.start:r.end]
	need := max(size, len(left)+1, chatBuffer)
	if len(r.buf) < need || len(r.buf) > chatBuffer && need <= chatBuffer {
		r.buf = make([]byte, need)
	}
	r.end = copy(r.buf, left)
	r.start = 0
}

// parseFrame returns the frame that b begins with; the payload is nil where not
// all of it is there, and the size 0 where not even that is known.
func parseFrame(b []byte) (op byte, payload []byte, size int, err error) {
	const short, len16, len64 = 2, 126, 127
	if len(b) < short {
		return 0, nil, 0, nil
	}
	if b[0]&0xf0 != finalBit || b[1]&maskedBit != 0 {
		return 0, nil, 0, errChatFrame // fragments, extensions
	}
	head, length := short, uint64(b[1])
	switch b[1] {
	case len16:
		head += 2
		if len(b) < head {
			return 0, nil, 0, nil
		}
		length = uint64(binary.BigEndian.Uint16(b[short:]))
	case len64:
		head += 8
		if len(b) < head {
			return 0, nil, 0, nil
		}
		length = binary.BigEndian.Uint64(b[short:])
	}
	if length > maxChatFrame {
		return 0, nil, 0, errChatFrame
	}
	size = head + int(length) //nolint:gosec // checked
	if len(b) < size {
		return 0, nil, size, nil
	}
	return b[0] & opMask, b[head:size], size, nil
}

// appendFrame appends a client's frame. Its mask is zero, which leaves the
// payload as it is.
func appendFrame(b []byte, op byte, payload []byte) []byte {
	b = append(b, finalBit|op)
	if len(payload) < 126 {
		b = append(b, maskedBit|byte(len(payload)))
	} else {
		b = binary.BigEndian.AppendUint16(append(b, maskedBit|126), uint16(len(payload))) //nolint:gosec // ours
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}

// What a frame of a Room says is found by its quotes, which are escaped inside
// of texts: taking JSON apart ten thousand times over would be most of the work.
var (
	seqKey      = []byte(`"seq":`)
	textKey     = []byte(`"text":"` + stampWord)
	positionKey = []byte(`"position":"`)
	typeKey     = []byte(`{"type":"`)
)

// stampWord begins the texts that carry the time of sending.
const stampWord = "bench "

// quoted returns the string that follows a key, "" if the key is not there.
func quoted(b, key []byte) []byte {
	i := bytes.Index(b, key)
	if i < 0 {
		return nil
	}
	b = b[i+len(key):]
	if i = bytes.IndexByte(b, '"'); i < 0 {
		return nil
	}
	return b[:i]
}

// eachEntry calls f for each Entry of a frame, in order; sent is the time in ns
// that a text of ours carries, 0 for others.
func eachEntry(b []byte, f func(seq uint64, sent int64)) {
	for {
		i := bytes.Index(b, seqKey)
		if i < 0 {
			return
		}
		b = b[i+len(seqKey):]
		seq := number(b)
		next := bytes.Index(b, seqKey)
		entry := b
		if next >= 0 {
			entry = b[:next]
		}
		f(seq, int64(number(quoted(entry, textKey)))) //nolint:gosec // ours
		b = b[len(entry):]
	}
}

// number returns the digits that b begins with.
func number(b []byte) uint64 {
	n := 0
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		n++
	}
	v, _ := strconv.ParseUint(string(b[:n]), 10, 64)
	return v
}
