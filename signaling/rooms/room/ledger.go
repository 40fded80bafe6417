package room

import (
	"cmp"
	"encoding/binary"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
)

// ledger holds the latest Entries of a Room in the order of Seq, and which ids
// it has met.
type ledger struct {
	name    string // of the sequence, the first half of a position
	last    uint64 // the greatest Seq given
	keep    int
	entries []Entry
	place   map[string]uint64 // the Seq of each id in entries
	met     memory[string, struct{}]
}

// metFactor is how many times more ids are remembered than Entries are held, so
// that what other Nodes send again is known.
const metFactor = 4

// maxSeq is where JavaScript ends to count, and more than any Room has.
const maxSeq = 1 << 53

func newLedger(name string, keep int) ledger {
	return ledger{name: name, keep: keep, place: map[string]uint64{},
		met: newMemory[string, struct{}](keep * metFactor)}
}

// restore takes what is kept of a Room, whatever it is.
func (l *ledger) restore(past Past) {
	for _, e := range past.Recent {
		if e.Seq == 0 || e.Seq > maxSeq || e.ID == "" || l.met.has(e.ID) {
			continue
		}
		l.met.put(e.ID, struct{}{})
		l.entries = append(l.entries, e)
	}
	slices.SortStableFunc(l.entries, func(a, b Entry) int { return cmp.Compare(a.Seq, b.Seq) })
	l.entries = slices.CompactFunc(l.entries, func(a, b Entry) bool { return a.Seq == b.Seq })
	if n := len(l.entries); n > l.keep {
		l.entries = slices.Clone(l.entries[n-l.keep:])
	}
	for i := range l.entries {
		l.place[l.entries[i].ID] = l.entries[i].Seq
	}
	if past.Next > 0 && past.Next <= maxSeq {
		l.last = past.Next - 1
	}
	if n := len(l.entries); n > 0 {
		l.last = max(l.last, l.entries[n-1].Seq)
	}
}

// add appends an Entry that has the next Seq.
func (l *ledger) add(e Entry) {
	l.last = e.Seq
	l.met.put(e.ID, struct{}{})
	l.place[e.ID] = e.Seq
	if len(l.entries) >= 2*l.keep {
		// Half of it at once, so that an Entry is moved once on average.
		n := copy(l.entries, l.entries[len(l.entries)-l.keep:])
		clear(l.entries[n:])
		l.entries = l.entries[:n]
	}
	l.entries = append(l.entries, e)
	if n := len(l.entries); n > l.keep {
		old := &l.entries[n-l.keep-1]
		delete(l.place, old.ID)
	}
}

// held are the Entries that count as held, oldest first.
func (l *ledger) held() []Entry { return l.entries[max(0, len(l.entries)-l.keep):] }

// after returns the index in held of the first Entry beyond seq.
func (l *ledger) after(seq uint64) int {
	i, _ := slices.BinarySearchFunc(l.held(), seq+1, func(e Entry, s uint64) int { return cmp.Compare(e.Seq, s) })
	return i
}

// find returns the held Entry of an id, nil when there is none.
func (l *ledger) find(id string) *Entry {
	seq, ok := l.place[id]
	if !ok {
		return nil
	}
	held := l.held()
	if i := l.after(seq - 1); i < len(held) && held[i].ID == id {
		return &held[i]
	}
	return nil
}

// position is up to where somebody has read who has read all.
func (l *ledger) position() string { return l.name + "." + strconv.FormatUint(l.last, 10) }

// parsePosition splits LOG.SEQ.
func parsePosition(s string) (name string, seq uint64, ok bool) {
	if len(s) > 128 {
		return "", 0, false
	}
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return "", 0, false
	}
	seq, err := strconv.ParseUint(s[i+1:], 10, 64)
	return s[:i], seq, err == nil
}

// since returns what came after a position, false when that is not known.
func (l *ledger) since(position string) ([]Entry, bool) {
	name, seq, ok := parsePosition(position)
	if !ok || name != l.name || seq > l.last {
		return nil, false
	}
	held := l.held()
	if seq == l.last {
		return nil, true
	}
	if len(held) == 0 || seq+1 < held[0].Seq {
		return nil, false
	}
	return held[l.after(seq):], true
}

// alphabet is Crockford's base 32, in which ids sort like what they are made of.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// originOf returns 40 bits that tell one sequence of one Node from all others.
func originOf(node, name string) uint64 {
	h := fnv.New64a()
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(node)))
	_, _ = h.Write(n[:])
	_, _ = h.Write([]byte(node + name))
	v := h.Sum64()
	return (v ^ v>>40) & (1<<40 - 1)
}

// makeID returns the id of the Entry seq of a sequence: 10 characters of time,
// 8 of the sequence, 8 of seq, in the form of a ULID.
func makeID(at int64, origin, seq uint64) string {
	var b [26]byte
	put := func(dst []byte, v uint64) {
		for i := len(dst) - 1; i >= 0; i-- {
			dst[i] = alphabet[v&31]
			v >>= 5
		}
	}
	put(b[:10], uint64(at)&(1<<48-1))
	put(b[10:18], origin)
	put(b[18:], seq)
	return string(b[:])
}

// memory is a map of the latest n keys.
type memory[K comparable, V any] struct {
	of    map[K]V
	order []K
	next  int
	size  int
}

func newMemory[K comparable, V any](n int) memory[K, V] { return memory[K, V]{of: map[K]V{}, size: n} }

func (m *memory[K, V]) has(k K) bool { _, ok := m.of[k]; return ok }

// put remembers a key, and forgets the oldest one when there are too many.
func (m *memory[K, V]) put(k K, v V) {
	if m.has(k) {
		m.of[k] = v
		return
	}
	if len(m.order) < m.size {
		m.order = append(m.order, k)
	} else {
		delete(m.of, m.order[m.next])
		m.order[m.next] = k
		m.next = (m.next + 1) % m.size
	}
	m.of[k] = v
}
