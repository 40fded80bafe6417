package playlist

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ErrQuery is wrapped by errors about delivery directives that are malformed
// or ask for what is too far ahead. It answers to 400 (section 6.2.5.2).
var ErrQuery = errors.New("bad delivery directive")

// Query is what a player asks of a media playlist by the delivery directives
// of section 6.2.5. The zero value asks for nothing.
type Query struct {
	// Blocking is set with _HLS_msn, WithPart with _HLS_part.
	Blocking, WithPart bool
	MSN                uint64
	Part               uint64
	// Skip is set when a delta update would do.
	Skip bool
}

// ParseQuery reads the directives of a URL's query. Parameters of other names
// are nobody's business here; a directive that is there twice, that is no
// decimal number, or that lacks its companion is an error, which wraps
// ErrQuery.
func ParseQuery(raw string) (Query, error) {
	var q Query
	seen := map[string]bool{}
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "_HLS_") {
			continue
		}
		if seen[name] {
			return Query{}, fmt.Errorf("%w: %.20q is there twice", ErrQuery, name)
		}
		seen[name] = true
		if err := q.set(name, value); err != nil {
			return Query{}, err
		}
	}
	if q.WithPart && !q.Blocking {
		return Query{}, fmt.Errorf("%w: _HLS_part needs _HLS_msn", ErrQuery) // L10
	}
	return q, nil
}

func (q *Query) set(name, value string) (err error) {
	switch name {
	case "_HLS_msn":
		q.Blocking = true
		q.MSN, err = number(value)
	case "_HLS_part":
		q.WithPart = true
		q.Part, err = number(value)
	case "_HLS_skip":
		// What is not known is not done: the whole playlist always fits.
		q.Skip = value == "YES" || value == "v2"
	}
	if err != nil {
		return fmt.Errorf("%w: %s is not a decimal number", ErrQuery, name)
	}
	return nil
}

// number reads a decimal-integer (section 4.2), which may come escaped.
func number(text string) (uint64, error) {
	text, err := url.QueryUnescape(text)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(text, 10, 64)
}

// Verdict is what to do about a Query.
type Verdict int

// The verdicts.
const (
	// Answer at once.
	Answer Verdict = iota + 1
	// Wait for the next View and ask again.
	Wait
)

// Judge tells what to do about a Query now (L8 to L13). The error wraps
// ErrQuery: what is asked for is too far ahead (L11).
func (v *View) Judge(q Query) (Verdict, error) {
	if v.ended || !q.Blocking {
		return Answer, nil
	}
	if len(v.segments) == 0 && v.open == nil {
		return Wait, nil // nothing is there to measure by
	}
	next := v.next()
	const ahead = 2 // segments past the last one
	if q.MSN >= next && q.MSN-next > ahead-1 {
		return 0, fmt.Errorf("%w: segment %d is too far ahead", ErrQuery, q.MSN)
	}
	if !q.WithPart {
		return answerIf(q.MSN < next), nil
	}
	return v.judgePart(q, next)
}

// next returns the media sequence number after that of the last complete
// segment.
func (v *View) next() uint64 {
	if n := len(v.segments); n > 0 {
		return v.segments[n-1].msn + 1
	}
	return v.open.msn
}

func (v *View) judgePart(q Query, next uint64) (Verdict, error) {
	if q.MSN < next {
		last := v.segments[len(v.segments)-1]
		if q.MSN < last.msn || q.Part < uint64(v.recent[len(v.recent)-1].count) {
			return Answer, nil
		}
		q.MSN, q.Part = next, 0 // L13
	}
	has := uint64(0)
	if v.open != nil && q.MSN == v.open.msn {
		has = uint64(v.open.count)
	}
	if q.Part >= has && q.Part-has >= v.advanceLimit() {
		return 0, fmt.Errorf("%w: part %d of segment %d is too far ahead", ErrQuery, q.Part, q.MSN)
	}
	return answerIf(q.Part < has), nil
}

// advanceLimit is the Advance Part Limit of section 6.2.5.2.
func (v *View) advanceLimit() uint64 {
	const limit = 3
	if v.format.Part <= 0 || v.format.Part >= time.Second {
		return limit
	}
	return uint64((limit*time.Second + v.format.Part - 1) / v.format.Part)
}

func answerIf(there bool) Verdict {
	if there {
		return Answer
	}
	return Wait
}
