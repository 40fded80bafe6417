package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/freshet-live/freshet/signaling/rooms/room"
)

// errLine is wrapped by errors about bytes, in a file or from Redis, that are
// no Entry.
var errLine = errors.New("not an entry")

const (
	// maxLine bounds a line in bytes. An Entry is smaller by far: a command is
	// at most 8 KiB.
	maxLine = 256 << 10
	// maxID bounds an Entry's id in bytes.
	maxID = 128
)

// record is an Entry as it is kept.
type record struct {
	room.Entry
	// Merged tells that another Node has accepted it, which also tells others.
	Merged bool `json:"merged,omitempty"`
}

// control is what a file says about itself. Any line may be one; the latest
// counts.
type control struct {
	// Log is room.Past.Log.
	Log string `json:"log,omitempty"`
	// Boot is the machine's run under which the lines that follow were written.
	// In the same run nothing written is lost, whatever happens to the process.
	Boot string `json:"boot,omitempty"`
	// First is the Seq from which on no Entry has been left out.
	First uint64 `json:"first,omitempty"`
	// Clean tells that all before has reached the disk.
	Clean bool `json:"clean,omitempty"`
}

type line struct {
	record
	control
}

// parseLine reads a line of a file. Errors wrap errLine.
func parseLine(b []byte) (line, error) {
	var l line
	if err := json.Unmarshal(b, &l); err != nil {
		return line{}, fmt.Errorf("%w: %w", errLine, err)
	}
	if l.Log != "" || l.Clean {
		l.record = record{}
		return l, nil
	}
	l.control = control{}
	return l, l.check()
}

// parseEntry reads an Entry that came from Redis. Errors wrap errLine.
func parseEntry(s string) (room.Entry, error) {
	if len(s) > maxLine {
		return room.Entry{}, fmt.Errorf("%w: %d bytes", errLine, len(s))
	}
	var r record
	if err := json.Unmarshal([]byte(s), &r.Entry); err != nil {
		return room.Entry{}, fmt.Errorf("%w: %w", errLine, err)
	}
	r.Seq = 1 // of another Node: it says nothing here
	return r.Entry, r.check()
}

func (r *record) check() error {
	switch {
	case r.Seq == 0 || r.Seq > 1<<53: // what a browser can count to
		return fmt.Errorf("%w: seq %d", errLine, r.Seq)
	case r.ID == "" || len(r.ID) > maxID || strings.ContainsFunc(r.ID, func(c rune) bool { return c <= ' ' || c > '~' }):
		return fmt.Errorf("%w: an id of %d bytes", errLine, len(r.ID))
	case r.Kind == "":
		return fmt.Errorf("%w: no kind", errLine)
	case r.Kind == room.Changed && r.Settings == nil:
		return fmt.Errorf("%w: no settings", errLine)
	}
	return nil
}

// appendLine appends a value and a newline.
func appendLine(b []byte, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return b, fmt.Errorf("encoding an entry: %w", err)
	}
	return append(append(b, text...), '\n'), nil
}
