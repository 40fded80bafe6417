//nolint:gosec // All use of unsafe is in this file: the kernel takes addresses.
package bench

import (
	"fmt"
	"net/netip"
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

// segmentInfo is the control message that tells the size of the datagrams in
// a train (udp(7), UDP_GRO).
type segmentInfo struct {
	hdr  unix.Cmsghdr
	size int32
	_    [4]byte
}

// reader takes datagrams from sockets.
type reader struct {
	msgs  []mmsghdr
	iovs  []unix.Iovec
	infos []segmentInfo
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
		infos: make([]segmentInfo, count), data: make([]byte, count*size), size: size,
	}
	for i := range r.msgs {
		r.iovs[i].Base = &r.data[i*size]
		r.iovs[i].SetLen(size)
		r.msgs[i].hdr.Iov = &r.iovs[i]
		r.msgs[i].hdr.SetIovlen(1)
		if gro {
			r.msgs[i].hdr.Control = (*byte)(unsafe.Pointer(&r.infos[i]))
		}
	}
	return r
}

// read passes on what one look at the socket finds. The bytes are the
// receiver's only until it returns.
func (r *reader) read(fd int, each func(datagram []byte)) {
	for i := range r.msgs {
		if r.msgs[i].hdr.Control != nil {
			r.msgs[i].hdr.SetControllen(int(unsafe.Sizeof(segmentInfo{})))
		}
	}
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.msgs[0])),
		uintptr(len(r.msgs)), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return // nothing there, or an ICMP error, which the next check will notice
	}
	for i := range int(n) {
		m := &r.msgs[i]
		data := r.data[i*r.size : i*r.size+int(m.len)]
		segment := len(data)
		if m.hdr.Control != nil && m.hdr.Controllen >= unix.SizeofCmsghdr && r.infos[i].hdr.Type == unix.UDP_GRO {
			segment = int(r.infos[i].size)
		}
		for len(data) > 0 {
			cut := min(max(segment, 1), len(data))
			each(data[:cut:cut])
			data = data[cut:]
		}
	}
}
