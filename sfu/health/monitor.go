package health

import (
	"slices"
	"time"
)

const (
	// A worse Verdict has to hold for raiseAfter before it shows, a better one
	// for calmAfter: nobody reads what comes and goes.
	raiseAfter = 3 * time.Second
	calmAfter  = 8 * time.Second
)

// Monitor keeps the Verdicts about one publisher calm. The zero value is ready.
// Its method is for one goroutine.
type Monitor struct {
	shown map[ID]*standing
}

// standing is a Verdict that shows, and since when another severity, or
// nothing, stands against it.
type standing struct {
	verdict Verdict
	other   time.Time
}

// Update takes the newest Verdicts and returns those that are to show, in
// their order. A first one that is OK shows at once.
func (m *Monitor) Update(now time.Time, newest []Verdict) []Verdict {
	if m.shown == nil {
		m.shown = map[ID]*standing{}
	}
	for id, s := range m.shown {
		if !slices.ContainsFunc(newest, func(v Verdict) bool { return v.ID == id }) && s.outlived(now, calmAfter) {
			delete(m.shown, id)
		}
	}
	for _, v := range newest {
		m.take(now, v)
	}
	var out []Verdict
	for _, id := range [...]ID{Keyframes, Requests, BFrames, FrameRate, Pacing, Ladder, Loss, Clock, Sound} {
		if s := m.shown[id]; s != nil && s.verdict.Text != "" {
			out = append(out, s.verdict)
		}
	}
	return out
}

func (m *Monitor) take(now time.Time, v Verdict) {
	s := m.shown[v.ID]
	if s == nil {
		s = &standing{verdict: Verdict{ID: v.ID, Severity: OK}}
		m.shown[v.ID] = s
	}
	patience := raiseAfter
	if v.Severity.weight() < s.verdict.Severity.weight() {
		patience = calmAfter
	}
	if v.Severity == s.verdict.Severity || s.outlived(now, patience) {
		s.verdict, s.other = v, time.Time{}
	}
}

// outlived reports whether something else has stood against the Verdict for so
// long.
func (s *standing) outlived(now time.Time, patience time.Duration) bool {
	if s.other.IsZero() {
		s.other = now
	}
	return now.Sub(s.other) >= patience
}
