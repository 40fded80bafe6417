package forward

import "github.com/freshet-live/freshet/sfu/media"

// rememberedHoles is how many missing Packets a Cursor remembers that it has
// passed: what is repaired later than that the viewer asks for by NACK.
const rememberedHoles = 16

// Cursor is one viewer's place in a Layer's History, for what cannot be sent
// at once: a GOP for a joiner, a keyframe that is paced. While it is at work
// the Layer's live Packets queue behind it, in the History, so that all go out
// in one order; at the edge it rests, and live Packets pass.
//
// Whoever owns one sends each Packet once: Pass tells of a live Packet whether
// the Cursor has sent it or will. The zero value rests. It is not safe for
// concurrent use.
type Cursor struct {
	layer *media.Layer
	// from and next bound what the Cursor has sent; next too what it will.
	from, next uint64
	active     bool
	holes      [rememberedHoles]uint64 // sequence number + 1 of what was missing
	passed     int
}

// Begin puts the Cursor to work from a sequence number of a Layer on.
func (c *Cursor) Begin(l *media.Layer, from uint64) {
	*c = Cursor{layer: l, from: from, next: from, active: true}
}

// Active reports whether the Cursor is at work.
func (c *Cursor) Active() bool { return c.active }

// Layer returns the Layer of the latest Begin.
func (c *Cursor) Layer() *media.Layer { return c.layer }

// Position is the sequence number that it sends next.
func (c *Cursor) Position() uint64 { return c.next }

// Stop ends the work for good: another Layer has taken over.
func (c *Cursor) Stop() { *c = Cursor{} }

// Peek returns the Packet to send next, and passes over those that are
// missing. At the edge it returns nil, and the Cursor rests.
func (c *Cursor) Peek() *media.Packet {
	if !c.active {
		return nil
	}
	newest := c.layer.History.Newest()
	for newest != nil && c.next <= newest.Seq {
		if p := c.layer.History.Packet(c.next); p != nil {
			return p
		}
		c.holes[c.passed%rememberedHoles] = c.next + 1
		c.passed++
		c.next++
	}
	c.active = false
	return nil
}

// Advance notes that the Packet of Peek was sent.
func (c *Cursor) Advance() { c.next++ }

// Pass reports whether a live Packet is to be sent as it comes. It is not when
// the Cursor has sent it or will; one that was missing when the Cursor passed
// its place is, once.
func (c *Cursor) Pass(l *media.Layer, p *media.Packet) bool {
	if l != c.layer || p.Seq < c.from {
		return true
	}
	if p.Seq >= c.next {
		return !c.active
	}
	for i := range c.holes {
		if c.holes[i] == p.Seq+1 {
			c.holes[i] = 0
			return true
		}
	}
	return false
}
