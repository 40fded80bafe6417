package forward

import (
	"sync/atomic"
	"time"

	"github.com/freshet-live/freshet/sfu/media"
)

var _ media.History = (*Cache)(nil)

const (
	// maxCacheBytes and maxCacheAge bound what a Cache keeps, so that it holds
	// a GOP for replay and no more. They leave room above the bounds of a
	// replay, which reads while the oldest Packets go.
	maxCacheBytes = 6 << 20
	maxCacheAge   = 12 * time.Second
)

// Cache is a Layer's ring of recent Packets: one writer, any number of
// readers, no lock. NACKs of all viewers are answered from it, and joiners are
// served from it. It forgets by number, bytes and age.
type Cache struct {
	slots []atomic.Pointer[media.Packet]
	// Of the writer alone: the lowest number that may be kept, the number below
	// which all was forgotten, and the payload bytes that are kept.
	oldest, forgotten uint64
	bytes             int
	// newest and keyframe have the highest sequence numbers of all and of the
	// keyframes.
	newest   atomic.Pointer[media.Packet]
	keyframe atomic.Pointer[media.Packet]
}

// NewCache returns a Cache of at least size packets, rounded up to a power of
// two.
func NewCache(size int) *Cache {
	n := 1
	for n < size {
		n <<= 1
	}
	return &Cache{slots: make([]atomic.Pointer[media.Packet], n)}
}

// Put stores a Packet. It returns false for a duplicate and for a Packet that
// is too old to be kept; neither is stored. Only one goroutine may call it.
func (c *Cache) Put(p *media.Packet) bool {
	size := uint64(len(c.slots))
	newest := c.newest.Load()
	if newest != nil && (p.Seq+size <= newest.Seq || p.Seq < c.forgotten) {
		return false
	}
	slot := &c.slots[p.Seq&(size-1)]
	if old := slot.Load(); old != nil {
		if old.Seq >= p.Seq {
			return false
		}
		c.bytes -= len(old.Payload)
	}
	slot.Store(p)
	c.bytes += len(p.Payload)
	if newest == nil || p.Seq < c.oldest {
		c.oldest = p.Seq
	}
	if newest == nil || p.Seq > newest.Seq {
		c.newest.Store(p)
	}
	if p.Keyframe {
		if k := c.keyframe.Load(); k == nil || p.Seq > k.Seq {
			c.keyframe.Store(p)
		}
	}
	c.trim(p)
	return true
}

// trim forgets the oldest Packets while there is too much. It is amortised:
// each number is passed once.
func (c *Cache) trim(latest *media.Packet) {
	newest, size := c.newest.Load(), uint64(len(c.slots))
	if newest.Seq >= size {
		c.oldest = max(c.oldest, newest.Seq-size+1)
	}
	for ; c.oldest < newest.Seq; c.oldest++ {
		slot := &c.slots[c.oldest&(size-1)]
		old := slot.Load()
		if old == nil || old.Seq != c.oldest {
			continue
		}
		if c.bytes <= maxCacheBytes && latest.Arrival.Sub(old.Arrival) <= maxCacheAge {
			return
		}
		c.bytes -= len(old.Payload)
		c.forgotten = c.oldest + 1
		slot.Store(nil)
	}
}

// Newest returns the Packet with the highest sequence number, nil before the
// first.
func (c *Cache) Newest() *media.Packet { return c.newest.Load() }

// Keyframe returns the newest keyframe's first Packet, from which a joiner can
// be served up to Newest, or nil when there was none or it is too old. Packets
// in between may be missing.
func (c *Cache) Keyframe() *media.Packet {
	if p := c.keyframe.Load(); p != nil && c.Packet(p.Seq) == p {
		return p
	}
	return nil
}

// Packet returns the Packet with an extended sequence number, or nil when it
// was never received or is too old.
func (c *Cache) Packet(seq uint64) *media.Packet {
	p := c.slots[seq&uint64(len(c.slots)-1)].Load()
	if p == nil || p.Seq != seq {
		return nil
	}
	return p
}
