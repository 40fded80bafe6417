package rooms

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/rooms/room"
)

// maxQuery bounds each query parameter of those who come in, in bytes.
const maxQuery = 256

// RoleOf returns the role that a grant gives. On an open server the query
// parameter "role" chooses, since anybody may be anything there; r is only
// looked at for that.
func RoleOf(g auth.Grant, r *http.Request) room.Role {
	switch {
	case g.Open:
		switch role := room.Role(r.URL.Query().Get("role")); role {
		case room.Host, room.Moderator, room.Speaker:
			return role
		default:
			return room.Viewer
		}
	case g.Admin && g.Publish:
		return room.Host
	case g.Admin:
		return room.Moderator
	case g.Publish:
		return room.Speaker
	default:
		return room.Viewer
	}
}

// visitor returns who comes in by a request.
func visitor(g auth.Grant, r *http.Request) room.Join {
	j := room.Join{
		Person: room.Person{Identity: g.Identity, Name: g.Name, Role: RoleOf(g, r)},
		Write:  g.PublishData, Hidden: g.Hidden, Named: g.Name != "", Address: g.Address, Token: g.TokenID,
		Resume: parameter(r, "resume"),
	}
	if !j.Named {
		j.Person.Name = parameter(r, "name")
	}
	if j.Person.Identity == "" { // no token, on an open server
		j.Person.Identity = "guest-" + strings.ToLower(rand.Text()[:12])
	}
	if id := r.Header.Get("Last-Event-ID"); id != "" && len(id) <= maxQuery {
		j.Resume = id
	}
	return j
}

// parameter returns a query parameter, "" for one that is far too long.
func parameter(r *http.Request, name string) string {
	if v := r.URL.Query().Get(name); len(v) <= maxQuery {
		return v
	}
	return ""
}

// admit lets in who may come, and gives them a seat. What costs nothing is asked
// first: about a token another server may have to be asked, and that only as
// often at once as there are seats.
func (h *Handler) admit(r *http.Request, stream string) (j room.Join, giveBack func(), err error) {
	if err := h.joins.Check(r, time.Now()); err != nil {
		return j, nil, err
	}
	giveBack, err = h.seats.take(auth.Address(r))
	if err != nil {
		return j, nil, err
	}
	grant, err := h.cfg.Auth.Room(r, stream)
	if err != nil {
		giveBack()
		return j, nil, err
	}
	return visitor(grant, r), giveBack, nil
}

// enter brings somebody into a Room. The member's own frames are those that
// begin each connection, and the member has to leave in the end.
func (h *Handler) enter(r *http.Request, stream string, transport int) (m *member, leave func(), err error) {
	j, giveBack, err := h.admit(r, stream)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			giveBack()
		}
	}()
	j.Conn = room.Conn(h.conns.Add(1))
	m = newMember(j.Conn)
	var welcome room.Welcome
	var refused error
	err = h.with(r.Context(), stream, func(k *keeper, now time.Time) { welcome, refused = k.join(now, m, j) })
	switch {
	case err != nil:
		// The keeper may come to it later, though nobody waits any more.
		h.withdraw(m)
		return nil, nil, err
	case refused != nil:
		return nil, nil, refused
	}
	if err = h.revoked(stream, &j); err != nil {
		h.withdraw(m)
		return nil, nil, err
	}
	h.metrics.transport[transport].Inc()
	m.own = append(m.own, newFrame("hello", welcome.Position, encode(welcome), time.Now()),
		newFrame("state", "", encode(welcome.State), time.Now()))
	return m, func() {
		h.withdraw(m)
		h.metrics.transport[transport].Dec()
		giveBack()
	}, nil
}

// revoked returns why somebody has to leave who has just come in.
func (h *Handler) revoked(stream string, j *room.Join) error {
	if h.cfg.Revoked == nil {
		return nil
	}
	return h.cfg.Revoked(auth.Grant{Stream: stream, Identity: j.Person.Identity, TokenID: j.Token, Address: j.Address})
}

// withdraw takes a member out of the Room.
func (h *Handler) withdraw(m *member) {
	m.mu.Lock()
	m.gone = true
	k := m.keeper
	m.mu.Unlock()
	if k == nil {
		return
	}
	// The keeper never waits for members, so this is not for long.
	_ = k.post(context.Background(), func(now time.Time) {
		k.room.Leave(now, m.id)
		if k.members[m.id] != nil {
			k.remove(m)
		}
	})
}

// join lets the Room decide, and gives the member its place in the ring: where
// the Entries end that it is welcomed with.
func (k *keeper) join(now time.Time, m *member, j room.Join) (room.Welcome, error) {
	m.mu.Lock()
	gone := m.gone
	if !gone {
		m.keeper = k
	}
	m.mu.Unlock()
	if gone {
		return room.Welcome{}, context.Canceled
	}
	w, err := k.room.Join(now, j)
	if err != nil {
		return w, err
	}
	// What is with the Store still comes by the ring.
	read := uint64(0)
	if w.Resumed {
		read = readUpTo(j.Resume)
	}
	s := k.place(now, read)
	n := len(w.Entries)
	for n > 0 && w.Entries[n-1].Seq > s.published {
		n--
	}
	w.Entries = w.Entries[:n]
	w.Position = k.position(s)
	m.section, m.place, m.position = s, s.ring.end(), w.Position
	k.members[m.id], s.members[m.id] = m, m
	return w, nil
}
