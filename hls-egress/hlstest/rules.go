package hlstest

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// rounding is what may get lost between two ways to add durations up.
const rounding = 20 * time.Millisecond

// checkOne holds one playlist of a rendition against the rules that need no
// other.
func checkOne(p *mediaPlaylist, jitter time.Duration, report func(rule, format string, args ...any)) {
	if p.partHoldBack < 3*p.partTarget {
		report("L5", "PART-HOLD-BACK %v is less than 3 PART-TARGETs of %v", p.partHoldBack, p.partTarget)
	}
	if p.holdBack < 3*p.target {
		report("L5", "HOLD-BACK %v is less than 3 target durations", p.holdBack)
	}
	if p.skipUntil > 0 && p.skipUntil < 6*p.target {
		report("L14", "CAN-SKIP-UNTIL %v is less than 6 target durations", p.skipUntil)
	}
	if want := 6; p.skipped == 0 && p.version != want && p.skipUntil > 0 {
		if p.version < want {
			report("L25", "version %d is too low for EXT-X-MAP", p.version)
		}
	}
	for i, s := range p.segments {
		checkSegment(p, i, &s, jitter, report)
	}
	if p.ended {
		return
	}
	switch {
	case len(p.hints) != 1:
		report("L15", "%d preload hints", len(p.hints))
	case p.hints[0]["TYPE"] != "PART" || p.hints[0]["URI"] == "":
		report("L15", "the hint is %v", p.hints[0])
	}
}

func checkSegment(p *mediaPlaylist, i int, s *mediaSegment, jitter time.Duration, report func(rule, format string, args ...any)) {
	last := i == len(p.segments)-1
	if s.uri == "" && !last {
		report("L4", "segment %d has no URI", s.msn)
	}
	if s.pdt.IsZero() {
		report("L21", "segment %d has no date", s.msn)
	}
	if s.mapURI == "" {
		report("L25", "segment %d has no EXT-X-MAP", s.msn)
	}
	if s.uri != "" && math.Round(s.duration.Seconds()) > p.target.Seconds() {
		report("L6", "segment %d has %v, the target duration is %v", s.msn, s.duration, p.target)
	}
	if i > 0 {
		prev := &p.segments[i-1]
		if jump := s.pdt.Sub(prev.pdt) - prev.length(); !s.discontinuity && jump.Abs() > rounding+jitter {
			report("L21", "the date of segment %d jumps by %v", s.msn, jump)
		}
	}
	if len(s.parts) == 0 {
		return
	}
	if after := p.after(i - 1); s.uri != "" && after > 3*p.target+rounding {
		report("L18", "segment %d still has parts %v from the end", s.msn, after)
	}
	var sum time.Duration
	for k, part := range s.parts {
		sum += part.duration
		if part.duration > p.partTarget {
			report("L7", "part %d.%d has %v, the target is %v", s.msn, k, part.duration, p.partTarget)
		}
		if part.duration < p.partTarget*85/100 && (k < len(s.parts)-1) {
			report("L7", "part %d.%d has only %v of %v", s.msn, k, part.duration, p.partTarget)
		}
		if k == 0 && p.independent && !part.independent {
			report("L3", "segment %d does not begin independently", s.msn)
		}
	}
	if diff := s.duration - sum; s.uri != "" && (diff > rounding || diff < -rounding) {
		report("F10", "the parts of segment %d have %v, EXTINF says %v", s.msn, sum, s.duration)
	}
}

// checkNext holds a playlist against the one before it (L16): append, remove
// from the front, drop parts, end; nothing else.
func checkNext(old, p *mediaPlaylist, report func(rule, format string, args ...any)) {
	if p.target != old.target || p.partTarget != old.partTarget || p.control != old.control {
		report("L6", "what is promised for good has changed")
	}
	if p.mediaSequence < old.mediaSequence {
		report("L16", "the media sequence went back from %d to %d", old.mediaSequence, p.mediaSequence)
		return
	}
	if m, n, ok := old.newest(); ok && !p.has(m, n) {
		report("L16", "part %d.%d is no longer listed", m, n)
	}
	if old.ended && !p.ended {
		report("L16", "it goes on after its end")
	}
	now := map[uint64]*mediaSegment{}
	for i := range p.segments {
		now[p.segments[i].msn] = &p.segments[i]
	}
	for i := range old.segments {
		was := &old.segments[i]
		is := now[was.msn]
		if is == nil {
			if was.msn >= p.mediaSequence {
				report("L16", "segment %d vanished", was.msn)
			}
			continue
		}
		if d := difference(was, is); d != "" {
			report("L16", "segment %d changed: %s", was.msn, d)
		}
	}
	if p.mediaSequence > old.mediaSequence && len(p.segments) > 0 {
		if d := p.after(-1); d < 3*p.target {
			report("L17", "only %v is left after segments were removed", d)
		}
	}
}

// difference tells what changed in a segment that must not.
func difference(was, is *mediaSegment) string {
	switch {
	case was.uri != "" && was.uri != is.uri:
		return fmt.Sprintf("URI %q to %q", was.uri, is.uri)
	case was.uri != "" && was.duration != is.duration:
		return fmt.Sprintf("duration %v to %v", was.duration, is.duration)
	case !was.pdt.Equal(is.pdt):
		return fmt.Sprintf("date %v to %v", was.pdt, is.pdt)
	case was.discontinuity != is.discontinuity || was.number != is.number:
		return fmt.Sprintf("discontinuity %v %d to %v %d", was.discontinuity, was.number, is.discontinuity, is.number)
	case was.mapURI != is.mapURI:
		return fmt.Sprintf("map %q to %q", was.mapURI, is.mapURI)
	case len(is.parts) == 0 && is.uri != "":
		return "" // dropped
	case len(is.parts) < len(was.parts):
		return fmt.Sprintf("%d parts to %d", len(was.parts), len(is.parts))
	}
	for k := range was.parts {
		if was.parts[k] != is.parts[k] {
			return fmt.Sprintf("part %d from %v to %v", k, was.parts[k], is.parts[k])
		}
	}
	return ""
}

// variant is an entry of a multivariant playlist.
type variant struct {
	uri   string
	attrs attributes
	audio bool
}

// parseMultivariant reads a multivariant playlist (L1, L2).
func parseMultivariant(text string, report func(rule, format string, args ...any)) []variant {
	lines := strings.Split(text, "\n")
	if lines[0] != "#EXTM3U" {
		report("L1", "it does not begin with #EXTM3U")
		return nil
	}
	var out []variant
	groups, wanted := map[string]bool{}, map[string]bool{}
	var pending attributes
	for _, line := range lines {
		tag, value, _ := strings.Cut(line, ":")
		switch {
		case tag == "#EXT-X-STREAM-INF" || tag == "#EXT-X-MEDIA":
			a, err := parseAttributes(value)
			if err != nil {
				report("L1", "%v", err)
				continue
			}
			if tag == "#EXT-X-STREAM-INF" {
				pending = a
				wanted[a["AUDIO"]] = true
				continue
			}
			for _, need := range []string{"TYPE", "GROUP-ID", "NAME"} {
				if a[need] == "" {
					report("L2", "EXT-X-MEDIA without %s", need)
				}
			}
			groups[a["GROUP-ID"]] = true
			out = append(out, variant{uri: a["URI"], attrs: a, audio: true})
		case line != "" && line[0] != '#':
			if pending == nil {
				report("L1", "%q has no EXT-X-STREAM-INF", line)
				continue
			}
			checkVariant(line, pending, report)
			out = append(out, variant{uri: line, attrs: pending, audio: pending["RESOLUTION"] == "" && len(groups) == 0})
			pending = nil
		}
	}
	delete(wanted, "")
	for g := range wanted {
		if !groups[g] {
			report("L2", "audio group %q does not exist", g)
		}
	}
	if !strings.Contains(text, "#EXT-X-INDEPENDENT-SEGMENTS\n") {
		report("L3", "no EXT-X-INDEPENDENT-SEGMENTS")
	}
	return out
}

func checkVariant(uri string, a attributes, report func(rule, format string, args ...any)) {
	for _, need := range []string{"BANDWIDTH", "CODECS"} {
		if a[need] == "" {
			report("L2", "%s has no %s", uri, need)
		}
	}
	if a["AUDIO"] != "" {
		for _, need := range []string{"RESOLUTION", "FRAME-RATE"} {
			if a[need] == "" {
				report("L2", "%s has no %s", uri, need)
			}
		}
	}
}
