package sdp

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// readCandidate checks the value of an a=candidate line (RFC 8839 section
// 5.1) without resolving anything. It reports whether the candidate is of use
// to us; an error is for text that is no candidate.
func readCandidate(value string) (usable bool, err error) {
	f := strings.Fields(value)
	if len(f) > 0 && len(f) < 8 && strings.HasPrefix(value, " ") {
		return false, nil // Nest cameras leave the foundation empty
	}
	if len(f) < 8 || f[6] != "typ" {
		return false, malformed("a candidate lacks fields")
	}
	component, err := strconv.ParseUint(f[1], 10, 16)
	if err != nil {
		return false, malformed("a candidate's component is no number")
	}
	if _, err := strconv.ParseUint(f[3], 10, 32); err != nil {
		return false, malformed("a candidate's priority is no number")
	}
	port, err := strconv.ParseUint(f[5], 10, 16)
	if err != nil {
		return false, malformed("a candidate's port is no number")
	}
	// A name (mDNS, or worse) is never looked up (W25, H16).
	_, err = netip.ParseAddr(f[4])
	transport := strings.EqualFold(f[2], "udp") || strings.EqualFold(f[2], "tcp")
	return err == nil && transport && component == 1 && port > 0, nil
}

// SetCandidates replaces the candidates of a publisher's answer by ours, all
// of them and marked as complete (W27), in the first section. It removes
// rtcp-mux-only (W48), repeats the certificate's fingerprint in each section
// (W2), and holds the answer to what RFC 9725 wants of it: every section
// recvonly (W6), bundled, with rtcp-mux (W28) and not rejected (W31). An
// answer that breaks this is an error that wraps ErrUnsupported.
func SetCandidates(answer string, candidates []string) (string, error) {
	session, sections := split(answer)
	if len(sections) == 0 {
		return "", unsupported("the answer has no media section")
	}
	var bundle []string
	var fingerprints []string
	for _, line := range session {
		if mids, ok := strings.CutPrefix(line, "a=group:BUNDLE "); ok {
			bundle = strings.Fields(mids)
		}
		if strings.HasPrefix(line, "a=fingerprint:") {
			fingerprints = append(fingerprints, line)
		}
	}
	var l lines
	for _, line := range session {
		l.add("%s", line)
	}
	for i, section := range sections {
		if err := checkAnswer(section, bundle); err != nil {
			return "", err
		}
		for _, line := range section {
			l.add("%s", line)
		}
		if !slices.ContainsFunc(section, func(s string) bool { return strings.HasPrefix(s, "a=fingerprint:") }) {
			for _, line := range fingerprints {
				l.add("%s", line)
			}
		}
		if i == 0 {
			writeCandidates(&l, candidates)
		}
	}
	return l.String(), nil
}

// split cuts a description at its m= lines and leaves out what SetCandidates
// replaces or removes.
func split(text string) (session []string, sections [][]string) {
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimRight(line, "\r")
		switch {
		case line == "", line == "a=end-of-candidates", line == "a=rtcp-mux-only",
			strings.HasPrefix(line, "a=candidate:"):
		case strings.HasPrefix(line, "m="):
			sections = append(sections, []string{line})
		case len(sections) == 0:
			session = append(session, line)
		default:
			last := len(sections) - 1
			sections[last] = append(sections[last], line)
		}
	}
	return session, sections
}

func checkAnswer(section, bundle []string) error {
	name := strings.Fields(section[0])
	has := func(line string) bool { return slices.Contains(section, line) }
	bundled := slices.ContainsFunc(bundle, func(mid string) bool { return has("a=mid:" + mid) })
	switch {
	case len(name) < 4 || name[1] == "0":
		return unsupported("a section was rejected; none of its codecs can be received")
	case !has("a=recvonly"):
		return unsupported("a section of the answer is not recvonly")
	case !bundled || !has("a=rtcp-mux"):
		return unsupported("a section of the answer lacks BUNDLE or rtcp-mux")
	}
	return nil
}
