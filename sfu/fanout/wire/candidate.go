package wire

import (
	"cmp"
	"fmt"
	"hash/crc32"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

const (
	// typePrefHost is RFC 8445 section 5.1.2.2's for host candidates. TCP gets
	// less, so that UDP wins where both work (RFC 6544 section 4.2).
	typePrefHost    = 126
	typePrefHostTCP = 99
	// dirPrefPassive is the direction preference of a passive host candidate
	// (RFC 6544 section 4.2).
	dirPrefPassive = 4
	component      = 1 // RTP and RTCP are multiplexed
)

// Candidate is one host candidate in the terms of RFC 8839 section 5.1.
type Candidate struct {
	Foundation string
	Component  int
	Protocol   string // "udp" or "tcp"
	Priority   uint32 // RFC 8445 section 5.1.2
	Addr       netip.AddrPort
	TCPType    string // "passive" for tcp (RFC 6544 section 4.5), or ""
}

// String gives the value of an a=candidate attribute, without "a=candidate:".
func (c Candidate) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d %s %d %s %d typ host",
		c.Foundation, c.Component, c.Protocol, c.Priority, c.Addr.Addr(), c.Addr.Port())
	if c.TCPType != "" {
		b.WriteString(" tcptype " + c.TCPType)
	}
	return b.String()
}

// hostCandidates lists the candidates of the bound addresses, best first: one
// per public address if there are any, the bound address, or all of the
// machine's where that is unspecified. tcp may be the zero value.
func hostCandidates(public []netip.Addr, udp, tcp netip.AddrPort, machine func() []netip.Addr) []Candidate {
	var out []Candidate
	add := func(proto string, bound netip.AddrPort) {
		if !bound.IsValid() {
			return
		}
		for i, addr := range announced(public, bound.Addr(), machine) {
			out = append(out, newCandidate(proto, netip.AddrPortFrom(addr, bound.Port()), i))
		}
	}
	add("udp", udp)
	add("tcp", tcp)
	slices.SortStableFunc(out, func(a, b Candidate) int { return cmp.Compare(b.Priority, a.Priority) })
	return out
}

func announced(public []netip.Addr, bound netip.Addr, machine func() []netip.Addr) []netip.Addr {
	switch {
	case len(public) > 0:
		return public
	case !bound.IsUnspecified():
		return []netip.Addr{bound}
	}
	var out []netip.Addr
	for _, addr := range machine() {
		// 0.0.0.0 takes IPv4 only, [::] both.
		if addr.Is4() || !bound.Is4() {
			out = append(out, addr)
		}
	}
	return out
}

// newCandidate makes the candidate of the machine's address number i.
func newCandidate(proto string, addr netip.AddrPort, i int) Candidate {
	c := Candidate{Component: component, Protocol: proto, Addr: addr}
	typePref, local := uint32(typePrefHost), uint32(0xFFFF-i)
	if proto == "tcp" {
		c.TCPType = "passive"
		typePref, local = typePrefHostTCP, dirPrefPassive<<13|uint32(0x1FFF-i)
	}
	c.Priority = typePref<<24 | local<<8 | (256 - component)
	// Candidates share a foundation where type, base address and protocol are
	// the same (RFC 8445 section 5.1.1.3).
	sum := crc32.ChecksumIEEE([]byte("host " + proto + " " + addr.Addr().String()))
	c.Foundation = strconv.FormatUint(uint64(sum), 10)
	return c
}

// interfaceAddrs lists the machine's addresses that a peer may reach, IPv4
// first. Loopback counts only where there is nothing else.
func interfaceAddrs() []netip.Addr {
	nets, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out, loopback []netip.Addr
	for _, n := range nets {
		prefix, err := netip.ParsePrefix(n.String())
		if err != nil {
			continue
		}
		addr := prefix.Addr().Unmap()
		switch {
		case addr.IsLinkLocalUnicast() || addr.IsMulticast():
		case addr.IsLoopback():
			loopback = append(loopback, addr)
		default:
			out = append(out, addr)
		}
	}
	if len(out) == 0 {
		out = loopback
	}
	slices.SortStableFunc(out, func(a, b netip.Addr) int { return cmp.Compare(a.BitLen(), b.BitLen()) })
	return out
}
