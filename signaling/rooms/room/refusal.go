package room

import (
	"errors"
	"fmt"
	"time"
)

// Why a Room refuses. A *Refusal wraps one of them.
var (
	ErrMalformed     = errors.New("not a command of this protocol")
	ErrTooLong       = errors.New("too long")
	ErrEmpty         = errors.New("nothing in it that can be seen")
	ErrRate          = errors.New("too many at once")
	ErrSlowMode      = errors.New("slow mode")
	ErrMuted         = errors.New("muted")
	ErrLocked        = errors.New("the Room is locked")
	ErrForbidden     = errors.New("not allowed")
	ErrUnknownTarget = errors.New("no such target")
	ErrUnavailable   = errors.New("not possible at present")
	// ErrBanned and ErrFull are said to those who want to come in.
	ErrBanned = errors.New("banned from this Room")
	ErrFull   = errors.New("the Room is full")
)

// Refusal is why a command was not carried out, or why somebody may not come in.
type Refusal struct { //nolint:errname // an answer of the protocol as much as an error
	// Err is one of the errors above.
	Err error
	// Detail says it to a person, "" when Err says it all.
	Detail string
	// Wait is how long it takes until the same may be allowed, 0 when waiting
	// does not help.
	Wait time.Duration
}

func (r *Refusal) Error() string {
	if r.Detail == "" {
		return r.Err.Error()
	}
	return r.Detail
}

// Unwrap returns the sentinel.
func (r *Refusal) Unwrap() error { return r.Err }

// reasons are the words that the protocol has for the errors above.
var reasons = map[error]string{
	ErrMalformed: "malformed", ErrTooLong: "too-long", ErrEmpty: "empty", ErrRate: "rate", ErrSlowMode: "slow-mode",
	ErrMuted: "muted", ErrLocked: "locked", ErrForbidden: "forbidden", ErrUnknownTarget: "unknown-target",
	ErrUnavailable: "unavailable", ErrBanned: "banned", ErrFull: "full",
}

// Reason returns the word that the protocol has for Err (docs/rooms.md).
func (r *Refusal) Reason() string { return reasons[r.Err] }

// RetryAfter returns Wait in whole seconds, rounded up.
func (r *Refusal) RetryAfter() int {
	if r.Wait <= 0 {
		return 0
	}
	return int((r.Wait + time.Second - 1) / time.Second)
}

func refuse(err error, format string, args ...any) *Refusal {
	return &Refusal{Err: err, Detail: fmt.Sprintf(format, args...)}
}
