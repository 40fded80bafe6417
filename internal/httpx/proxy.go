package httpx

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Proxies are the networks of the proxies whose word is taken for who a client
// is. The zero value trusts nobody.
type Proxies []netip.Prefix

// ParseProxies reads networks ("10.0.0.0/8") and single addresses.
func ParseProxies(list ...string) (Proxies, error) {
	var out Proxies
	for _, text := range list {
		if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
			out = append(out, netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil || p.Addr().Is4In6() {
			return nil, fmt.Errorf("%q is no network such as 10.0.0.0/8, and no address", text)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

func (p Proxies) trust(addr netip.Addr) bool {
	for _, net := range p {
		if net.Contains(addr) {
			return true
		}
	}
	return false
}

// What proxies tell of a request, under its canonical names.
const (
	headerFor       = "X-Forwarded-For"
	headerHost      = "X-Forwarded-Host"
	headerProto     = "X-Forwarded-Proto"
	headerForwarded = "Forwarded"
)

// settle makes of a request what everybody behind this point may believe: its
// RemoteAddr is the client's, and it has only such headers of proxies as come
// from one that is trusted.
//
// The client is the right-most address that is not a trusted proxy's, as each
// proxy appends whom it was asked by and anything to the left may be a lie.
// X-Forwarded-For goes before Forwarded (RFC 7239): most proxies write only the
// first, and pass on whatever a client says in the second.
func (p Proxies) settle(r *http.Request) {
	peer, ok := parseNode(r.RemoteAddr)
	if !ok || !p.trust(peer.Addr()) {
		delete(r.Header, headerFor)
		delete(r.Header, headerHost)
		delete(r.Header, headerProto)
		delete(r.Header, headerForwarded)
		return
	}
	hops := splitList(r.Header[headerFor])
	if hops == nil {
		hops = forwardedFor(r.Header[headerForwarded])
	}
	client := peer
	for i := len(hops) - 1; i >= 0; i-- {
		hop, ok := parseNode(hops[i])
		if !ok {
			break // "unknown", or nonsense: the last known hop answers for it
		}
		if client = hop; !p.trust(hop.Addr()) {
			break
		}
	}
	if client != peer {
		r.RemoteAddr = client.String()
	}
}

// splitList takes header fields that are lists apart.
func splitList(fields []string) (out []string) {
	for _, field := range fields {
		for item := range strings.SplitSeq(field, ",") {
			out = append(out, strings.TrimSpace(item))
		}
	}
	return out
}

// forwardedFor returns the "for" of each hop (RFC 7239 section 5.2), "" for one
// that does not say.
func forwardedFor(fields []string) []string {
	hops := splitList(fields) // a quoted comma would be no address anyway
	for i, hop := range hops {
		hops[i] = ""
		for pair := range strings.SplitSeq(hop, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
			if strings.EqualFold(name, "for") {
				hops[i] = strings.Trim(value, `"`)
			}
		}
	}
	return hops
}

// parseNode reads an address with or without a port, in any of the forms that
// proxies write.
func parseNode(text string) (netip.AddrPort, bool) {
	if at, err := netip.ParseAddrPort(text); err == nil {
		return netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port()), true
	}
	text = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	addr, err := netip.ParseAddr(text)
	return netip.AddrPortFrom(addr.Unmap().WithZone(""), 0), err == nil
}

// Origin returns the scheme and host by which the client reaches the server,
// as in "https://live.example". It is false when the request does not say.
func Origin(r *http.Request) (string, bool) {
	scheme, host := "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	// Only a trusted proxy's headers have come so far.
	if proto := last(r.Header[headerProto]); strings.EqualFold(proto, "http") || strings.EqualFold(proto, "https") {
		scheme = strings.ToLower(proto)
	}
	if forwarded := last(r.Header[headerHost]); forwarded != "" {
		host = forwarded
	}
	u, err := url.Parse(scheme + "://" + host)
	if err != nil || u.Host != host || u.Hostname() == "" || strings.ContainsAny(host, "\"'<>\\ ") {
		return "", false
	}
	return scheme + "://" + host, true
}

// last returns the value of the nearest proxy.
func last(fields []string) string {
	list := splitList(fields)
	if len(list) == 0 {
		return ""
	}
	return list[len(list)-1]
}
