package session

import (
	"net/http"
	"strings"

	"github.com/freshet-live/freshet/internal/httpx"
)

// match is a parsed If-Match header (RFC 9110 section 13.1.1).
type match struct {
	// any is set by * and, as the example of RFC 9725 section 4.3.3 has it, by
	// the tag "*".
	any  bool
	tags []string // strong tags with their quotes; weak ones never match
}

const maxTags = 32

// parseIfMatch reads the header's field lines. Without any, the error is a 428
// (W19). What breaks the grammar, an unquoted tag for one, matches nothing.
func parseIfMatch(lines []string) (match, error) {
	var m match
	if len(lines) == 0 {
		return m, httpx.Fail(http.StatusPreconditionRequired, "If-Match must carry the session's ETag, or * for an ICE restart")
	}
	rest := strings.TrimSpace(strings.Join(lines, ","))
	if rest == "*" {
		return match{any: true}, nil
	}
	for range maxTags {
		rest = strings.TrimLeft(rest, ", \t")
		if rest == "" {
			break
		}
		tag, after, ok := cutTag(rest)
		if !ok {
			return match{}, nil
		}
		rest = after
		switch {
		case tag == `"*"`:
			m.any = true
		case tag[0] == '"':
			m.tags = append(m.tags, tag)
		}
	}
	return m, nil
}

// cutTag takes one entity-tag from the front of a list (RFC 9110 section
// 8.8.3), with the W/ of a weak one.
func cutTag(s string) (tag, rest string, ok bool) {
	start := 0
	if strings.HasPrefix(s, "W/") {
		start = 2
	}
	if len(s) <= start || s[start] != '"' {
		return "", "", false
	}
	end := strings.IndexByte(s[start+1:], '"')
	if end < 0 {
		return "", "", false
	}
	end += start + 2
	rest = strings.TrimLeft(s[end:], " \t")
	if rest != "" && rest[0] != ',' {
		return "", "", false
	}
	return s[:end], rest, true
}

// matches compares strongly (RFC 9110 section 8.8.3.2).
func (m match) matches(etag string) bool {
	if m.any {
		return true
	}
	for _, t := range m.tags {
		if t == etag {
			return true
		}
	}
	return false
}
