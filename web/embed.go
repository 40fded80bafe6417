// Package web carries the built web app — the dashboard, the broadcast, watch
// and embed pages — inside the binary and serves it.
package web

import (
	"embed"
	"io/fs"
	"net/http"
)

// dist holds what `npm run build` made. In a fresh clone it has only the
// placeholder that lets the package compile.
//
//go:embed all:dist
var dist embed.FS

// Handler returns the handler of the embedded app, or ErrNotBuilt.
func Handler() (http.Handler, error) {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, err //nolint:wrapcheck // cannot happen: the path is a constant
	}
	return NewHandler(sub)
}
