package bwe

// The constants of the delay-based controller: draft-ietf-rmcat-gcc-02 sections
// 5.2 to 5.5, with a line fitted instead of the draft's Kalman filter.
const (
	groupSpan     = 5_000 // µs: packets sent within it are one group
	trendWindow   = 20    // groups
	trendMin      = 8     // groups before the line means anything
	trendSmooth   = 0.9
	trendGain     = 4.0
	trendCount    = 60    // groups after which confidence stops growing
	thresholdMin  = 6.0   // ms
	thresholdMax  = 600.0 // ms
	thresholdInit = 12.5  // ms
	thresholdUp   = 0.0087
	thresholdDown = 0.039
	thresholdSkip = 15.0 // ms above the threshold that a sample is an outlier
	overuseTime   = 10.0 // ms that the trend has to stay above the threshold
)

// group is a burst: packets that were sent together.
type group struct {
	firstSent, lastSent, lastRecv int64 // µs
	on                            bool
}

// trend watches whether bursts arrive further and further apart than they were
// sent: a queue grows.
type trend struct {
	cur, prev group
	x, y      [trendWindow]float64 // ms of arrival, ms of smoothed delay
	n         int                  // groups so far
	origin    int64                // µs
	sum       float64              // ms of delay, accumulated
	smooth    float64              // ms
	slope     float64
	threshold float64 // ms
	adapted   int64   // µs
	over      float64 // ms
	overs     int
	state     State
}

// cut forgets the burst in progress, so that what follows is not compared with
// it, and keeps the line.
func (t *trend) cut() { t.cur.on, t.prev.on = false, false }

// packet takes one packet in the order of sending. Times in µs, each by its own clock.
func (t *trend) packet(sent, recv int64) {
	if !t.cur.on {
		t.cur = group{firstSent: sent, lastSent: sent, lastRecv: recv, on: true}
		return
	}
	if sent-t.cur.firstSent <= groupSpan {
		t.cur.lastSent = max(t.cur.lastSent, sent)
		t.cur.lastRecv = max(t.cur.lastRecv, recv)
		return
	}
	if t.prev.on {
		dSent := t.cur.lastSent - t.prev.lastSent
		dRecv := t.cur.lastRecv - t.prev.lastRecv
		t.delta(float64(dRecv-dSent)/1e3, float64(dSent)/1e3, t.cur.lastRecv)
	}
	t.prev = t.cur
	t.cur = group{firstSent: sent, lastSent: sent, lastRecv: recv, on: true}
}

// delta takes how much longer a group was on the way than its predecessor, and
// how much later it was sent, both in ms.
func (t *trend) delta(d, sent float64, recv int64) {
	if t.n == 0 {
		t.origin, t.threshold = recv, thresholdInit
	}
	t.sum += d
	t.smooth = trendSmooth*t.smooth + (1-trendSmooth)*t.sum
	i := t.n % trendWindow
	t.x[i], t.y[i] = float64(recv-t.origin)/1e3, t.smooth
	t.n++
	if t.n < trendMin {
		return
	}
	before := t.slope
	t.slope = fit(t.x[:min(t.n, trendWindow)], t.y[:min(t.n, trendWindow)])
	t.detect(t.slope*float64(min(t.n, trendCount))*trendGain, sent, t.slope >= before)
	t.adapt(t.slope*float64(min(t.n, trendCount))*trendGain, recv)
}

func (t *trend) detect(m, sent float64, rising bool) {
	switch {
	case m > t.threshold:
		t.over += sent
		t.overs++
		if t.over > overuseTime && t.overs > 1 && rising {
			t.state = Overusing
		}
		return
	case m < -t.threshold:
		t.state = Underusing
	default:
		t.state = Normal
	}
	t.over, t.overs = 0, 0
}

// adapt lets the threshold follow the path's noise (section 5.4), so that a
// competing flow that fills the queue does not starve this one.
func (t *trend) adapt(m float64, recv int64) {
	dt := min(max(float64(recv-t.adapted)/1e3, 0), 100)
	t.adapted = recv
	if m < 0 {
		m = -m
	}
	if m > t.threshold+thresholdSkip {
		return
	}
	k := thresholdUp
	if m < t.threshold {
		k = thresholdDown
	}
	t.threshold = min(max(t.threshold+k*(m-t.threshold)*dt, thresholdMin), thresholdMax)
}

// fit returns the slope of the least-squares line; 0 where there is none.
func fit(x, y []float64) float64 {
	var mx, my float64
	for i := range x {
		mx += x[i]
		my += y[i]
	}
	mx /= float64(len(x))
	my /= float64(len(x))
	var num, den float64
	for i := range x {
		num += (x[i] - mx) * (y[i] - my)
		den += (x[i] - mx) * (x[i] - mx)
	}
	if den == 0 {
		return 0
	}
	return num / den
}
