package bench

import "time"

const (
	// flowWindow is how many packets a flow looks back for what is missing; a
	// power of two.
	flowWindow = 1024
	// patience is how long a missing packet is waited for.
	patience = time.Second
	// Repairs are asked for after reorderTime, and again after nackInterval, at
	// most maxAsked times.
	reorderTime  = 5 * time.Millisecond
	nackInterval = 60 * time.Millisecond
	maxAsked     = 10
	// A whole keyframe is as good as a packet that has been missing for longer.
	leapTime = 200 * time.Millisecond
	// maxJump is how far numbers may jump ahead; beyond, they begin anew.
	maxJump = 8 * flowWindow
)

// arrival is what a flow keeps of a packet.
type arrival struct {
	ts      uint32
	marker  bool
	key     bool
	stamped bool
	stamp   time.Duration
	rank    int8
	payload []byte // only where it is decoded
}

// absence is a packet that has not come in.
type absence struct {
	seq            uint64
	noticed, asked time.Duration
	times          int // asked for
}

// flow puts one RTP stream in order. It is a value without clock or I/O; all
// times are since the start of the run.
type flow struct {
	started      bool
	first, next  uint64 // next is the first that has not been handed on
	highest      uint64
	lost         uint64 // given up
	repaired     uint64 // came as a retransmission
	duplicates   uint64
	missing      []absence // ascending
	ring         []arrival // of those beyond next, when something is missing
	present      []bool
	keyframe     uint64 // the newest that begins beyond next
	out          func(now time.Duration, a arrival, gap bool)
	gap          bool
	lastReported uint64 // for receiver reports: highest and received then
	receivedThen uint64
	received     uint64
}

// extend makes a 64-bit number of a sequence number, by the one closest to the
// highest so far (RFC 3711 section 3.3.1).
func (f *flow) extend(seq uint16) uint64 {
	return f.highest + uint64(int64(int16(seq-uint16(f.highest))))
}

// put takes a packet; repair says that it is a retransmission.
func (f *flow) put(now time.Duration, seq uint16, a arrival, repair bool) {
	if !f.started {
		if repair {
			return // of something before our time
		}
		f.started = true
		f.highest = 1<<32 | uint64(seq)
		f.first, f.next = f.highest, f.highest
	}
	n := f.extend(seq)
	if n > f.highest && repair {
		return // nobody asked for it
	}
	if n > f.highest+maxJump {
		f.restart(now, n)
	}
	switch {
	case n < f.next, n < f.next+flowWindow && f.has(n):
		f.duplicates++
		return
	case n >= f.next+flowWindow:
		f.skip(now, n-flowWindow+1)
	}
	f.received++
	if repair {
		f.repaired++
	}
	for s := max(f.highest+1, f.next); s < n; s++ {
		f.missing = append(f.missing, absence{seq: s, noticed: now})
	}
	if n < f.highest {
		f.found(n)
	}
	f.highest = max(f.highest, n)
	if n > f.next {
		f.keep(n, a)
		return
	}
	f.hand(now, a)
	f.drain(now)
}

func (f *flow) has(n uint64) bool { return f.present != nil && f.present[n%flowWindow] }

func (f *flow) keep(n uint64, a arrival) {
	if f.ring == nil {
		f.ring, f.present = make([]arrival, flowWindow), make([]bool, flowWindow)
	}
	f.ring[n%flowWindow], f.present[n%flowWindow] = a, true
	if a.key {
		f.keyframe = max(f.keyframe, n)
	}
}

func (f *flow) found(n uint64) {
	for i := range f.missing {
		if f.missing[i].seq == n {
			f.missing = append(f.missing[:i], f.missing[i+1:]...)
			return
		}
	}
}

// hand passes the packet numbered next on.
func (f *flow) hand(now time.Duration, a arrival) {
	f.next++
	f.out(now, a, f.gap)
	f.gap = false
}

// drain passes on what is complete.
func (f *flow) drain(now time.Duration) {
	for f.has(f.next) {
		i := f.next % flowWindow
		f.present[i] = false
		f.hand(now, f.ring[i])
	}
}

// skip gives up what is missing below n.
func (f *flow) skip(now time.Duration, n uint64) {
	for f.next < n {
		if f.has(f.next) {
			f.drain(now)
			continue
		}
		f.next++
		f.lost++
		f.gap = true
	}
	for len(f.missing) > 0 && f.missing[0].seq < f.next {
		f.missing = f.missing[1:]
	}
	f.drain(now)
}

// restart goes on at n, as if what lies between had not been numbered.
func (f *flow) restart(now time.Duration, n uint64) {
	f.skip(now, f.highest+1)
	jump := n - f.next
	f.next += jump
	f.first += jump
	f.highest = n - 1
	f.gap = true
}

// tick gives up what has been missing for too long, and returns what to ask
// for now, appended to ask.
func (f *flow) tick(now time.Duration, ask []uint16) []uint16 {
	if len(f.missing) == 0 {
		return ask
	}
	for len(f.missing) > 0 && now-f.missing[0].noticed > patience {
		f.skip(now, f.missing[0].seq+1)
	}
	if len(f.missing) > 0 && now-f.missing[0].noticed > leapTime && f.keyframe > f.missing[0].seq && f.whole(f.keyframe) {
		f.skip(now, f.keyframe)
	}
	for i := range f.missing {
		m := &f.missing[i]
		if now-m.noticed >= reorderTime && m.times < maxAsked && (m.times == 0 || now-m.asked >= nackInterval) {
			m.asked = now
			m.times++
			ask = append(ask, uint16(m.seq))
		}
	}
	return ask
}

// whole reports whether all packets of the frame that begins at n are there.
func (f *flow) whole(n uint64) bool {
	for ; n <= f.highest && f.has(n); n++ {
		if f.ring[n%flowWindow].marker {
			return true
		}
	}
	return false
}

// expected is how many packets there were, lost ones included.
func (f *flow) expected() uint64 {
	if !f.started {
		return 0
	}
	return f.highest - f.first + 1
}

// absent is how many of them have not come in: given up, or still missing for
// longer than a repair takes.
func (f *flow) absent(now time.Duration) uint64 {
	n := f.lost
	for _, m := range f.missing {
		if now-m.noticed > 4*nackInterval {
			n++
		}
	}
	return n
}

// report returns the figures of a receiver report (RFC 3550 section 6.4.1).
func (f *flow) report() (fraction uint8, total, highest uint32) {
	expected := f.highest - f.lastReported
	if f.lastReported == 0 {
		expected = f.expected()
	}
	got := f.received - f.receivedThen
	if expected > got {
		fraction = uint8(min(255, 256*(expected-got)/expected))
	}
	f.lastReported, f.receivedThen = f.highest, f.received
	if n := f.expected(); n > f.received {
		total = uint32(min(n-f.received, 0x7fffff))
	}
	return fraction, total, uint32(f.highest)
}
