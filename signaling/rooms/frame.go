package rooms

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"strconv"
	"sync"
	"time"
)

// Parts of the first two bytes of a WebSocket frame (RFC 6455 section 5.2).
// Ours are never masked and never in fragments.
const (
	finalText  = 0x80 | 0x1
	finalClose = 0x80 | 0x8
	finalPing  = 0x80 | 0x9
	finalPong  = 0x80 | 0xa
	compressed = 0x40 // RSV1 (RFC 7692 section 6)
	length16   = 126
	length64   = 127
)

// maxControl is the most that a control frame can carry (RFC 6455 section 5.5),
// closeBytes what its code takes of that in a close frame.
const (
	maxControl = 125
	closeBytes = 2
)

// deflateFrom is from how many bytes on compression pays: below it a frame fits
// into a packet anyway, and unpacking costs a phone more than it saves.
const deflateFrom = 1024

// frame is one JSON text on its way to sockets. It is made once, and immutable
// but for the forms that are made when somebody first needs them.
type frame struct {
	kind string // its "type"
	// position is what a client that has read it may resume from; "" is the
	// same as before.
	position string
	at       time.Time
	// plain is the WebSocket frame, whose payload begins at text.
	plain []byte
	text  int

	packing  sync.Once
	packed   []byte // the same by permessage-deflate; plain where it does not pay
	eventing sync.Once
	event    []byte // the same as a server-sent event
}

// newFrame makes a frame of a JSON text, which it does not keep.
func newFrame(kind, position string, text []byte, now time.Time) *frame {
	f := &frame{kind: kind, position: position, at: now}
	f.plain = appendHeader(make([]byte, 0, len(text)+10), finalText, len(text))
	f.text = len(f.plain)
	f.plain = append(f.plain, text...)
	return f
}

// appendHeader appends the header of an unmasked frame (RFC 6455 section 5.2).
func appendHeader(b []byte, first byte, length int) []byte {
	switch {
	case length < length16:
		return append(b, first, byte(length))
	case length < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, first, length16), uint16(length))
	default:
		return binary.BigEndian.AppendUint64(append(b, first, length64), uint64(length))
	}
}

// wire returns the frame as a WebSocket takes it.
func (f *frame) wire(deflated bool) []byte {
	if !deflated || len(f.plain) < deflateFrom {
		return f.plain
	}
	f.packing.Do(func() { f.packed = deflate(f.plain, f.text) })
	return f.packed
}

// sse returns the frame as a server-sent event (HTML section 9.2.5).
func (f *frame) sse() []byte {
	f.eventing.Do(func() {
		var b []byte
		if f.position != "" {
			b = append(append(append(b, "id: "...), f.position...), '\n')
		}
		b = append(append(append(b, "event: "...), f.kind...), "\ndata: "...)
		b = append(b, f.plain[f.text:]...) // JSON of encoding/json has no line breaks
		b = append(b, "\n\n"...)
		f.event = b
	})
	return f.event
}

// packer compresses one message at a time.
type packer struct {
	out bytes.Buffer
	w   *flate.Writer
}

var packers = sync.Pool{New: func() any {
	p := &packer{}
	p.w, _ = flate.NewWriter(&p.out, flate.BestSpeed) // fails for unknown levels only
	return p
}}

// deflate returns a frame with its payload compressed, without context takeover
// (RFC 7692 section 7.2.1), or the frame itself where that is smaller.
func deflate(plain []byte, text int) []byte {
	p := packers.Get().(*packer)
	defer packers.Put(p)
	p.out.Reset()
	p.w.Reset(&p.out)
	_, err := p.w.Write(plain[text:])
	if err == nil {
		err = p.w.Flush()
	}
	const tail = 4 // of an empty block, which is left out (RFC 7692 section 7.2.1)
	if err != nil || p.out.Len() < tail || p.out.Len() >= len(plain)-text {
		return plain
	}
	body := p.out.Bytes()[:p.out.Len()-tail]
	out := appendHeader(make([]byte, 0, len(body)+10), finalText|compressed, len(body))
	return append(out, body...)
}

// ending is why and how a socket is sent away (docs/rooms.md).
type ending struct {
	code   int
	reason string
	// resume asks for the socket's position as the reason.
	resume bool
}

// frame returns the close frame of a socket that has read up to position. A
// code that must not be sent (RFC 6455 section 7.4.1) gives an empty one.
func (e ending) frame(position string) []byte {
	reason := e.reason
	if e.resume {
		reason = "resume=" + position
	}
	if len(reason) > maxControl-closeBytes {
		reason = reason[:maxControl-closeBytes]
	}
	if e.code == 0 {
		return appendHeader(nil, finalClose, 0)
	}
	b := appendHeader(nil, finalClose, closeBytes+len(reason))
	return append(binary.BigEndian.AppendUint16(b, uint16(e.code)), reason...)
}

// String is for logs and metrics.
func (e ending) String() string { return strconv.Itoa(e.code) }
