package origin

import (
	"bytes"
	"compress/gzip"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/freshet-live/freshet/hls-egress/playlist"
)

// version is a rendition between one part and the next. It is immutable but
// for what is written when it is first asked for.
type version struct {
	serial uint64
	view   *playlist.View
	// kept has the complete segments, oldest first, listed or not.
	kept []*stored
	// open is the segment that is being made; nil between two segments.
	open    *body
	openMSN uint64
	// nextMSN and nextPart are the place of the part that the playlist hints
	// at.
	nextMSN  uint64
	nextPart int
	// made is when its newest part was complete.
	made time.Time
	// next closes when there is a newer version.
	next chan struct{}

	full, delta document
	// elsewhere has those that find media in another folder, by the folder:
	// one for each hour that viewers came in.
	elsewhere sync.Map
}

// document is a playlist as it is sent, written once and compressed once.
type document struct {
	write  sync.Once
	plain  []byte
	pack   sync.Once
	packed []byte
}

// variant names a document of a version.
type variant struct {
	folder string
	delta  bool
}

// document returns the playlist or its delta update, with its text.
func (v *version) document(delta bool, folder string) *document {
	d := &v.full
	switch {
	case folder != "":
		at, _ := v.elsewhere.LoadOrStore(variant{folder, delta}, new(document))
		d = at.(*document)
	case delta:
		d = &v.delta
	}
	d.write.Do(func() {
		if folder != "" {
			d.plain = playlist.Rebase(v.document(delta, "").plain, folder)
			return
		}
		if !delta {
			d.plain = v.view.Append(nil)
			return
		}
		text, ok := v.view.AppendDelta(nil)
		if !ok {
			text = v.document(false, "").plain
		}
		d.plain = text
	})
	return d
}

// bytes returns the playlist or its delta update, plain or compressed, for
// media that is in a folder, or beside it with "".
func (v *version) bytes(delta, packed bool, folder string) []byte {
	d := v.document(delta, folder)
	if !packed {
		return d.plain
	}
	d.pack.Do(func() { d.packed = pack(d.plain) })
	return d.packed
}

// tag returns the entity tag, which differs by encoding (RFC 9110 section
// 8.8.3.3).
func (v *version) tag(run string, delta, packed bool) string {
	b := make([]byte, 0, 48)
	b = append(b, '"')
	b = append(b, run...)
	b = append(b, '-')
	b = strconv.AppendUint(b, v.serial, 10)
	if delta {
		b = append(b, 'd')
	}
	if packed {
		b = append(b, 'z')
	}
	return string(append(b, '"'))
}

// segment returns a complete segment's bytes, nil when they are not there.
func (v *version) segment(msn uint64) *body {
	i := sort.Search(len(v.kept), func(i int) bool { return v.kept[i].msn >= msn })
	if i == len(v.kept) || v.kept[i].msn != msn {
		return nil
	}
	return v.kept[i].body.Load()
}

// part returns the segment that a part is in, nil when it is not there. With
// coming set the part is the next one.
func (v *version) part(msn uint64, part int) (in *body, coming bool) {
	b := v.segment(msn)
	if v.open != nil && msn == v.openMSN {
		b = v.open
	}
	if b != nil && part < len(b.ends) {
		return b, false
	}
	return nil, msn == v.nextMSN && part == v.nextPart && !v.view.Ended()
}

var packers = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is a good one
	return w
}}

func pack(plain []byte) []byte {
	var out bytes.Buffer
	out.Grow(len(plain)/4 + 64)
	w := packers.Get().(*gzip.Writer)
	defer packers.Put(w)
	w.Reset(&out)
	_, _ = w.Write(plain) // a Buffer takes everything
	_ = w.Close()
	return out.Bytes()
}
