package media

import (
	"sync"
	"time"
)

// AnswerTime is how long an encoder may take from a keyframe request to the
// keyframe for it to count as an answer.
const AnswerTime = 500 * time.Millisecond

// Obedience tells whether an encoder answers keyframe requests. Some never do:
// they send a keyframe every so many seconds, whatever happens.
type Obedience uint8

// What is known of an encoder.
const (
	// Untested: too few requests were made to tell.
	Untested Obedience = iota
	// Obedient: at least two of the last three requests were answered.
	Obedient
	// Deaf: at least two of the last three requests were not.
	Deaf
)

// keyframes learns how a Layer's keyframes come: by themselves, or on request.
// Its methods are safe for concurrent use. They run per request and per
// keyframe, never per packet.
type keyframes struct {
	mu       sync.Mutex
	asked    time.Time // the request that is not answered yet
	newest   time.Time
	period   time.Duration
	verdicts [3]bool // the latest ones, answered or not
	count    int
}

func (k *keyframes) judge(answered bool) {
	k.verdicts[k.count%len(k.verdicts)] = answered
	k.count++
	k.asked = time.Time{}
}

func (k *keyframes) request(now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.expire(now)
	if k.asked.IsZero() {
		k.asked = now
	}
}

func (k *keyframes) expire(now time.Time) {
	if !k.asked.IsZero() && now.Sub(k.asked) > AnswerTime {
		k.judge(false)
	}
}

func (k *keyframes) came(now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.expire(now)
	if !k.asked.IsZero() {
		k.judge(true)
	}
	if !k.newest.IsZero() {
		k.period = now.Sub(k.newest)
	}
	k.newest = now
}

func (k *keyframes) obedience(now time.Time) Obedience {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.expire(now)
	answered := 0
	n := min(k.count, len(k.verdicts))
	for _, yes := range k.verdicts[:n] {
		if yes {
			answered++
		}
	}
	switch {
	case n < 2:
		return Untested
	case answered >= 2:
		return Obedient
	case n-answered >= 2:
		return Deaf
	default:
		return Untested
	}
}

// Obedience tells whether the Layer's encoder answers keyframe requests, by
// the last three of them.
func (l *Layer) Obedience(now time.Time) Obedience { return l.keyframes.obedience(now) }

// KeyframeCame notes a keyframe. Only the hub calls it.
func (l *Layer) KeyframeCame(now time.Time) { l.keyframes.came(now) }

// NextKeyframe returns how long the Layer's next keyframe will take by the
// distance of the last two, 0 when it is overdue, and false while fewer than
// two have come.
func (l *Layer) NextKeyframe(now time.Time) (in time.Duration, ok bool) {
	k := &l.keyframes
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.period == 0 {
		return 0, false
	}
	return max(0, k.period-now.Sub(k.newest)), true
}
