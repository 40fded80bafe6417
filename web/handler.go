package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ErrNotBuilt means that the binary was made without the web app.
var ErrNotBuilt = errors.New("web app is not built: run `make web`")

// policy lets the pages use only what comes from their own origin: no inline
// script or style, no plug-in, no foreign form target. Media come over WebRTC,
// which the policy does not govern, and as blobs.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"font-src 'self'; connect-src 'self'; media-src 'self' blob:; worker-src 'self' blob:; " +
	"manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors "

// pages maps a route to its file. {stream} is checked by the page itself,
// which has words for a name that is none.
var pages = map[string]string{
	"/{$}":                "index.html",
	"/broadcast/{stream}": "broadcast.html",
	"/watch/{stream}":     "watch.html",
	"/embed/{stream}":     "embed.html",
}

// hashed matches the names of files that never change their content.
var hashed = regexp.MustCompile(`^assets/.+-[A-Za-z0-9_-]{8}\.[a-z0-9]+$`)

// file is one built file, ready to be sent.
type file struct {
	body, gzip  []byte
	contentType string
	etag        string
	cache       string
}

// NewHandler serves a built app from a file system, which it reads once. It
// returns ErrNotBuilt when that has no index.html. Paths that are none of the
// app's are answered by 404.
func NewHandler(dist fs.FS) (http.Handler, error) {
	if _, err := fs.Stat(dist, "index.html"); err != nil {
		return nil, ErrNotBuilt
	}
	files, err := load(dist)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for route, name := range pages {
		f, ok := files[name]
		if !ok {
			return nil, fmt.Errorf("%w (%s is missing)", ErrNotBuilt, name)
		}
		page := readOnly(f.page(name))
		mux.Handle(route, page)
		if strings.HasSuffix(route, "/{stream}") {
			mux.Handle(route+"/{$}", page) // as people copy addresses
		}
	}
	for name, f := range files {
		if path.Ext(name) != ".html" {
			mux.Handle("/"+name, readOnly(f))
		}
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "there is no page at this address")
	})
	return mux, nil
}

// readOnly answers all methods but GET and HEAD by 405.
func readOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			refuse(w, http.StatusMethodNotAllowed, "a page can only be read")
			return
		}
		h.ServeHTTP(w, r)
	})
}

// refuse writes an application/problem+json body (RFC 9457). The detail must
// need no escaping.
func refuse(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"title":%q,"status":%d,"detail":%q}`, http.StatusText(status), status, detail)
}

// load reads and compresses all files but the hidden ones.
func load(dist fs.FS) (map[string]*file, error) {
	files := map[string]*file{}
	err := fs.WalkDir(dist, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		body, err := fs.ReadFile(dist, name)
		if err != nil {
			return err //nolint:wrapcheck // names the file already
		}
		files[name] = newFile(name, body)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("web app: %w", err)
	}
	return files, nil
}

func newFile(name string, body []byte) *file {
	sum := sha256.Sum256(body)
	f := &file{
		body:        body,
		contentType: mime.TypeByExtension(path.Ext(name)),
		etag:        `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`,
		cache:       "no-cache",
	}
	if f.contentType == "" {
		f.contentType = "application/octet-stream"
	}
	if hashed.MatchString(name) {
		f.cache = "public, max-age=31536000, immutable"
	}
	if packed := compress(body); len(packed) < len(body)*9/10 {
		f.gzip = packed
	}
	return f
}

func compress(body []byte) []byte {
	var buf bytes.Buffer
	w, _ := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	_, _ = w.Write(body) // a bytes.Buffer takes everything
	_ = w.Close()
	return buf.Bytes()
}

// page adds the headers that only documents need. A token may stand in a
// page's address for a moment, so that no referrer is sent.
func (f *file) page(name string) http.Handler {
	ancestors := "'none'"
	if name == "embed.html" {
		ancestors = "*"
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy+ancestors)
		w.Header().Set("Referrer-Policy", "no-referrer")
		f.ServeHTTP(w, r)
	})
}

// ServeHTTP sends the file, compressed where the client takes that. Validators
// and ranges are left to the uncompressed form, which ServeContent knows.
func (f *file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", f.cache)
	h.Set("X-Content-Type-Options", "nosniff")
	if f.gzip == nil {
		h.Set("ETag", f.etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
		return
	}
	h.Set("Vary", "Accept-Encoding")
	if r.Header.Get("Range") != "" || !takesGzip(r.Header.Get("Accept-Encoding")) {
		h.Set("ETag", f.etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
		return
	}
	h.Set("ETag", strings.TrimSuffix(f.etag, `"`)+`-gz"`)
	h.Set("Content-Encoding", "gzip")
	if r.Header.Get("If-None-Match") == h.Get("ETag") {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(f.gzip)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(f.gzip) // the client may have gone; nothing to do about it
	}
}

// takesGzip reads an Accept-Encoding header (RFC 9110 section 12.5.3).
func takesGzip(header string) bool {
	for item := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(item, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		q, ok := strings.CutPrefix(strings.TrimSpace(params), "q=")
		if !ok {
			return true
		}
		weight, err := strconv.ParseFloat(q, 64)
		return err == nil && weight > 0
	}
	return false
}
