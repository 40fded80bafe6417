package bwe

const (
	clusterSettle  = 40_000  // µs without another packet that end a cluster
	clusterShadow  = 100_000 // µs after a cluster whose delay is the cluster's doing
	clusterTimeout = 1_000_000
	clusterLeast   = 4    // packets that have to arrive
	clusterSkip    = 0.25 // of its bytes: a token bucket lets the first through at any rate
	clusterArrive  = 0.8  // of its packets, or the rate was too much
	clusterKeep    = 0.9  // arriving at this share of the rate sent is keeping up
	clusterMargin  = 0.95
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

// line gathers time against bytes for a least-squares fit.
type line struct{ n, x, y, xx, xy float64 }

func (l *line) add(x, y float64) {
	l.n++
	l.x += x
	l.y += y
	l.xx += x * x
	l.xy += x * y
}

// rate is bit/s for x in bytes and y in µs; 0 where time does not advance.
func (l *line) rate() float64 {
	num, den := l.n*l.xy-l.x*l.y, l.n*l.xx-l.x*l.x
	if num <= 0 || den <= 0 {
		return 0
	}
	return 8e6 * den / num
}

// evaluate returns the rate in bit/s that the path has shown to carry, 0 when
// the cluster shows nothing. Lines are fitted, not ends compared, so that jitter
// averages out; times are relative to the first packet used.
func (c *cluster) evaluate(h *history) uint64 {
	first := max(c.first, h.head-int64(len(h.ring)))
	var total, sofar float64
	for s := first; s <= c.last; s++ {
		if e := h.at(s); e != nil {
			total += float64(e.size)
		}
	}
	var sent, recv line
	var origin *entry
	var packets, came int
	var x float64
	for s := first; s <= c.last; s++ {
		e := h.at(s)
		if e == nil {
			continue
		}
		packets++
		if e.fate == arrived {
			came++
		}
		if sofar += float64(e.size); sofar < clusterSkip*total {
			continue
		}
		if origin == nil {
			if e.fate != arrived {
				continue
			}
			origin = e
		}
		x += float64(e.size)
		sent.add(x, float64(int32(e.sent-origin.sent)))
		if e.fate == arrived {
			recv.add(x, float64(int32(e.recv-origin.recv)))
		}
	}
	if came < clusterLeast || recv.n < clusterLeast-1 {
		return 0
	}
	out, in := sent.rate(), recv.rate()
	if out == 0 || in == 0 || in > 3*out {
		return 0
	}
	share := float64(came) / float64(packets)
	if in >= clusterKeep*out && share >= clusterArrive {
		return uint64(out)
	}
	return uint64(clusterMargin * min(in, out) * share)
}
