package api

import "github.com/freshet-live/freshet/signaling/rooms/room"

// RoomList is the body of GET /api/v1/rooms.
type RoomList struct {
	Rooms []RoomName `json:"rooms"`
	Next  *string    `json:"next,omitempty"`
}

// RoomName is a Room in a list.
type RoomName struct {
	Name string `json:"name"`
}

// Room is the body of GET /api/v1/rooms/{stream}.
type Room struct {
	Name string `json:"name"`
	// Position is up to where it is told (docs/rooms.md).
	Position string `json:"position"`
	// People is the number of all, Connections that of this Node.
	People      int               `json:"people"`
	Connections int               `json:"connections"`
	Settings    room.Settings     `json:"settings"`
	Pinned      *room.Entry       `json:"pinned"`
	Stream      *room.StreamState `json:"stream"`
	// Bans and Mutes is how many stand, Kept how many Entries are held.
	Bans  int `json:"bans"`
	Mutes int `json:"mutes"`
	Kept  int `json:"kept"`
}

// Messages is the body of GET /api/v1/rooms/{stream}/messages.
type Messages struct {
	// Messages are oldest first; Next is what "before" is to be for those before
	// them, nil when there are none.
	Messages []room.Entry `json:"messages"`
	Next     *string      `json:"next,omitempty"`
}

// Entries is the body of the bans, mutes and audit of a Room.
type Entries struct {
	Entries []room.Entry `json:"entries"`
	Next    *string      `json:"next,omitempty"`
}

// People is the body of GET /api/v1/rooms/{stream}/people.
type People struct {
	People []room.Person `json:"people"`
	Next   *string       `json:"next,omitempty"`
}

// NewMessage is the body of POST /api/v1/rooms/{stream}/messages.
type NewMessage struct {
	Text string `json:"text"`
	// Announce makes it an announcement, as everything is that an operator says.
	Announce  bool   `json:"announce"`
	ReplyTo   string `json:"replyTo"`
	MediaTime int64  `json:"mediaTime"`
}

// Action is the body of POST /api/v1/rooms/{stream}/actions: a moderator's
// command of docs/rooms.md.
type Action struct {
	Type     string  `json:"type"`
	Target   *string `json:"target,omitempty"`
	Seconds  float64 `json:"seconds,omitempty"`
	Address  bool    `json:"address,omitempty"`
	Reason   string  `json:"reason,omitempty"`
	SlowMode *int    `json:"slowMode,omitempty"`
	Locked   *bool   `json:"locked,omitempty"`
}

// Done names the Entry that has come of something.
type Done struct {
	Entry string `json:"entry"`
	Seq   uint64 `json:"seq"`
}
