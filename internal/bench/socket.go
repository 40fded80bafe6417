//nolint:gosec // All use of unsafe is in this file: the kernel takes addresses.
package bench

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socketBuffer is asked for at the receiving side of each socket, in bytes.
const socketBuffer = 1 << 20

// openSocket returns a UDP socket that does not wait and talks to one address.
func openSocket(to netip.AddrPort, gro bool) (int, error) {
	family, name := unix.AF_INET, sockaddrOf(to)
	if to.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, socketBuffer) // the kernel's bound may be lower
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)       // else the time of reading counts
	if gro {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1)
	}
	if err == nil {
		err = unix.Connect(fd, name)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("socket to %s: %w", to, err)
	}
	return fd, nil
}

func sockaddrOf(to netip.AddrPort) unix.Sockaddr {
	if to.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
}

// mmsghdr is the kernel's struct mmsghdr; Go pads it to the same size.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// controlSize has room for what the kernel tells with a datagram: when it came
// in (socket(7), SO_TIMESTAMPNS) and the size of the datagrams in a train
// (udp(7), UDP_GRO).
const controlSize = 64

// reader takes datagrams from sockets.
type reader struct {
	msgs  []mmsghdr
	iovs  []unix.Iovec
	infos []byte // controlSize for each
	data  []byte
	size  int
}

func newReader(gro bool) *reader {
	count, size := 64, 2048
	if gro {
		count, size = 4, 1<<16
	}
	r := &reader{
		msgs: make([]mmsghdr, count), iovs: make([]unix.Iovec, count),
		infos: make([]byte, count*controlSize), data: make([]byte, count*size), size: size,
	}
	for i := range r.msgs {
		r.iovs[i].Base = &r.data[i*size]
		r.iovs[i].SetLen(size)
		r.msgs[i].hdr.Iov = &r.iovs[i]
		r.msgs[i].hdr.SetIovlen(1)
		r.msgs[i].hdr.Control = &r.infos[i*controlSize]
	}
	return r
}

// read passes on what one look at the socket finds, with the age of each
// datagram: how long ago it came in. The bytes are the receiver's only until
// each returns.
func (r *reader) read(fd int, each func(age time.Duration, datagram []byte)) {
	for i := range r.msgs {
		r.msgs[i].hdr.SetControllen(controlSize)
	}
	// It does not wait, and so may go past the scheduler.
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.msgs[0])),
		uintptr(len(r.msgs)), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return // nothing there, or an ICMP error, which the next check will notice
	}
	now := time.Now().UnixNano()
	for i := range int(n) {
		m := &r.msgs[i]
		data := r.data[i*r.size : i*r.size+int(m.len)]
		came, segment := parseControl(r.infos[i*controlSize:][:min(controlSize, m.hdr.Controllen)])
		age := time.Duration(now - came)
		if came == 0 || age < 0 || age > maxAge {
			age = 0 // not told, or the clock was set
		}
		if segment <= 0 {
			segment = max(1, len(data))
		}
		for len(data) > 0 {
			cut := min(segment, len(data))
			each(age, data[:cut:cut])
			data = data[cut:]
		}
	}
}

// maxAge is more than a datagram can have waited in a socket that is read.
const maxAge = 2 * time.Second

// parseControl reads control messages (cmsg(3)): when a datagram came in, in
// nanoseconds since 1970, and the size of the datagrams in a train; 0 where
// they are not told.
func parseControl(b []byte) (came int64, segment int) {
	const header = unix.SizeofCmsghdr
	for len(b) >= header {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		size := int(h.Len)
		if size < header || size > len(b) {
			break
		}
		switch data := b[header:size]; {
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SCM_TIMESTAMPNS && len(data) >= 16:
			came = int64(binary.NativeEndian.Uint64(data))*int64(time.Second) + int64(binary.NativeEndian.Uint64(data[8:]))
		case h.Level == unix.IPPROTO_UDP && h.Type == unix.UDP_GRO && len(data) >= 4:
			segment = int(int32(binary.NativeEndian.Uint32(data)))
		}
		b = b[min(len(b), unix.CmsgSpace(size-header)):]
	}
	return came, segment
}
