package main

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRelay(t *testing.T) {
	server, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer server.Close()
	in, commands := io.Pipe()
	told, out := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- run([]string{server.LocalAddr().String()}, in, out) }()
	line := make([]byte, 64)
	n, err := told.Read(line)
	require.NoError(t, err)
	client, err := net.Dial("udp", strings.TrimSpace(string(line[:n])))
	require.NoError(t, err)
	defer client.Close()
	_, err = client.Write([]byte("hello"))
	require.NoError(t, err)
	n, from, err := server.ReadFromUDP(line)
	require.NoError(t, err)
	require.Equal(t, "hello", string(line[:n]))

	_, err = commands.Write([]byte(`{"loss":1}` + "\n" + `{"rate":400000,"queue":300,"delay":2.5,"jitter":1}` + "\n"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { // the first ones may meet the loss
		_, err := server.WriteToUDP([]byte("back"), from)
		require.NoError(t, err)
		require.NoError(t, client.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
		n, err := client.Read(line)
		return err == nil && string(line[:n]) == "back"
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, commands.Close())
	require.NoError(t, <-done)
}

func TestRelayRefuses(t *testing.T) {
	require.ErrorIs(t, run(nil, nil, nil), errUsage)
	require.ErrorIs(t, run([]string{"nowhere"}, nil, nil), errUsage)
	require.ErrorContains(t, run([]string{"127.0.0.1:9"}, strings.NewReader("{"), &bytes.Buffer{}), "conditions")
}
