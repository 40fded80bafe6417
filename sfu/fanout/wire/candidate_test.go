package wire

import (
	"net/netip"
	"testing"

	"github.com/pion/ice/v4"
	"github.com/stretchr/testify/require"
)

func TestCandidates(t *testing.T) {
	addrs := func(list ...string) (out []netip.Addr) {
		for _, s := range list {
			out = append(out, netip.MustParseAddr(s))
		}
		return out
	}
	machine := func() []netip.Addr { return addrs("192.0.2.7", "2001:db8::7") }
	for name, c := range map[string]struct {
		public   []netip.Addr
		udp, tcp string
		want     []string
	}{
		"bound": {nil, "127.0.0.1:8080", "127.0.0.1:8081",
			[]string{"udp 127.0.0.1:8080", "tcp 127.0.0.1:8081"}},
		"no TCP":   {nil, "127.0.0.1:8080", "", []string{"udp 127.0.0.1:8080"}},
		"any IPv4": {nil, "0.0.0.0:8080", "", []string{"udp 192.0.2.7:8080"}},
		"any": {nil, "[::]:8080", "[::]:8081", []string{"udp 192.0.2.7:8080", "udp [2001:db8::7]:8080",
			"tcp 192.0.2.7:8081", "tcp [2001:db8::7]:8081"}},
		"public": {addrs("198.51.100.1"), "0.0.0.0:8080", "0.0.0.0:8081",
			[]string{"udp 198.51.100.1:8080", "tcp 198.51.100.1:8081"}},
	} {
		t.Run(name, func(t *testing.T) {
			var tcp netip.AddrPort
			if c.tcp != "" {
				tcp = netip.MustParseAddrPort(c.tcp)
			}
			got := hostCandidates(c.public, netip.MustParseAddrPort(c.udp), tcp, machine)
			var names []string
			foundations := map[string]bool{}
			for i, cand := range got {
				names = append(names, cand.Protocol+" "+cand.Addr.String())
				foundations[cand.Foundation] = true
				if i > 0 {
					require.Less(t, cand.Priority, got[i-1].Priority)
				}
				requirePionReads(t, cand)
			}
			require.Equal(t, c.want, names)
			require.Len(t, foundations, len(got), "RFC 8445 5.1.1.3: one per address and protocol")
		})
	}
}

// requirePionReads checks the attribute by another implementation.
func requirePionReads(t *testing.T, c Candidate) {
	t.Helper()
	p, err := ice.UnmarshalCandidate(c.String())
	require.NoError(t, err, c.String())
	require.Equal(t, ice.CandidateTypeHost, p.Type())
	require.Equal(t, c.Foundation, p.Foundation())
	require.EqualValues(t, 1, p.Component())
	require.Equal(t, c.Priority, p.Priority())
	require.Equal(t, c.Addr.Addr().String(), p.Address())
	require.EqualValues(t, c.Addr.Port(), p.Port())
	require.Equal(t, c.Protocol == "tcp", p.TCPType() == ice.TCPTypePassive)
}

func TestCandidatePriorities(t *testing.T) {
	addr := netip.MustParseAddrPort("192.0.2.1:1")
	// RFC 8445 section 5.1.2.1: 2^24*126 + 2^8*65535 + 255.
	require.EqualValues(t, 2130706431, newCandidate("udp", addr, 0).Priority)
	// RFC 6544 section 4.2: the local preference is 2^13*4 + 8191 at most.
	require.EqualValues(t, 99<<24+40959<<8+255, newCandidate("tcp", addr, 0).Priority)
	require.Less(t, newCandidate("tcp", addr, 0).Priority, newCandidate("udp", addr, 1000).Priority)
}

func TestInterfaceAddrs(t *testing.T) {
	list := interfaceAddrs()
	require.NotEmpty(t, list)
	for _, addr := range list {
		require.False(t, addr.IsLinkLocalUnicast() || addr.IsUnspecified() || addr.Is4In6())
	}
}
