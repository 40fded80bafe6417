package rooms

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/freshet-live/freshet/signaling/rooms/room"
)

var (
	// ErrNoRoom is wrapped by errors about a Room that nobody is in and that
	// nothing is kept of. It answers to 404.
	ErrNoRoom = errors.New("there is no such room")
	// ErrNoEntry is wrapped by errors about an Entry that is not kept (any
	// more). It answers to 404.
	ErrNoEntry = errors.New("there is no such entry")
)

// Rooms returns the names of all Rooms that are open here or that something is
// kept of, in order.
func (h *Handler) Rooms(ctx context.Context) ([]string, error) {
	names, err := h.store.Names(ctx)
	if err != nil {
		return nil, fmt.Errorf("rooms: %w", err)
	}
	h.mu.Lock()
	for name := range h.open {
		names = append(names, name)
	}
	h.mu.Unlock()
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Room returns a Room at a glance. The error wraps ErrNoRoom or ErrBusy.
func (h *Handler) Room(ctx context.Context, name string) (info room.Info, err error) {
	err = h.known(ctx, name, func(k *keeper, now time.Time) { info = k.room.Info(now) })
	return info, err
}

// Messages returns up to limit Messages and Announcements before the Entry of
// an id ("": the latest), oldest first. The error wraps ErrNoRoom, ErrNoEntry or
// ErrBusy.
func (h *Handler) Messages(ctx context.Context, name, before string, limit int) (list []room.Entry, err error) {
	found := false
	err = h.known(ctx, name, func(k *keeper, _ time.Time) { list, found = k.room.Messages(before, limit) })
	if err == nil && !found {
		err = fmt.Errorf("%w: %q", ErrNoEntry, before)
	}
	return list, err
}

// People returns who shows in a Room on this Node, by role and then by name.
// The error is as that of Room.
func (h *Handler) People(ctx context.Context, name string) (list []room.Person, err error) {
	err = h.known(ctx, name, func(k *keeper, _ time.Time) { list = k.room.Locals() })
	return list, err
}

// Bans returns the bans of a Room that stand, oldest first, with their reasons
// and addresses; Mutes the mutes. The error is as that of Room.
func (h *Handler) Bans(ctx context.Context, name string) (list []room.Entry, err error) {
	err = h.known(ctx, name, func(k *keeper, now time.Time) { list = k.room.Bans(now) })
	return list, err
}

// Mutes returns the mutes of a Room that stand, oldest first. The error is as
// that of Room.
func (h *Handler) Mutes(ctx context.Context, name string) (list []room.Entry, err error) {
	err = h.known(ctx, name, func(k *keeper, now time.Time) { list = k.room.Mutes(now) })
	return list, err
}

// Audit returns the latest Entries of those who moderate a Room, oldest first,
// with everything in them. The error is as that of Room.
func (h *Handler) Audit(ctx context.Context, name string) (list []room.Entry, err error) {
	err = h.known(ctx, name, func(k *keeper, _ time.Time) { list = k.room.Audit() })
	return list, err
}

// Act carries out a command in a Room, which need not exist before; by nil is
// the operator. What has come of it is in the Store. A refusal is in the Reply;
// the error wraps ErrBusy, or is why an accepted Entry could not be kept.
func (h *Handler) Act(ctx context.Context, name string, by *room.Person, cmd room.Command) (room.Reply, error) {
	var reply room.Reply
	kept := make(chan bool, 1)
	err := h.with(ctx, name, func(k *keeper, now time.Time) {
		reply = k.room.Act(now, by, cmd)
		if reply.Refused != nil {
			kept <- true
			return
		}
		k.next.then = append(k.next.then, func(durable bool) { kept <- durable })
	})
	if err != nil {
		return room.Reply{}, err
	}
	select {
	case durable := <-kept:
		if !durable {
			return reply, fmt.Errorf("%w: what was done holds until the server stops", ErrNotKept)
		}
		return reply, nil
	case <-ctx.Done():
		return reply, fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
	}
}

// ErrNotKept is wrapped by errors about what has been done, but could not be
// kept. It answers to 500.
var ErrNotKept = errors.New("the store takes nothing")

// Kick closes the connections to a Room that match says yes to, and returns how
// many. A Room that is not open has none. The error wraps ErrBusy.
func (h *Handler) Kick(ctx context.Context, name, reason string, match func(room.Join) bool) (n int, err error) {
	if h.look(name) == nil {
		return 0, nil
	}
	err = h.with(ctx, name, func(k *keeper, now time.Time) { n = k.room.Kick(now, reason, match) })
	return n, err
}

// KickAll is Kick for all Rooms.
func (h *Handler) KickAll(ctx context.Context, reason string, match func(room.Join) bool) (int, error) {
	h.mu.Lock()
	names := make([]string, 0, len(h.open))
	for name := range h.open {
		names = append(names, name)
	}
	h.mu.Unlock()
	sum := 0
	var errs []error
	for _, name := range names {
		n, err := h.Kick(ctx, name, reason, match)
		sum += n
		errs = append(errs, err)
	}
	return sum, errors.Join(errs...)
}

// known is with for a Room that is open or that something is kept of.
func (h *Handler) known(ctx context.Context, name string, f func(k *keeper, now time.Time)) error {
	if h.look(name) == nil {
		names, err := h.store.Names(ctx)
		if err != nil {
			return fmt.Errorf("rooms: %w", err)
		}
		if !slices.Contains(names, name) {
			return fmt.Errorf("%w: %s", ErrNoRoom, name)
		}
	}
	return h.with(ctx, name, f)
}
