package linktest

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a server that answers each datagram with count of size bytes.
func echo(t *testing.T, count, size int) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	done := make(chan struct{})
	t.Cleanup(func() { _ = conn.Close(); <-done })
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			_, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			for range count {
				_, _ = conn.WriteToUDPAddrPort(buf[:size], from)
			}
		}
	}()
	return conn
}

// ask sends one datagram and returns how many come back within a time, and
// when the last one did.
func ask(t *testing.T, c Conditions, count, size int, within time.Duration) (got int, last time.Duration) {
	t.Helper()
	server := echo(t, count, size)
	link := New(t, server.LocalAddr().(*net.UDPAddr).AddrPort())
	link.Set(c)
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(link.Addr()))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_ = conn.SetReadBuffer(1 << 20)
	began := time.Now()
	_, err = conn.Write([]byte{1})
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(began.Add(within)))
	buf := make([]byte, 1500)
	for got < count {
		if _, err := conn.Read(buf); err != nil {
			break
		}
		got++
		last = time.Since(began)
	}
	return got, last
}

func TestLink(t *testing.T) {
	got, _ := ask(t, Conditions{}, 20, 100, 5*time.Second)
	require.Equal(t, 20, got, "a perfect link")

	got, last := ask(t, Conditions{Delay: 50 * time.Millisecond}, 1, 100, 5*time.Second)
	require.Equal(t, 1, got)
	require.GreaterOrEqual(t, last, 100*time.Millisecond, "there and back")

	got, last = ask(t, Conditions{Rate: 1_000_000, Queue: time.Second}, 25, 972, 5*time.Second)
	require.Equal(t, 25, got)
	require.GreaterOrEqual(t, last, 199*time.Millisecond, "25 kB at 1 Mbit/s")

	got, _ = ask(t, Conditions{Rate: 1_000_000}, 100, 972, time.Second)
	require.InDelta(t, 26, got, 3, "200 ms of queue, and the one on the line")

	got, _ = ask(t, Conditions{Loss: 0.5}, 400, 100, 500*time.Millisecond)
	require.InDelta(t, 200, got, 60)

	got, _ = ask(t, Conditions{Down: true}, 1, 100, 100*time.Millisecond)
	require.Zero(t, got)
}
