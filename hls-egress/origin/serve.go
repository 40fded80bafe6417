package origin

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/freshet-live/freshet/hls-egress/playlist"
	"github.com/freshet-live/freshet/internal/httpx"
)

// Media types (draft-pantos-hls-rfc8216bis section 4, RFC 4337).
const (
	typePlaylist = "application/vnd.apple.mpegurl"
	typeMP4      = "video/mp4"
)

const (
	// blockTargets is after how many target durations a request that waits is
	// sent away (L9).
	blockTargets = 3
	// retryAfter is when to come back then.
	retryAfter = time.Second
	// slowest is the pace in bytes a second below which a reader is given up.
	slowest = 16 << 10
	// slack is what every answer has beyond that, and small the size in bytes
	// up to which it is enough.
	slack = 20 * time.Second
	small = 256 << 10
)

var errNotHere = httpx.Fail(http.StatusNotFound, "there is nothing at this path")

// Register puts /hls/ into a mux.
func (o *Origin) Register(mux *http.ServeMux) {
	h := o.cfg.Site.Resource(httpx.Methods{http.MethodGet: o.serve})
	mux.Handle(prefix, h)
	o.cfg.Site.Shortcut(prefix, h)
}

// request is one request on its way.
type request struct {
	w     http.ResponseWriter
	r     *http.Request
	at    address
	item  item
	grant grant
	now   time.Time
	// waited is set when the answer had to be waited for; made is when it
	// could be given.
	waited bool
	made   time.Time
	// status and sent are for the books.
	status int
	sent   int64
}

// serve answers all that is below /hls/.
func (o *Origin) serve(w http.ResponseWriter, r *http.Request) error {
	q := request{w: w, r: r, now: time.Now(), item: item{kind: kindOther}}
	err := o.route(&q)
	if err != nil {
		q.status, q.sent = o.cfg.Site.Errors.Problem(err).Status, 0
	}
	o.metrics.count(q.item.kind, q.status, q.sent)
	if err == nil && q.waited && !q.made.IsZero() {
		o.metrics.wake.Observe(time.Since(q.made).Seconds())
	}
	return err
}

func (o *Origin) route(q *request) (err error) {
	var ok bool
	if q.at, ok = parseAddress(q.r.URL.Path); !ok || !httpx.ValidStreamName(q.at.stream) {
		return errNotHere
	}
	if q.grant, err = o.authorize(q.r, q.at, q.now); err != nil {
		return err
	}
	if q.at.rendition == "" {
		q.item.kind = kindMultivariant
		return o.serveMultivariant(q)
	}
	if q.item, ok = parseFile(q.at.file); !ok {
		q.item.kind = kindOther
		return errNotHere
	}
	if q.item.kind == kindPlaylist {
		return o.servePlaylist(q)
	}
	return o.serveMedia(q)
}

// block counts a request that waits. The error is a 503: there are too many.
func (o *Origin) block(q *request) (release func(), err error) {
	q.waited = true
	if o.blocked.Add(1) > int64(o.cfg.MaxBlocked) {
		o.blocked.Add(-1)
		return nil, unavailable("too many requests are waiting")
	}
	o.metrics.blocked.Inc()
	return func() {
		o.blocked.Add(-1)
		o.metrics.blocked.Dec()
	}, nil
}

func unavailable(format string, args ...any) error {
	p := httpx.Fail(http.StatusServiceUnavailable, format, args...)
	p.RetryAfter = retryAfter
	return p
}

// wait waits for the event, the client's end or the timer. The error is a 503.
func wait(ctx context.Context, event <-chan struct{}, timer *time.Timer) error {
	select {
	case <-event:
		return nil
	case <-timer.C:
		return unavailable("what was asked for did not come in time")
	case <-ctx.Done():
		return fmt.Errorf("hls: %w", ctx.Err())
	}
}

// until tries again whenever the Origin changes, for as long as what is asked
// for may come.
func (o *Origin) until(q *request, try func() (done bool, err error)) error {
	var timer *time.Timer
	for {
		changed := o.changed.wait()
		if done, err := try(); done || err != nil {
			return err
		}
		if timer == nil {
			release, err := o.block(q)
			if err != nil {
				return err
			}
			defer release()
			timer = time.NewTimer(o.cfg.StartWait)
			defer timer.Stop()
		}
		if err := wait(q.r.Context(), changed, timer); err != nil {
			return err
		}
	}
}

// serveMultivariant answers with the multivariant playlist, and waits for one
// of a Stream that is live.
func (o *Origin) serveMultivariant(q *request) error {
	var body []byte
	prefix := ""
	if !q.grant.open && !q.at.signed {
		prefix = "~" + q.grant.sign + "/"
	}
	err := o.until(q, func() (bool, error) {
		if s := o.stream(q.at.stream); s != nil && (!s.over() || !o.cfg.Live(q.at.stream)) {
			s.used.Store(q.now.UnixNano())
			body = s.multivariant(q.now, prefix)
		}
		if body == nil && !o.pending(q.at.stream) {
			return false, httpx.Fail(http.StatusNotFound, "nobody publishes this stream")
		}
		return body != nil, nil
	})
	if err != nil {
		return err
	}
	cache := cacheBriefly
	if !q.grant.open {
		cache = cacheNever
		setCookie(q.w, q.r, q.at, q.grant)
	}
	packed := acceptsGzip(q.r)
	if packed {
		body = pack(body)
	}
	return q.writePlaylist(body, packed, cache, "")
}

// pending reports whether a Stream has something to wait for.
func (o *Origin) pending(stream string) bool {
	if s := o.stream(stream); s != nil && !s.over() {
		return true
	}
	return o.cfg.Live(stream)
}

// find returns a rendition that has at least one part. One that is offered is
// asked for, and waited for.
func (o *Origin) find(q *request) (s *Stream, r *rendition, err error) {
	err = o.until(q, func() (bool, error) {
		if s = o.stream(q.at.stream); s == nil {
			if o.cfg.Live(q.at.stream) {
				return false, nil
			}
			return false, errNotHere
		}
		if r = (*s.renditions.Load())[q.at.rendition]; r == nil || r.gone.Load() && (!s.offers(r.name) || s.over()) {
			if (len(s.offer.Load().present) == 0 || s.expects(q.at.rendition)) && o.pending(q.at.stream) {
				return false, nil // its renditions are not known yet
			}
			return false, errNotHere
		}
		if r.gone.Load() {
			r.used.Store(q.now.UnixNano())
			s.ask(r, time.Now())
			return false, nil
		}
		return r.current.Load() != nil, nil
	})
	if err == nil {
		r.used.Store(q.now.UnixNano())
		s.used.Store(q.now.UnixNano())
	}
	return s, r, err
}

// servePlaylist answers with a media playlist, once it has what the query
// asks for.
func (o *Origin) servePlaylist(q *request) error {
	query, err := playlist.ParseQuery(q.r.URL.RawQuery)
	if err != nil {
		return httpx.Fail(http.StatusBadRequest, "%s", err)
	}
	s, r, err := o.find(q)
	if err != nil {
		return err
	}
	v, err := o.await(q, s, &r.current, func(v *version) (bool, error) {
		if v.view.Complete() == 0 && !query.Blocking && !v.view.Ended() {
			return false, nil // players take a playlist without a segment for a broken one
		}
		verdict, err := v.view.Judge(query)
		if err != nil {
			return false, httpx.Fail(http.StatusBadRequest, "%s", err)
		}
		return verdict == playlist.Answer, nil
	})
	if err != nil {
		return err
	}
	packed := acceptsGzip(q.r)
	tag := v.tag(s.run, query.Skip, packed)
	body := v.bytes(query.Skip, packed, q.mediaFolder())
	return q.writePlaylist(body, packed, s.caching(q, query.Blocking), tag)
}

// mediaFolder returns where media is as seen from the playlist that is asked
// for: with a viewer's own address it is where all viewers find it, else "",
// beside the playlist.
func (q *request) mediaFolder() string {
	if !q.grant.inPath || q.grant.public() {
		return ""
	}
	return "../../~" + q.grant.shared + "/" + q.at.rendition + "/"
}

// await returns the first version from now on that will do.
func (o *Origin) await(q *request, s *Stream, in *atomic.Pointer[version], try func(*version) (bool, error)) (*version, error) {
	var timer *time.Timer
	for {
		v := in.Load()
		if v == nil {
			return nil, errNotHere
		}
		if done, err := try(v); err != nil || done {
			q.made = v.made
			return v, err
		}
		if timer == nil {
			release, err := o.block(q)
			if err != nil {
				return nil, err
			}
			defer release()
			timer = time.NewTimer(blockTargets * s.format.Target)
			defer timer.Stop()
		}
		if err := wait(q.r.Context(), v.next, timer); err != nil {
			return nil, err
		}
	}
}

// acceptsGzip reports whether the client takes gzip (RFC 9110 section 12.5.3).
func acceptsGzip(r *http.Request) bool {
	for _, value := range r.Header["Accept-Encoding"] {
		for coding := range strings.SplitSeq(value, ",") {
			name, weight, _ := strings.Cut(coding, ";")
			if strings.EqualFold(strings.TrimSpace(name), "gzip") {
				weight = strings.ReplaceAll(weight, " ", "")
				return !strings.HasPrefix(weight, "q=0") || strings.Trim(weight, "q=0.") != ""
			}
		}
	}
	return false
}
