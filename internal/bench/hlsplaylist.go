package bench

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// errPlaylist is a playlist that a client cannot follow.
var errPlaylist = errors.New("playlist")

// liveEnd is the live end of a media playlist.
type liveEnd struct {
	// msn and part are the place of the part that comes next.
	msn  uint64
	part int
	// target is PART-TARGET, in seconds.
	target float64
	// parts are the newest that are listed, oldest first.
	parts []endPart
	ended bool
}

type endPart struct {
	uri string
	// end is when its last sample was captured, zero without a date.
	end time.Time
}

// parseEnd reads the end of a media playlist, whole or a delta.
func parseEnd(text string) (*liveEnd, error) {
	var e liveEnd
	var err error
	var date time.Time
	skipped := uint64(0)
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		tag, value, _ := strings.Cut(line, ":")
		switch {
		case line == "":
		case line[0] != '#':
			e.msn, e.part = e.msn+1, 0
		case tag == "#EXT-X-MEDIA-SEQUENCE":
			e.msn, err = strconv.ParseUint(value, 10, 63)
		case tag == "#EXT-X-SKIP":
			skipped, err = strconv.ParseUint(attr(value, "SKIPPED-SEGMENTS"), 10, 31)
			e.msn += skipped
		case tag == "#EXT-X-PART-INF":
			e.target, err = strconv.ParseFloat(attr(value, "PART-TARGET"), 64)
		case tag == "#EXT-X-PROGRAM-DATE-TIME":
			date, _ = time.Parse(time.RFC3339Nano, value)
		case tag == "#EXT-X-PART":
			var d float64
			if d, err = strconv.ParseFloat(attr(value, "DURATION"), 64); err != nil {
				break
			}
			if !date.IsZero() {
				date = date.Add(time.Duration(d * float64(time.Second)))
			}
			e.parts = append(e.parts, endPart{attr(value, "URI"), date})
			e.part++
		case tag == "#EXT-X-ENDLIST":
			e.ended = true
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %.80q", errPlaylist, line)
		}
	}
	if e.target <= 0 {
		return nil, fmt.Errorf("%w: it is no low-latency one", errPlaylist)
	}
	return &e, nil
}

// attr returns an attribute's value without its quotes.
func attr(list, name string) string {
	for list != "" {
		key, rest, _ := strings.Cut(list, "=")
		value, quoted := strings.CutPrefix(rest, `"`)
		if quoted {
			value, rest, _ = strings.Cut(value, `"`)
			list = strings.TrimPrefix(rest, ",")
		} else {
			value, list, _ = strings.Cut(rest, ",")
		}
		if key == name {
			return value
		}
	}
	return ""
}

// parseRenditions returns the URIs of the first variant and of its audio, ""
// where it has none.
func parseRenditions(text string) (video, audio string, err error) {
	groups := map[string]string{}
	group, variant := "", false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		tag, value, _ := strings.Cut(line, ":")
		switch {
		case tag == "#EXT-X-MEDIA":
			groups[attr(value, "GROUP-ID")] = attr(value, "URI")
		case tag == "#EXT-X-STREAM-INF":
			group, variant = attr(value, "AUDIO"), true
		case variant && line != "" && line[0] != '#':
			return line, groups[group], nil
		}
	}
	return "", "", fmt.Errorf("%w: no variant", errPlaylist)
}

// playlists holds what was parsed already: all clients are sent the same, and
// reading it a thousand times would cost more than serving it.
type playlists struct {
	mu    sync.Mutex
	known map[string]*liveEnd
}

// end reads a media playlist as it came.
func (p *playlists) end(body []byte, packed bool) (*liveEnd, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.known[string(body)]; e != nil {
		return e, nil
	}
	plain, err := unpack(body, packed)
	if err != nil {
		return nil, err
	}
	e, err := parseEnd(plain)
	if err != nil {
		return nil, err
	}
	const enough = 64
	if len(p.known) >= enough || p.known == nil {
		p.known = map[string]*liveEnd{}
	}
	p.known[string(body)] = e
	return e, nil
}

func unpack(body []byte, packed bool) (string, error) {
	if !packed {
		return string(body), nil
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("%w: %w", errPlaylist, err)
	}
	const most = 64 << 20
	plain, err := io.ReadAll(io.LimitReader(z, most))
	if err != nil {
		return "", fmt.Errorf("%w: %w", errPlaylist, err)
	}
	return string(plain), nil
}
