package origin

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/freshet-live/freshet/hls-egress/segment"
)

// body is where the bytes of a segment are. It is immutable.
type body struct {
	// parts is nil once they are in the file at path.
	parts [][]byte
	path  string
	// ends has the offset behind each part.
	ends []int64
}

func (b *body) size() int64 {
	if len(b.ends) == 0 {
		return 0
	}
	return b.ends[len(b.ends)-1]
}

// with returns the body with one more part.
func (b *body) with(p *segment.Part) *body {
	return &body{parts: append(b.parts, p.Data), ends: append(b.ends, b.size()+int64(len(p.Data)))}
}

// span returns the place of one part.
func (b *body) span(part int) (from, to int64) {
	if part > 0 {
		from = b.ends[part-1]
	}
	return from, b.ends[part]
}

// errShort says that a file has less in it than was written.
var errShort = errors.New("segment: the file is short")

// openFile returns the file that the bytes are in, nil when they are in
// memory.
func (b *body) openFile() (*os.File, error) {
	if b.parts != nil {
		return nil, nil //nolint:nilnil // there is none
	}
	f, err := os.Open(b.path)
	if err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	return f, nil
}

// writeTo sends the bytes between two offsets, from the open file if there is
// one.
func (b *body) writeTo(w http.ResponseWriter, f *os.File, from, to int64) error {
	if f != nil {
		if _, err := f.Seek(from, io.SeekStart); err != nil {
			return errShort
		}
		_, err := io.CopyN(w, f, to-from)
		if errors.Is(err, io.EOF) {
			return errShort
		}
		return err //nolint:wrapcheck // the client is gone
	}
	begin := int64(0)
	for i, end := range b.ends {
		if lo, hi := max(from, begin), min(to, end); lo < hi {
			if _, err := w.Write(b.parts[i][lo-begin : hi-begin]); err != nil {
				return err //nolint:wrapcheck // the client is gone
			}
		}
		begin = end
	}
	return nil
}

// stored is a complete segment whose bytes can be had.
type stored struct {
	msn      uint64
	duration time.Duration
	file     string // for the disk
	body     atomic.Pointer[body]
	// unlisted is when the playlist dropped it, zero while it is listed. It
	// belongs to the Stream's lock.
	unlisted time.Time
}

// chores is what a sweep has found to do.
type chores struct {
	spill          []*stored
	remove         []string
	memory, stored int64
}

// disk keeps segments in files, in a directory of its own below parent. A lock
// on a file therein tells other processes that its owner is alive.
type disk struct {
	parent string
	dir    string
	lock   *os.File
}

const (
	dirPrefix = "run-"
	lockFile  = "lock"
	dirMode   = 0o750
)

// clean removes what earlier processes have left behind.
func (d *disk) clean() error {
	if d.parent == "" {
		return nil
	}
	entries, err := os.ReadDir(d.parent)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("segments: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if dir := filepath.Join(d.parent, e.Name()); e.IsDir() && strings.HasPrefix(e.Name(), dirPrefix) && abandoned(dir) {
			errs = append(errs, os.RemoveAll(dir))
		}
	}
	return errors.Join(errs...)
}

// abandoned reports whether nobody holds a directory's lock.
func abandoned(dir string) bool {
	f, err := os.Open(filepath.Join(dir, lockFile)) //nolint:gosec // below our own directory
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	defer func() { _ = f.Close() }()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// open makes the directory with the first segment that goes there.
func (d *disk) open() error {
	if d.dir != "" {
		return nil
	}
	if err := os.MkdirAll(d.parent, dirMode); err != nil {
		return fmt.Errorf("segments: %w", err)
	}
	// It gets its prefix once it is locked: another process may be cleaning.
	dir, err := os.MkdirTemp(d.parent, "new-")
	if err != nil {
		return fmt.Errorf("segments: %w", err)
	}
	f, err := os.Create(filepath.Join(dir, lockFile)) //nolint:gosec // below our own directory
	if err != nil {
		return fmt.Errorf("segments: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return errors.Join(fmt.Errorf("segments: %w", err), f.Close())
	}
	final := filepath.Join(d.parent, dirPrefix+strings.TrimPrefix(filepath.Base(dir), "new-"))
	if err := os.Rename(dir, final); err != nil {
		return errors.Join(fmt.Errorf("segments: %w", err), f.Close())
	}
	d.dir, d.lock = final, f
	return nil
}

// write moves a segment from memory to a file.
func (d *disk) write(s *stored) error {
	if err := d.open(); err != nil {
		return err
	}
	b := s.body.Load()
	path := filepath.Join(d.dir, s.file)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) //nolint:gosec // names are ours
	if err != nil {
		return fmt.Errorf("segment: %w", err)
	}
	for _, p := range b.parts {
		if _, err := f.Write(p); err != nil {
			return errors.Join(fmt.Errorf("segment: %w", err), f.Close(), os.Remove(path))
		}
	}
	if err := f.Close(); err != nil {
		return errors.Join(fmt.Errorf("segment: %w", err), os.Remove(path))
	}
	s.body.Store(&body{path: path, ends: b.ends})
	return nil
}

func (d *disk) remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("segment: %w", err)
	}
	return nil
}

// close removes the directory with all that is in it.
func (d *disk) close() error {
	if d.dir == "" {
		return nil
	}
	err := errors.Join(os.RemoveAll(d.dir), d.lock.Close())
	d.dir, d.lock = "", nil
	if err != nil {
		return fmt.Errorf("segments: %w", err)
	}
	return nil
}
