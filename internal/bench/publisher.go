package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// historySize is how many packets of an encoding can be repeated.
const historySize = 512

// encoding is one layer of a publisher's video, or its sound.
type encoding struct {
	clip     []picture // nil: sound
	rid      string
	mid      string
	rank     int8
	ssrc     uint32
	pt       uint8
	seq      uint16
	ts       uint32
	position int // in the clip
	packets  uint32
	octets   uint32
	history  [historySize][]byte // sealed, by sequence number
	numbers  [historySize]uint16
	restart  atomic.Bool // at a keyframe
	header   rtp.Header
	plain    []byte
}

// publisher is a WHIP client that sends clips.
type publisher struct {
	session   session
	peer      *peer
	opts      MediaOptions
	sound     *encoding
	video     []*encoding
	lost      atomic.Uint64 // packets that the server asked for again
	keyframes atomic.Uint64 // requests for keyframes
	sent      atomic.Uint64
}

func newPublisher(o MediaOptions, s session, p *peer) (*publisher, error) {
	pub := &publisher{session: s, peer: p, opts: o}
	p.media = pub
	pub.sound = newEncoding(nil, "", midSound, ptSound)
	type layer struct {
		clip, rid string
		bitrate   Bits
	}
	layers := []layer{{"high", "", o.Bitrate}}
	if o.Simulcast {
		layers = []layer{{"low", "q", o.Bitrate / 16}, {"mid", "h", o.Bitrate / 4}, {"high", "f", o.Bitrate}}
	}
	for rank, l := range layers {
		clip, err := loadClip(l.clip, l.bitrate)
		if err != nil {
			return nil, err
		}
		e := newEncoding(clip, l.rid, midVideo, ptVideo)
		e.rank = int8(rank)
		pub.video = append(pub.video, e)
	}
	return pub, nil
}

func newEncoding(clip []picture, rid, mid string, pt uint8) *encoding {
	return &encoding{
		clip: clip, rid: rid, mid: mid, pt: pt, ssrc: rand.Uint32(), seq: uint16(rand.Uint32()), ts: rand.Uint32(),
		plain: make([]byte, 0, 1500),
	}
}

// join posts the offer and connects.
func (p *publisher) join(ctx context.Context, url string) error {
	o := offer{
		direction: "sendonly", ufrag: p.peer.ufrag, pwd: p.peer.pwd, fingerprint: p.peer.id.fingerprint, sound: p.sound.ssrc,
	}
	if !p.opts.Simulcast {
		o.video = p.video[0].ssrc // layers are told apart by their RIDs
	}
	for _, e := range p.video {
		if e.rid != "" {
			o.rids = append(o.rids, e.rid)
		}
	}
	a, err := p.session.open(ctx, url, o.String())
	if err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	p.peer.remote = a
	if err := p.peer.connect(ctx); err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	return nil
}

// leave ends the session.
func (p *publisher) leave(ctx context.Context) {
	p.session.close(ctx)
	p.peer.close()
}

// run sends until ctx ends: pictures and sound by their own clocks, and sender
// reports.
func (p *publisher) run(ctx context.Context) {
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	const soundTime = 20 * time.Millisecond
	var picture, sound, report time.Duration // when the next is due
	silence := soundPacket()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		at := time.Since(start)
		if at >= report {
			report += reportInterval
			p.sendReports(start.Add(picture), start.Add(sound))
		}
		if at >= sound {
			sound += soundTime
			p.send(p.sound, silence, false)
			p.sound.ts += soundTicks
		}
		if at >= picture {
			picture += frameTime
			for _, e := range p.video {
				p.sendPicture(e)
			}
		}
		timer.Reset(min(picture, sound, report) - time.Since(start))
	}
}

func (p *publisher) sendPicture(e *encoding) {
	if e.restart.Swap(false) {
		e.position = 0
	}
	pic := &e.clip[e.position]
	e.position = (e.position + 1) % len(e.clip)
	for i, payload := range pic.payloads {
		if i == pic.stamped {
			payload = append([]byte(nil), payload...) // publishers share clips
			putStamp(payload[pic.at:], p.peer.shard.now(), e.rank)
		}
		p.send(e, payload, i == len(pic.payloads)-1)
	}
	e.ts += frameTicks
}

func (p *publisher) send(e *encoding, payload []byte, marker bool) {
	k := p.peer.keys.Load()
	h := &e.header
	*h = rtp.Header{
		Version: 2, Marker: marker, PayloadType: e.pt, SequenceNumber: e.seq, Timestamp: e.ts, SSRC: e.ssrc,
		Extensions: h.Extensions[:0],
	}
	if e.rid != "" {
		_ = h.SetExtension(extMID, []byte(e.mid)) // one byte each: they fit
		_ = h.SetExtension(extRID, []byte(e.rid))
	}
	size := h.MarshalSize()
	e.plain = append(e.plain[:0], make([]byte, size)...)
	if _, err := h.MarshalTo(e.plain); err != nil {
		return
	}
	e.plain = append(e.plain, payload...)
	slot := e.seq % historySize
	p.peer.sending.Lock()
	defer p.peer.sending.Unlock()
	sealed, err := k.out.EncryptRTP(e.history[slot][:0], e.plain, h)
	if err != nil {
		return
	}
	e.history[slot], e.numbers[slot] = sealed, e.seq
	p.peer.sendLocked(sealed)
	p.sent.Add(1)
	e.seq++
	e.packets++
	e.octets += uint32(len(payload))
}

// sendReports sends a sender report for each encoding (RFC 3550 section 6.4.1).
// The times are those at which the next picture and sound are due, which their
// timestamps stand for: a machine that is late does not change the relation.
func (p *publisher) sendReports(picture, sound time.Time) {
	for _, e := range append([]*encoding{p.sound}, p.video...) {
		ntp := ntpTime(picture)
		if e == p.sound {
			ntp = ntpTime(sound)
		}
		p.peer.report(
			&rtcp.SenderReport{SSRC: e.ssrc, NTPTime: ntp, RTPTime: e.ts, PacketCount: e.packets, OctetCount: e.octets},
			&rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{{
				Source: e.ssrc, Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: "bench"}},
			}}},
		)
	}
}

// ntpTime is a time in the form of RFC 3550 section 4.
func ntpTime(t time.Time) uint64 {
	const epoch = 2208988800 // seconds from 1900 to 1970
	ns := uint64(t.UnixNano())
	return (ns/1e9+epoch)<<32 | (ns%1e9)<<32/1e9
}

func (p *publisher) rtp(time.Duration, []byte) {}

func (p *publisher) tick(time.Duration) {}

func (p *publisher) rtcp(_ time.Duration, packets []rtcp.Packet) {
	for _, pkt := range packets {
		switch r := pkt.(type) {
		case *rtcp.TransportLayerNack:
			p.repeat(r)
		case *rtcp.PictureLossIndication:
			p.keyframe(r.MediaSSRC)
		case *rtcp.FullIntraRequest:
			for _, f := range r.FIR {
				p.keyframe(f.SSRC)
			}
		}
	}
}

func (p *publisher) keyframe(ssrc uint32) {
	p.keyframes.Add(1)
	for _, e := range p.video {
		if e.ssrc == ssrc && p.opts.Keyframes {
			e.restart.Store(true)
		}
	}
}

// repeat sends lost packets again, bit for bit.
func (p *publisher) repeat(r *rtcp.TransportLayerNack) {
	p.peer.sending.Lock()
	defer p.peer.sending.Unlock()
	for _, e := range append([]*encoding{p.sound}, p.video...) {
		if e.ssrc != r.MediaSSRC {
			continue
		}
		for _, pair := range r.Nacks {
			for _, seq := range pair.PacketList() {
				p.lost.Add(1)
				if slot := seq % historySize; e.numbers[slot] == seq && e.history[slot] != nil {
					p.peer.sendLocked(e.history[slot])
				}
			}
		}
	}
}
