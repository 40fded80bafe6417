package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Whoever comes before the server is ready waits, and is then served.
func TestEarlyClientsWait(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- serveHTTP(ctx, ready, l, nil, http.NotFoundHandler(), slog.New(slog.DiscardHandler)) }()

	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	in := bufio.NewReader(conn)
	_, err = in.Peek(1)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "served too early")

	close(ready)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	resp, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
	cancel()
	require.NoError(t, <-ended)
}

func TestStoppedBeforeReady(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, serveHTTP(ctx, nil, l, nil, http.NotFoundHandler(), slog.New(slog.DiscardHandler)))
	_, err = l.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}
