package forward

import "github.com/freshet-live/freshet/sfu/media"

// keptPieces is how many pieces of a turn are remembered, a power of two: two
// seconds of 60 frames/s, of which every second one goes. A NACK for what lies
// further back is not answered.
const keptPieces = 64

// piece is a run of a turn's Packets of which none was removed.
type piece struct {
	from     uint64 // the Source's number of its first Packet
	removed  uint64 // Packets that the turn has removed before it
	pictures uint16 // pictures likewise
	layers   uint8  // temporal layers that go out; 0: all
}

// thinning is what a turn leaves out: the pictures of the upper temporal
// layers of VP8, on which no other picture depends that goes out. The numbers
// close up behind them.
//
// A Packet is removed when it comes as the newest one. Numbers before it that
// are missing stay free, as nobody knows whose they are; a Packet that turns
// up there too late to be removed goes out empty, so that the viewer does not
// miss it.
type thinning struct {
	// pieces is a ring; the newest is at (n-1) % keptPieces.
	pieces [keptPieces]piece
	n      int
	// The picture removed last.
	removing  bool
	timestamp uint32
}

func (h *thinning) newest() *piece { return &h.pieces[(h.n-1)%keptPieces] }

// push begins a piece.
func (h *thinning) push(p piece) {
	h.n++
	*h.newest() = p
}

// find returns the piece that a Packet belongs to, and false when it was
// removed, or is too old.
func (h *thinning) find(seq uint64) (piece, bool) {
	end, removed := uint64(0), uint64(0) // of the piece behind
	for i := h.n - 1; i >= max(0, h.n-keptPieces); i-- {
		p := &h.pieces[i%keptPieces]
		if seq >= p.from {
			return *p, end == 0 || seq < end-(removed-p.removed)
		}
		end, removed = p.from, p.removed
	}
	return piece{}, false
}

// source returns the Source's number that went out as the n-th of the turn.
func (h *thinning) source(first, n uint64) (seq uint64, ok bool) {
	for i := h.n - 1; i >= max(0, h.n-keptPieces); i-- {
		p := &h.pieces[i%keptPieces]
		if n >= p.from-first-p.removed {
			return first + n + p.removed, true
		}
	}
	return 0, false
}

// settle follows the wish for so many temporal layers with the first Packet of
// a picture. Fewer may begin anywhere. One more begins with a picture that is a
// layer sync, which depends on the base layer only (RFC 7741 section 4.2, Y);
// a keyframe depends on nothing.
func (h *thinning) settle(p *media.Packet, want uint8) {
	now := *h.newest()
	if !p.FrameStart || now.layers == want {
		return
	}
	next := now.layers
	switch raise := next != 0 && (want == 0 || want > next); {
	case p.Keyframe, !raise:
		next = want
	case p.Descriptor.Sync && p.Descriptor.TemporalID == next:
		next++
	default:
		return
	}
	if next == media.MaxTemporalLayers {
		next = 0
	}
	if next == now.layers {
		return
	}
	now.from, now.layers = p.Seq, next
	h.push(now)
}

// remove takes the newest Packet out.
func (h *thinning) remove(p *media.Packet) {
	next := *h.newest()
	adjacent := next.from == p.Seq
	next.from = p.Seq + 1
	next.removed++
	if !h.removing || h.timestamp != p.Timestamp {
		next.pictures++
	}
	h.removing, h.timestamp = true, p.Timestamp
	if adjacent && h.n > 1 {
		*h.newest() = next // that piece had not begun
	} else {
		h.push(next)
	}
}

// above reports whether a Packet belongs to a temporal layer that a piece does
// not have.
func (p *piece) above(pkt *media.Packet) bool {
	return p.layers != 0 && pkt.Descriptor.TemporalID >= p.layers
}

// Thin sets how many temporal layers of a VP8 Layer go out; 0: all. The turn
// follows where its pictures allow it.
func (m *Munger) Thin(layers int) {
	m.layers = uint8(max(0, min(layers, media.MaxTemporalLayers))) //nolint:gosec // bounded
}

// beginThinning prepares a turn, which begins with a keyframe. The memory of a
// turn long ago is used again.
func (m *Munger) beginThinning(g *segment, kept *thinning) {
	if m.layers == 0 || g.layer.Codec.Name != media.VP8 {
		return
	}
	if kept == nil {
		kept = &thinning{}
	}
	g.thinning = kept
	kept.n, kept.removing = 0, false
	kept.push(piece{from: g.first, layers: m.layers})
}

// removes reports whether a Packet does not go out, because it belongs to a
// temporal layer that the turn leaves out, or lies too far back.
func (m *Munger) removes(g *segment, p *media.Packet) bool {
	if g.thinning == nil {
		if g.layer.Codec.Name != media.VP8 {
			return false
		}
		g.thinning = &thinning{}
		g.thinning.push(piece{from: g.first})
	}
	h := g.thinning
	if at := h.newest(); p.Seq >= at.from && m.ahead(g.number(p.Seq, at)) {
		h.settle(p, m.layers)
		if h.newest().above(p) {
			h.remove(p)
			return true
		}
	}
	_, ok := h.find(p.Seq)
	return !ok
}

// close takes what was removed out of a Packet's numbers.
func (h *thinning) close(p *media.Packet, o Out) Out {
	at, _ := h.find(p.Seq)
	o.Seq -= at.removed
	o.Empty = at.above(p)
	if d := &p.Descriptor; d.PictureIDPos != 0 {
		o.PictureID = (o.PictureID - at.pictures) & pictureMask(d)
	}
	return o
}

// number returns the outgoing number of a Packet in a piece.
func (g *segment) number(seq uint64, at *piece) uint64 {
	return seq - g.first + g.outFirst - at.removed
}
