package origin

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-live/freshet/internal/httpx"
)

// writePlaylist sends a playlist.
func (q *request) writePlaylist(body []byte, packed bool, cache []string, tag string) error {
	h := q.w.Header()
	dropExposed(h)
	h["Content-Type"] = headerPlaylist
	h["Vary"] = headerVary
	h["Cache-Control"] = cache
	if packed {
		h["Content-Encoding"] = headerGzip
	}
	if tag != "" {
		h["Etag"] = []string{tag}
		if q.matches(tag) {
			q.status = http.StatusNotModified
			q.w.WriteHeader(q.status)
			return nil
		}
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	q.begin(http.StatusOK, int64(len(body)))
	if q.r.Method != http.MethodHead {
		_, _ = q.w.Write(body) // the client may be gone
	}
	return nil
}

// Header values that never change need no allocation. Names are assigned in
// their canonical form: these are the hottest lines of the server.
var (
	headerPlaylist = []string{typePlaylist}
	headerMP4      = []string{typeMP4}
	headerVary     = []string{"Accept-Encoding"}
	headerGzip     = []string{"gzip"}
	headerRanges   = []string{"bytes"}
	cacheBriefly   = []string{"public, max-age=1"}
	cacheNever     = []string{"private, no-store"}
)

// scopes are the two that a Cache-Control begins with.
var scopes = [2]string{"public", "private"}

// scope tells whether caches may share an answer, as an index into scopes.
func (q *request) scope() int {
	if q.grant.public() {
		return 0
	}
	return 1
}

// caching lets caches keep a playlist that was waited for as long as L23
// allows: whoever asks the same later has what it asked for. Others get the
// newest, but for a second in which many come at once.
func (s *Stream) caching(q *request, blocking bool) []string {
	if blocking {
		return s.cacheTarget[q.scope()]
	}
	return s.cacheSecond[q.scope()]
}

// setCaching prepares the values of Cache-Control, by scope.
func (s *Stream) setCaching(window time.Duration) {
	for i, scope := range scopes {
		value := func(age time.Duration) string { return scope + ", max-age=" + strconv.Itoa(int(age/time.Second)) }
		s.cacheMedia[i] = []string{value(window) + ", immutable"}
		s.cacheTarget[i] = []string{value(s.format.Target)}
		s.cacheSecond[i] = []string{value(time.Second)}
	}
}

// dropExposed leaves out what no player reads, so that the header stays in a map
// of eight: a ninth entry costs as much as all of the others.
func dropExposed(h http.Header) { delete(h, "Access-Control-Expose-Headers") }

// matches reports whether the client has what a tag stands for (RFC 9110
// section 13.1.2).
func (q *request) matches(tag string) bool {
	have := q.r.Header.Get("If-None-Match")
	return have != "" && (have == "*" || strings.Contains(have, tag))
}

// begin sends the status. From now on the client has as long as a slow one
// needs.
func (q *request) begin(status int, size int64) {
	q.status, q.sent = status, size
	if size > small || q.waited && time.Since(q.now) > slack/2 {
		// Others do with the deadline of the Site, which began with the request.
		_ = http.NewResponseController(q.w).SetWriteDeadline(
			time.Now().Add(slack + time.Duration(size/slowest)*time.Second))
	}
	q.w.WriteHeader(status)
}

// serveMedia answers with a part, a segment or an initialization section.
func (o *Origin) serveMedia(q *request) error {
	s := o.run(q.at.stream, q.item.run)
	if s == nil {
		return errNotHere
	}
	r := (*s.renditions.Load())[q.at.rendition]
	if r == nil {
		return errNotHere
	}
	if q.item.kind == kindInit {
		data := r.initData(q.item.part)
		if data == nil {
			return errNotHere
		}
		b := &body{parts: [][]byte{data}, ends: []int64{int64(len(data))}}
		return q.writeMedia(s, b, 0, b.size())
	}
	if q.item.kind == kindSegment {
		v := r.store.Load()
		if v == nil {
			return errNotHere
		}
		b := v.segment(q.item.msn)
		if b == nil {
			return errNotHere
		}
		return q.writeMedia(s, b, 0, b.size())
	}
	return o.servePart(q, s, r)
}

// servePart answers with a part, and waits for the one that the playlist hints
// at (L15).
func (o *Origin) servePart(q *request, s *Stream, r *rendition) error {
	var in *body
	_, err := o.await(q, s, &r.store, func(v *version) (bool, error) {
		var coming bool
		if in, coming = v.part(q.item.msn, q.item.part); in == nil && !coming {
			return false, errNotHere
		}
		return in != nil, nil
	})
	if err != nil {
		return err
	}
	from, to := in.span(q.item.part)
	return q.writeMedia(s, in, from, to)
}

// writeMedia sends what lies between two offsets of a body: all of it, or the
// range that the request asks for.
func (q *request) writeMedia(s *Stream, b *body, begin, end int64) error {
	h := q.w.Header()
	tag := `"` + q.at.file + `"`
	h["Content-Type"] = headerMP4
	h["Accept-Ranges"] = headerRanges
	h["Etag"] = []string{tag}
	h["Cache-Control"] = s.cacheMedia[q.scope()]
	if q.matches(tag) {
		q.status = http.StatusNotModified
		q.w.WriteHeader(q.status)
		return nil
	}
	size := end - begin
	from, to, status := int64(0), size, http.StatusOK
	if want := q.r.Header.Get("Range"); want != "" && q.sameVersion(tag) {
		f, t, partial, err := parseRange(want, size)
		if err != nil {
			h.Del("Etag")
			h.Set("Content-Range", fmt.Sprintf("bytes */%d", size))
			return httpx.Fail(http.StatusRequestedRangeNotSatisfiable, "there are %d bytes", size)
		}
		if partial {
			from, to, status = f, t, http.StatusPartialContent
			h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, size))
		}
	}
	return q.sendMedia(b, begin+from, begin+to, status)
}

// sameVersion reports whether a range is meant for what we have (RFC 9110
// section 13.1.5).
func (q *request) sameVersion(tag string) bool {
	want := q.r.Header.Get("If-Range")
	return want == "" || want == tag
}

func (q *request) sendMedia(b *body, from, to int64, status int) error {
	f, err := b.openFile()
	if err != nil {
		for _, name := range []string{"Etag", "Accept-Ranges", "Content-Range"} {
			q.w.Header().Del(name)
		}
		if errors.Is(err, os.ErrNotExist) {
			return errNotHere // the window has moved on meanwhile
		}
		return err
	}
	if f != nil {
		defer func() { _ = f.Close() }()
	}
	q.w.Header()["Content-Length"] = []string{strconv.FormatInt(to-from, 10)}
	q.begin(status, to-from)
	if q.r.Method == http.MethodHead {
		return nil
	}
	if err := b.writeTo(q.w, f, from, to); errors.Is(err, errShort) {
		panic(http.ErrAbortHandler) // half a segment must not look whole
	}
	return nil
}
