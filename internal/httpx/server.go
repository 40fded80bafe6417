package httpx

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 75 * time.Second
	maxHeaderBytes    = 64 << 10
)

// NewServer returns an HTTP server whose clients cannot hold it up: headers
// must come within 10 s and 64 KiB (else 431), idle connections close after
// 75 s. Bodies and answers have deadlines of their own (see Site). Requests
// end with ctx, event streams included.
func NewServer(ctx context.Context, handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		// What net/http has to say is about single clients' bad manners.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
