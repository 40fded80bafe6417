package rtc

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
)

// parseRIDs reads a=rid and a=simulcast (RFC 8851 section 10, RFC 8853
// section 5.1). Encodings that the offer lists as alternatives count once.
func (s *section) parseRIDs(attrs []sdp.Attribute) {
	if s.extensionID(uriMID) == 0 || s.extensionID(uriRID) == 0 {
		return
	}
	var declared []string
	for _, a := range attrs {
		if a.Key != "rid" {
			continue
		}
		fields := strings.Fields(a.Value)
		if len(fields) >= 2 && fields[1] == "send" && validRID(fields[0]) && !slices.Contains(declared, fields[0]) {
			declared = append(declared, fields[0])
		}
	}
	for _, list := range simulcastLists(value(attrs, "simulcast")) {
		for _, alternative := range strings.Split(list, ",") {
			id := strings.TrimPrefix(alternative, "~")
			if !slices.Contains(declared, id) || slices.Contains(s.rids, id) || len(s.rids) >= maxRIDs {
				continue
			}
			s.rids = append(s.rids, id)
			break
		}
	}
}

// simulcastLists returns the streams that a=simulcast offers to send.
func simulcastLists(v string) []string {
	fields := strings.Fields(v)
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] == "send" {
			return strings.Split(fields[i+1], ";")
		}
	}
	return nil
}

// token tells a token of RFC 8866 section 9, with a bound on its length.
func token(s string) bool {
	return s != "" && len(s) <= 256 && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]`, r)
	})
}

func validRID(id string) bool {
	return id != "" && len(id) <= 64 && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

// parseSSRCs takes the section's one encoding and its retransmissions from
// a=ssrc and a=ssrc-group:FID (RFC 5576 section 4). With RIDs, SSRCs do not
// matter: they are learnt from the packets.
func (s *section) parseSSRCs(attrs []sdp.Attribute) {
	if len(s.rids) > 0 {
		return
	}
	repairs := map[uint32]uint32{}
	secondary := map[uint32]bool{}
	for _, a := range attrs {
		fields := strings.Fields(a.Value)
		if a.Key != "ssrc-group" || len(fields) != 3 {
			continue
		}
		first, second := parseSSRC(fields[1]), parseSSRC(fields[2])
		switch {
		case first == 0 || second == 0 || first == second:
		case fields[0] == "FID":
			repairs[first], secondary[second] = second, true
		case fields[0] == "FEC-FR":
			secondary[second] = true
		}
	}
	for _, a := range attrs {
		if a.Key != "ssrc" {
			continue
		}
		first, _, _ := strings.Cut(a.Value, " ")
		if ssrc := parseSSRC(first); ssrc != 0 && !secondary[ssrc] {
			s.ssrc, s.rtxSSRC = ssrc, repairs[ssrc]
			return
		}
	}
}

func parseSSRC(s string) uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}
