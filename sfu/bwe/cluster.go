package bwe

const (
	clusterSettle   = 40_000  // µs without another packet that end a cluster
	clusterShadow   = 100_000 // µs after a cluster whose delay is the cluster's doing
	clusterTimeout  = 1_000_000
	clusterLeast    = 4    // packets that have to arrive
	clusterSkip     = 0.25 // of its bytes: a token bucket lets the first through at any rate
	clusterArrive   = 0.8  // of its packets, or the rate was too much
	clusterKeep     = 0.9  // arriving at this share of the rate sent is keeping up
	clusterEnds     = 0.5  // by first and last arrival, which jitter lengthens
	clusterMargin   = 0.95
	clusterShortest = 10_000 // µs
)

// cluster is the probe under way: all packets between its first and its last,
// media sent meanwhile included.
type cluster struct {
	id          uint8
	first, last int64 // extended sequence numbers
	start, end  int64 // µs sent
}

func (c *cluster) on() bool { return c.id != 0 }

// covers tells whether a packet's delay may be the probe's own queue.
func (c *cluster) covers(ext, sent int64) bool {
	return c.end != 0 && ext >= c.first && sent <= c.end+clusterShadow
}

// line gathers points for a least-squares fit.
type line struct{ n, x, y, xx, xy float64 }

func (l *line) add(x, y float64) {
	l.n++
	l.x += x
	l.y += y
	l.xx += x * x
	l.xy += x * y
}

func (l *line) slope() float64 {
	den := l.n*l.xx - l.x*l.x
	if den <= 0 {
		return 0
	}
	return (l.n*l.xy - l.x*l.y) / den
}

// tally is what became of a cluster. Times are relative to its first packet
// used, in µs, each by its own clock.
type tally struct {
	packets, came       int
	bytes, cameBytes    float64 // after the first packet
	sentEnd             float64
	recvFirst, recvLast float64
	delay               line // one-way delay over time of sending
}

func (c *cluster) tally(h *history) (t tally) {
	first := max(c.first, h.head-int64(len(h.ring)))
	var total, sofar float64
	for s := first; s <= c.last; s++ {
		if e := h.at(s); e != nil {
			total += float64(e.size)
		}
	}
	var origin *entry
	for s := first; s <= c.last; s++ {
		e := h.at(s)
		if e == nil {
			continue
		}
		if sofar += float64(e.size); sofar < clusterSkip*total {
			continue
		}
		t.packets++
		if origin == nil {
			origin = e
		} else {
			t.bytes += float64(e.size)
		}
		sent := float64(int32(e.sent - origin.sent))
		t.sentEnd = max(t.sentEnd, sent)
		if e.fate != arrived {
			continue
		}
		// Differences of 32-bit times survive their wrapping.
		recv := float64(int32(e.recv - origin.sent))
		if t.came++; t.came == 1 {
			t.recvFirst, t.recvLast = recv, recv
		} else {
			t.cameBytes += float64(e.size)
		}
		t.recvFirst, t.recvLast = min(t.recvFirst, recv), max(t.recvLast, recv)
		t.delay.add(sent, recv-sent)
	}
	return t
}

// evaluate returns the rate in bit/s that the path has shown to carry, 0 when
// the cluster shows nothing, and whether it has kept up with the probe. That is
// read from the delay's slope, which averages jitter and bursts of media out.
func (c *cluster) evaluate(h *history) (rate uint64, ok bool) {
	t := c.tally(h)
	if t.came < clusterLeast || t.sentEnd < clusterShortest {
		return 0, false
	}
	share := float64(t.came) / float64(t.packets)
	out := 8e6 * t.bytes / t.sentEnd
	in := out / max(1+t.delay.slope(), 0.1)
	ends := 8e6 * t.cameBytes / max(t.recvLast-t.recvFirst, 1)
	if in >= clusterKeep*out && share >= clusterArrive && ends >= clusterEnds*out {
		return uint64(out), true
	}
	return uint64(clusterMargin * min(in, ends, out)), false
}
