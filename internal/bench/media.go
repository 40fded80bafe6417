package bench

import (
	"bytes"
	"embed"
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// clips are two seconds of H264 at 30 frames a second each, one GOP without
// B-frames in one slice per picture, made by an encoder from a test pattern.
//
//go:embed assets/*.h264
var clips embed.FS

const (
	frameTime  = time.Second / 30
	frameTicks = 90000 / 30
	// maxPayload keeps a packet with its header, extensions and tag under
	// 1200 bytes (R15).
	maxPayload = 1140
	// keyframeWeight is a keyframe's size in pictures of average size.
	keyframeWeight = 5
)

// The NAL unit types that a clip and its packets are made of (RFC 6184
// section 5.2).
const (
	nalIDR   = 5
	nalSEI   = 6
	nalSPS   = 7
	nalPPS   = 8
	nalSTAPA = 24
	nalFUA   = 28
	nalType  = 0x1f
)

// picture is one frame as RTP payloads. The first bytes of one of them are a
// stamp, which is written anew each time.
type picture struct {
	payloads [][]byte
	stamped  int // index of the payload with the stamp
	at       int // its offset there
	size     int // bytes of all payloads
}

// loadClip reads a clip and pads it to a bitrate. A SEI message with user data
// before each picture carries the stamp.
func loadClip(name string, bitrate Bits) ([]picture, error) {
	raw, err := clips.ReadFile("assets/" + name + ".h264")
	if err != nil {
		return nil, fmt.Errorf("clip: %w", err)
	}
	var frames [][][]byte
	var sets [][]byte // parameter sets before a picture
	total := 0
	for nal := range bytes.SplitSeq(raw, []byte{0, 0, 1}) {
		nal = bytes.TrimRight(nal, "\x00") // of a four-byte start code
		if len(nal) == 0 {
			continue
		}
		total += len(nal)
		if t := nal[0] & nalType; t == nalSPS || t == nalPPS {
			sets = append(sets, nal)
			continue
		}
		frames = append(frames, append(sets, nal))
		sets = nil
	}
	budget := int(float64(bitrate) / 8 * (time.Duration(len(frames)) * frameTime).Seconds())
	share := budget / (len(frames) - 1 + keyframeWeight)
	out := make([]picture, len(frames))
	left := 0 // what rounding has kept back
	for i, nals := range frames {
		left += share
		if i == 0 {
			left += share * (keyframeWeight - 1)
		}
		slice := nals[len(nals)-1]
		out[i] = packetize(nals[:len(nals)-1], slice, left-len(slice))
		left -= out[i].size
	}
	return out, nil
}

// packetize makes the payloads of a picture (RFC 6184 section 5): the
// parameter sets in one STAP-A, a SEI message with the stamp, the slice with
// about so many bytes of padding.
//
// The padding is zero words behind the slice's data (ITU-T H.264 section
// 7.3.2.10), which decoders skip. As a NAL unit of its own it would be legal
// where CABAC is not used, too, but Chromium does not put a picture together
// any more of which a packet came late behind the fragments of such a unit.
func packetize(sets [][]byte, slice []byte, padding int) picture {
	var p picture
	if len(sets) > 0 {
		p.payloads = append(p.payloads, aggregate(sets...))
	}
	p.stamped = len(p.payloads)
	sei := stampSEI()
	if padding > 0 {
		slice = append(slices.Clone(slice), bytes.Repeat([]byte{0, 0, 3}, (padding+2)/3)...)
	}
	if both := aggregate(sei, slice); len(both) <= maxPayload {
		p.payloads = append(p.payloads, both)
	} else {
		p.fragment(sei)
		p.fragment(slice)
	}
	p.at = bytes.Index(p.payloads[p.stamped], stampUUID[:]) + len(stampUUID)
	for _, b := range p.payloads {
		p.size += len(b)
	}
	return p
}

// aggregate makes a STAP-A (RFC 6184 section 5.7.1).
func aggregate(nals ...[]byte) []byte {
	out := []byte{0x60 | nalSTAPA}
	for _, n := range nals {
		out = binary.BigEndian.AppendUint16(out, uint16(len(n)))
		out = append(out, n...)
	}
	return out
}

// fuRoom is what a FU-A packet carries of a NAL unit behind its first byte.
const fuRoom = maxPayload - 2

// fragment adds a NAL unit, in full packets and a rest where it is too large
// (FU-A, RFC 6184 section 5.8).
func (p *picture) fragment(nal []byte) {
	if len(nal) <= maxPayload {
		p.payloads = append(p.payloads, nal)
		return
	}
	indicator, header, rest := nal[0]&^nalType|nalFUA, nal[0]&nalType|0x80, nal[1:]
	for len(rest) > 0 {
		n := min(fuRoom, len(rest))
		if n == len(rest) {
			header |= 0x40
		}
		p.payloads = append(p.payloads, append([]byte{indicator, header}, rest[:n]...))
		header, rest = nal[0]&nalType, rest[n:]
	}
}

// stampUUID marks our user data (ITU-T H.264 annex D.1.6).
var stampUUID = [16]byte{'f', 'r', 'e', 's', 'h', 'e', 't', '-', 'b', 'e', 'n', 'c', 'h', '-', 's', 't'}

// stampSize is that of a stamp: 63 bits in groups of seven, whose bytes have
// the upper bit set, so that they need no emulation prevention. The upper
// three bits are the layer's rank, the others a time, of 36 years at most.
const (
	stampSize = 9
	stampBits = 60
)

func stampSEI() []byte {
	const unregistered = 5
	out := []byte{nalSEI, unregistered, byte(len(stampUUID) + stampSize)}
	out = append(out, stampUUID[:]...)
	out = append(out, bytes.Repeat([]byte{0x80}, stampSize)...)
	return append(out, 0x80) // the stop bit
}

func putStamp(b []byte, at time.Duration, rank int8) {
	at = at&(1<<stampBits-1) | time.Duration(rank&7)<<stampBits
	for i := range stampSize {
		b[i] = 0x80 | byte(at>>(7*i))
	}
}

// inspection is what a light viewer sees in a H264 payload.
type inspection struct {
	key     bool // a keyframe begins
	stamped bool
	stamp   time.Duration
	rank    int8 // of the layer, from 0 up
}

// read takes the stamp of a SEI message, behind its NAL unit header.
func (out *inspection) read(sei []byte) { out.stamp, out.rank, out.stamped = readStamp(sei) }

// inspect reads a payload as packetize makes it, and as others do as far as
// keyframes go.
func inspect(payload []byte) (out inspection) {
	if len(payload) < 3 {
		return out
	}
	switch payload[0] & nalType {
	case nalSEI:
		out.read(payload[1:])
	case nalSPS, nalIDR:
		out.key = true
	case nalSTAPA:
		if len(payload) < 5 {
			return out
		}
		t := payload[3] & nalType
		out.key = t == nalSPS || t == nalIDR
		if t == nalSEI {
			out.read(payload[4:])
		}
	case nalFUA:
		if payload[1]&0x80 == 0 {
			return out
		}
		switch payload[1] & nalType {
		case nalSEI:
			out.read(payload[2:])
		case nalIDR:
			out.key = true
		}
	}
	return out
}

func readStamp(sei []byte) (at time.Duration, rank int8, ok bool) {
	i := 1
	for i < len(sei) && sei[i] == 255 {
		i++
	}
	i++
	if len(sei) < i+len(stampUUID)+stampSize || !bytes.Equal(sei[i:i+len(stampUUID)], stampUUID[:]) {
		return 0, 0, false
	}
	for j, b := range sei[i+len(stampUUID) : i+len(stampUUID)+stampSize] {
		at |= time.Duration(b&0x7f) << (7 * j)
	}
	return at & (1<<stampBits - 1), int8(at >> stampBits & 7), true
}

// soundTicks is the length of a sound packet, 20 ms at 48 kHz.
const soundTicks = 960

// soundPacket is 20 ms of silence, padded to 64 kbit/s (RFC 6716 section
// 3.2.5: one frame of constant size, with padding).
func soundPacket() []byte {
	const padding = 156
	b := []byte{0xff, 0x41, padding, 0xff, 0xfe}
	return append(b, make([]byte, padding)...)
}
