package room

import "time"

// Close codes of docs/rooms.md that the Room decides on.
const (
	CloseBanned   = 4001
	CloseKicked   = 4003
	CloseReplaced = 4013
)

// Welcome is the frame hello, made for one who has come in.
type Welcome struct {
	Type     string   `json:"type"`
	Room     string   `json:"room"`
	Position string   `json:"position"`
	Resumed  bool     `json:"resumed"`
	Now      int64    `json:"now"`
	You      Person   `json:"you"`
	May      []Verb   `json:"may"`
	Limits   Limits   `json:"limits"`
	Settings Settings `json:"settings"`
	// Muted is nil for who may write.
	Muted  *Term  `json:"muted"`
	Pinned *Entry `json:"pinned"`
	// Entries are Public, oldest first, and end at Position.
	Entries []Entry `json:"entries"`
	// Bans is for moderators only, the latest first, with Reason and Address.
	Bans []Entry `json:"bans,omitempty"`
	// State is the frame that follows hello, with everything in it.
	State *State `json:"-"`
}

// Limits are what a client can hold itself to.
type Limits struct {
	Text int `json:"text"`
	Name int `json:"name"`
}

// Term is how long something holds, in ms since 1970, 0 for good.
type Term struct {
	Until int64 `json:"until"`
}

// State is the frame state: each field is nil when it has not changed.
type State struct {
	Type      string       `json:"type"`
	People    *People      `json:"people,omitempty"`
	Reactions []Reaction   `json:"reactions,omitempty"`
	Stream    *StreamState `json:"stream,omitempty"`
}

// People is who is there: of a Node, or of the whole Room.
type People struct {
	// Count is the number of identities that show.
	Count int `json:"count"`
	// List is there when Count is 100 or less, by role and then by name.
	List []Person `json:"list,omitempty"`
	// Reactions and At are between Nodes only: the reactions on a Node since its
	// last People, and its clock in ms since 1970, by which a repetition is known.
	Reactions []Reaction `json:"reactions,omitempty"`
	At        int64      `json:"at,omitempty"`
}

// Reaction is how often an emoji came since the last time.
type Reaction struct {
	Emoji     string `json:"emoji"`
	Count     int    `json:"count"`
	MediaTime int64  `json:"mediaTime,omitempty"`
}

// StreamState is how the Stream of the Room does.
type StreamState struct {
	// State is idle, live, reconnecting or ended; Since when, in ms since 1970.
	State   string        `json:"state"`
	Since   int64         `json:"since"`
	Epoch   uint64        `json:"epoch"`
	Viewers int           `json:"viewers"`
	Layers  []StreamLayer `json:"layers"`
}

// StreamLayer is one video Layer of the Stream.
type StreamLayer struct {
	RID    string `json:"rid"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
	Active bool   `json:"active"`
}

// Reply answers a Command.
type Reply struct {
	// ID is that of the Command.
	ID string
	// Entry and Seq name what has come of it; "" where nothing lasts.
	Entry string
	Seq   uint64
	// Again says that the Command was carried out earlier.
	Again bool
	// Refused is nil for an accepted Command.
	Refused *Refusal
}

// Cut is a connection to be closed. The Room has forgotten it already.
type Cut struct {
	Conn   Conn
	Code   int
	Reason string
}

// Output is what a Room has to tell since the last time.
type Output struct {
	// Entries are to be kept and told to everybody, in the order of Seq. Node
	// says which are of this Node; the others have come by Merge. Everybody gets
	// them as Public.
	Entries []Entry
	// State is nil when nothing has changed.
	State *State
	// Cut are connections to close.
	Cut []Cut
	// Bars are the bans that have come into force, and those lifted, here or on
	// another Node.
	Bars []Entry
	// People is what the other Nodes should know, nil when they need not now.
	People *People
	// Next is when to Drain again though nothing has happened; zero: no need.
	Next time.Time
}

// Remote is what another Node tells: Entries, People or both.
type Remote struct {
	Node    string  `json:"node"`
	Entries []Entry `json:"entries,omitempty"`
	People  *People `json:"people,omitempty"`
}

// Info is a Room at a glance.
type Info struct {
	Name     string
	Position string
	// People is the number of all, on each Node; Connections that of this Node.
	People      int
	Connections int
	Settings    Settings
	Pinned      *Entry
	Stream      *StreamState
	// Bans and Mutes is how many stand, Kept how many Entries are held.
	Bans, Mutes, Kept int
}
