package webhook

import (
	"crypto/rand"
	"time"

	"github.com/freshet-live/freshet/signaling/rooms/room"
)

// The names of Events. Those of LiveKit mean what they mean there.
const (
	// RoomStarted and RoomFinished: a Stream begins, and ends for good.
	RoomStarted  = "room_started"
	RoomFinished = "room_finished"
	// StreamReconnecting and StreamResumed: its publisher is gone, and back.
	StreamReconnecting = "stream_reconnecting"
	StreamResumed      = "stream_resumed"
	// ParticipantJoined and ParticipantLeft: a publisher at once, viewers in
	// batches.
	ParticipantJoined = "participant_joined"
	ParticipantLeft   = "participant_left"
	// RoomMessage: somebody has said something in a Stream's Room.
	RoomMessage = "room_message"
)

// Event is the JSON body of one webhook: LiveKit's WebhookEvent with fields of
// our own, which its receivers pass over. It is immutable once made.
type Event struct {
	Event string `json:"event"`
	// ID is the same each time that the Event is sent.
	ID string `json:"id"`
	// CreatedAt is in s since 1970, CreatedAtMs in ms.
	CreatedAt   int64  `json:"createdAt"`
	CreatedAtMs int64  `json:"createdAtMs"`
	Node        string `json:"node,omitempty"`
	Room        *Room  `json:"room,omitempty"`
	// Participant is who has come or gone; of several, the first.
	Participant *Participant `json:"participant,omitempty"`
	// Participants are all of them, when they are several.
	Participants []*Participant `json:"participants,omitempty"`
	// Stream is how the Stream does, for the Events about it.
	Stream *Stream `json:"stream,omitempty"`
	// Message is what was said.
	Message *room.Entry `json:"message,omitempty"`
}

// Room is a Stream as LiveKit describes a room. SID and the times are those of
// one broadcast, from its start to its end; they are empty for a viewer who
// waits for it.
type Room struct {
	SID  string `json:"sid,omitempty"`
	Name string `json:"name"`
	// CreationTime is in s since 1970, CreationTimeMs in ms.
	CreationTime    int64 `json:"creationTime,omitempty"`
	CreationTimeMs  int64 `json:"creationTimeMs,omitempty"`
	NumParticipants int   `json:"numParticipants,omitempty"`
	NumPublishers   int   `json:"numPublishers,omitempty"`
}

// Participant is a publisher or viewer as LiveKit describes a participant.
type Participant struct {
	// SID is the session's id, as in the control API.
	SID      string `json:"sid"`
	Identity string `json:"identity"`
	Name     string `json:"name,omitempty"`
	// State is ACTIVE or DISCONNECTED.
	State string `json:"state"`
	// JoinedAt is in s since 1970, JoinedAtMs in ms.
	JoinedAt    int64 `json:"joinedAt"`
	JoinedAtMs  int64 `json:"joinedAtMs"`
	IsPublisher bool  `json:"isPublisher,omitempty"`

	// The rest is our own. Via is whip or whep; LeftAtMs is in ms since 1970.
	Via       string `json:"via,omitempty"`
	Address   string `json:"address,omitempty"`
	UserAgent string `json:"userAgent,omitempty"`
	LeftAtMs  int64  `json:"leftAtMs,omitempty"`
}

// Stream is the state of a Stream, in our own words.
type Stream struct {
	State string `json:"state"`
	// Since is when the state began, in ms since 1970.
	Since int64 `json:"since"`
	// Epoch counts the publisher's turns.
	Epoch   uint64 `json:"epoch"`
	Viewers int    `json:"viewers"`
}

// Visit is one session of a publisher or viewer.
type Visit struct {
	Stream   string
	Session  string
	Identity string
	Name     string
	// Address is the client's, Via how it has come: whip or whep.
	Address, Via string
	UserAgent    string
	Publisher    bool
	Since        time.Time
}

func newID(prefix string) string { return prefix + rand.Text() }
