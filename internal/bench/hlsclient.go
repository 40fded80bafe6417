package bench

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// hlsTrack is one rendition that a client follows, on a connection of its own,
// as players do: a reload that waits, then the parts that it tells of.
type hlsTrack struct {
	run   *hlsRun
	conn  *hlsConn
	at    *url.URL
	tally *hlsTally
	query []byte
	had   string // the newest part that was loaded
}

// join loads the multivariant playlist and connects for the renditions to
// play.
func (r *hlsRun) join(ctx context.Context) ([]*hlsTrack, error) {
	at, err := url.Parse(r.opts.URL)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOptions, err)
	}
	c, err := dialHLS(ctx, at, r.opts.Plain)
	if err != nil {
		return nil, err
	}
	a, err := c.get(at.RequestURI(), true)
	if err != nil {
		c.close()
		return nil, err
	}
	text, err := unpack(a.body, a.packed)
	if err != nil {
		c.close()
		return nil, err
	}
	video, audio, err := parseRenditions(text)
	if err != nil {
		c.close()
		return nil, err
	}
	var out []*hlsTrack
	for _, uri := range []string{video, audio} {
		if uri == "" {
			continue
		}
		if c == nil {
			if c, err = dialHLS(ctx, at, r.opts.Plain); err != nil {
				out[0].conn.close()
				return nil, err
			}
		}
		u, err := at.Parse(uri)
		if err != nil {
			c.close()
			return nil, fmt.Errorf("%w: %w", errPlaylist, err)
		}
		out = append(out, &hlsTrack{run: r, conn: c, at: u, tally: r.nextTally()})
		c = nil
	}
	return out, nil
}

// follow plays until ctx or the Stream ends.
func (t *hlsTrack) follow(ctx context.Context) {
	stop := context.AfterFunc(ctx, t.conn.close)
	defer stop()
	defer t.conn.close()
	var e *liveEnd
	for ctx.Err() == nil {
		next, err := t.reload(e)
		if err == nil && next.ended {
			return
		}
		if err == nil {
			err = t.load(next, e == nil)
			e = next
		}
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return
		}
		t.tally.failed()
		t.run.fail(ctx, err, false)
		if e = nil; !t.recover(ctx, err) {
			return
		}
	}
}

// recover waits a second after an error, as players do, and connects anew if
// need be.
func (t *hlsTrack) recover(ctx context.Context, err error) bool {
	if wait(ctx, time.Second) != nil {
		return false
	}
	if errors.Is(err, errStatus) || errors.Is(err, errPlaylist) {
		return true
	}
	t.conn.close()
	c, err := dialHLS(ctx, t.at, t.run.opts.Plain)
	if err != nil {
		t.run.fail(ctx, err, false)
		return false
	}
	t.conn = c
	return ctx.Err() == nil
}

// reload asks for the playlist with the part that comes next.
func (t *hlsTrack) reload(e *liveEnd) (*liveEnd, error) {
	t.query = append(t.query[:0], t.at.RequestURI()...)
	path := t.query
	if e != nil {
		mark := byte('?')
		if t.at.RawQuery != "" {
			mark = '&'
		}
		path = append(append(path, mark), "_HLS_msn="...)
		path = strconv.AppendUint(path, e.msn, 10)
		path = append(path, "&_HLS_part="...)
		path = strconv.AppendInt(path, int64(e.part), 10)
		if !t.run.opts.NoDelta {
			path = append(path, "&_HLS_skip=YES"...)
		}
	}
	t.query = path
	a, err := t.conn.get(string(path), true)
	if err != nil {
		return nil, err
	}
	t.count(a.size)
	return t.run.parsed.end(a.body, a.packed)
}

func (t *hlsTrack) count(size int64) {
	t.run.requests.Add(1)
	t.run.bytes.Add(uint64(size))
}

// load fetches the parts that are new; the first time only the newest.
func (t *hlsTrack) load(e *liveEnd, first bool) error {
	came := time.Now()
	from := len(e.parts)
	for from > 0 && e.parts[from-1].uri != t.had {
		from--
	}
	if from == 0 && (first || t.had != "") {
		from = max(0, len(e.parts)-1) // it was away for longer than the list is
	}
	for _, p := range e.parts[from:] {
		u, err := t.at.Parse(p.uri)
		if err != nil {
			return fmt.Errorf("%w: %w", errPlaylist, err)
		}
		path := u.RequestURI()
		listed := t.run.first(path, came)
		asked := time.Now()
		a, err := t.conn.get(path, false)
		if err != nil {
			return err
		}
		t.count(a.size)
		t.had = p.uri
		if first || !t.run.measuring.Load() {
			continue
		}
		now := time.Now()
		late := now.Sub(listed).Seconds() > e.target
		t.tally.delivered(came.Sub(listed), now.Sub(asked), now.Sub(p.end), !p.end.IsZero(), late)
	}
	return nil
}
