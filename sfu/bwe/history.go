package bwe

// A history never shrinks and holds at most maxHistory packets: two seconds of
// 24 Mbit/s. It starts with one second of 2.5 Mbit/s.
const (
	minHistory = 256
	maxHistory = 4096
	historyFor = 5_000_000 // µs for which a packet without news is worth more room
)

type fate uint8

const (
	unsent   fate = iota
	inFlight      // nothing heard
	arrived
	missing   // feedback says that it did not arrive (it still may)
	forgotten // the feedback that would have told was lost
)

// entry is one packet. Times are the low 32 bits of microseconds.
type entry struct {
	sent  uint32
	recv  uint32 // by the viewer's clock, when arrived
	size  uint16
	probe uint8
	fate  fate
}

// history remembers the newest packets by their extended sequence number.
type history struct {
	ring []entry
	head int64 // newest; -1 before the first
}

// extend maps a number from the wire to the extended one nearest to the newest.
func (h *history) extend(seq uint16) int64 {
	return h.head + int64(int16(seq-uint16(h.head)))
}

// at returns the packet, or nil when it was never sent or is too old.
func (h *history) at(ext int64) *entry {
	if ext > h.head || ext <= h.head-int64(len(h.ring)) || ext < 0 {
		return nil
	}
	e := &h.ring[ext&int64(len(h.ring)-1)]
	if e.fate == unsent {
		return nil
	}
	return e
}

// push makes room for seq and returns its place, or nil when seq does not follow
// the newest. Numbers that were skipped count as never sent.
func (h *history) push(seq uint16) *entry {
	if h.head < 0 {
		h.ring = make([]entry, minHistory)
		h.head = int64(seq)
		return &h.ring[h.head&(minHistory-1)]
	}
	ext := h.extend(seq)
	if ext <= h.head {
		return nil
	}
	mask := int64(len(h.ring) - 1)
	for s := max(h.head+1, ext-mask); s < ext; s++ {
		h.ring[s&mask] = entry{}
	}
	h.head = ext
	return &h.ring[ext&mask]
}

// grow doubles the ring, up to maxHistory.
func (h *history) grow() {
	if len(h.ring) >= maxHistory {
		return
	}
	old := h.ring
	h.ring = make([]entry, 2*len(old))
	for s := max(0, h.head-int64(len(old))+1); s <= h.head; s++ {
		h.ring[s&int64(len(h.ring)-1)] = old[s&int64(len(old)-1)]
	}
}

// since widens the low 32 bits of a time in the past.
func since(now int64, low uint32) int64 { return now - int64(uint32(now)-low) }
