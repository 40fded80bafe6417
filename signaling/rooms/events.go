package rooms

import (
	"context"
	"net/http"
	"time"
)

// keepAlive is how often a silent event stream says something, so that proxies
// and the kernel find out about clients that have gone.
const keepAlive = 15 * time.Second

// comment is what keeps an event stream alive (HTML section 9.2.7).
var comment = []byte(":\n\n")

// serveEvents sends a member's frames as server-sent events until the client
// leaves or is sent away. It runs in the request's goroutine.
func serveEvents(ctx context.Context, w http.ResponseWriter, m *member) error {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx: pass each event on at once
	out := http.NewResponseController(w)
	idle := time.NewTicker(keepAlive)
	defer idle.Stop()
	var space [atOnce]*frame
	for {
		_, frames, end := m.take(space[:0])
		if end != nil {
			return nil
		}
		if len(frames) > 0 {
			if err := writeEvents(out, w, m, frames); err != nil {
				return nil // the client is gone, or does not read
			}
			continue
		}
		select {
		case <-m.wake:
		case <-idle.C:
			if err := writeOut(out, w, comment); err != nil {
				return nil
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func writeEvents(out *http.ResponseController, w http.ResponseWriter, m *member, frames []*frame) error {
	b := frames[0].sse()
	if len(frames) > 1 {
		b = append([]byte(nil), b...)
		for _, f := range frames[1:] {
			b = append(b, f.sse()...)
		}
	}
	m.read(frames)
	return writeOut(out, w, b)
}

// writeOut writes and flushes within stallTime.
func writeOut(out *http.ResponseController, w http.ResponseWriter, b []byte) error {
	if err := out.SetWriteDeadline(time.Now().Add(stallTime)); err != nil {
		return err
	}
	if _, err := w.Write(b); err != nil { //nolint:gosec // JSON, and said to be an event stream
		return err
	}
	return out.Flush()
}
