package forward

import (
	"sync/atomic"

	"github.com/freshet-live/freshet/sfu/media"
)

var _ media.History = (*Cache)(nil)

// Cache is a Layer's ring of recent Packets: one writer, any number of
// readers, no lock. NACKs of all viewers are answered from it.
type Cache struct {
	slots []atomic.Pointer[media.Packet]
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
	if newest != nil && p.Seq+size <= newest.Seq {
		return false
	}
	slot := &c.slots[p.Seq&(size-1)]
	if old := slot.Load(); old != nil && old.Seq >= p.Seq {
		return false
	}
	slot.Store(p)
	if newest == nil || p.Seq > newest.Seq {
		c.newest.Store(p)
	}
	if p.Keyframe {
		if k := c.keyframe.Load(); k == nil || p.Seq > k.Seq {
			c.keyframe.Store(p)
		}
	}
	return true
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
