package store

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// scan hands the lines of a file over, without their newlines. They are valid
// during the call only.
func scan(r io.Reader, line func([]byte)) error {
	in := bufio.NewReaderSize(r, 64<<10)
	var long []byte
	for {
		part, err := in.ReadSlice('\n')
		if len(long) <= maxLine { // what is longer is no Entry: the rest need not be held
			long = append(long, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err == nil:
			line(bytes.TrimSuffix(long, []byte{'\n'}))
			long = long[:0]
		case errors.Is(err, io.EOF):
			return nil
		default:
			return fmt.Errorf("reading: %w", err)
		}
	}
}

// wholeLines tells how many bytes of a file end with a newline.
func wholeLines(f *os.File, size int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for size > 0 {
		n := min(int64(len(buf)), size)
		if _, err := f.ReadAt(buf[:n], size-n); err != nil {
			return 0, fmt.Errorf("reading: %w", err)
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			return size - n + int64(i) + 1, nil
		}
		size -= n
	}
	return 0, nil
}

// rewrite replaces the file by what is to be kept.
func (j *journal) rewrite(f *fold) error {
	temp, size, lines, err := j.draft(f)
	if err != nil {
		return err
	}
	return j.replace(temp, size, lines, 0)
}

// draft writes a new file beside the old one, complete and synced. It needs no
// lock.
func (j *journal) draft(f *fold) (_ *os.File, size int64, lines int, err error) {
	// Two of them may be on their way at a time.
	temp, err := os.CreateTemp(filepath.Dir(j.path), "."+filepath.Base(j.path)+".*"+draftSuffix)
	if err != nil {
		return nil, 0, 0, err //nolint:wrapcheck // names the file
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, temp.Close(), os.Remove(temp.Name()))
		}
	}()
	all := f.all()
	buf, err := appendLine(nil, control{Log: f.Log, Boot: j.boot, First: f.First})
	if err != nil {
		return nil, 0, 0, err
	}
	for _, k := range all {
		if k.raw != nil {
			buf = append(append(buf, k.raw...), '\n')
		} else if buf, err = appendLine(buf, &k.record); err != nil {
			return nil, 0, 0, err
		}
	}
	if _, err = temp.Write(buf); err != nil {
		return nil, 0, 0, err //nolint:wrapcheck // names the file
	}
	if err = temp.Sync(); err != nil {
		return nil, 0, 0, err //nolint:wrapcheck // names the file
	}
	return temp, int64(len(buf)), len(all) + 1, nil
}

// replace puts a draft of so many lines, to which some have been added, into the
// file's place.
func (j *journal) replace(temp *os.File, size int64, lines, added int) error {
	if err := os.Rename(temp.Name(), j.path); err != nil {
		return errors.Join(err, temp.Close(), os.Remove(temp.Name()))
	}
	old := j.file
	j.file, j.size, j.lines = temp, size, lines+added
	j.torn, j.booted, j.dirDirty = false, true, true
	j.plan(lines)
	if old == nil {
		return nil
	}
	return old.Close() //nolint:wrapcheck // names the file
}

// squeeze leaves out what nobody needs any more. Appends go on meanwhile, but
// for the moment in which the last lines are carried over.
// untold is how many Entries others will not be told of any more.
func (j *journal) squeeze(now time.Time, sent uint64) (untold int, err error) {
	j.mu.Lock()
	file, size, log := j.file, j.size, j.log
	j.mu.Unlock()
	if file == nil {
		return 0, nil
	}
	f := newFold(j.limits, sent)
	if err := scan(io.NewSectionReader(file, 0, size), f.add); errors.Is(err, os.ErrClosed) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	f.First = max(f.First, firstOf(f.recent, j.limits.history))
	f.disorder = false // whoever has the Room open knows its numbers as they are
	f.finish(now, log)
	temp, drafted, lines, err := j.draft(f)
	if err != nil {
		return 0, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file != file { // it was closed, or erased
		return 0, errors.Join(temp.Close(), os.Remove(temp.Name()))
	}
	n, err := io.Copy(temp, io.NewSectionReader(file, size, j.size-size))
	if err != nil {
		return 0, errors.Join(err, temp.Close(), os.Remove(temp.Name()))
	}
	j.dirty = j.dirty || n > 0
	return f.untold - len(f.unsent), j.replace(temp, drafted+n, lines, j.lines-f.lines)
}

// firstOf is the Seq of the first of the latest n.
func firstOf(list []*kept, n int) uint64 {
	list = tail(list, n)
	if len(list) == 0 {
		return 0
	}
	return list[0].Seq
}

// seqOf reads the Seq that a line begins with, as appendLine writes them; 0 is
// unknown.
func seqOf(b []byte) (seq uint64) {
	b, ok := bytes.CutPrefix(b, []byte(`{"seq":`))
	if !ok {
		return 0
	}
	for _, c := range b[:min(len(b), 19)] {
		if c < '0' || c > '9' {
			break
		}
		seq = seq*10 + uint64(c-'0')
	}
	return seq
}
