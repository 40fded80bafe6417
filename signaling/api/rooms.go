package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/rooms/room"
)

// Rooms is what is said in Rooms, and who is there. Errors about a Room that is
// not there are for the table of package signaling.
type Rooms interface {
	// Rooms returns the names of all there are, in order.
	Rooms(ctx context.Context) ([]string, error)
	Room(ctx context.Context, name string) (room.Info, error)
	People(ctx context.Context, name string) ([]room.Person, error)
	// Messages returns up to limit before the one of an id, oldest first.
	Messages(ctx context.Context, name, before string, limit int) ([]room.Entry, error)
	// Act carries out a command; by nil is the operator.
	Act(ctx context.Context, name string, by *room.Person, cmd room.Command) (room.Reply, error)
}

// Records is what those who moderate have decided, oldest first.
type Records interface {
	Bans(ctx context.Context, name string) ([]room.Entry, error)
	Mutes(ctx context.Context, name string) ([]room.Entry, error)
	Audit(ctx context.Context, name string) ([]room.Entry, error)
}

// Guests are the connections to Rooms.
type Guests interface {
	// Kick closes those in one Room that match, KickAll those in all; both
	// return how many.
	Kick(ctx context.Context, name, reason string, match func(room.Join) bool) (int, error)
	KickAll(ctx context.Context, reason string, match func(room.Join) bool) (int, error)
}

// actions are the commands that are no message.
var actions = []room.Verb{room.Pin, room.Delete, room.Clear, room.Set, room.Mute, room.Unmute, room.Ban, room.Unban}

func (h *Handler) roomRoutes() map[string]httpx.Methods {
	const get, post, del = http.MethodGet, http.MethodPost, http.MethodDelete
	return map[string]httpx.Methods{
		"/api/v1/rooms":                             {get: h.listRooms},
		"/api/v1/rooms/{stream}":                    {get: h.getRoom},
		"/api/v1/rooms/{stream}/messages":           {get: h.listMessages, post: h.post(h.moderates, h.say)},
		"/api/v1/rooms/{stream}/messages/{message}": {del: h.deleteMessage},
		"/api/v1/rooms/{stream}/people":             {get: h.listPeople},
		"/api/v1/rooms/{stream}/bans":               {get: h.records("bans", h.Records.Bans)},
		"/api/v1/rooms/{stream}/mutes":              {get: h.records("mutes", h.Records.Mutes)},
		"/api/v1/rooms/{stream}/audit":              {get: h.records("audit", h.Records.Audit)},
		"/api/v1/rooms/{stream}/actions":            {post: h.post(h.moderates, h.act)},
	}
}

// moderates lets in who may moderate the Room that a request names.
func (h *Handler) moderates(r *http.Request) (auth.Grant, error) {
	stream, err := httpx.StreamName(r)
	if err != nil {
		return auth.Grant{}, err //nolint:wrapcheck // a Problem
	}
	g, err := h.Auth.Moderate(r, stream)
	if err != nil {
		return g, err //nolint:wrapcheck // for the table
	}
	return g, sameSite(r, g)
}

func (h *Handler) listRooms(w http.ResponseWriter, r *http.Request) error {
	if _, err := h.Auth.Admin(r); err != nil {
		return err
	}
	q, err := query(r, "limit", "cursor")
	if err != nil {
		return err
	}
	win, err := windowOf(q, "rooms")
	if err != nil {
		return err
	}
	names, err := h.Rooms.Rooms(r.Context())
	if err != nil {
		return err
	}
	page, next := cut(names, func(s string) string { return s }, win, "rooms")
	list := RoomList{Rooms: make([]RoomName, len(page)), Next: next}
	for i, name := range page {
		list.Rooms[i] = RoomName{name}
	}
	return httpx.WriteJSON(w, http.StatusOK, list)
}

func (h *Handler) getRoom(w http.ResponseWriter, r *http.Request) error {
	if _, err := h.moderates(r); err != nil {
		return err
	}
	if _, err := query(r); err != nil {
		return err
	}
	i, err := h.Rooms.Room(r.Context(), r.PathValue("stream"))
	if err != nil {
		return err
	}
	return httpx.WriteJSON(w, http.StatusOK, Room{
		Name: i.Name, Position: i.Position, People: i.People, Connections: i.Connections, Settings: i.Settings,
		Pinned: i.Pinned, Stream: i.Stream, Bans: i.Bans, Mutes: i.Mutes, Kept: i.Kept,
	})
}

func (h *Handler) listMessages(w http.ResponseWriter, r *http.Request) error {
	if _, err := h.moderates(r); err != nil {
		return err
	}
	q, err := query(r, "limit", "before")
	if err != nil {
		return err
	}
	limit, err := number(q, "limit", 1, maxLimit, defaultLimit)
	if err != nil {
		return err
	}
	// One more tells whether there are any before.
	all, err := h.Rooms.Messages(r.Context(), r.PathValue("stream"), q.Get("before"), limit+1)
	if err != nil {
		return err
	}
	out := Messages{Messages: append([]room.Entry{}, all...)}
	if len(all) > limit {
		out.Messages = out.Messages[len(all)-limit:]
		out.Next = &out.Messages[0].ID
	}
	return httpx.WriteJSON(w, http.StatusOK, out)
}

func (h *Handler) listPeople(w http.ResponseWriter, r *http.Request) error {
	if _, err := h.moderates(r); err != nil {
		return err
	}
	q, err := query(r, "limit", "cursor")
	if err != nil {
		return err
	}
	win, err := windowOf(q, "people")
	if err != nil {
		return err
	}
	all, err := h.Rooms.People(r.Context(), r.PathValue("stream"))
	if err != nil {
		return err
	}
	// By identity, so that a name that changes spoils no page.
	slices.SortFunc(all, func(a, b room.Person) int { return cmp.Compare(a.Identity, b.Identity) })
	page, next := cut(all, func(p room.Person) string { return p.Identity }, win, "people")
	return httpx.WriteJSON(w, http.StatusOK, People{page, next})
}

// records serves a list of what those who moderate have decided.
func (h *Handler) records(list string, of func(context.Context, string) ([]room.Entry, error)) httpx.Func {
	key := func(e room.Entry) string { return timeKey(time.UnixMilli(e.At), e.ID) }
	return func(w http.ResponseWriter, r *http.Request) error {
		if _, err := h.moderates(r); err != nil {
			return err
		}
		q, err := query(r, "limit", "cursor")
		if err != nil {
			return err
		}
		win, err := windowOf(q, list)
		if err != nil {
			return err
		}
		all, err := of(r.Context(), r.PathValue("stream"))
		if err != nil {
			return err
		}
		slices.SortFunc(all, func(a, b room.Entry) int { return strings.Compare(key(a), key(b)) })
		page, next := cut(all, key, win, list)
		return httpx.WriteJSON(w, http.StatusOK, Entries{page, next})
	}
}

func (h *Handler) say(c *call) (reply, error) {
	var in NewMessage
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if !c.grant.PublishData && !c.grant.Operator {
		return reply{}, problem(http.StatusForbidden, "", "the access token has canPublishData false")
	}
	cmd := room.Command{Verb: room.Say, ID: c.id, Text: in.Text, ReplyTo: in.ReplyTo, MediaTime: in.MediaTime}
	if in.Announce {
		cmd.Verb = room.Announce
	}
	done, err := h.carryOut(c.Context(), c.PathValue("stream"), c.grant, cmd)
	return reply{status: http.StatusCreated, body: done}, err
}

func (h *Handler) deleteMessage(w http.ResponseWriter, r *http.Request) error {
	grant, err := h.moderates(r)
	if err != nil {
		return err
	}
	if _, err := query(r); err != nil {
		return err
	}
	cmd := room.Command{Verb: room.Delete, Target: r.PathValue("message")}
	done, err := h.carryOut(r.Context(), r.PathValue("stream"), grant, cmd)
	if err != nil {
		return err
	}
	return httpx.WriteJSON(w, http.StatusOK, done)
}

func (h *Handler) act(c *call) (reply, error) {
	// Strictly for the names of the fields, then as any client's command.
	if err := httpx.DecodeExact(c.body, &Action{}); err != nil {
		return reply{}, err //nolint:wrapcheck // a Problem
	}
	cmd, err := room.Decode(c.body)
	if err != nil {
		return reply{}, refused(err)
	}
	if !slices.Contains(actions, cmd.Verb) {
		return reply{}, problem(http.StatusBadRequest, codeBadField, "type is none of pin, delete, clear, settings, mute, unmute, ban, unban")
	}
	cmd.ID = c.id // an Action has none
	done, err := h.carryOut(c.Context(), c.PathValue("stream"), c.grant, cmd)
	return reply{status: http.StatusOK, body: done}, err
}

// carryOut has a command done in the name of who sent the request, whom the
// Room's audit then shows.
func (h *Handler) carryOut(ctx context.Context, stream string, g auth.Grant, cmd room.Command) (Done, error) {
	rep, err := h.Rooms.Act(ctx, stream, actor(g), cmd)
	if err != nil {
		return Done{}, err //nolint:wrapcheck // for the table
	}
	if rep.Refused != nil {
		return Done{}, refused(rep.Refused)
	}
	return Done{Entry: rep.Entry, Seq: rep.Seq}, nil
}

// actor returns in whose name a command is carried out.
func actor(g auth.Grant) *room.Person {
	p := &room.Person{Identity: g.Identity, Name: cmp.Or(g.Name, g.Identity), Role: room.Moderator}
	switch {
	case g.Operator && g.Identity == "":
		return nil // on an open server
	case g.Operator:
		p.Role = room.Operator
	case g.Publish:
		p.Role = room.Host
	}
	return p
}

// statuses are how HTTP says what a Room refuses.
var statuses = map[error]int{
	room.ErrMalformed: http.StatusBadRequest, room.ErrTooLong: http.StatusBadRequest, room.ErrEmpty: http.StatusBadRequest,
	room.ErrRate: http.StatusTooManyRequests, room.ErrSlowMode: http.StatusTooManyRequests,
	room.ErrMuted: http.StatusForbidden, room.ErrLocked: http.StatusForbidden, room.ErrForbidden: http.StatusForbidden,
	room.ErrUnknownTarget: http.StatusNotFound,
}

// refused makes a problem of a Room's refusal, with the protocol's reason as its
// code.
func refused(err error) error {
	var r *room.Refusal
	if !errors.As(err, &r) {
		return err
	}
	p := problem(http.StatusServiceUnavailable, r.Reason(), "%v", r)
	if status := statuses[r.Err]; status != 0 {
		p.Status = status
	}
	p.RetryAfter = r.Wait
	return p
}
