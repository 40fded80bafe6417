package signaling

import (
	"context"
	"net/http"
	"time"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/sfu/fanout"
	"github.com/freshet-live/freshet/sfu/hub"
	"github.com/freshet-live/freshet/sfu/rtc"
	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/rooms"
	"github.com/freshet-live/freshet/signaling/rooms/room"
	"github.com/freshet-live/freshet/signaling/sdp"
	"github.com/freshet-live/freshet/signaling/webhook"
)

// Challenges of a 401 and a 403 (RFC 6750 section 3.1).
const (
	challenge          = `Bearer realm="freshet"`
	challengeBadToken  = challenge + `, error="invalid_token"`
	challengeForbidden = challenge + `, error="insufficient_scope"`
)

// How long overloaded parts ask clients to stay away.
const (
	busyWait      = 2 * time.Second
	publisherWait = 5 * time.Second
	fullWait      = 5 * time.Second
)

// Errors returns the one table from errors to statuses.
func Errors() httpx.Table {
	return httpx.Table{
		{Err: auth.ErrNoToken, Status: http.StatusUnauthorized, Code: "no-token", Challenge: challenge},
		{Err: auth.ErrBadToken, Status: http.StatusUnauthorized, Code: "bad-token", Challenge: challengeBadToken},
		{Err: auth.ErrForbidden, Status: http.StatusForbidden, Code: "forbidden", Challenge: challengeForbidden},
		{Err: auth.ErrRevoked, Status: http.StatusForbidden, Code: "revoked"},

		{Err: webhook.ErrDenied, Status: http.StatusForbidden, Code: "not-admitted"},
		{Err: webhook.ErrNoAnswer, Status: http.StatusServiceUnavailable, Code: "no-admission", RetryAfter: busyWait},

		{Err: sdp.ErrMalformed, Status: http.StatusBadRequest},
		{Err: sdp.ErrUnsupported, Status: http.StatusUnprocessableEntity},
		{Err: rtc.ErrMalformed, Status: http.StatusBadRequest},
		{Err: rtc.ErrUnsupported, Status: http.StatusUnprocessableEntity},
		{Err: rtc.ErrBusy, Status: http.StatusServiceUnavailable, RetryAfter: busyWait},
		{Err: fanout.ErrParams, Status: http.StatusUnprocessableEntity},
		{Err: fanout.ErrBusy, Status: http.StatusServiceUnavailable, RetryAfter: busyWait},
		{Err: fanout.ErrNoLayer, Status: http.StatusConflict},
		// The session ended while the request was on its way.
		{Err: fanout.ErrClosed, Status: http.StatusNotFound},

		{Err: hub.ErrPublisherExists, Status: http.StatusConflict, RetryAfter: publisherWait},
		{Err: hub.ErrPublicationOver, Status: http.StatusNotFound},
		{Err: hub.ErrTooManyStreams, Status: http.StatusServiceUnavailable, RetryAfter: busyWait},

		{Err: room.ErrMalformed, Status: http.StatusBadRequest},
		{Err: room.ErrBanned, Status: http.StatusForbidden, Code: "banned"},
		{Err: room.ErrLocked, Status: http.StatusForbidden, Code: "locked"},
		{Err: room.ErrFull, Status: http.StatusServiceUnavailable, RetryAfter: fullWait},
		{Err: rooms.ErrBusy, Status: http.StatusServiceUnavailable, RetryAfter: fullWait},
		{Err: rooms.ErrClosed, Status: http.StatusServiceUnavailable, RetryAfter: fullWait},
		{Err: rooms.ErrTooMany, Status: http.StatusTooManyRequests, RetryAfter: fullWait},
		{Err: rooms.ErrNoRoom, Status: http.StatusNotFound, Code: "no-room"},
		{Err: rooms.ErrNoEntry, Status: http.StatusNotFound, Code: "no-message"},

		// Nobody reads these two: the client hung up, or the server is stopping.
		{Err: context.Canceled, Status: http.StatusServiceUnavailable, RetryAfter: busyWait},
		{Err: context.DeadlineExceeded, Status: http.StatusServiceUnavailable, RetryAfter: busyWait},
	}
}
