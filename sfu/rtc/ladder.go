package rtc

import (
	"slices"
	"strconv"
	"sync"
	"time"
)

// ladderPatience is how long the first encoding waits for another to show its
// size before the order is guessed.
const ladderPatience = 250 * time.Millisecond

// ladder finds the order of a publisher's simulcast encodings. Browsers list
// them as the page asked, OBS lists the best first, so neither the list nor the
// names decide when picture sizes are known. It is safe for concurrent use.
type ladder struct {
	mu    sync.Mutex
	rids  []string // as offered
	areas map[string]int
	since time.Time // when the first encoding showed a keyframe
	fixed []string  // lowest first, once decided
}

func newLadder(rids []string) *ladder {
	return &ladder{rids: rids, areas: map[string]int{}}
}

// observe tells the picture's area in pixels of an encoding, 0 when the codec
// does not tell.
func (l *ladder) observe(rid string, area int, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since.IsZero() {
		l.since = now
	}
	if area > 0 {
		l.areas[rid] = area
	}
}

// rank returns the rank of an encoding, 0 for the lowest, and false while it is
// worth waiting for more sizes.
func (l *ladder) rank(rid string, now time.Time) (rank int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rids) < 2 {
		return 0, true
	}
	if l.fixed == nil {
		if len(l.areas) < len(l.rids) && (l.since.IsZero() || now.Sub(l.since) < ladderPatience) {
			return 0, false
		}
		l.fixed = l.order()
	}
	return max(0, slices.Index(l.fixed, rid)), true
}

func (l *ladder) order() []string {
	order := slices.Clone(l.rids)
	if len(l.areas) == len(l.rids) {
		slices.SortStableFunc(order, func(a, b string) int { return l.areas[a] - l.areas[b] })
		return order
	}
	if l.descending() {
		slices.Reverse(order)
	}
	return order
}

// descending guesses from what is known whether the best encoding is listed
// first.
func (l *ladder) descending() bool {
	votes := 0
	for i, a := range l.rids {
		for _, b := range l.rids[i+1:] {
			if l.areas[a] > 0 && l.areas[b] > 0 {
				votes += compare(l.areas[a], l.areas[b])
			}
		}
	}
	if votes != 0 {
		return votes > 0
	}
	for i, a := range l.rids {
		for _, b := range l.rids[i+1:] {
			if na, nb := nameRank(a), nameRank(b); na >= 0 && nb >= 0 {
				votes += compare(na, nb)
			}
		}
	}
	return votes > 0
}

func compare(a, b int) int {
	switch {
	case a > b:
		return 1
	case a < b:
		return -1
	}
	return 0
}

// nameRank knows the names that encoders commonly give, -1 for others. Plain
// numbers count from the best, as OBS does.
func nameRank(rid string) int {
	if n, err := strconv.Atoi(rid); err == nil && n >= 0 && n < maxRIDs {
		return maxRIDs - n
	}
	for rank, names := range [...][]string{
		{"q", "l", "lo", "low"}, {"h", "m", "mid", "medium"}, {"f", "hi", "high", "full"},
	} {
		if slices.Contains(names, rid) {
			return rank
		}
	}
	return -1
}
