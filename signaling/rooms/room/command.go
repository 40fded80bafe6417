package room

import (
	"bytes"
	"encoding/json"
	"math"
	"unicode/utf8"
)

// Verb is what a Command does.
type Verb string

// The commands of docs/rooms.md.
const (
	Say      Verb = "message"
	React    Verb = "react"
	Rename   Verb = "name"
	Announce Verb = "announce"
	Pin      Verb = "pin"
	Delete   Verb = "delete"
	Clear    Verb = "clear"
	Set      Verb = "settings"
	Mute     Verb = "mute"
	Unmute   Verb = "unmute"
	Ban      Verb = "ban"
	Unban    Verb = "unban"
)

// Command is what somebody wants done. Each Verb reads the fields that
// docs/rooms.md gives it and no others.
type Command struct {
	// ID is the client's own, "" for none: then nothing tells a repetition.
	ID        string
	Verb      Verb
	Text      string
	ReplyTo   string
	Emoji     string
	Name      string
	Target    string
	Reason    string
	MediaTime int64
	// Seconds is how long, 0 for good.
	Seconds int64
	// Address asks to ban the address of the identity, too.
	Address bool
	// SlowMode and Locked are the new Settings; nil leaves one as it is.
	SlowMode *int
	Locked   *bool
}

// MaxCommand is how many bytes a command has at most.
const MaxCommand = 8 << 10

const (
	maxCommandID = 64
	maxTarget    = 256
	maxSeconds   = 10 * 365 * 24 * 3600
	maxSlowMode  = 6 * 3600
)

// wireCommand has pointers where a missing field is not the same as a zero.
// Numbers may have a fraction, since clocks of browsers have.
type wireCommand struct {
	Type      string   `json:"type"`
	ID        *string  `json:"id"`
	Text      string   `json:"text"`
	ReplyTo   string   `json:"replyTo"`
	Emoji     string   `json:"emoji"`
	Name      string   `json:"name"`
	Target    *string  `json:"target"`
	Reason    string   `json:"reason"`
	MediaTime float64  `json:"mediaTime"`
	Seconds   float64  `json:"seconds"`
	Address   bool     `json:"address"`
	SlowMode  *float64 `json:"slowMode"`
	Locked    *bool    `json:"locked"`
}

// Decode reads a command as a client sends it. The error is a *Refusal by
// ErrMalformed or ErrTooLong; the Command has its ID as far as it could be read.
func Decode(b []byte) (Command, error) {
	if len(b) > MaxCommand {
		return Command{}, refuse(ErrTooLong, "a command has at most %d bytes", MaxCommand)
	}
	if !utf8.Valid(b) {
		return Command{}, refuse(ErrMalformed, "a command is UTF-8")
	}
	if t := bytes.TrimLeft(b, " \t\r\n"); len(t) == 0 || t[0] != '{' {
		return Command{}, refuse(ErrMalformed, "a command is one JSON object")
	}
	var w wireCommand
	err := json.Unmarshal(b, &w)
	c := Command{Verb: Verb(w.Type), Text: w.Text, ReplyTo: w.ReplyTo, Emoji: w.Emoji, Name: w.Name,
		Reason: w.Reason, Address: w.Address, Locked: w.Locked}
	if w.ID != nil {
		if !validID(*w.ID) {
			return Command{}, refuse(ErrMalformed, "an id has 1 to %d printable ASCII characters", maxCommandID)
		}
		c.ID = *w.ID
	}
	if err != nil {
		return c, refuse(ErrMalformed, "a command is one JSON object with fields of the right types")
	}
	return c, c.fill(&w)
}

// fill checks what has bounds.
func (c *Command) fill(w *wireCommand) error {
	rule, known := rules[c.Verb]
	if !known {
		return refuse(ErrMalformed, "no such type of command")
	}
	if w.Target != nil {
		c.Target = *w.Target
	}
	if rule.target && (w.Target == nil || c.Target == "" && c.Verb != Pin) {
		return refuse(ErrMalformed, "%s needs a target", c.Verb)
	}
	if len(c.Target) > maxTarget || len(c.ReplyTo) > maxTarget {
		return refuse(ErrUnknownTarget, "no target has such a long name")
	}
	if w.MediaTime > 0 && w.MediaTime < math.MaxInt64/2 {
		c.MediaTime = int64(w.MediaTime)
	}
	if w.Seconds < 0 || w.Seconds > maxSeconds {
		return refuse(ErrMalformed, "seconds are 0 (for good) to %d", maxSeconds)
	}
	c.Seconds = int64(math.Ceil(w.Seconds))
	if w.SlowMode != nil {
		if *w.SlowMode < 0 || *w.SlowMode > maxSlowMode {
			return refuse(ErrMalformed, "slowMode is 0 to %d seconds", maxSlowMode)
		}
		v := int(math.Ceil(*w.SlowMode))
		c.SlowMode = &v
	}
	if c.Verb == Set && c.SlowMode == nil && c.Locked == nil {
		return refuse(ErrMalformed, "settings needs slowMode or locked")
	}
	return nil
}

func validID(s string) bool {
	if s == "" || len(s) > maxCommandID {
		return false
	}
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}
