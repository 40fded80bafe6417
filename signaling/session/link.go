package session

import (
	"net/http"
	"strings"
)

// ICEServer is a STUN or TURN server that clients are told of (RFC 9725
// section 4.6).
type ICEServer struct {
	// URLs are stun:, turn: and turns: URIs (RFC 7064, RFC 7065).
	URLs []string
	// Username and Credential are empty for STUN.
	Username, Credential string
}

// addICELinks adds one Link header per URL (W35).
func addICELinks(h http.Header, servers []ICEServer) {
	for _, s := range servers {
		for _, url := range s.URLs {
			link := "<" + uri(url) + `>; rel="ice-server"`
			if s.Username != "" {
				link += "; username=" + quote(s.Username) + "; credential=" + quote(s.Credential) +
					`; credential-type="password"`
			}
			h.Add("Link", link)
		}
	}
}

// AddExtensionLink adds the Link header of a protocol extension (RFC 9725
// section 4.9). Params are whole parameters, such as `events="active"`.
func AddExtensionLink(h http.Header, url, rel string, params ...string) {
	link := "<" + uri(url) + `>; rel="` + rel + `"`
	for _, p := range params {
		link += "; " + p
	}
	h.Add("Link", link)
}

// uri drops what would end a URI-Reference early (RFC 8288 section 3).
func uri(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == '<' || r == '>' || r == '"' || r >= 0x7f {
			return -1
		}
		return r
	}, s)
}

// quote writes a quoted-string (RFC 9110 section 5.6.4).
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(s) {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c >= ' ' && c != 0x7f:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
