package webhook

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Letter is one Event that one receiver has not taken, as it lies in a file:
// one line of JSON.
type Letter struct {
	// ID is the Event's id and the receiver's, with a dot between.
	ID string `json:"id"`
	// Event and Stream are what Body is about.
	Event  string `json:"event"`
	Stream string `json:"stream,omitempty"`
	// Receiver is the receiver's id, Host its scheme, host and port.
	Receiver string `json:"receiver"`
	Host     string `json:"host"`
	Tries    int    `json:"tries"`
	Reason   string `json:"reason,omitempty"`
	// QueuedAt is when it happened, DiedAt when it was given up, both in ms
	// since 1970.
	QueuedAt int64           `json:"queuedAt"`
	DiedAt   int64           `json:"diedAt,omitempty"`
	Body     json.RawMessage `json:"body"`
}

const (
	deadFile    = "dead-letter.jsonl"
	olderFile   = "dead-letter.1.jsonl"
	pendingFile = "pending.jsonl"
	// maxLine bounds one Letter in bytes. The largest is a batch of viewers of
	// whose names each byte becomes an escape.
	maxLine = 512 << 10
	// private: Events tell who watches what, and from where.
	fileMode, dirMode = 0o600, 0o700
)

func letterOf(r *receiver, it *item, died time.Time) Letter {
	l := Letter{
		ID: it.id + "." + r.id, Event: it.name, Stream: it.stream, Receiver: r.id, Host: r.host,
		Tries: it.tries, Reason: it.reason, QueuedAt: it.queued.UnixMilli(), Body: it.body,
	}
	if !died.IsZero() {
		l.DiedAt = died.UnixMilli()
	}
	return l
}

// item makes of a Letter what can be queued, as if it had just happened.
func (l *Letter) item(now time.Time) *item {
	id, _, _ := strings.Cut(l.ID, ".")
	return &item{id: id, name: l.Event, stream: l.Stream, body: l.Body, queued: now}
}

// readLetters calls f for each Letter of a file and counts the lines that are
// none: a line may be torn where the power failed.
func readLetters(r io.Reader, f func(Letter)) (bad int, err error) {
	in := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := in.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = in.ReadSlice('\n')
		}
		if line = bytes.TrimSpace(line); long {
			bad++
		} else if len(line) > 0 {
			var l Letter
			if json.Unmarshal(line, &l) != nil || l.ID == "" || l.Receiver == "" || !isObject(l.Body) {
				bad++
			} else {
				f(l)
			}
		}
		if errors.Is(err, io.EOF) {
			return bad, nil
		}
		if err != nil {
			return bad, fmt.Errorf("webhook: %w", err)
		}
	}
}

func isObject(b []byte) bool { return len(b) > 0 && b[0] == '{' }

// letters are the dead letters of a Node, in two files of bounded size: when
// the newer is full it takes the older's place.
type letters struct {
	dir string
	max int64 // bytes per file

	mu sync.Mutex
}

// add appends a Letter.
func (d *letters) add(l Letter) error {
	line, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("webhook: dead letter: %w", err)
	}
	if d.dir == "" {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := os.MkdirAll(d.dir, dirMode); err != nil {
		return fmt.Errorf("webhook: dead letter: %w", err)
	}
	path := filepath.Join(d.dir, deadFile)
	if info, err := os.Stat(path); err == nil && info.Size() >= d.max {
		if err := os.Rename(path, filepath.Join(d.dir, olderFile)); err != nil {
			return fmt.Errorf("webhook: dead letter: %w", err)
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, fileMode) //nolint:gosec // our own folder
	if err != nil {
		return fmt.Errorf("webhook: dead letter: %w", err)
	}
	_, err = f.Write(append(freshLine(f), append(line, '\n')...))
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("webhook: dead letter: %w", err)
	}
	return nil
}

// freshLine returns the line break that a file needs whose last line is torn.
func freshLine(f *os.File) []byte {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return nil
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], info.Size()-1); err != nil || last[0] == '\n' {
		return nil
	}
	return []byte{'\n'}
}

// each calls f for all Letters, oldest first.
func (d *letters) each(f func(Letter)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.eachLocked(f)
}

func (d *letters) eachLocked(f func(Letter)) error {
	if d.dir == "" {
		return nil
	}
	for _, name := range []string{olderFile, deadFile} {
		if err := readFile(filepath.Join(d.dir, name), f); err != nil {
			return err
		}
	}
	return nil
}

// readFile reads the Letters of a file that may not be there.
func readFile(path string, f func(Letter)) error {
	in, err := os.Open(path) //nolint:gosec // our own folder
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	defer in.Close()
	_, err = readLetters(in, f)
	return err
}

// take removes the Letters that match and returns them, oldest first. Before
// that it hands them to keep, and leaves all where they are if that fails.
func (d *letters) take(match func(Letter) bool, keep func([]Letter) error) ([]Letter, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var taken, kept []Letter
	if err := d.eachLocked(func(l Letter) {
		if match(l) {
			taken = append(taken, l)
		} else {
			kept = append(kept, l)
		}
	}); err != nil || len(taken) == 0 {
		return nil, err
	}
	if err := keep(taken); err != nil {
		return nil, err
	}
	if err := writeLetters(filepath.Join(d.dir, deadFile), kept); err != nil {
		return nil, err
	}
	if err := os.Remove(filepath.Join(d.dir, olderFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	return taken, nil
}

// writeLetters replaces a file as a whole; without Letters it removes it.
func writeLetters(path string, all []Letter) error {
	if len(all) == 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("webhook: %w", err)
		}
		return nil
	}
	return writeFile(path, func(f *os.File) error {
		out := bufio.NewWriter(f)
		enc := json.NewEncoder(out)
		var err error
		for _, l := range all {
			err = errors.Join(err, enc.Encode(l))
		}
		return errors.Join(err, out.Flush())
	})
}

// writeFile replaces a file as a whole.
func writeFile(path string, write func(*os.File) error) error {
	if err := os.MkdirAll(filepath.Dir(path), dirMode); err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, fileMode) //nolint:gosec // our own folder
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	if err = errors.Join(write(f), f.Sync(), f.Close()); err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	return nil
}
