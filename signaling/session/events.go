package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

const (
	// KeepAlive is how long an event stream is silent at most.
	KeepAlive = 15 * time.Second
	// A client that takes nothing for so long is cut off; it may come again.
	eventWriteTimeout = 10 * time.Second
)

// Event is one server-sent event; Data becomes a line of JSON.
type Event struct {
	Name string
	Data any
}

// EventWriter streams events to one client (WHATWG HTML section 9.2). It is
// for one goroutine.
type EventWriter struct {
	w    http.ResponseWriter
	ctl  *http.ResponseController
	last time.Time
}

// StreamEvents answers a request with the beginning of an event stream. An
// error means that the client is gone.
func StreamEvents(w http.ResponseWriter) (*EventWriter, error) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // proxies must pass events on at once
	w.WriteHeader(http.StatusOK)
	o := &EventWriter{w: w, ctl: http.NewResponseController(w)}
	return o, o.comment("ok")
}

// Send sends events, or a comment when there was nothing to send for a while:
// proxies close silent connections. An error means that the client is gone.
func (o *EventWriter) Send(now time.Time, events ...Event) error {
	if len(events) == 0 {
		if now.Sub(o.last) < KeepAlive {
			return nil
		}
		return o.comment("")
	}
	var b bytes.Buffer
	for _, e := range events {
		data, err := json.Marshal(e.Data)
		if err != nil {
			return err
		}
		b.WriteString("event: " + e.Name + "\ndata: ")
		b.Write(data)
		b.WriteString("\n\n")
	}
	return o.write(b.Bytes())
}

func (o *EventWriter) comment(text string) error { return o.write([]byte(": " + text + "\n\n")) }

func (o *EventWriter) write(b []byte) error {
	o.last = time.Now()
	if err := o.ctl.SetWriteDeadline(o.last.Add(eventWriteTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := o.w.Write(b); err != nil {
		return err
	}
	return o.ctl.Flush()
}
