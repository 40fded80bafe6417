package fanout

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/freshet-live/freshet/sfu/fanout/wire"
	"github.com/freshet-live/freshet/sfu/forward"
	"github.com/freshet-live/freshet/sfu/media"
)

const (
	rtpHeaderSize = 12
	osnSize       = 2 // RFC 4588 section 4: original sequence number
	maxMIDSize    = 16
	// oneByteProfile marks one-byte header extensions (RFC 8285 section 4.2).
	oneByteProfile = 0xBEDE
	// maxPacket bounds what is sent as one packet, in bytes of payload. Nothing
	// that came over the network as RTP is larger.
	maxPacket = 1 << 14
)

// track is one Track of one viewer. But for its numbers, which never change,
// it belongs to the viewer's worker.
type track struct {
	kind          media.Kind
	params        *TrackParams
	ssrc, rtxSSRC uint32
	// uncounted: the estimate is not to rest on this Track, as the viewer's
	// other one would be missing from it.
	uncounted bool

	selector forward.Selector
	munger   forward.Munger
	temporal int          // temporal layers that the path carries; 0: all
	format   *CodecParams // of the current Layer
	picked   struct {     // the last answer of pick: a Track's Layers share a codec
		codec media.Codec
		index int
	}
	rtxSeq  uint64
	repairs *repairs // nil until the first NACK
	cursor  forward.Cursor
	replay  replayState
	// keyframe is the newest one that was sent, under its outgoing numbers.
	keyframe struct {
		seq       uint64
		timestamp uint32
	}

	sent       uint32 // packets, as sender reports count them
	octets     uint32
	reports    int // sender reports sent
	nextReport time.Time
	asked      time.Time // when a keyframe was last asked for
	needed     time.Time // since when one is needed
	reported   bool      // the viewer has reported on this Track
}

func newTrack(kind media.Kind, p *TrackParams, ssrc uint32) *track {
	if p == nil {
		return nil
	}
	t := &track{
		kind: kind, params: p, ssrc: ssrc,
		// From below 2^15, so that the peer's first guess of the rollover
		// counter holds (RFC 3711 section 3.3.1); never 0.
		munger: forward.NewMunger(uint16(1 + rand.IntN(1<<15-1))), //nolint:gosec // bounded
		rtxSeq: uint64(1 + rand.IntN(1<<15-1)),                    //nolint:gosec // bounded
	}
	for i := range p.Codecs {
		if p.Codecs[i].RTXPayloadType != 0 {
			t.rtxSSRC = ssrc + 1
			break
		}
	}
	return t
}

// pick returns the index of the format for a codec, -1 for none.
func (t *track) pick(c media.Codec) int {
	if t.picked.codec != c {
		t.picked.codec, t.picked.index = c, pickCodec(t.params.Codecs, c)
	}
	return t.picked.index
}

// decodable returns those of a Track's Layers that the viewer can decode, with
// their activity. It returns its arguments when that is all of them, as it
// mostly is.
func (t *track) decodable(layers []*media.Layer, active []bool) ([]*media.Layer, []bool) {
	all := true
	for _, l := range layers {
		all = all && t.pick(l.Codec) >= 0
	}
	if all {
		return layers, active
	}
	var some []*media.Layer
	var sends []bool
	for i, l := range layers {
		if t.pick(l.Codec) >= 0 {
			some = append(some, l)
			sends = append(sends, i >= len(active) || active[i])
		}
	}
	return some, sends
}

// admit decides on a live Packet, which may begin the turn of its Layer. It
// returns false for one that is not for this viewer, or that the Cursor sends.
func (t *track) admit(l *media.Layer, p *media.Packet) bool {
	take, switched := t.selector.Accept(l, p)
	if !take || len(p.Payload) > maxPacket {
		return false
	}
	if switched {
		if !t.setFormat(l) {
			return false
		}
		t.cursor.Stop()
		t.replay = replayState{}
		t.munger.Thin(t.layersOfTarget())
		t.munger.Switch(l, p)
	}
	return t.cursor.Pass(l, p)
}

// setFormat takes the format for a Layer, and reports whether there is one.
func (t *track) setFormat(l *media.Layer) bool {
	i := t.pick(l.Codec)
	if i >= 0 {
		t.format = &t.params.Codecs[i]
	}
	return i >= 0
}

// sameFormat reports whether a Layer, which may be of an earlier turn, goes out
// in the present format.
func (t *track) sameFormat(l *media.Layer) bool {
	if l == t.selector.Current() {
		return true
	}
	i := t.pick(l.Codec)
	return i >= 0 && &t.params.Codecs[i] == t.format
}

// numbered reports whether packets carry a transport-wide number: without
// feedback on it, it would be of no use.
func (t *track) numbered() bool {
	return !t.uncounted && t.params.TransportCCID != 0 && t.format.TransportCC && t.format.extends()
}

// extensionSize returns the bytes of a packet's header extensions and whether
// the mid is among them. It is sent until the viewer has shown that it knows
// the SSRC (RFC 9143 section 9.2).
func (t *track) extensionSize() (size int, mid bool) {
	if !t.format.extends() {
		return 0, false
	}
	if t.numbered() {
		size += 1 + 2
	}
	mid = t.params.MIDExtensionID != 0 && !t.reported && t.params.MID != ""
	if mid {
		size += 1 + len(t.params.MID)
	}
	if size == 0 {
		return 0, false
	}
	return 4 + (size+3)&^3, mid
}

// outgoing is one RTP packet on its way to a viewer.
type outgoing struct {
	packet *media.Packet
	out    forward.Out
	// seq is out.Seq, or the repetition's own number.
	seq         uint64
	ssrc        uint32
	payloadType uint8
	rtx         bool
}

// original is a Packet's first way to the viewer.
func (t *track) original(p *media.Packet, out forward.Out) outgoing {
	return outgoing{packet: p, out: out, seq: out.Seq, ssrc: t.ssrc, payloadType: t.format.PayloadType}
}

// thin sets how many temporal layers go out: those that the path and the
// viewer's choice allow, and the base alone while it waits to leave a Layer that
// is too much.
func (t *track) thin() {
	current, target := t.selector.Current(), t.selector.Target()
	if current != nil && target != nil && target.Rank < current.Rank && target.Epoch == current.Epoch {
		t.munger.Thin(1)
		return
	}
	t.munger.Thin(t.layersOfTarget())
}

// layersOfTarget is how many temporal layers the Target may have, 0 for all.
func (t *track) layersOfTarget() int {
	limit := t.selector.Limit().Temporal
	if limit == 0 || t.temporal != 0 && t.temporal < limit {
		return t.temporal
	}
	return limit
}

// writeRTP puts one packet into the Batch: header, extensions, payload with
// the viewer's picture numbers, all encrypted in place.
func (w *worker) writeRTP(v *Viewer, t *track, to *wire.Route, o *outgoing) (payload int, ok bool) {
	extSize, mid := t.extensionSize()
	headerSize := rtpHeaderSize + extSize
	content := o.packet.Payload
	if o.out.Empty {
		content = nil
	}
	size := headerSize + len(content)
	if o.rtx {
		size += osnSize
	}
	buf := w.batch.Reserve(size + v.crypter.overhead())
	if buf == nil {
		return 0, false
	}
	putHeader(buf, o, extSize != 0)
	transportSeq := v.transportSeq
	if extSize != 0 {
		v.putExtensions(buf[rtpHeaderSize:headerSize], t, mid)
	}
	body := buf[headerSize:size]
	if o.rtx {
		binary.BigEndian.PutUint16(body, uint16(o.out.Seq)) //nolint:gosec // the lower bits
		body = body[osnSize:]
	}
	copy(body, content)
	patch(body, &o.packet.Descriptor, &o.out)
	n, err := v.crypter.seal(buf, headerSize, size, o.ssrc, o.seq)
	if err != nil {
		return 0, false
	}
	w.batch.Commit(*to, n)
	v.departed(t, transportSeq, n)
	return len(body), true
}

// putHeader writes the fixed header (RFC 3550 section 5.1).
func putHeader(buf []byte, o *outgoing, extended bool) {
	buf[0] = 2 << 6
	if extended {
		buf[0] |= 1 << 4
	}
	buf[1] = o.payloadType
	if o.packet.Marker && !o.out.Empty {
		buf[1] |= 1 << 7
	}
	binary.BigEndian.PutUint16(buf[2:], uint16(o.seq)) //nolint:gosec // the lower bits
	binary.BigEndian.PutUint32(buf[4:], o.out.Timestamp)
	binary.BigEndian.PutUint32(buf[8:], o.ssrc)
}

// putExtensions fills an extension block (RFC 8285 section 4.2).
func (v *Viewer) putExtensions(ext []byte, t *track, mid bool) {
	p := t.params
	binary.BigEndian.PutUint16(ext, oneByteProfile)
	binary.BigEndian.PutUint16(ext[2:], uint16(len(ext)/4-1)) //nolint:gosec // at most 24 bytes
	rest := ext[4:]
	if t.numbered() {
		rest[0] = p.TransportCCID<<4 | 1
		binary.BigEndian.PutUint16(rest[1:], v.transportSeq)
		v.transportSeq++
		rest = rest[3:]
	}
	if mid {
		rest[0] = p.MIDExtensionID<<4 | uint8(len(p.MID)-1) //nolint:gosec // at most 16
		rest = rest[1+copy(rest[1:], p.MID):]
	}
	clear(rest)
}

// patch writes the viewer's picture numbers into a VP8 or VP9 payload
// descriptor (RFC 7741 section 4.2, RFC 9628 section 4.2).
func patch(payload []byte, d *media.Descriptor, out *forward.Out) {
	if pos := int(d.PictureIDPos); pos != 0 && pos+int(d.PictureIDLen) <= len(payload) {
		switch d.PictureIDLen {
		case 2:
			binary.BigEndian.PutUint16(payload[pos:], 1<<15|out.PictureID)
		case 1:
			payload[pos] = byte(out.PictureID & 0x7f)
		}
	}
	if pos := int(d.TL0PicIdxPos); pos != 0 && pos < len(payload) {
		payload[pos] = out.TL0PicIdx
	}
}
