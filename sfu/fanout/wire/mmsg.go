//nolint:gosec // All use of unsafe is in this file: the kernel takes addresses.
package wire

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is the kernel's struct mmsghdr; Go pads it to the same size.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// sockaddr has room for an IPv4 and an IPv6 address in the kernel's form.
type sockaddr = unix.RawSockaddrInet6

// segmentControl is the control message that asks for UDP_SEGMENT, ready to
// be filled with a size (udp(7)).
type segmentControl struct {
	hdr  unix.Cmsghdr
	size uint16
	_    [6]byte
}

const segmentControlLen = int(unsafe.Sizeof(segmentControl{}))

func newSegmentControl() segmentControl {
	var c segmentControl
	c.hdr.Level = unix.IPPROTO_UDP
	c.hdr.Type = unix.UDP_SEGMENT
	c.hdr.SetLen(unix.CmsgLen(2))
	return c
}

func (c *segmentControl) pointer() *byte { return (*byte)(unsafe.Pointer(c)) }

func namePointer(sa *sockaddr) *byte { return (*byte)(unsafe.Pointer(sa)) }

// None of the calls below waits, so they go past the scheduler's accounting
// for system calls: that would wake the runtime's monitor thread for each
// burst and keep it polling through every batch, a tenth of the cost of the
// whole. A full batch holds its processor for less than a millisecond.

// sendmmsg sends as many of the messages as the kernel takes without waiting.
// With an error none was sent, and the error is the first message's.
func sendmmsg(fd uintptr, msgs []mmsghdr) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&msgs[0])),
		uintptr(len(msgs)), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// sendto sends one datagram without waiting.
func sendto(fd uintptr, data []byte, name *sockaddr, nameLen uint32) syscall.Errno {
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(data))),
		uintptr(len(data)), unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(name)), uintptr(nameLen))
	return errno
}

// recvmmsg takes the datagrams that have come in, without waiting.
func recvmmsg(fd uintptr, msgs []mmsghdr) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&msgs[0])),
		uintptr(len(msgs)), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// encode writes the address in the form that a socket of the given family
// takes and returns its length; 0 when that socket cannot reach it.
func encode(sa *sockaddr, addr netip.AddrPort, inet6 bool) uint32 {
	ip := addr.Addr()
	if !ip.IsValid() || !inet6 && !ip.Is4() && !ip.Is4In6() {
		return 0
	}
	if !inet6 {
		sa4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		*sa4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: ip.As4()}
		putPort(&sa4.Port, addr.Port())
		return unix.SizeofSockaddrInet4
	}
	// As16 gives the IPv4-mapped form, as a dual-stack socket wants it.
	*sa = sockaddr{Family: unix.AF_INET6, Addr: ip.As16()}
	putPort(&sa.Port, addr.Port())
	if zone := ip.Zone(); zone != "" {
		id, err := strconv.ParseUint(zone, 10, 32)
		if err != nil {
			return 0
		}
		sa.Scope_id = uint32(id)
	}
	return unix.SizeofSockaddrInet6
}

// decode is the inverse of encode. The address is unmapped; a link-local one
// carries its interface's number as the zone.
func decode(sa *sockaddr) (netip.AddrPort, bool) {
	switch sa.Family {
	case unix.AF_INET:
		sa4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(sa4.Addr), getPort(&sa4.Port)), true
	case unix.AF_INET6:
		ip := netip.AddrFrom16(sa.Addr).Unmap()
		if sa.Scope_id != 0 && ip.IsLinkLocalUnicast() {
			ip = ip.WithZone(strconv.FormatUint(uint64(sa.Scope_id), 10))
		}
		return netip.AddrPortFrom(ip, getPort(&sa.Port)), true
	}
	return netip.AddrPort{}, false
}

// putPort and getPort cross the network's byte order, whatever the machine's.
func putPort(field *uint16, port uint16) {
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(field))[:], port)
}

func getPort(field *uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(field))[:])
}
