package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/freshet-live/freshet/signaling/rooms/room"
)

var (
	// ErrName is wrapped by errors about a name that no Stream can have.
	ErrName = errors.New("not a name of a room")
	// ErrInUse is wrapped by NewFile's error when another process has the
	// folder.
	ErrInUse = errors.New("another server uses this folder")
)

var nameRule = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

const (
	suffix = ".jsonl"
	// draftSuffix is of files that are about to replace another.
	draftSuffix = ".tmp"
)

// FileConfig says where a File keeps Rooms, and how much of each.
type FileConfig struct {
	// Dir is a folder of the File's own, made if it is not there.
	Dir string
	// History is how many of the latest Entries of a Room are kept, 1,000 by
	// default, Audit how many of its moderators' Entries, 10,000 by default.
	History, Audit int
	// Outbox is how many Entries that other Nodes have not been told of are kept
	// beyond History, 100,000 by default.
	Outbox int
	// MaxOpen is how many Rooms' files are open at the same time, 512 by
	// default.
	MaxOpen int
	// SyncEvery is the longest time between a write and its fsync, half a
	// second by default.
	SyncEvery time.Duration
}

func (c *FileConfig) complete() {
	c.History = cmp.Or(c.History, 1000)
	c.Audit = cmp.Or(c.Audit, 10_000)
	c.Outbox = cmp.Or(c.Outbox, 100_000)
	c.MaxOpen = cmp.Or(c.MaxOpen, 512)
	c.SyncEvery = cmp.Or(c.SyncEvery, 500*time.Millisecond)
}

// File keeps Rooms in a folder, one file of JSON lines each. It is for one
// process at a time.
type File struct {
	cfg     FileConfig
	log     *slog.Logger
	metrics *fileMetrics
	boot    string
	lock    *os.File
	wake    chan struct{} // there is something to sync or to compact
	// sent tells up to which Seq other Nodes know a Room's Entries.
	sent func(name string) uint64

	mu    sync.Mutex
	open  map[string]*journal
	ended bool // Run has ended: sync at once
}

// NewFile takes the folder. The error wraps ErrInUse when another process has
// it. reg may be nil.
func NewFile(cfg FileConfig, log *slog.Logger, reg prometheus.Registerer) (_ *File, err error) {
	cfg.complete()
	f := &File{
		cfg: cfg, log: log, metrics: newFileMetrics(), boot: bootID(),
		wake: make(chan struct{}, 1), open: map[string]*journal{},
		sent: func(string) uint64 { return 1 << 63 },
	}
	if err := os.MkdirAll(cfg.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("rooms: %w", err)
	}
	if f.lock, err = os.OpenFile(filepath.Join(cfg.Dir, ".lock"), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, fmt.Errorf("rooms: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.lock.Close())
		}
	}()
	if err := syscall.Flock(int(f.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("%w: %s", ErrInUse, cfg.Dir)
	} else if err != nil {
		return nil, fmt.Errorf("rooms: locking %s: %w", cfg.Dir, err)
	}
	drafts, err := filepath.Glob(filepath.Join(cfg.Dir, ".*"+draftSuffix))
	if err != nil {
		return nil, fmt.Errorf("rooms: %w", err)
	}
	for _, path := range drafts { // of compactions that did not come to their end
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("rooms: %w", err)
		}
	}
	if err := f.metrics.register(reg); err != nil {
		return nil, fmt.Errorf("rooms: %w", err)
	}
	return f, nil
}

// bootID names this run of the machine; "" is unknown.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// newLog makes a room.Past.Log.
func newLog() string { return rand.Text()[:8] }

// Run brings files to the disk and compacts them, until ctx ends; then it closes
// them all. What comes later is written and synced at once.
func (f *File) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			f.mu.Lock()
			f.ended = true
			f.mu.Unlock()
			f.evict(0)
			return nil
		case <-f.wake:
		}
		select {
		case <-ctx.Done():
		case <-time.After(f.cfg.SyncEvery):
			f.settle(time.Now())
		}
	}
}

// Close gives the folder back, after Run has ended.
func (f *File) Close() error {
	f.evict(0)
	return f.lock.Close() //nolint:wrapcheck // names the file
}

// settle syncs and compacts what needs it.
func (f *File) settle(now time.Time) {
	f.mu.Lock()
	list := make([]*journal, 0, len(f.open))
	for _, j := range f.open {
		list = append(list, j)
	}
	f.mu.Unlock()
	var g errgroup.Group
	g.SetLimit(4)
	for _, j := range list {
		g.Go(func() error {
			if err := j.sync(); err != nil {
				f.metrics.failures.WithLabelValues("sync").Inc()
				f.log.Error("a room's file does not get to the disk", "stream", j.name, "err", err)
				f.poke()
			}
			return nil
		})
	}
	_ = g.Wait() // each has told
	for _, j := range list {
		f.maintain(j, now)
	}
}

// maintain writes what a full disk has left waiting, and compacts.
func (f *File) maintain(j *journal, now time.Time) {
	j.mu.Lock()
	if len(j.pending) > 0 && j.append(nil) != nil {
		f.poke()
	}
	due := j.file != nil && j.lines >= j.compact
	j.mu.Unlock()
	if !due {
		return
	}
	untold, err := j.squeeze(now, f.sent(j.name))
	if err != nil {
		f.metrics.failures.WithLabelValues("compact").Inc()
		f.log.Error("a room's file cannot be compacted", "stream", j.name, "err", err)
		j.mu.Lock()
		j.compact = j.lines + f.cfg.History // try again, but not at every line
		j.mu.Unlock()
		return
	}
	f.metrics.compactions.Inc()
	f.metrics.untold.Add(float64(untold))
	f.poke()
}

func (f *File) poke() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// with calls do with the Room's journal, open and locked. read is what opening
// it has found, nil if it was open.
func (f *File) with(name string, do func(j *journal, read *fold) error) error {
	if !nameRule.MatchString(name) {
		return fmt.Errorf("%w: %q", ErrName, name)
	}
	f.mu.Lock()
	j := f.open[name]
	if j == nil {
		j = &journal{
			name: name, path: filepath.Join(f.cfg.Dir, name+suffix), boot: f.boot,
			limits: limits{f.cfg.History, f.cfg.Audit, f.cfg.Outbox},
		}
		f.open[name] = j
	}
	j.users++
	f.mu.Unlock()

	err := f.locked(j, do)

	f.mu.Lock()
	j.users--
	j.used = time.Now()
	over, limit := len(f.open) > f.cfg.MaxOpen, f.cfg.MaxOpen
	if f.ended {
		over, limit = true, 0
	}
	f.metrics.open.Set(float64(len(f.open)))
	f.mu.Unlock()
	if over {
		f.evict(limit)
	}
	return err
}

func (f *File) locked(j *journal, do func(*journal, *fold) error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.opened {
		return do(j, nil)
	}
	read, err := f.tell(j, func() (scanned, error) { return j.open(time.Now(), newLog(), f.sent(j.name)) })
	if err != nil {
		return err
	}
	return do(j, read)
}

// tell reads a journal and logs what is wrong with it. The caller has its lock.
func (f *File) tell(j *journal, read func() (scanned, error)) (*fold, error) {
	s, err := read()
	if s.fold == nil {
		f.metrics.failures.WithLabelValues("open").Inc()
		return nil, fmt.Errorf("rooms: %w", err)
	}
	if err != nil {
		f.metrics.failures.WithLabelValues("compact").Inc()
		f.log.Error("a room's file could not be mended", "stream", j.name, "err", err)
	}
	f.metrics.damaged.Add(float64(s.fold.bad))
	switch {
	case s.damaged:
		f.log.Warn("a room's file was damaged; what is readable was kept", "stream", j.name,
			"unreadable", s.fold.bad, "kept", len(s.fold.all()))
	case s.lost:
		f.log.Warn("the machine went down before a room's file was closed; its last second may be missing", "stream", j.name)
	case s.torn > 0:
		f.log.Warn("a room's file ended in the middle of a line", "stream", j.name, "bytes", s.torn)
	}
	return s.fold, nil
}

// evict closes the files that were not used for longest, down to limit. Those
// in use stay.
func (f *File) evict(limit int) {
	f.mu.Lock()
	var idle []*journal
	for _, j := range f.open {
		if j.users == 0 {
			idle = append(idle, j)
		}
	}
	slices.SortFunc(idle, func(a, b *journal) int { return a.used.Compare(b.used) })
	idle = idle[:max(0, min(len(idle), len(f.open)-limit))]
	for _, j := range idle {
		j.users++
	}
	f.mu.Unlock()
	for _, j := range idle {
		j.mu.Lock()
		err := j.close()
		j.mu.Unlock()
		if err != nil {
			f.metrics.failures.WithLabelValues("sync").Inc()
			f.log.Error("a room's file was not closed well", "stream", j.name, "err", err)
		}
		f.mu.Lock()
		if j.users--; j.users == 0 {
			delete(f.open, j.name)
		}
		f.metrics.open.Set(float64(len(f.open)))
		f.mu.Unlock()
	}
}

// Load returns what is kept of a Room. A Room that nothing is kept of has a Log
// all the same, which its first Append writes down.
func (f *File) Load(ctx context.Context, name string) (room.Past, error) {
	var past room.Past
	if err := ctx.Err(); err != nil {
		return past, err //nolint:wrapcheck // says it all
	}
	err := f.with(name, func(j *journal, read *fold) (err error) {
		if read == nil {
			read, err = f.tell(j, func() (scanned, error) { return j.read(time.Now(), newLog(), f.sent(name)) })
		}
		if err == nil {
			past = read.past()
		}
		return err
	})
	return past, err
}

// Append writes Entries down, in the order of their Seqs. On return they survive
// the end of the process. After an error (a full disk) they wait in memory, and
// are tried again twice a second and before the next ones.
func (f *File) Append(ctx context.Context, name string, entries []room.Entry) error {
	list := make([]record, len(entries))
	for i, e := range entries {
		list[i].Entry = e
	}
	return f.put(ctx, name, list)
}

func (f *File) put(ctx context.Context, name string, list []record) error {
	if err := ctx.Err(); err != nil {
		return err //nolint:wrapcheck // says it all
	}
	if len(list) == 0 {
		return nil
	}
	err := f.with(name, func(j *journal, _ *fold) error { return j.append(list) })
	f.poke()
	if err != nil {
		f.metrics.failures.WithLabelValues("append").Inc()
		return fmt.Errorf("rooms: %w", err)
	}
	f.metrics.appended.Add(float64(len(list)))
	return nil
}

// after returns Entries with a Seq greater than seq, up to limit: those of this
// Node, or all. last is the Seq up to which it has looked, and whole tells that
// there were no more.
func (f *File) after(name string, seq uint64, all bool, limit int) (list []room.Entry, last uint64, whole bool, err error) {
	for range 3 {
		list, last, whole, err = f.tryAfter(name, seq, all, limit)
		if !errors.Is(err, os.ErrClosed) { // it was replaced meanwhile
			break
		}
	}
	return list, last, whole, err
}

func (f *File) tryAfter(name string, seq uint64, all bool, limit int) (list []room.Entry, last uint64, whole bool, err error) {
	var from []io.Reader
	err = f.with(name, func(j *journal, _ *fold) error {
		if j.file != nil {
			from = append(from, io.NewSectionReader(j.file, 0, j.size))
		}
		from = append(from, bytes.NewReader(bytes.Clone(j.pending)))
		last = j.last
		return nil
	})
	if err != nil {
		return nil, 0, false, err
	}
	whole = true
	err = scan(io.MultiReader(from...), func(b []byte) {
		if s := seqOf(b); !whole || s != 0 && s <= seq {
			return
		}
		l, err := parseLine(b)
		if err != nil || l.Seq <= seq || l.Merged && !all {
			return
		}
		if whole = len(list) < limit; whole {
			list = append(list, l.Entry)
		}
	})
	if err != nil {
		return nil, 0, false, fmt.Errorf("rooms: %w", err)
	}
	if !whole {
		last = list[len(list)-1].Seq
	}
	return list, last, whole, nil
}

// lastSeq returns the Seq of a file's last line without opening it, 0 if that
// says none, or is older than since.
func (f *File) lastSeq(name string, since time.Time) (uint64, error) {
	in, err := os.Open(filepath.Join(f.cfg.Dir, name+suffix)) //nolint:gosec // a checked name
	if err != nil {
		return 0, err //nolint:wrapcheck // names the file
	}
	defer in.Close() //nolint:errcheck // only read
	info, err := in.Stat()
	if err != nil || info.ModTime().Before(since) {
		return 0, err //nolint:wrapcheck // names the file
	}
	end := make([]byte, min(info.Size(), maxLine))
	if _, err := in.ReadAt(end, info.Size()-int64(len(end))); err != nil {
		return 0, err //nolint:wrapcheck // names the file
	}
	last := uint64(0)
	for l := range bytes.Lines(end) {
		last = max(last, seqOf(l))
	}
	return last, nil
}

// Follow waits for ctx and returns its error: there are no other Nodes.
func (f *File) Follow(ctx context.Context, _ string, _ func(room.Remote)) error {
	<-ctx.Done()
	return ctx.Err() //nolint:wrapcheck // says it all
}

// Announce does nothing: there are no other Nodes.
func (f *File) Announce(context.Context, string, room.People) error { return nil }

// Names lists the Rooms that something is kept of, sorted.
func (f *File) Names(context.Context) ([]string, error) {
	dir, err := os.ReadDir(f.cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("rooms: %w", err)
	}
	var names []string
	for _, e := range dir {
		if name, ok := strings.CutSuffix(e.Name(), suffix); ok && nameRule.MatchString(name) && e.Type().IsRegular() {
			names = append(names, name)
		}
	}
	slices.Sort(names) // without the suffix, b comes before b-2
	return names, nil
}

// Erase forgets a Room. What is appended later begins a new Log.
func (f *File) Erase(_ context.Context, name string) error {
	return f.with(name, func(j *journal, _ *fold) error {
		err := os.Remove(f.markPath(name))
		if errors.Is(err, os.ErrNotExist) {
			err = nil
		}
		return errors.Join(err, j.erase(newLog()))
	})
}
