package frames

// unpacker takes payloads of one codec apart. It has no state of its own.
type unpacker interface {
	// unpack adds the next payload, which is not empty, of a Frame. It returns
	// false when the Frame cannot be whole.
	unpack(u *units, payload []byte) bool
}

// units gathers what a Frame consists of, as pieces of its Packets' payloads,
// so that each byte is copied once at most.
type units struct {
	list   []unit
	pieces [][]byte
	// open is set while the last unit goes on in the next Packet.
	open bool
	// picture is set when there is a picture in it, key when a decoder can
	// begin with it, parameters when it brings its parameter sets or, in AV1,
	// its sequence header.
	picture, key, parameters bool
	// sizes are those of the frames of a VP9 picture.
	sizes []int
	index [vp9MaxIndex]byte
}

// unit is one unit: a header, which is not in a payload as it has to be, and
// pieces.
type unit struct {
	header     [2]byte
	headerSize int
	from, to   int // in pieces
	size       int // of all
	declared   int // what size has to be in the end; 0: not known
	useless    bool
}

func (u *units) clear() {
	clear(u.pieces)
	u.list, u.pieces, u.sizes = u.list[:0], u.pieces[:0], u.sizes[:0]
	u.open, u.picture, u.key, u.parameters = false, false, false, false
}

// begin starts a unit with the first n bytes of a header.
func (u *units) begin(header [2]byte, n int) {
	u.list = append(u.list, unit{header: header, headerSize: n, from: len(u.pieces), to: len(u.pieces), size: n})
}

// add puts a piece at the end of the unit that began last.
func (u *units) add(piece []byte) {
	last := &u.list[len(u.list)-1]
	u.pieces = append(u.pieces, piece)
	last.to++
	last.size += len(piece)
}

// unit adds one that is whole in one piece.
func (u *units) unit(b []byte) {
	u.begin([2]byte{}, 0)
	u.add(b)
}

// current returns the unit that began last; there is one.
func (u *units) current() *unit { return &u.list[len(u.list)-1] }

// whole ends the Frame and reports whether nothing is missing.
func (u *units) whole() bool {
	if u.open {
		return false
	}
	u.indexVP9()
	for i := range u.list {
		if one := &u.list[i]; one.declared != 0 && one.declared != one.size {
			return false
		}
	}
	return true
}

// build returns the units. Those in one piece share the payload's bytes; the
// others share one new buffer.
func (u *units) build() [][]byte {
	total, count := 0, 0
	for i := range u.list {
		one := &u.list[i]
		if one.useless {
			continue
		}
		count++
		if !one.single() {
			total += one.size
		}
	}
	out := make([][]byte, 0, count)
	var buffer []byte
	if total > 0 {
		buffer = make([]byte, 0, total)
	}
	for i := range u.list {
		one := &u.list[i]
		if one.useless {
			continue
		}
		if one.single() {
			piece := u.pieces[one.from]
			out = append(out, piece[:len(piece):len(piece)])
			continue
		}
		from := len(buffer)
		buffer = append(buffer, one.header[:one.headerSize]...)
		for _, piece := range u.pieces[one.from:one.to] {
			buffer = append(buffer, piece...)
		}
		out = append(out, buffer[from:len(buffer):len(buffer)])
	}
	return out
}

// single reports whether a unit lies in a payload as it has to be.
func (one *unit) single() bool { return one.headerSize == 0 && one.to-one.from == 1 }

// opusUnpacker: one packet is one Frame (RFC 7587 section 4).
type opusUnpacker struct{}

func (opusUnpacker) unpack(u *units, payload []byte) bool {
	u.unit(payload)
	u.picture, u.key = true, true
	return true
}
