package store

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// maxPending bounds in bytes what a Room's full disk makes wait.
const maxPending = 1 << 20

// journal is the open file of one Room. It has a file only once there is
// something to keep.
type journal struct {
	name, path string
	limits     limits
	boot       string

	mu      sync.Mutex
	opened  bool     // what follows is true of the file
	file    *os.File // nil: there is none yet
	log     string
	last    uint64 // Seq of the last Entry
	size    int64  // up to here the file is whole lines
	torn    bool   // more than size may be in the file
	booted  bool   // the latest control line in the file is of this boot and not Clean
	lines   int
	compact int    // number of lines from which on to compact
	pending []byte // lines that did not fit on the disk

	dirty    bool // something has not been synced
	dirDirty bool // nor has the file's name

	// Of File, under its lock.
	users int
	used  time.Time
}

// scanned is what reading a file has found.
type scanned struct {
	fold *fold
	// damaged tells that Entries are missing, lost that the machine went down
	// before all was on its disk.
	damaged, lost bool
	// torn is the number of bytes of a last line without an end.
	torn int64
}

// open finds the file, if there is one, and reads it.
func (j *journal) open(now time.Time, newLog string, sent uint64) (s scanned, err error) {
	f, err := os.OpenFile(j.path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		j.opened = true
		return j.read(now, newLog, sent)
	} else if err != nil {
		return s, err //nolint:wrapcheck // names the file
	}
	info, err := f.Stat()
	if err != nil {
		return s, errors.Join(err, f.Close())
	}
	whole, err := wholeLines(f, info.Size())
	if err != nil {
		return s, errors.Join(fmt.Errorf("%s: %w", j.path, err), f.Close())
	}
	j.file, j.size, j.opened = f, whole, true
	s, err = j.read(now, newLog, sent)
	if s.fold == nil {
		return s, errors.Join(err, j.close())
	}
	s.torn = info.Size() - whole
	j.torn = s.torn > 0
	return s, err
}

// read reads an open file, and writes it anew if something is missing. With an
// error and a fold the file has been read, but not written.
func (j *journal) read(now time.Time, newLog string, sent uint64) (s scanned, err error) {
	f := newFold(j.limits, sent)
	if j.file == nil {
		j.log = cmp.Or(j.log, newLog)
		f.Log, f.First, f.last = j.log, 1, j.last
	} else {
		if err := scan(io.NewSectionReader(j.file, 0, j.size), f.add); err != nil {
			return s, fmt.Errorf("%s: %w", j.path, err)
		}
		s.lost = !f.Clean && (f.Boot != j.boot || j.boot == "")
		j.booted = f.Boot == j.boot && !f.Clean
		j.lines = f.lines
	}
	if err := scan(bytes.NewReader(j.pending), f.add); err != nil {
		return s, err
	}
	s.fold = f
	s.damaged = f.disorder || f.Log == ""
	f.disorder = s.damaged || s.lost
	f.finish(now, newLog)
	j.log, j.last = f.Log, f.last
	j.plan(len(f.all()))
	if !f.disorder {
		return s, nil
	}
	j.booted = false // should the next fail, the new Log goes below the rest
	if err := j.rewrite(f); err != nil {
		return s, err
	}
	j.pending = nil
	return s, nil
}

// plan says when the file is worth a compaction, if so many lines of it are
// needed.
func (j *journal) plan(needed int) {
	j.compact = max(2*needed, needed+j.limits.history)
}

// append writes Entries in one write. What does not fit on the disk waits in
// memory, to be written before all else, and an error is returned.
func (j *journal) append(list []record) error {
	buf := j.pending
	before := len(buf)
	for i := range list {
		var err error
		if buf, err = appendLine(buf, &list[i]); err != nil {
			return err
		}
		j.last = max(j.last, list[i].Seq)
	}
	err := j.write(buf)
	if err == nil {
		j.pending = nil
		j.lines += len(list)
		return nil
	}
	if len(buf) > maxPending {
		buf = buf[:before] // the gap is found, and closed, when the file is read
	}
	j.pending = buf
	return fmt.Errorf("%s: %w", j.path, err)
}

func (j *journal) write(buf []byte) error {
	if err := j.ready(); err != nil {
		return err
	}
	if !j.booted {
		head, err := appendLine(nil, control{Log: j.log, Boot: j.boot, First: j.first()})
		if err != nil {
			return err
		}
		buf = append(head, buf...)
	}
	if len(buf) == 0 {
		return nil
	}
	j.dirty = true
	if _, err := j.file.WriteAt(buf, j.size); err != nil {
		j.torn = true
		return err //nolint:wrapcheck // append says where
	}
	j.size += int64(len(buf))
	if !j.booted {
		j.booted = true
		j.lines++
	}
	return nil
}

// first is for the first line of a file only: later ones keep what it says.
func (j *journal) first() uint64 {
	if j.size == 0 {
		return 1
	}
	return 0
}

// ready makes a file that ends with a whole line.
func (j *journal) ready() error {
	if j.file == nil {
		f, err := os.OpenFile(j.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err //nolint:wrapcheck // append says where
		}
		j.file, j.size, j.dirDirty = f, 0, true
		j.plan(0)
	}
	if j.torn {
		if err := j.file.Truncate(j.size); err != nil {
			return err //nolint:wrapcheck // append says where
		}
		j.torn = false
	}
	return nil
}

// sync brings the file to the disk.
func (j *journal) sync() error {
	j.mu.Lock()
	file, dirty, dir := j.file, j.dirty, j.dirDirty
	j.dirty, j.dirDirty = false, false
	j.mu.Unlock()
	if file == nil || !dirty && !dir {
		return nil
	}
	var err error
	if dirty {
		err = file.Sync()
	}
	if errors.Is(err, os.ErrClosed) { // replaced, by one that was synced
		err = nil
	}
	if dir {
		err = cmp.Or(err, syncDir(filepath.Dir(j.path)))
	}
	if err != nil {
		j.mu.Lock()
		j.dirty, j.dirDirty = true, j.dirDirty || dir
		j.mu.Unlock()
	}
	return err //nolint:wrapcheck // names the file
}

// close marks the file as complete and lets go of it. The caller has the lock.
func (j *journal) close() error {
	j.opened = false
	if j.file == nil {
		return nil
	}
	var errs []error
	if len(j.pending) > 0 {
		errs = append(errs, j.append(nil))
	}
	if j.booted && len(j.pending) == 0 {
		errs = append(errs, j.file.Sync())
		if b, err := appendLine(nil, control{Clean: true}); err == nil && errs[len(errs)-1] == nil {
			_, err = j.file.WriteAt(b, j.size)
			errs = append(errs, err)
		}
	}
	errs = append(errs, j.file.Sync())
	if j.dirDirty {
		errs = append(errs, syncDir(filepath.Dir(j.path)))
	}
	errs = append(errs, j.file.Close())
	j.file = nil
	return errors.Join(errs...)
}

// erase removes the file.
func (j *journal) erase(newLog string) error {
	var errs []error
	if j.file != nil {
		errs = append(errs, os.Remove(j.path), j.file.Close())
	}
	j.file, j.pending, j.size, j.last, j.lines = nil, nil, 0, 0, 0
	j.log, j.booted, j.torn, j.dirty, j.dirDirty = newLog, false, false, false, false
	return errors.Join(errs...)
}

func syncDir(path string) error {
	d, err := os.Open(path) //nolint:gosec // the configured folder
	if err != nil {
		return err //nolint:wrapcheck // names the file
	}
	return errors.Join(d.Sync(), d.Close())
}
