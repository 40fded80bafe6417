package rtc

import (
	"encoding/binary"
	"io"
	"sync/atomic"

	"github.com/pion/transport/v4/packetio"
)

const (
	// maxSSRCs bounds the streams that one publisher may open. What goes beyond
	// is thrown away: 8 encodings with retransmissions are 16.
	maxSSRCs       = 64
	rtpBufferSize  = 1 << 20 // bytes, as pion has it
	rtcpBufferSize = 100 << 10
)

// streams makes the buffers through which pion reads one session's decrypted
// packets.
type streams struct {
	rtx              map[uint8]bool // payload types
	rid, repairedRID uint8          // extension ids, 0: none
	opened           atomic.Int32
}

func newStreams(o *offer) *streams {
	s := &streams{rtx: map[uint8]bool{}}
	for _, sec := range o.sections {
		if len(sec.rids) == 0 {
			continue
		}
		for _, c := range sec.codecs {
			if c.rtx != 0 {
				s.rtx[c.rtx] = true
			}
		}
		s.rid = uint8(sec.extensionID(uriRID))                 // 1 to 255
		s.repairedRID = uint8(sec.extensionID(uriRepairedRID)) // 0 to 255
	}
	return s
}

// open is webrtc.SettingEngine.BufferFactory.
func (s *streams) open(kind packetio.BufferPacketType, _ uint32) io.ReadWriteCloser {
	b := packetio.NewBuffer()
	if kind != packetio.RTPBufferPacket {
		b.SetLimitSize(rtcpBufferSize)
		return b
	}
	b.SetLimitSize(rtpBufferSize)
	if s.opened.Add(1) > maxSSRCs {
		_ = b.Close() // reads end at once; a new buffer's Close cannot fail
	}
	if len(s.rtx) == 0 {
		return b
	}
	return &repairBuffer{Buffer: b, streams: s}
}

// repairBuffer marks retransmissions as such. A sender made of pion copies the
// header extensions of what it repeats, so that a retransmission calls itself
// the encoding (RFC 8852 section 3 wants the repaired RID), and pion would read
// it in the place of the encoding from then on.
type repairBuffer struct {
	*packetio.Buffer
	streams *streams
}

// Write takes one decrypted packet.
func (b *repairBuffer) Write(packet []byte) (int, error) {
	if len(packet) > 1 && b.streams.rtx[packet[1]&0x7f] && !relabel(packet, b.streams.rid, b.streams.repairedRID) {
		return len(packet), nil
	}
	return b.Buffer.Write(packet)
}

// relabel turns the RID extension of a retransmission into the repaired RID. It
// returns false when that has no id, or one that the packet cannot hold: the
// packet is then of no use.
func relabel(packet []byte, rid, repairedRID uint8) bool {
	at, repaired := -1, false
	eachExtension(packet, func(id uint8, pos int) {
		switch id {
		case repairedRID:
			repaired = true
		case rid:
			at = pos
		}
	})
	if repaired || at < 0 {
		return true
	}
	oneByte := binary.BigEndian.Uint16(packet[extensionStart(packet):]) == oneByteProfile
	switch {
	case repairedRID == 0 || oneByte && repairedRID > maxOneByteID:
		return false
	case oneByte:
		packet[at] = repairedRID<<4 | packet[at]&0x0f
	default:
		packet[at] = repairedRID
	}
	return true
}

// The one-byte form of header extensions (RFC 8285 section 4.2).
const (
	oneByteProfile = 0xbede
	maxOneByteID   = 14
)

func extensionStart(packet []byte) int { return 12 + 4*int(packet[0]&0x0f) }

// eachExtension visits the header extensions of an RTP packet (RFC 8285
// section 4); pos is where the element's id stands.
func eachExtension(packet []byte, visit func(id uint8, pos int)) {
	if len(packet) < 12 || packet[0]&0x10 == 0 {
		return
	}
	start := extensionStart(packet)
	if len(packet) < start+4 {
		return
	}
	profile := binary.BigEndian.Uint16(packet[start:])
	end := start + 4 + 4*int(binary.BigEndian.Uint16(packet[start+2:]))
	oneByte := profile == oneByteProfile
	if end > len(packet) || (!oneByte && profile&0xfff0 != 0x1000) {
		return
	}
	for pos := start + 4; pos < end; {
		switch {
		case packet[pos] == 0: // padding
			pos++
		case oneByte:
			id, size := packet[pos]>>4, int(packet[pos]&0x0f)+1
			if id == 15 || pos+1+size > end {
				return
			}
			visit(id, pos)
			pos += 1 + size
		default:
			if pos+2 > end || pos+2+int(packet[pos+1]) > end {
				return
			}
			visit(packet[pos], pos)
			pos += 2 + int(packet[pos+1])
		}
	}
}

// captureTime reads the abs-capture-time extension of an RTP packet: the NTP
// time of its capture, by the sender's clock. One that was captured elsewhere
// carries the offset between the two clocks.
func captureTime(packet []byte, id uint8) (ntp uint64, ok bool) {
	eachExtension(packet, func(have uint8, pos int) {
		if have != id {
			return
		}
		size, data := int(packet[pos]&0x0f)+1, packet[pos+1:]
		if binary.BigEndian.Uint16(packet[extensionStart(packet):]) != oneByteProfile {
			size, data = int(packet[pos+1]), packet[pos+2:]
		}
		const short, long = 8, 16
		switch size {
		case long:
			ntp, ok = binary.BigEndian.Uint64(data)+binary.BigEndian.Uint64(data[short:]), true
		case short:
			ntp, ok = binary.BigEndian.Uint64(data), true
		}
	})
	return ntp, ok
}
