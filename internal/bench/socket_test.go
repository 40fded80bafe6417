package bench

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A datagram's time is that of its arrival, however late it is read, and a
// train is cut into what was sent.
func TestReaderTellsAge(t *testing.T) {
	server, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer server.Close()
	for _, gro := range []bool{false, true} {
		fd, err := openSocket(server.LocalAddr().(*net.UDPAddr).AddrPort(), gro)
		require.NoError(t, err)
		defer unix.Close(fd)
		name, err := unix.Getsockname(fd)
		require.NoError(t, err)
		to := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*unix.SockaddrInet4).Port}
		const late = 20 * time.Millisecond
		told := func() bool { // the kernel begins to note times a moment after it was asked to
			_, err = server.WriteToUDP([]byte("abc"), to)
			require.NoError(t, err)
			waited := time.NewTimer(late)
			<-waited.C
			got := time.Duration(-1)
			newReader(gro).read(fd, func(age time.Duration, datagram []byte) {
				got = age
				require.Equal(t, "abc", string(datagram))
			})
			require.GreaterOrEqual(t, got, time.Duration(0), "nothing was read")
			require.Less(t, got, maxAge)
			return got >= late
		}
		for tries := 0; !told(); tries++ {
			require.Less(t, tries, 100)
		}
	}
}

func TestControlIsBounded(t *testing.T) {
	for n := range controlSize {
		came, segment := parseControl(make([]byte, n))
		require.Zero(t, came)
		require.Zero(t, segment)
		full := make([]byte, n)
		for i := range full {
			full[i] = 0xff
		}
		parseControl(full)
	}
}
