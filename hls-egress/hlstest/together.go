package hlstest

import (
	"slices"
	"strconv"
	"time"
)

// Limits of what counts as together.
const (
	sameInstant  = 10 * time.Millisecond
	audioInstant = 100 * time.Millisecond
	truth        = 300 * time.Millisecond // L30
	maxLatency   = 1500 * time.Millisecond
)

// checkTogether holds the renditions against each other, at the end.
func (w *watch) checkTogether() {
	var lead *follower
	for _, f := range w.all {
		if f.playlist == nil {
			continue
		}
		if lead == nil || lead.of.audio {
			lead = f
		}
	}
	if lead == nil {
		return
	}
	for _, f := range w.all {
		if f.playlist == nil || f == lead {
			continue
		}
		w.checkAgainst(lead, f)
	}
	for _, f := range w.all {
		if f.playlist != nil {
			w.checkClaims(f)
			w.checkBandwidth(f)
			w.checkSpans(lead, f)
		}
	}
	if lat := w.report.Latency; w.c.SameClock && len(lat) > 0 {
		sorted := slices.Sorted(slices.Values(lat))
		if p95 := sorted[len(sorted)*95/100]; p95 > maxLatency {
			w.add("L32", "all", "the latency of parts is "+p95.String()+" at p95")
		}
	}
}

// add reports a violation though the watch is over.
func (w *watch) add(rule, where, detail string) {
	w.report.Violations = append(w.report.Violations, Violation{rule, where, detail})
}

// checkAgainst is L5, L6, L21 and L31.
func (w *watch) checkAgainst(lead, f *follower) {
	a, b := lead.playlist, f.playlist
	if a.target != b.target || a.partTarget != b.partTarget || a.control != b.control {
		w.add("L6", f.name, "it promises something else than "+lead.name)
	}
	limit := sameInstant
	if f.of.audio {
		limit = audioInstant
	}
	for msn, s := range f.starts {
		other, ok := lead.starts[msn]
		if !ok {
			continue
		}
		if d := s.pdt.Sub(other.pdt).Abs(); d > limit {
			w.add("L31", f.name, "segment "+strconv.FormatUint(msn, 10)+" starts "+d.String()+" off "+lead.name)
		}
		if s.number != other.number {
			w.add("L31", f.name, "segment "+strconv.FormatUint(msn, 10)+" has another discontinuity number than in "+lead.name)
		}
	}
}

// checkClaims holds rendition reports against what the others listed when.
func (w *watch) checkClaims(f *follower) {
	if f.playlist.ended {
		return
	}
	for _, other := range w.all {
		if other == f || other.playlist == nil {
			continue
		}
		told := false
		for _, c := range f.claims {
			if c.uri != other.at.Path {
				continue
			}
			told = true
			if !other.told(c, truth+w.slack()) {
				w.add("L30", f.name, "it says that "+other.name+" was at "+
					strconv.FormatUint(c.msn, 10)+"."+strconv.Itoa(c.part))
				return
			}
		}
		if !told {
			w.add("L30", f.name, "no report of "+other.name)
		}
	}
}

// told reports whether a claim was true, give or take.
func (f *follower) told(c claim, slack time.Duration) bool {
	i, found := slices.BinarySearchFunc(f.listed, c.listing, func(l, c listing) int {
		if later(c.msn, c.part, l) {
			return -1
		}
		if l.msn == c.msn && l.part == c.part {
			return 0
		}
		return 1
	})
	if !found {
		// Before the first that we saw, or after the last.
		return i == 0 || i == len(f.listed) && c.at.Sub(f.listed[i-1].at).Abs() < slack+time.Second
	}
	if f.listed[i].at.Sub(c.at) > slack {
		return false
	}
	return i+1 >= len(f.listed) || f.listed[i+1].at.IsZero() || c.at.Sub(f.listed[i+1].at) < slack
}

// checkBandwidth is L27.
func (w *watch) checkBandwidth(f *follower) {
	told, err := strconv.ParseFloat(f.of.attrs["BANDWIDTH"], 64)
	if err == nil && f.bandwidth > told*1.1 {
		w.add("L27", f.name, "a segment had "+strconv.Itoa(int(f.bandwidth))+" bit/s, BANDWIDTH is "+strconv.Itoa(int(told)))
	}
}
