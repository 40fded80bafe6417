// Package authtest is for tests: it takes webhooks as the receivers in
// LiveKit's server SDKs do, by their own code.
package authtest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	livekit "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/webhook"

	"github.com/freshet-live/freshet/signaling/auth"
)

// Event is what LiveKit's receiver has understood of a webhook.
type Event struct {
	Event, ID string
	// CreatedAt is in s since 1970.
	CreatedAt  int64
	NumDropped int32
	// Room and RoomSID are of the room; Identity, SID and State of the
	// participant, "" without one.
	Room, RoomSID        string
	Identity, SID, State string
	IsPublisher          bool
	// Body is the verified body, for the fields that LiveKit does not have.
	Body []byte
}

// Receive verifies a webhook and reads it. The error is that of LiveKit's
// receiver.
func Receive(r *http.Request, keys auth.Keys) (Event, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return Event{}, fmt.Errorf("authtest: %w", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	got, err := webhook.ReceiveWebhookEvent(r, livekit.NewFileBasedKeyProviderFromMap(keys))
	if err != nil {
		return Event{}, fmt.Errorf("authtest: %w", err)
	}
	e := Event{Event: got.Event, ID: got.Id, CreatedAt: got.CreatedAt, NumDropped: got.NumDropped, Body: body} //nolint:staticcheck // still sent
	if got.Room != nil {
		e.Room, e.RoomSID = got.Room.Name, got.Room.Sid
	}
	if p := got.Participant; p != nil {
		e.Identity, e.SID, e.State, e.IsPublisher = p.Identity, p.Sid, p.State.String(), p.IsPublisher
	}
	return e, nil
}
