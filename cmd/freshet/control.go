package main

import (
	"errors"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/signaling/api"
	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/rooms"
	"github.com/freshet-live/freshet/signaling/rooms/room"
	"github.com/freshet-live/freshet/signaling/session"
)

// errBanned ends the sessions of somebody who is banned from the Room.
var errBanned = errors.New("banned from the room")

// openBars reads who is kept out. Where another server has the data directory,
// its list is heeded and not written to.
func (s *server) openBars(set *settings) (err error) {
	path := filepath.Join(set.DataDir, "revocations.jsonl")
	open := auth.NewBars
	if s.roomTemp != "" {
		open = auth.CopyBars
	}
	if s.access.bars, err = open(path); err != nil {
		return err //nolint:wrapcheck // says all
	}
	s.access.verifier.Load().Bars = s.access.bars
	s.access.banned = s.rooms.Barred
	return nil
}

// openControl puts the control API together.
func (s *server) openControl(site *httpx.Site) *api.Handler {
	s.whip.Sessions.Barred, s.whep.Sessions.Barred = s.access.barred(true), s.access.barred(false)
	control := &api.Handler{
		Site: site, Auth: &s.access, Streams: s.hub, Publishers: s.whip, Viewers: s.whep, Bars: s.access.bars,
		Rooms: s.rooms, Records: s.rooms, Guests: s.rooms, Webhooks: s.hooks, Log: s.log,
	}
	if s.hls != nil {
		control.Egress = egress{s.hls}
	}
	return control
}

// roomBar ends what somebody has open who was banned in the Room, here or on
// another Node. It is called by Rooms and does not block.
func (s *server) roomBar(stream string, e room.Entry) {
	if e.Kind != room.Banned {
		return
	}
	match := reaches(stream, e)
	if n := s.whip.End(match, errBanned) + s.whep.End(match, errBanned); n > 0 {
		s.log.Info("sessions of somebody banned were ended", "stream", stream, "sessions", n)
	}
}

// reaches returns whom a ban in a Stream's Room reaches.
func reaches(stream string, e room.Entry) func(session.Info) bool {
	return func(i session.Info) bool {
		return i.Stream == stream && e.Reaches(i.Identity, roleOf(i.Grant), i.Address)
	}
}

// revoked returns why somebody is kept out of a Room who was let in a moment
// ago.
func (a *access) revoked(g auth.Grant) error {
	return a.bars.Check(g, false, time.Now()) //nolint:wrapcheck // is the reason
}

// barred returns why a session is not to go on that was let in before, nil when
// it may.
func (a *access) barred(publishing bool) func(session.Info) error {
	return func(i session.Info) error {
		if err := a.bars.Check(i.Grant, publishing, time.Now()); err != nil {
			return err //nolint:wrapcheck // is the reason
		}
		_, err := a.heed(i.Grant, nil)
		return err
	}
}

// roleOf returns the role in which a ban of the Room finds somebody outside of
// it. On an open server that is a viewer: anybody could say to be more.
func roleOf(g auth.Grant) room.Role {
	switch {
	case g.Open:
		return room.Viewer
	case g.Operator:
		return room.Operator
	default:
		return rooms.RoleOf(g, nil)
	}
}

// heed passes on what was decided about a request, unless a ban of the Room
// stands against it.
func (a *access) heed(g auth.Grant, err error) (auth.Grant, error) {
	if err != nil {
		return g, err
	}
	if a.banned(g.Stream, g.Identity, roleOf(g), g.Address) {
		return auth.Grant{}, room.ErrBanned
	}
	return g, nil
}

// Moderate decides who may moderate a Stream's Room.
func (a *access) Moderate(r *http.Request, stream string) (auth.Grant, error) {
	return a.heed(a.verifier.Load().Moderate(r, stream))
}

// Operate decides who may do everything.
func (a *access) Operate(r *http.Request) (auth.Grant, error) {
	return a.verifier.Load().Operate(r)
}

// Inspect tells whose a token is.
func (a *access) Inspect(token string) (auth.Grant, error) {
	return a.verifier.Load().Inspect(token)
}

// Mint makes a token.
func (a *access) Mint(o auth.MintOptions) (string, error) { return a.verifier.Load().Mint(o) }

// bearer names who asked for an HLS address, for Barred.
func bearer(g auth.Grant) string {
	return g.TokenID + "\n" + string(roleOf(g)) + "\n" + g.Identity
}

// Barred reports whether an HLS address that was given out holds no more. Where
// it is not known who has it, a viewer does.
func (a *access) Barred(stream, bearer string, addr netip.Addr) bool {
	token, rest, _ := strings.Cut(bearer, "\n")
	role, identity, _ := strings.Cut(rest, "\n")
	g := auth.Grant{Stream: stream, TokenID: token, Identity: identity, Address: addr}
	return a.bars.Check(g, false, time.Now()) != nil || a.banned(stream, identity, room.Role(role), addr)
}
