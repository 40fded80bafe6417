package origin

import (
	"bytes"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/freshet-live/freshet/hls-egress/playlist"
	"github.com/freshet-live/freshet/hls-egress/segment"
)

// maxInits bounds the initialization sections of a rendition that can be had.
// There is a new one with each publisher and codec.
const maxInits = 256

// rendition is one folder of a Stream. What has no atomic type belongs to the
// Stream's lock.
type rendition struct {
	name, run string
	listing   *playlist.Listing
	kept      []*stored
	open      *body
	openMSN   uint64
	openTime  time.Duration
	next      place
	made      time.Time
	serial    uint64

	// current is what the playlist shows, nil before the first part and while
	// the rendition is gone; store has the bytes, also of a rendition that is
	// gone.
	current, store atomic.Pointer[version]
	inits          atomic.Pointer[[]*initSection]
	// used is when somebody last asked for the playlist, asked when Demand was
	// told of it, in Unix nanoseconds.
	used, asked atomic.Int64
	// gone is set while the packager does not make it.
	gone atomic.Bool
}

// place is that of a part.
type place struct {
	msn  uint64
	part int
}

// initSection is an initialization section under its URL.
type initSection struct {
	from *segment.Init
	id   int
	// last is the newest segment that needs it. It belongs to the Stream's lock.
	last uint64
}

func newRendition(name, run string) *rendition {
	r := &rendition{name: name, run: run}
	r.inits.Store(&[]*initSection{})
	return r
}

// partName, segmentName and initName are file names. They differ from run to
// run, so that a cache never mixes them up.
func partName(run string, msn uint64, part int) string {
	b := segmentStem(run, msn)
	b = append(b, '.')
	b = strconv.AppendInt(b, int64(part), 10)
	return string(append(b, ".mp4"...))
}

func segmentName(run string, msn uint64) string {
	return string(append(segmentStem(run, msn), ".mp4"...))
}

func segmentStem(run string, msn uint64) []byte {
	b := make([]byte, 0, 40)
	b = append(b, run...)
	b = append(b, '-')
	return strconv.AppendUint(b, msn, 10)
}

func initName(run string, id int) string { return "init-" + run + "-" + strconv.Itoa(id) + ".mp4" }

// register returns the name of an initialization section's file, which a
// segment needs.
func (r *rendition) register(in *segment.Init, msn uint64) string {
	known := *r.inits.Load()
	next := 0
	for i := len(known) - 1; i >= 0; i-- {
		k := known[i]
		if k.from == in || k.from.ID == in.ID && bytes.Equal(k.from.Data, in.Data) {
			k.last = msn
			return initName(r.run, k.id)
		}
		next = max(next, k.id+1)
	}
	all := make([]*initSection, 0, len(known)+1)
	all = append(all, known[max(0, len(known)+1-maxInits):]...)
	all = append(all, &initSection{from: in, id: next, last: msn})
	r.inits.Store(&all)
	return initName(r.run, next)
}

// retire forgets the initialization sections that no segment needs any more.
func (r *rendition) retire() {
	oldest := r.openMSN
	if len(r.kept) > 0 {
		oldest = r.kept[0].msn
	}
	known := *r.inits.Load()
	n := 0
	for n < len(known)-1 && known[n].last < oldest {
		n++
	}
	if n > 0 {
		left := slices.Clone(known[n:])
		r.inits.Store(&left)
	}
}

// initData returns an initialization section, nil when it is not there.
func (r *rendition) initData(id int) []byte {
	for _, k := range *r.inits.Load() {
		if k.id == id {
			return k.from.Data
		}
	}
	return nil
}

// add takes one more part, whose initialization section is at uri.
func (r *rendition) add(p *segment.Part, uri string) {
	if r.open != nil && r.openMSN != p.MSN {
		r.complete()
	}
	if r.open == nil {
		r.open, r.openMSN, r.openTime = &body{}, p.MSN, 0
	}
	// The listing numbers parts by their order, and so do we.
	r.listing.Add(playlist.Part{
		MSN: p.MSN, URI: partName(r.run, p.MSN, len(r.open.ends)), Segment: segmentName(r.run, p.MSN), Map: uri,
		Duration: p.Duration, Wall: p.Wall, Independent: p.Independent, Discontinuity: p.Discontinuity, Last: p.Last,
	})
	r.open = r.open.with(p)
	r.openTime += p.Duration
	r.next = place{p.MSN, len(r.open.ends)}
	r.made = p.Ready
	if p.Last {
		r.complete()
	}
}

// complete ends the open segment.
func (r *rendition) complete() {
	if r.open == nil {
		return
	}
	s := &stored{
		msn: r.openMSN, duration: r.openTime,
		file: r.name + "-" + segmentName(r.run, r.openMSN),
	}
	s.body.Store(r.open)
	r.kept = append(r.kept, s)
	r.open = nil
	r.next = place{msn: r.openMSN + 1}
}

// end completes what is there for good.
func (r *rendition) end() {
	r.complete()
	r.listing.End()
}

// publish makes the newest version the current one and wakes who waits for it.
func (r *rendition) publish(reports []playlist.Report) {
	hint := partName(r.run, r.next.msn, r.next.part)
	v := r.version(r.listing.View(hint, reports))
	r.current.Store(v)
	r.replace(v)
}

// leave ends the playlist of a rendition that is no longer made. Its media can
// be had for as long as players may want it.
func (r *rendition) leave() {
	if r.listing == nil {
		return
	}
	r.complete()
	r.listing.End()
	r.current.Store(nil)
	r.replace(r.version(r.listing.View("", nil)))
	r.listing = nil
}

func (r *rendition) version(view *playlist.View) *version {
	r.serial++
	return &version{
		serial: r.serial, view: view, kept: r.kept[:len(r.kept):len(r.kept)],
		open: r.open, openMSN: r.openMSN, nextMSN: r.next.msn, nextPart: r.next.part,
		made: r.made, next: make(chan struct{}),
	}
}

func (r *rendition) replace(v *version) {
	if old := r.store.Swap(v); old != nil {
		close(old.next)
	}
}

// report tells other renditions' playlists of this one.
func (r *rendition) report() (playlist.Report, bool) {
	msn, part := r.next.msn, r.next.part-1
	if part < 0 && len(r.kept) > 0 {
		last := r.kept[len(r.kept)-1]
		msn, part = last.msn, len(last.body.Load().ends)-1
	}
	return playlist.Report{URI: "../" + r.name + "/index.m3u8", MSN: msn, Part: part}, part >= 0
}

// sweep notes what the playlist has dropped, forgets what players can no
// longer want (L19), and finds what belongs on the disk. A playlist has up to
// longest.
func (r *rendition) sweep(now time.Time, longest, edge time.Duration, todo *chores) {
	first, listed := uint64(0), false
	if r.listing != nil {
		first, listed = r.listing.First()
	}
	for _, s := range r.kept {
		if (!listed || s.msn < first) && s.unlisted.IsZero() {
			s.unlisted = now
		}
	}
	for len(r.kept) > 0 {
		s := r.kept[0]
		if s.unlisted.IsZero() || now.Sub(s.unlisted) < longest+s.duration {
			break
		}
		if b := s.body.Load(); b.parts == nil {
			todo.remove = append(todo.remove, b.path)
		}
		r.kept = r.kept[1:]
	}
	r.retire()
	r.account(edge, todo)
}

// account adds up what is where. Behind the edge, counted from the end, is what
// belongs on the disk; 0: nothing does.
func (r *rendition) account(edge time.Duration, todo *chores) {
	after := time.Duration(0)
	if r.open != nil {
		todo.memory += r.open.size()
		after = r.openTime
	}
	for i := len(r.kept) - 1; i >= 0; i-- {
		s := r.kept[i]
		b := s.body.Load()
		if b.parts == nil {
			todo.stored += b.size()
			continue
		}
		todo.memory += b.size()
		if edge > 0 && after > edge {
			todo.spill = append(todo.spill, s)
		}
		after += s.duration
	}
}

// drop lists the files of all that is kept.
func (r *rendition) drop(todo *chores) {
	for _, s := range r.kept {
		if b := s.body.Load(); b.parts == nil {
			todo.remove = append(todo.remove, b.path)
		}
	}
	r.kept = nil
}
