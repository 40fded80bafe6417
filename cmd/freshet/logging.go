package main

import (
	"io"
	"log/slog"
)

func newLogger(set *settings, level slog.Leveler, w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	var h slog.Handler = slog.NewTextHandler(w, opts)
	if set.Log.JSON {
		h = slog.NewJSONHandler(w, opts)
	}
	log := slog.New(h)
	if set.Cluster.Node != "" {
		log = log.With("node", set.Cluster.Node)
	}
	return log
}
