package origin

import (
	"errors"
	"strconv"
	"strings"
)

// errRange says that none of a resource is in the range that was asked for.
var errRange = errors.New("range not satisfiable")

// parseRange reads a Range header for a resource of a size in bytes (RFC 9110
// section 14.2). A header that is malformed, or asks for several ranges, is as
// good as none; then partial is false.
func parseRange(header string, size int64) (from, to int64, partial bool, err error) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	if !ok || strings.Contains(spec, ",") {
		return 0, size, false, nil
	}
	first, last, ok := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok {
		return 0, size, false, nil
	}
	if first == "" {
		return suffix(last, size)
	}
	from, ok = offset(first)
	if !ok {
		return 0, size, false, nil
	}
	to = size
	if last != "" {
		end, ok := offset(last)
		if !ok || end < from {
			return 0, size, false, nil
		}
		to = min(size, end+1)
	}
	if from >= size {
		return 0, size, false, errRange
	}
	return from, to, true, nil
}

// suffix is a range of the last n bytes.
func suffix(text string, size int64) (from, to int64, partial bool, err error) {
	n, ok := offset(text)
	switch {
	case !ok:
		return 0, size, false, nil
	case n == 0 || size == 0:
		return 0, size, false, errRange
	default:
		return max(0, size-n), size, true, nil
	}
}

// offset reads a number of bytes; what does not fit is more than anything has.
func offset(text string) (int64, bool) {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	const huge = 1 << 62
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n > huge {
		return huge, true
	}
	return n, true
}
