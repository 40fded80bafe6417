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
	// newest is the highest sequence number put, only touched by the writer.
	newest uint64
	filled bool
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
	if c.filled && p.Seq+size <= c.newest {
		return false
	}
	slot := &c.slots[p.Seq&(size-1)]
	if old := slot.Load(); old != nil && old.Seq >= p.Seq {
		return false
	}
	slot.Store(p)
	if !c.filled || p.Seq > c.newest {
		c.newest, c.filled = p.Seq, true
	}
	return true
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
