package sdp

import "strings"

// Fragment is the body of a PATCH (RFC 8840 section 9).
type Fragment struct {
	// Ufrag and Pwd are the ICE credentials that the fragment is about; new
	// ones ask for an ICE restart (W21). Both are empty or both are set.
	Ufrag, Pwd string
	// Candidates are the values of the candidates that are of use, without
	// "candidate:". Names are never looked up: candidates with one are dropped,
	// like those of unknown transports (W25).
	Candidates []string
	// EndOfCandidates is set when the client has no more candidates.
	EndOfCandidates bool
}

// ParseFragment reads a trickle fragment, with the credentials at session
// level or in its sections. It takes linear time and never panics. Errors wrap
// ErrMalformed (W16): text that is no fragment, an empty one, more than 200
// candidates, or credentials that RFC 8839 section 5.4 does not allow (W24).
func ParseFragment(body []byte) (*Fragment, error) {
	if len(body) > maxBody {
		return nil, malformed("longer than %d bytes", maxBody)
	}
	f := &Fragment{}
	var candidates, sections int
	for line := range strings.SplitSeq(string(body), "\n") {
		line = strings.TrimRight(line, "\r \t")
		if line == "" {
			continue
		}
		if err := checkLine(line); err != nil {
			return nil, err
		}
		if line[0] == 'm' {
			if sections++; sections > maxSections {
				return nil, malformed("more than %d media sections", maxSections)
			}
		}
		attribute, ok := strings.CutPrefix(line, "a=")
		if !ok {
			continue
		}
		if err := f.read(attribute, &candidates); err != nil {
			return nil, err
		}
	}
	return f, f.check(candidates)
}

// read takes one attribute. Sections of one BUNDLE group share their
// credentials, so that two different ones contradict each other.
func (f *Fragment) read(attribute string, candidates *int) error {
	key, value, _ := strings.Cut(attribute, ":")
	switch key {
	case "ice-ufrag":
		return setOnce(&f.Ufrag, value)
	case "ice-pwd":
		return setOnce(&f.Pwd, value)
	case "end-of-candidates":
		f.EndOfCandidates = true
	case "candidate":
		if *candidates++; *candidates > maxCandidates {
			return malformed("more than %d candidates", maxCandidates)
		}
		usable, err := readCandidate(value)
		if err != nil {
			return err
		}
		if usable {
			f.Candidates = append(f.Candidates, value)
		}
	}
	return nil
}

func setOnce(field *string, value string) error {
	if *field != "" && *field != value {
		return malformed("the sections have different ICE credentials")
	}
	*field = value
	return nil
}

func (f *Fragment) check(candidates int) error {
	if f.Ufrag != "" || f.Pwd != "" {
		return checkCredentials(f.Ufrag, f.Pwd)
	}
	if candidates == 0 && !f.EndOfCandidates {
		return malformed("the fragment holds neither candidates nor credentials")
	}
	return nil
}

// FormatFragment writes the answer to an ICE restart: the server's new
// credentials and all its candidates (W21), with the session attributes of the
// first answer repeated (W51). mids are the sections of the BUNDLE group; the
// first one carries the transport.
func FormatFragment(ufrag, pwd string, iceLite bool, candidates []string, mids ...string) string {
	var l lines
	if iceLite {
		l.add("a=ice-lite")
	}
	l.add("a=ice-options:%s", iceOptions)
	if len(mids) > 0 {
		l.add("a=group:BUNDLE %s", strings.Join(mids, " "))
		// RFC 8840 section 9: only the mid of this line means something.
		l.add("m=audio 9 UDP/TLS/RTP/SAVPF 0")
		l.add("a=mid:%s", mids[0])
	}
	l.add("a=ice-ufrag:%s", ufrag)
	l.add("a=ice-pwd:%s", pwd)
	writeCandidates(&l, candidates)
	return l.String()
}
