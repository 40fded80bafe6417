package sdp

import "strings"

// ridExtension is the URI of the header extension that carries the RID (RFC
// 8852 section 4.1).
const ridExtension = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"

// readRID takes "a=rid:<id> send …" (RFC 8851 section 4). Ids that are not
// alphanumeric, and those for receiving, are dropped.
func (m *Media) readRID(value string) {
	f := strings.Fields(value)
	if len(f) < 2 || f[1] != "send" || !isRID(f[0]) || len(m.ridLines) >= maxSSRCLines {
		return
	}
	if m.ridLines == nil {
		m.ridLines = map[string]string{}
	}
	if _, dup := m.ridLines[f[0]]; !dup {
		m.ridLines[f[0]] = strings.Join(f, " ")
	}
}

// isRID follows RFC 8851 section 10 and allows the "-" and "_" that its first
// grammar had.
func isRID(s string) bool {
	if s == "" || len(s) > 255 {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_'
	})
}

// readSimulcast takes "send <list> recv <list>" (RFC 8853 section 5.1), also
// in the form of the draft that Firefox 55 spoke (" send rid=foo;bar"). Of
// alternatives the first counts; ids without an a=rid line are dropped (R2).
//
// Packets name their encoding in a header extension; without it the ids are
// of no use and the section counts as a single encoding.
func (m *Media) readSimulcast(value string) {
	if _, ok := m.Extensions[ridExtension]; !ok {
		return
	}
	f := strings.Fields(value)
	for i := 0; i+1 < len(f); i += 2 {
		if f[i] != "send" {
			continue
		}
		seen := map[string]bool{}
		for item := range strings.SplitSeq(strings.TrimPrefix(f[i+1], "rid="), ";") {
			id, _, _ := strings.Cut(item, ",")
			id, paused := strings.CutPrefix(id, "~")
			if _, ok := m.ridLines[id]; !ok || seen[id] || len(m.RIDs) == maxRIDs {
				continue
			}
			seen[id] = true
			m.RIDs = append(m.RIDs, RID{ID: id, Paused: paused})
		}
	}
	m.Simulcast = len(m.RIDs) > 0
}
