package store

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// mark is what a Node knows about a Room in Redis, in a file beside that of the
// Room. It may be some seconds old, or not there: Redis takes each Entry once,
// and a Room knows Entries that it has.
type mark struct {
	// Log and Sent are up to where others know what this Node has accepted.
	Log  string `json:"log"`
	Sent uint64 `json:"sent"`
	// Place is up to where the stream of Life has been read into the file.
	Place string `json:"place,omitempty"`
	Life  string `json:"life,omitempty"`
}

func (f *File) markPath(name string) string { return filepath.Join(f.cfg.Dir, name+".sent") }

// readMark returns the zero mark for one that cannot be read.
func (f *File) readMark(name string) mark {
	var m mark
	b, err := os.ReadFile(f.markPath(name))
	if err != nil || json.Unmarshal(b, &m) != nil {
		return mark{}
	}
	return m
}

func (f *File) writeMark(name string, m mark) error {
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("rooms: %w", err)
	}
	temp := filepath.Join(f.cfg.Dir, "."+name+".sent"+draftSuffix)
	if err := os.WriteFile(temp, append(b, '\n'), 0o600); err != nil {
		return err //nolint:wrapcheck // names the file
	}
	return os.Rename(temp, f.markPath(name)) //nolint:wrapcheck // names the file
}
