// Package room is the pure core of a Room: who is there, what was said, what a
// moderator has decided. It knows no clock, socket or file.
//
// Whatever lasts is an Entry. A command is first decided, which gives Entries or
// a refusal, and an Entry is then applied. Entries of this Node, of other Nodes
// and of yesterday's file are applied in the same way, so that the state of a
// Room is nothing but what its Entries say. What does not last (who is here,
// reactions, how the Stream does) is told by its newest value.
package room

import (
	"net/netip"
	"strings"
)

// Role is what somebody may do in a Room. Each may do what those before may.
type Role string

// The roles, by the grants of the access token: host has roomAdmin and
// canPublish, moderator roomAdmin, speaker canPublish, viewer none of them.
const (
	Viewer    Role = "viewer"
	Speaker   Role = "speaker"
	Moderator Role = "moderator"
	Host      Role = "host"
	// Operator is who runs the server. Nobody joins as one: an operator acts
	// by the API, and everybody else sees what was done but not by whom.
	Operator Role = "operator"
)

// rank orders the roles; an unknown one is a viewer.
func (r Role) rank() int {
	switch r {
	case Operator:
		return 4
	case Host:
		return 3
	case Moderator:
		return 2
	case Speaker:
		return 1
	default:
		return 0
	}
}

// moderates reports whether the role has power over others.
func (r Role) moderates() bool { return r.rank() >= Moderator.rank() }

// Person is somebody in a Room, as everybody sees them.
type Person struct {
	// Identity is that of the access token, the same on each of the Person's
	// connections.
	Identity string `json:"identity"`
	Name     string `json:"name"`
	Role     Role   `json:"role"`
}

// Kind says what an Entry is about.
type Kind string

// The kinds of Entries. Those from Deleted on are a moderator's.
const (
	// Message is what a Person says: Text, ReplyTo, MediaTime.
	Message Kind = "message"
	// Announcement is a Message that stands out: of a host, or of the server's
	// operator (without From).
	Announcement Kind = "announcement"
	// Deleted takes the Text of the Entry Target away.
	Deleted Kind = "deleted"
	// Cleared takes the Texts of all earlier Messages away.
	Cleared Kind = "cleared"
	// Pinned shows the Entry Target above all; "" shows none any more.
	Pinned Kind = "pinned"
	// Changed replaces the Settings.
	Changed Kind = "changed"
	// Muted forbids the identity Target to write, up to Until; Unmuted allows
	// it again.
	Muted   Kind = "muted"
	Unmuted Kind = "unmuted"
	// Banned shuts the identity Target out of the Stream, up to Until, and
	// Address too where it is set; Unbanned lets both in again.
	Banned   Kind = "banned"
	Unbanned Kind = "unbanned"
)

// Entry is one thing that has happened in a Room: numbered, kept and told to
// everybody.
type Entry struct {
	// Seq orders the Entries of a Room on one Node, without gaps, from 1.
	// Another Node may have the same Entries in another order.
	Seq uint64 `json:"seq"`
	// ID is unique over all Nodes and times.
	ID   string `json:"id"`
	Kind Kind   `json:"kind"`
	// At is when it was accepted, in ms since 1970.
	At   int64   `json:"at"`
	From *Person `json:"from,omitempty"`
	// Client is the author's own id of the command, by which a repetition is
	// known.
	Client string `json:"client,omitempty"`
	Text   string `json:"text,omitempty"`
	// ReplyTo and Target name Entries; of Muted to Unbanned, Target is an
	// identity.
	ReplyTo string `json:"replyTo,omitempty"`
	Target  string `json:"target,omitempty"`
	// MediaTime is the wall-clock time of the picture that the author saw, in ms
	// since 1970; 0 is unknown.
	MediaTime int64 `json:"mediaTime,omitempty"`
	// Until is in ms since 1970, 0 is for good.
	Until    int64     `json:"until,omitempty"`
	Settings *Settings `json:"settings,omitempty"`
	// Node is where it was accepted. Reason, Address and Node are for moderators
	// and the files, never for everybody.
	Node    string     `json:"node,omitempty"`
	Reason  string     `json:"reason,omitempty"`
	Address netip.Addr `json:"address,omitzero"`
}

// HiddenID begins the ids of commands that no client has chosen.
const HiddenID = "api:"

// Public returns the Entry as everybody may see it: without Reason, Address and
// Node, without a Client that begins with HiddenID, and without the name of an
// operator.
func (e Entry) Public() Entry {
	e.Reason, e.Address, e.Node = "", netip.Addr{}, ""
	if strings.HasPrefix(e.Client, HiddenID) {
		e.Client = ""
	}
	if e.From != nil && e.From.Role == Operator {
		e.From = nil
	}
	return e
}

// After reports whether e is later than o in the order on which all Nodes
// agree, that of At and then ID. The later one of two Entries about the same
// thing holds.
func (e Entry) After(o Entry) bool { return e.At > o.At || e.At == o.At && e.ID > o.ID }

// Settings are what hosts and moderators choose for a Room.
type Settings struct {
	// SlowMode is the least number of seconds between two Messages of a viewer;
	// 0 is off.
	SlowMode int `json:"slowMode"`
	// Locked keeps viewers from writing and newcomers out.
	Locked bool `json:"locked"`
}

// Past is what is kept of a Room.
type Past struct {
	// Log names this sequence of Seqs; another one means that a position in the
	// old one says nothing. "" is a Room that nothing is kept of.
	Log string
	// Next is the Seq of the next Entry, 1 or more.
	Next uint64
	// Standing are the Entries that still hold, whatever their age: the latest
	// Changed, Cleared and Pinned (and what it shows), and of each identity the
	// latest of Muted and Unmuted and that of Banned and Unbanned. Those that
	// were lifted or ran out may be left out.
	Standing []Entry
	// Recent are the latest Entries, oldest first.
	Recent []Entry
	// Audit are the latest Entries of moderators, oldest first. An Entry may be
	// in Standing, Recent and Audit at once.
	Audit []Entry
}
