package api

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/rooms/room"
	"github.com/freshet-live/freshet/signaling/session"
)

// leeway is for how long after its end a token may still be taken, as clocks
// differ.
const leeway = 2 * time.Minute

// reasonRevoked is what a Room's connection is closed with.
const reasonRevoked = "access was revoked"

// Revoke is the body of POST /api/v1/revocations. One of Token to Address says
// who is meant.
type Revoke struct {
	Token    string `json:"token"`
	TokenID  string `json:"tokenId"`
	Identity string `json:"identity"`
	Address  string `json:"address"`
	// Stream narrows an Identity or an Address down to one Stream.
	Stream string `json:"stream"`
	// TTL is how long it holds, in seconds; 0 is as long as the token, or for
	// good.
	TTL    int    `json:"ttl"`
	Reason string `json:"reason"`
}

// Revocations is the body of GET /api/v1/revocations.
type Revocations struct {
	Revocations []auth.Bar `json:"revocations"`
	Next        *string    `json:"next,omitempty"`
}

// Ended tells what an end, a kick or a revocation has done.
type Ended struct {
	// Sessions is how many were ended, connections to Rooms among them.
	Sessions int `json:"sessions"`
	// Revocation keeps them out, nil when nothing does.
	Revocation *auth.Bar `json:"revocation"`
}

func (h *Handler) revoke(c *call) (reply, error) {
	var in Revoke
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	bar, err := h.barOf(&in)
	if err != nil {
		return reply{}, err
	}
	// A ttl goes before the end of the token.
	if in.TTL < 0 || in.TTL > maxSeconds {
		return reply{}, problem(http.StatusBadRequest, codeBadField, "ttl must be between 0 and %d seconds", maxSeconds)
	}
	if bar, err = h.bar(bar, time.Duration(in.TTL)*time.Second); err != nil {
		return reply{}, err
	}
	n, err := h.expel(c.Context(), &bar)
	if err != nil {
		return reply{}, err
	}
	h.Log.InfoContext(c.Context(), "access was revoked by the API", "revocation", bar.ID, "by", c.grant.Identity)
	return reply{http.StatusCreated, "/api/v1/revocations/" + bar.ID, Ended{Sessions: n, Revocation: &bar}}, nil
}

// barOf makes a Bar of what a request says.
func (h *Handler) barOf(in *Revoke) (auth.Bar, error) {
	bad := func(detail string) (auth.Bar, error) {
		return auth.Bar{}, &httpx.Problem{Status: http.StatusBadRequest, Code: codeBadField, Detail: detail}
	}
	given := 0
	for _, s := range []string{in.Token, in.TokenID, in.Identity, in.Address} {
		if s != "" {
			given++
		}
	}
	switch {
	case given != 1:
		return bad("one of token, tokenId, identity and address says who is meant")
	case in.Stream != "" && in.Identity == "" && in.Address == "":
		return bad("stream goes with identity or address; a token has its own")
	case in.Stream != "" && !httpx.ValidStreamName(in.Stream):
		return bad("stream is no stream name")
	}
	for field, s := range map[string]string{"tokenId": in.TokenID, "identity": in.Identity} {
		if err := checkText(field, s, 2*maxIdentity); err != nil {
			return auth.Bar{}, err
		}
	}
	if err := checkText("reason", in.Reason, maxReason); err != nil {
		return auth.Bar{}, err
	}
	bar := auth.Bar{TokenID: in.TokenID, Identity: in.Identity, Stream: in.Stream, Reason: in.Reason}
	if in.Address != "" {
		addr, err := netip.ParseAddr(in.Address)
		if err != nil || addr.Zone() != "" || addr.IsUnspecified() {
			return bad("address is no IP address")
		}
		bar.Address = addr.Unmap()
	}
	if in.Token != "" {
		g, err := h.Auth.Inspect(in.Token)
		if err != nil {
			return bad("token: it lets nobody in anyway, as it is none of ours or is over")
		}
		bar.TokenID = g.TokenID
		if !g.Expires.IsZero() {
			bar.Until = g.Expires.Add(leeway)
		}
	}
	return bar, nil
}

// expel ends what somebody has open who is barred now, and returns how many
// sessions that were.
func (h *Handler) expel(ctx context.Context, bar *auth.Bar) (int, error) {
	matches := func(publishing bool) func(session.Info) bool {
		return func(i session.Info) bool { return bar.Matches(i.Grant, publishing) }
	}
	n := h.Publishers.End(matches(true), auth.ErrRevoked) + h.Viewers.End(matches(false), auth.ErrRevoked)
	if bar.Publish || h.Guests == nil {
		return n, nil
	}
	in := func(j room.Join) bool {
		return bar.Matches(auth.Grant{
			Stream: bar.Stream, Identity: j.Person.Identity, TokenID: j.Token, Address: j.Address,
		}, false)
	}
	var kicked int
	var err error
	if bar.Stream != "" {
		kicked, err = h.Guests.Kick(ctx, bar.Stream, reasonRevoked, in)
	} else {
		kicked, err = h.Guests.KickAll(ctx, reasonRevoked, in)
	}
	return n + kicked, err //nolint:wrapcheck // for the table
}

func (h *Handler) listRevocations(w http.ResponseWriter, r *http.Request) error {
	if _, err := h.Auth.Operate(r); err != nil {
		return err
	}
	q, err := query(r, "limit", "cursor")
	if err != nil {
		return err
	}
	win, err := windowOf(q, "revocations")
	if err != nil {
		return err
	}
	key := func(b auth.Bar) string { return timeKey(b.At, b.ID) }
	page, next := cut(h.Bars.List(time.Now()), key, win, "revocations")
	return httpx.WriteJSON(w, http.StatusOK, Revocations{page, next})
}

func (h *Handler) getRevocation(w http.ResponseWriter, r *http.Request) error {
	if _, err := h.Auth.Operate(r); err != nil {
		return err
	}
	if _, err := query(r); err != nil {
		return err
	}
	for _, bar := range h.Bars.List(time.Now()) {
		if bar.ID == r.PathValue("revocation") {
			return httpx.WriteJSON(w, http.StatusOK, bar)
		}
	}
	return errNoRevocation()
}

// lift lets somebody in again.
func (h *Handler) lift(w http.ResponseWriter, r *http.Request) error {
	grant, err := h.operates(r)
	if err != nil {
		return err
	}
	if _, err := query(r); err != nil {
		return err
	}
	id := r.PathValue("revocation")
	lifted, err := h.Bars.Lift(id, time.Now())
	if err != nil {
		return err
	}
	if !lifted {
		return errNoRevocation()
	}
	h.Log.InfoContext(r.Context(), "revocation was lifted by the API", "revocation", id, "by", grant.Identity)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func errNoRevocation() error {
	return problem(http.StatusNotFound, codeNoRevocation, "there is no such revocation; it may have ended")
}
