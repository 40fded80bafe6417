package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"
)

// slackLines is how many lines of a file may have become void beside as many
// again as there are Bars.
const slackLines = 256

// barLine is one line of the file: a Bar, or the ID of one that was lifted.
type barLine struct {
	Bar  *Bar   `json:"bar,omitempty"`
	Lift string `json:"lift,omitempty"`
}

// barFile is an append-only file of JSON lines.
type barFile struct {
	path  string
	file  *os.File
	lines int
}

// openBars reads a file, drops what is over, and opens it for more.
func openBars(path string, now time.Time) (*barFile, []Bar, error) {
	data, err := os.ReadFile(path) //nolint:gosec // below the operator's data directory
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err //nolint:wrapcheck // names the file
	}
	kept, err := readBars(data, now)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	f := &barFile{path: path}
	all := map[string]*Bar{}
	for _, bar := range kept {
		all[bar.ID] = &bar
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, nil, err //nolint:wrapcheck // names the directory
	}
	if err := f.rewrite(all); err != nil {
		return nil, nil, err
	}
	return f, kept, nil
}

// readBars returns the Bars of a file that hold. A last line without an end
// was never acknowledged, as the process ended while it wrote it; any other
// that is not understood is an error.
func readBars(data []byte, now time.Time) ([]Bar, error) {
	var out []Bar
	for n := 1; ; n++ {
		line, rest, whole := bytes.Cut(data, []byte("\n"))
		if !whole {
			break
		}
		data = rest
		var l barLine
		if err := json.Unmarshal(line, &l); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		switch {
		case l.Bar != nil && l.Bar.ID != "" && l.Bar.key() != "":
			out = append(out, *l.Bar)
		case l.Bar == nil && l.Lift != "":
			for i := range out {
				if out[i].ID == l.Lift {
					out[i].Until = now // over
				}
			}
		default:
			return nil, fmt.Errorf("line %d is no revocation", n)
		}
	}
	held, seen := out[:0], map[string]bool{}
	for _, bar := range out {
		if !bar.over(now) && !seen[bar.ID] {
			held, seen[bar.ID] = append(held, bar), true
		}
	}
	return held, nil
}

// append writes a line and waits until it is on disk.
func (f *barFile) append(l barLine) error {
	line, err := json.Marshal(l)
	if err != nil {
		return err //nolint:wrapcheck // cannot happen
	}
	f.lines++
	_, err = f.file.Write(append(line, '\n'))
	if err == nil {
		err = f.file.Sync()
	}
	if err != nil {
		f.lines = math.MaxInt // half a line may be there, which nothing must follow
	}
	return err //nolint:wrapcheck // names the file
}

// rewrite replaces the file by one with these Bars alone.
func (f *barFile) rewrite(all map[string]*Bar) (err error) {
	temp, err := os.OpenFile(f.path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err //nolint:wrapcheck // names the file
	}
	next := &barFile{path: f.path, file: temp}
	defer func() {
		if err != nil {
			_ = temp.Close()
		}
	}()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, bar := range all {
		if err := enc.Encode(barLine{Bar: bar}); err != nil {
			return err //nolint:wrapcheck // cannot happen
		}
		next.lines++
	}
	if _, err := temp.Write(b.Bytes()); err != nil {
		return err //nolint:wrapcheck // names the file
	}
	if err := temp.Sync(); err != nil {
		return err //nolint:wrapcheck // names the file
	}
	if err := os.Rename(f.path+".new", f.path); err != nil {
		return err //nolint:wrapcheck // names the file
	}
	_ = f.close()
	*f = *next
	return nil
}

func (f *barFile) close() error {
	if f.file == nil {
		return nil
	}
	return f.file.Close() //nolint:wrapcheck // names the file
}
