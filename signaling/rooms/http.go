package rooms

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/freshet-live/freshet/internal/httpx"
)

// Register puts the resources into a mux.
func (h *Handler) Register(mux *http.ServeMux) {
	mux.Handle("/rooms/{stream}/ws", h.cfg.Site.Resource(httpx.Methods{http.MethodGet: h.serveSocket}))
	mux.Handle("/rooms/{stream}/events", h.cfg.Site.Resource(httpx.Methods{http.MethodGet: h.serveStream}))
}

// serveSocket answers GET /rooms/{stream}/ws. The connection outlives it.
func (h *Handler) serveSocket(w http.ResponseWriter, r *http.Request) error {
	stream, err := httpx.StreamName(r)
	if err != nil {
		return err
	}
	if !websocket.IsWebSocketUpgrade(r) {
		// Whoever may not come in learns that first, whatever they ask by.
		if err := h.joins.Check(r, time.Now()); err != nil {
			return err
		}
		if _, err := h.cfg.Auth.Room(r, stream); err != nil {
			return err
		}
		if r.ProtoMajor == 1 { // there is no such thing in HTTP/2
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "websocket")
		}
		return httpx.Fail(http.StatusUpgradeRequired, "this is a WebSocket; .../events is for reading by plain HTTP")
	}
	m, leave, err := h.enter(r, stream, byWebSocket)
	if err != nil {
		return err
	}
	deflate := offersDeflate(r.Header)
	ws, err := h.upgrader(deflate).Upgrade(w, r, nil)
	if err != nil {
		leave()
		return nil //nolint:nilerr // the upgrader has answered
	}
	s := newSocket(m, ws, deflate, time.Now())
	err = h.start(func(context.Context) {
		s.serve(func(b []byte) { h.command(s, b) })
		leave()
	})
	if err == nil {
		err = h.start(func(context.Context) { s.send() })
	}
	if err != nil { // the server stops
		_ = ws.Close()
		close(s.written)
		leave()
	}
	return nil
}

// writeBuffers are for what gorilla/websocket itself says.
var writeBuffers sync.Pool

func (h *Handler) upgrader(deflate bool) *websocket.Upgrader {
	return &websocket.Upgrader{
		HandshakeTimeout: stallTime, ReadBufferSize: readBuffer, WriteBufferPool: &writeBuffers,
		// Access is by token, which a page of another origin has to know.
		CheckOrigin:       func(*http.Request) bool { return true },
		EnableCompression: deflate,
		Error: func(w http.ResponseWriter, r *http.Request, status int, reason error) {
			h.cfg.Site.Fail(w, r, httpx.Fail(status, "%s", strings.TrimPrefix(reason.Error(), "websocket: ")))
		},
	}
}

// offersDeflate reports whether a client offers permessage-deflate in a form
// that we can accept: we leave it its window size, and always use the largest
// one (RFC 7692 section 7.1).
func offersDeflate(h http.Header) bool {
	for _, line := range h.Values("Sec-WebSocket-Extensions") {
		if strings.ContainsRune(line, '"') {
			return false // nobody quotes
		}
		for offer := range strings.SplitSeq(line, ",") {
			if acceptable(strings.Split(offer, ";")) {
				return true
			}
		}
	}
	return false
}

func acceptable(offer []string) bool {
	if strings.TrimSpace(offer[0]) != "permessage-deflate" {
		return false
	}
	for _, p := range offer[1:] {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		switch name {
		case "server_no_context_takeover", "client_no_context_takeover", "client_max_window_bits":
		case "server_max_window_bits":
			if value != "15" {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// serveStream answers GET /rooms/{stream}/events.
func (h *Handler) serveStream(w http.ResponseWriter, r *http.Request) error {
	stream, err := httpx.StreamName(r)
	if err != nil {
		return err
	}
	m, leave, err := h.enter(r, stream, byEvents)
	if err != nil {
		return err
	}
	defer leave()
	return serveEvents(r.Context(), w, m)
}
