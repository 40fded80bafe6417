package bwe

import "math"

const (
	lossWindow   = 500_000 // µs
	lossLeast    = 20      // packets in a window, unless it lasts four times as long
	lossTolerate = 0.10    // draft-ietf-rmcat-gcc-02 section 6
	lossHold     = 0.02
	lossVerdict  = 1_000_000 // µs from a cut to asking whether it helped
)

// losses tells loss that less traffic would cure from loss that the path has
// anyway. Only loss above a tenth that chance does not explain leads to a cut;
// when a real cut in traffic leaves the loss as it was, it is the path's own.
type losses struct {
	got, lost int64 // of the window
	since     int64 // µs
	bad       int   // windows in a row above what is tolerated
	smooth    float64
	own       float64 // the path's own
	known     bool

	cutAt     int64 // µs; 0 when no cut waits for its verdict
	cutLoss   float64
	cutSent   uint64 // bit/s
	cutBefore uint64 // bit/s
}

// count adds packets to the window; lost may be negative when one came late.
func (l *losses) count(got, lost int64) {
	l.got += got
	l.lost += lost
}

// close ends the window when it is full and tells its loss.
func (l *losses) close(now int64) (loss float64, ok bool) {
	if l.since == 0 {
		l.since = now
	}
	n := l.got + max(l.lost, 0)
	if span := now - l.since; span < lossWindow || n == 0 || (n < lossLeast && span < 4*lossWindow) {
		return 0, false
	}
	loss = float64(max(l.lost, 0)) / float64(n)
	l.judge(loss, float64(n))
	l.got, l.lost, l.since = 0, 0, now
	return loss, true
}

func (l *losses) judge(loss, n float64) {
	if !l.known {
		l.smooth, l.known = loss, true
	}
	l.smooth += (loss - l.smooth) / 3
	l.own = min(l.own, l.smooth+lossHold)
	limit := l.own + lossTolerate
	if loss > limit+3*math.Sqrt(limit*(1-min(limit, 1))/n) {
		l.bad++
	} else {
		l.bad = 0
	}
}

// excessive tells whether loss calls for less traffic. One window is not
// enough: a burst is over before a cut could help.
func (l *losses) excessive() bool { return l.bad >= 2 }

// cut notes that traffic is about to fall because of loss.
func (l *losses) cut(now int64, loss float64, sent, before uint64) {
	if l.cutAt == 0 {
		l.cutLoss, l.cutSent, l.cutBefore = loss, sent, before
	}
	l.cutAt = now
}

// verdict asks, some time after a cut, whether it helped. Where it did not, it
// returns the estimate from before the cut.
func (l *losses) verdict(now int64, loss float64, sent uint64, rtt int64) (restore uint64, ok bool) {
	if l.cutAt == 0 || now-l.cutAt < lossVerdict+rtt {
		return 0, false
	}
	if float64(sent) > 0.8*float64(l.cutSent) {
		if now-l.cutAt > 5*lossVerdict {
			l.cutAt = 0 // nothing was tried, nothing learned
		}
		return 0, false
	}
	l.cutAt = 0
	if loss < 0.6*l.cutLoss {
		return 0, false
	}
	l.own, l.bad = min(loss, 0.5), 0
	return l.cutBefore, true
}
