package api

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/signaling/auth"
)

const (
	defaultTTL  = 24 * 60 * 60
	minTTL      = 60
	maxSeconds  = 366 * 24 * 60 * 60
	maxIdentity = 128 // bytes
	maxReason   = 500

	openNote = "this server has no keys: it needs no tokens, and anybody may publish and watch"
)

// NewStream is the body of POST /api/v1/streams. All of it may be left out.
type NewStream struct {
	// Name is the Stream's; "" has one made up.
	Name string `json:"name"`
	// TTL is how long the tokens hold, in seconds; 0 is a day.
	TTL int `json:"ttl"`
	// Identity is the publisher's, "" has one made up.
	Identity string `json:"identity"`
}

// Access is all that it takes to use a Stream.
type Access struct {
	Name string `json:"name"`
	Links
	// The tokens are nil on an open server. None follows from another.
	Publish  *Token `json:"publish"`
	Play     *Token `json:"play"`
	Moderate *Token `json:"moderate"`
	// OBS is what goes into the fields of its stream settings.
	OBS OBS `json:"obs"`
	// Note says what else there is to know, "" for nothing.
	Note string `json:"note,omitempty"`
}

// Links are the addresses of a Stream. Those of pages and of the playlist carry
// the token that they need; the publish token is in BroadcastURL alone.
type Links struct {
	PublishURL   string `json:"publishUrl"`
	PlayURL      string `json:"playUrl"`
	HLSURL       string `json:"hlsUrl"`
	WatchURL     string `json:"watchUrl"`
	EmbedURL     string `json:"embedUrl"`
	BroadcastURL string `json:"broadcastUrl"`
	// RoomURL is that of the WebSocket, EventsURL that of the event stream.
	RoomURL   string `json:"roomUrl"`
	EventsURL string `json:"eventsUrl"`
}

// Token is an access token and what it is.
type Token struct {
	Token string `json:"token"`
	// ID is by what the token is known in lists and revoked.
	ID       string    `json:"id"`
	Identity string    `json:"identity"`
	Role     string    `json:"role"`
	Expires  time.Time `json:"expires"`
}

// OBS has the fields of OBS's stream settings.
type OBS struct {
	Service     string `json:"service"`
	Server      string `json:"server"`
	BearerToken string `json:"bearerToken"`
}

// NewToken is the body of POST /api/v1/streams/{stream}/tokens.
type NewToken struct {
	// Role is what the bearer may do; "" is viewer.
	Role string `json:"role"`
	// Identity is the bearer's, "" has one made up.
	Identity string `json:"identity"`
	// Name is how the Room calls the bearer, who may choose where it is "".
	Name string `json:"name"`
	// TTL is how long it holds, in seconds; 0 is a day.
	TTL int `json:"ttl"`
}

// roles are what tokens grant (docs/rooms.md).
var roles = map[string]auth.MintOptions{
	"host":      {Publish: true, Subscribe: true, Data: true, Admin: true},
	"moderator": {Subscribe: true, Data: true, Admin: true},
	"speaker":   {Publish: true, Subscribe: true, Data: true},
	"viewer":    {Subscribe: true, Data: true},
}

// createStream makes tokens for a Stream, which begins to be when somebody
// publishes it.
func (h *Handler) createStream(c *call) (reply, error) {
	var in NewStream
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	ttl, err := lifetime(in.TTL)
	if err != nil {
		return reply{}, err
	}
	if err := checkText("identity", in.Identity, maxIdentity); err != nil {
		return reply{}, err
	}
	switch {
	case in.Name == "":
		in.Name = madeUp("stream")
	case !httpx.ValidStreamName(in.Name):
		return reply{}, problem(http.StatusBadRequest, codeBadField,
			"name: a stream name has up to 64 letters, digits, _ and -, and begins with a letter or digit")
	}
	if err := h.checkFree(in.Name, in.Identity); err != nil {
		return reply{}, err
	}
	out := Access{Name: in.Name}
	for _, t := range []struct {
		to             **Token
		role, identity string
	}{{&out.Publish, "host", in.Identity}, {&out.Play, "viewer", ""}, {&out.Moderate, "moderator", ""}} {
		if *t.to, err = h.mint(in.Name, NewToken{Role: t.role, Identity: t.identity}, ttl); err != nil {
			return reply{}, err
		}
	}
	base, _ := httpx.Origin(c.Request)
	out.Links = linksOf(base, in.Name, out.Publish, out.Play)
	out.OBS = OBS{Service: "WHIP", Server: out.PublishURL}
	if out.Publish == nil {
		out.Note = openNote
	} else {
		out.OBS.BearerToken = out.Publish.Token
	}
	return reply{http.StatusCreated, base + "/api/v1/streams/" + in.Name, out}, nil
}

// createToken makes one more token for a Stream: each person in a Room needs an
// own one, or they are one person to it.
func (h *Handler) createToken(c *call) (reply, error) {
	stream, err := httpx.StreamName(c.Request)
	if err != nil {
		return reply{}, err //nolint:wrapcheck // a Problem
	}
	var in NewToken
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	ttl, err := lifetime(in.TTL)
	if err != nil {
		return reply{}, err
	}
	if in.Role == "" {
		in.Role = "viewer"
	}
	if _, known := roles[in.Role]; !known {
		return reply{}, problem(http.StatusBadRequest, codeBadField, "role is none of host, moderator, speaker, viewer")
	}
	if err := checkText("identity", in.Identity, maxIdentity); err != nil {
		return reply{}, err
	}
	if err := checkText("name", in.Name, maxIdentity); err != nil {
		return reply{}, err
	}
	token, err := h.mint(stream, in, ttl)
	if err != nil {
		return reply{}, err
	}
	if token == nil {
		return reply{}, problem(http.StatusConflict, "open-server", openNote)
	}
	return reply{status: http.StatusCreated, body: token}, nil
}

// checkFree refuses the name of a Stream that somebody else publishes.
func (h *Handler) checkFree(name, identity string) error {
	snap := h.Streams.Stream(name)
	if snap == nil || snap.State != media.Live {
		return nil
	}
	for _, i := range h.Publishers.Infos(name) {
		if identity != "" && i.Identity == identity {
			return nil
		}
	}
	return problem(http.StatusConflict, codeNameTaken,
		"somebody publishes %s now; choose another name, or name the publisher's identity", name)
}

// mint makes a token for a role, nil on an open server.
func (h *Handler) mint(stream string, want NewToken, ttl time.Duration) (*Token, error) {
	o := roles[want.Role]
	o.Stream, o.Identity, o.Name, o.TTL = stream, want.Identity, want.Name, ttl
	if o.Identity == "" {
		o.Identity = madeUp(want.Role)
	}
	text, err := h.Auth.Mint(o)
	if err != nil || text == "" {
		return nil, err
	}
	g, err := h.Auth.Inspect(text)
	if err != nil {
		return nil, err
	}
	return &Token{Token: text, ID: g.TokenID, Identity: g.Identity, Role: want.Role, Expires: g.Expires.UTC()}, nil
}

// linksOf returns a Stream's addresses: absolute ones, unless base is empty.
func linksOf(base, name string, publish, play *Token) Links {
	with := func(path string, t *Token) string {
		if t == nil {
			return base + path
		}
		return base + path + "?token=" + url.QueryEscape(t.Token)
	}
	ws := base
	if rest, ok := strings.CutPrefix(base, "http"); ok {
		ws = "ws" + rest // wss of https
	}
	return Links{
		PublishURL: base + "/whip/" + name, PlayURL: base + "/whep/" + name,
		HLSURL:   with("/hls/"+name+"/index.m3u8", play),
		WatchURL: with("/watch/"+name, play), EmbedURL: with("/embed/"+name, play),
		BroadcastURL: with("/broadcast/"+name, publish),
		RoomURL:      ws + "/rooms/" + name + "/ws", EventsURL: base + "/rooms/" + name + "/events",
	}
}

func lifetime(seconds int) (time.Duration, error) {
	if seconds == 0 {
		seconds = defaultTTL
	}
	if seconds < minTTL || seconds > maxSeconds {
		return 0, problem(http.StatusBadRequest, codeBadField, "ttl must be between %d and %d seconds", minTTL, maxSeconds)
	}
	return time.Duration(seconds) * time.Second, nil
}

// checkText refuses what would spoil lists and logs.
func checkText(field, s string, most int) error {
	if len(s) > most {
		return problem(http.StatusBadRequest, codeBadField, "%s may have %d bytes", field, most)
	}
	for _, r := range s {
		if !unicode.IsGraphic(r) || r == utf8.RuneError {
			return problem(http.StatusBadRequest, codeBadField, "%s has characters that cannot be shown", field)
		}
	}
	return nil
}

// madeUp returns a name that nobody else has.
func madeUp(kind string) string {
	return kind + "-" + strings.ToLower(rand.Text()[:12])
}
