package wire

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// slabSize keeps a Batch within a core's second-level cache.
	slabSize = 256 << 10
	// maxMessages bounds one sendmmsg; a train counts as one.
	maxMessages = 512
	// maxSegments is what every kernel with UDP_SEGMENT takes in one train.
	maxSegments = 64
	// maxTrainErrors in a row without one train that passed mean that
	// UDP_SEGMENT does not work here at all.
	maxTrainErrors = 64
	// sendWait bounds how long a Batch waits for room in a socket's buffer.
	// Where it does not drain at all, newer packets are worth more than these.
	sendWait = 2 * time.Millisecond
)

// message is one entry of a Batch: a datagram, or a train of datagrams to one
// peer, each of size segment but for the last, which may be shorter.
type message struct {
	route    Route
	off, len int
	segment  int
	segments int
}

// sender is a run of messages in the form that the kernel takes.
type sender struct {
	msgs  []mmsghdr
	iovs  []unix.Iovec
	names []sockaddr
}

func newSender(n int) sender {
	s := sender{msgs: make([]mmsghdr, n), iovs: make([]unix.Iovec, n), names: make([]sockaddr, n)}
	for i := range s.msgs {
		s.msgs[i].hdr.Iov = &s.iovs[i]
		s.msgs[i].hdr.SetIovlen(1)
		s.msgs[i].hdr.Name = namePointer(&s.names[i])
	}
	return s
}

// Batch collects datagrams in one slab of memory and sends them together.
// Consecutive datagrams of one size to one peer leave as a single UDP_SEGMENT
// message (the last may be shorter). One goroutine owns it; after NewBatch
// nothing is allocated.
type Batch struct {
	socket *socket
	counts *counters

	slab     []byte
	used     int
	messages []message
	open     bool // the last message may take another segment

	main     sender
	controls []segmentControl
	plain    sender // the segments of one train, where it must be taken apart

	sent, dropped int
	trainErrors   int
	waited        bool // the wait of this flush is used up

	// Between Batch and the closures that the runtime calls with the socket.
	out     []mmsghdr
	n       int
	errno   syscall.Errno
	try     func(fd uintptr)
	tryWait func(fd uintptr) bool
}

// NewBatch returns an empty Batch that sends from the given UDP socket
// (counted from 0, modulo their number).
func (w *Wire) NewBatch(socket int) *Batch {
	b := &Batch{
		socket:   w.sockets[uint(socket)%uint(len(w.sockets))],
		counts:   &w.counts,
		slab:     make([]byte, slabSize),
		messages: make([]message, 0, maxMessages),
		main:     newSender(maxMessages),
		controls: make([]segmentControl, maxMessages),
		plain:    newSender(maxSegments),
	}
	for i := range b.controls {
		b.controls[i] = newSegmentControl()
	}
	b.try = func(fd uintptr) { b.n, b.errno = sendmmsg(fd, b.out) }
	b.tryWait = func(fd uintptr) bool {
		b.try(fd)
		return b.errno != unix.EAGAIN
	}
	return b
}

// Reserve returns n bytes (at most 65507) for one datagram, right after the
// last committed one. Where they do not fit, the Batch is flushed first. What
// is not committed before the next Reserve is forgotten.
func (b *Batch) Reserve(n int) []byte {
	if b.used+n > len(b.slab) || len(b.messages) == maxMessages {
		b.flush()
	}
	return b.slab[b.used : b.used+n : b.used+n]
}

// Commit addresses the first n reserved bytes to a peer. Over TCP they go to
// the connection's queue at once.
func (b *Batch) Commit(to Route, n int) {
	if n <= 0 {
		return
	}
	if to.TCP != nil {
		b.count(to.TCP.enqueue(b.slab[b.used:b.used+n]) == nil, 1)
		return
	}
	if b.open && b.extend(to, n) {
		return
	}
	i := len(b.messages)
	nameLen := encode(&b.main.names[i], to.Addr, b.socket.inet6)
	if nameLen == 0 {
		b.count(false, 1)
		return
	}
	b.messages = append(b.messages, message{route: to, off: b.used, len: n, segment: n, segments: 1})
	m := &b.main.msgs[i].hdr
	m.Namelen = nameLen
	m.Control = nil
	m.SetControllen(0)
	b.main.iovs[i].Base = &b.slab[b.used]
	b.main.iovs[i].SetLen(n)
	b.used += n
	b.open = b.socket.gso.Load()
}

// extend adds n bytes to the last message's train, if they may go there.
func (b *Batch) extend(to Route, n int) bool {
	i := len(b.messages) - 1
	m := &b.messages[i]
	if m.route != to || n > m.segment || m.len+n > maxDatagram {
		return false
	}
	m.len += n
	m.segments++
	b.used += n
	b.open = n == m.segment && m.segments < maxSegments
	b.main.iovs[i].SetLen(m.len)
	if m.segments == 2 {
		b.controls[i].size = uint16(m.segment)
		h := &b.main.msgs[i].hdr
		h.Control = b.controls[i].pointer()
		h.SetControllen(segmentControlLen)
	}
	return true
}

// Flush sends everything committed and returns how many datagrams left and how
// many were dropped since the last Flush. It waits at most two milliseconds
// for room in the kernel; what still finds none is dropped.
func (b *Batch) Flush() (sent, dropped int) {
	b.flush()
	sent, dropped = b.sent, b.dropped
	b.sent, b.dropped = 0, 0
	return sent, dropped
}

func (b *Batch) count(ok bool, datagrams int) {
	if ok {
		b.sent += datagrams
		b.counts.sent.Add(uint64(datagrams))
		return
	}
	b.dropped += datagrams
	b.counts.sendDropped.Add(uint64(datagrams))
}

func (b *Batch) flush() {
	b.waited = false
	strays := 0
	for next := 0; next < len(b.messages); {
		n, errno := b.send(b.main.msgs[next:len(b.messages)])
		if errno == 0 {
			b.passed(b.messages[next : next+n])
			next += n
			strays = 0
			continue
		}
		if isStray(errno) && strays < 2 {
			strays++
			continue
		}
		strays = 0
		b.failed(&b.messages[next], errno)
		next++
	}
	b.messages = b.messages[:0]
	b.used = 0
	b.open = false
}

// passed counts messages that the kernel took.
func (b *Batch) passed(messages []message) {
	datagrams, trains := 0, 0
	for i := range messages {
		datagrams += messages[i].segments
		if messages[i].segments > 1 {
			trains++
		}
	}
	b.count(true, datagrams)
	if trains > 0 {
		b.trainErrors = 0
		b.counts.trains.Add(uint64(trains))
	}
}

// failed deals with a message that the kernel refused: a train is taken apart,
// a single datagram is lost.
func (b *Batch) failed(m *message, errno syscall.Errno) {
	if m.segments == 1 || errno == unix.EAGAIN || errno == unix.ENOBUFS {
		b.count(false, m.segments)
		return
	}
	switch errno {
	case unix.EIO, unix.ENOPROTOOPT, unix.EOPNOTSUPP:
		// No checksum offload on the device, or no UDP_SEGMENT in the kernel.
		b.socket.gso.Store(false)
	case unix.EINVAL, unix.EMSGSIZE:
		// Often one peer's path: its MTU is smaller than the segments, which
		// plain datagrams pass by fragmentation.
		if b.trainErrors++; b.trainErrors >= maxTrainErrors {
			b.socket.gso.Store(false)
		}
	default:
		// The peer's fault (EPERM by a firewall rule, say).
		b.count(false, m.segments)
		return
	}
	b.sendApart(m)
}

// sendApart sends the segments of a train as messages of their own.
func (b *Batch) sendApart(m *message) {
	for i := range m.segments {
		off := m.off + i*m.segment
		h := &b.plain.msgs[i].hdr
		h.Namelen = encode(&b.plain.names[i], m.route.Addr, b.socket.inet6)
		b.plain.iovs[i].Base = &b.slab[off]
		b.plain.iovs[i].SetLen(min(m.segment, m.off+m.len-off))
	}
	strays := 0
	for next := 0; next < m.segments; {
		n, errno := b.send(b.plain.msgs[next:m.segments])
		switch {
		case errno == 0:
			b.count(true, n)
			next += n
		case isStray(errno) && strays < 2:
			strays++
		default:
			b.count(false, 1)
			next++
		}
	}
}

// send passes messages to the kernel. Where there is no room, it waits once
// per flush for a bounded time.
func (b *Batch) send(msgs []mmsghdr) (int, syscall.Errno) {
	b.out = msgs
	s := b.socket
	if s.raw.Control(b.try) != nil {
		return 0, unix.EBADF // closed
	}
	if b.errno != unix.EAGAIN || b.waited {
		return b.n, b.errno
	}
	b.waited = true
	s.waiting.Lock()
	defer s.waiting.Unlock()
	_ = s.conn.SetWriteDeadline(time.Now().Add(sendWait))
	// An error is the deadline's or a closed socket; errno is then EAGAIN still.
	_ = s.raw.Write(b.tryWait)
	_ = s.conn.SetWriteDeadline(time.Time{})
	return b.n, b.errno
}
