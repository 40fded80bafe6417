package frames

import "github.com/freshet-live/freshet/sfu/media"

// framer finds the Frames in Packets that come in order.
type framer struct {
	parser   parser   // nil for audio
	unpacker unpacker // nil for a codec that Freshet does not forward
	audio    bool

	packets []*media.Packet // of the Frame that comes together
	bytes   int
	units   units

	gap  bool // Packets are missing before the next one
	lost bool // the next Frame does not follow the one before
	// skipping is set while the rest of a Frame, that of timestamp, is of no
	// use.
	skipping  bool
	timestamp uint32 // of the latest Packet
	known     bool   // there was one
	ended     bool   // a Frame ended with it
	// The marker of some encoders does not tell where a Frame ends.
	mistrusted bool
	// Keyframes bring their parameter sets along.
	parameters bool

	counting bool // ticks holds the extended timestamp of the latest Frame
	ticks    int64
	dropped  uint64
}

func newFramer(codec media.Codec) framer {
	f := framer{gap: true}
	if in := NewInspector(codec); in.parser != nil {
		f.parser = in.parser
	}
	switch codec.Name {
	case media.Opus:
		f.audio, f.unpacker = true, opusUnpacker{}
	case media.H264:
		f.unpacker = h264Unpacker{}
	case media.H265:
		f.unpacker = h265Unpacker{}
	case media.VP8:
		f.unpacker = vp8Unpacker{}
	case media.VP9:
		f.unpacker = vp9Unpacker{}
	case media.AV1:
		f.unpacker = av1Unpacker{}
	}
	return f
}

// closes reports whether a Packet, by its timestamp, ends the Frame before it.
func (f *framer) closes(p *media.Packet) bool {
	return !f.gap && len(f.packets) > 0 && p.Timestamp != f.timestamp
}

// add takes the next Packet and reports whether it ends its Frame. Where
// Packets are missing before it, what had come together is given up.
func (f *framer) add(p *media.Packet) (end bool) {
	if f.unpacker == nil {
		return false
	}
	same := f.known && p.Timestamp == f.timestamp
	continues := f.continues(p, same)
	ended := f.ended
	f.known, f.timestamp, f.ended = true, p.Timestamp, false
	switch {
	case f.audio:
	case !continues:
		f.skipping = true
	case same && ended:
		// The Frame went on after its marker. What was handed on was not
		// whole: from now on timestamps alone tell.
		f.mistrusted, f.skipping = true, true
		f.dropped++
	case !same:
		f.skipping = false
	}
	if f.skipping {
		f.lost = true
		return false
	}
	f.packets = append(f.packets, p)
	f.bytes += len(p.Payload)
	if len(f.packets) > maxFramePackets || f.bytes > maxFrameBytes {
		f.drop()
		f.skipping = true
		return false
	}
	return f.audio || p.Marker && !f.mistrusted
}

// continues reports whether a Packet follows the one before, or begins a Frame
// after a gap.
func (f *framer) continues(p *media.Packet, same bool) bool {
	if !f.gap {
		return true
	}
	f.gap = false
	if f.known {
		f.lost = true
	}
	if len(f.packets) > 0 {
		f.drop()
	}
	if f.audio {
		return true
	}
	return !same && f.begins(p.Payload)
}

// begins reports whether a payload is the first of a Frame, going by itself.
func (f *framer) begins(payload []byte) bool {
	found, ok := f.parser.parse(payload)
	return ok && found.start
}

// drop gives up the Frame that has come together so far.
func (f *framer) drop() {
	f.clear()
	f.lost = true
	f.dropped++
}

func (f *framer) clear() {
	clear(f.packets)
	f.packets, f.bytes = f.packets[:0], 0
	f.units.clear()
}

func (f *framer) takeDropped() uint64 {
	n := f.dropped
	f.dropped = 0
	return n
}

// finish makes a Frame of the Packets so far. It returns nil when they are not
// a whole one, and when there is no picture in them: then they belong to what
// follows.
func (f *framer) finish() *media.Frame {
	f.ended = true
	if !f.unpack() {
		f.drop()
		return nil
	}
	if !f.units.picture {
		f.ended = false
		if len(f.packets) > maxCarried {
			f.drop()
		}
		return nil
	}
	if f.units.key && !f.units.parameters && f.parameters && f.lost {
		f.drop() // they were in what is missing, and may have been new ones
		return nil
	}
	f.parameters = f.parameters || f.units.key && f.units.parameters
	frame := &media.Frame{
		Ticks: f.extend(f.timestamp), Keyframe: f.units.key, Lost: f.lost, Units: f.units.build(),
	}
	for _, p := range f.packets {
		if p.Arrival.After(frame.Arrival) {
			frame.Arrival = p.Arrival
		}
	}
	f.lost = false
	f.clear()
	return frame
}

// unpack takes the Packets apart.
func (f *framer) unpack() bool {
	f.units.clear()
	for _, p := range f.packets {
		if !f.unpacker.unpack(&f.units, p.Payload) {
			return false
		}
	}
	return f.units.whole()
}

// extend returns a timestamp near the latest Frame's as a number that never
// wraps.
func (f *framer) extend(timestamp uint32) int64 {
	if !f.counting {
		f.counting, f.ticks = true, int64(timestamp)
	} else {
		f.ticks += int64(int32(timestamp - uint32(f.ticks))) // signed distance modulo 2^32
	}
	return f.ticks
}
