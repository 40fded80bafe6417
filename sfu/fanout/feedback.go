package fanout

import "time"

// What a viewer may tell us. Browsers send some thirty messages a second, a
// hundred at most; whoever sends more, or asks for more, is heard in part.
const (
	// maxMessages is how many RTCP packets a second of one viewer are looked
	// at, and at most so many at once.
	maxMessages = 400
	// maxAskedFor is how many packets a second may be asked for by NACK.
	maxAskedFor = 4096
	// pictureInterval is the least time between two requests for a keyframe
	// that count as two.
	pictureInterval = 50 * time.Millisecond
)

// The kinds of RTCP messages that viewers send.
const (
	feedbackReport = iota
	feedbackTransportCC
	feedbackNACK
	feedbackPicture // PLI and FIR
	feedbackREMB
	feedbackKinds
)

func feedbackNames() [feedbackKinds]string {
	return [feedbackKinds]string{"report", "transport-cc", "nack", "picture", "remb"}
}

// Why RTCP of viewers, or a part of it, was not used.
const (
	refusedQueue     = iota // more datagrams than may wait
	refusedAuth             // not authentic, or seen before
	refusedMalformed        // does not parse, or contradicts itself
	refusedFlood            // beyond maxMessages
	refusedNACK             // packets beyond maxAskedFor or maxNACKed
	refusedPicture          // sooner than pictureInterval
	refusals
)

func refusalNames() [refusals]string {
	return [refusals]string{"queue", "auth", "malformed", "flood", "nack", "picture"}
}

// allowance is how much a viewer may still say.
type allowance struct {
	messages, asked float64
	filled          time.Time
	picture         time.Time // of the last request that counted
}

// refill adds what has accrued.
func (a *allowance) refill(now time.Time) {
	elapsed := now.Sub(a.filled).Seconds()
	if a.filled.IsZero() || elapsed >= 1 {
		a.messages, a.asked, a.filled = maxMessages, maxAskedFor, now
		return
	}
	if elapsed <= 0 {
		return
	}
	a.filled = now
	a.messages = min(maxMessages, a.messages+maxMessages*elapsed)
	a.asked = min(maxAskedFor, a.asked+maxAskedFor*elapsed)
}

// message books one message, and returns false where that is too much.
func (a *allowance) message() bool {
	if a.messages < 1 {
		return false
	}
	a.messages--
	return true
}

// packet books one packet that is asked for.
func (a *allowance) packet() bool {
	if a.asked < 1 {
		return false
	}
	a.asked--
	return true
}

// request books a request for a keyframe.
func (a *allowance) request(now time.Time) bool {
	if !a.picture.IsZero() && now.Sub(a.picture) < pictureInterval {
		return false
	}
	a.picture = now
	return true
}

// heard counts a message of a kind.
func (v *Viewer) heard(kind int) { v.worker.total.feedback[kind]++ }

// refuse counts what was not used, for a reason.
func (v *Viewer) refuse(reason int) { v.worker.total.refused[reason]++ }
