package httpx

import "net/http"

const maxStreamName = 64

// ValidStreamName reports whether a name is [A-Za-z0-9][A-Za-z0-9_-]{0,63}.
func ValidStreamName(name string) bool {
	if name == "" || len(name) > maxStreamName {
		return false
	}
	for i := range len(name) {
		c := name[i]
		alnum := c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !alnum && (i == 0 || c != '_' && c != '-') {
			return false
		}
	}
	return true
}

// StreamName returns the request's {stream} path value. The error is a 404:
// no stream can have an ill-formed name.
func StreamName(r *http.Request) (string, error) {
	name := r.PathValue("stream")
	if !ValidStreamName(name) {
		return "", Fail(http.StatusNotFound,
			"a stream name has up to 64 letters, digits, _ and -, and begins with a letter or digit")
	}
	return name, nil
}
