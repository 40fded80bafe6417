package bwe

import (
	"math/rand"
	"sort"
	"time"

	"github.com/pion/rtcp"
)

// link is a simulated path with one bottleneck, advanced in milliseconds.
type link struct {
	rate     func(ms int) float64 // bit/s
	queueMax int                  // bytes; a packet that does not fit is lost
	delay    time.Duration        // one way
	longer   int                  // ms: when the way becomes 60 ms longer; 0: never
	jitter   time.Duration        // uniform on top of it, towards the viewer
	inOrder  bool                 // jitter does not reorder
	loss     func(ms int, r *rand.Rand) bool
	backLoss float64                                  // of feedback
	cross    func(ms int, queueDelay float64) float64 // bit/s of somebody else's packets

	rng    *rand.Rand
	queue  []packet
	bytes  int
	budget float64 // bits
	debt   float64 // bits of cross traffic
	last   int64   // µs: newest arrival
}

type packet struct {
	seq   uint16
	size  int
	cross bool
	at    int64 // µs: arrival
}

func (l *link) push(ms int, p packet) {
	if l.bytes+p.size > l.queueMax {
		return
	}
	if !p.cross && l.loss != nil && l.loss(ms, l.rng) {
		return
	}
	l.queue = append(l.queue, p)
	l.bytes += p.size
}

// step moves the link to the end of a millisecond and returns what then is on
// its last way to the viewer.
func (l *link) step(ms int) (out []packet) {
	rate := l.rate(ms)
	if l.cross != nil {
		for l.debt += l.cross(ms, float64(l.bytes)*8e3/rate) / 1e3; l.debt > 9600; l.debt -= 9600 {
			l.push(ms, packet{size: 1200, cross: true})
		}
	}
	l.budget += rate / 1e3
	for len(l.queue) > 0 && l.budget >= float64(l.queue[0].size*8) {
		p := l.queue[0]
		l.queue, l.bytes = l.queue[1:], l.bytes-p.size
		l.budget -= float64(p.size * 8)
		if p.cross {
			continue
		}
		p.at = int64(ms)*1000 + l.delay.Microseconds()
		if l.longer > 0 && ms >= l.longer {
			p.at += 60_000
		}
		if l.jitter > 0 {
			p.at += l.rng.Int63n(l.jitter.Microseconds())
		}
		if l.inOrder {
			p.at = max(p.at, l.last)
		}
		l.last = max(l.last, p.at)
		out = append(out, p)
	}
	if len(l.queue) == 0 {
		l.budget = min(l.budget, 0)
	}
	return out
}

// receiver is the viewer's side: it collects arrivals and tells of them.
type receiver struct {
	arrivals map[uint16]int64
	coming   []packet
	next     uint16
	started  bool
	count    uint8
	got      int   // bytes
	skew     int64 // µs on top of the usual one
}

func (r *receiver) take(now int64) {
	sort.SliceStable(r.coming, func(i, j int) bool { return r.coming[i].at < r.coming[j].at })
	for len(r.coming) > 0 && r.coming[0].at <= now {
		p := r.coming[0]
		r.coming = r.coming[1:]
		if !r.started {
			r.started, r.next = true, p.seq
		}
		r.arrivals[p.seq] = p.at
		r.got += p.size
		if int16(p.seq-r.next) < 0 {
			r.next = p.seq // a late one: tell of it again
		}
	}
}

// skew is how far the viewer's clock is from the server's, in µs: its reference
// times wrap half a minute after the start.
const skew = 1<<24*tick - 30_000_000 + 321

func (r *receiver) feedback() *rtcp.TransportLayerCC {
	if len(r.arrivals) == 0 {
		return nil
	}
	var newest uint16
	first := true
	for s := range r.arrivals {
		if first || int16(s-newest) > 0 {
			newest, first = s, false
		}
	}
	fb := build(r.next, newest, r.arrivals, r.count)
	fb.ReferenceTime = (fb.ReferenceTime + uint32(r.skew/tick)) & (1<<24 - 1)
	r.next = newest + 1
	r.count++
	clear(r.arrivals)
	return fb
}

// build makes the message for the packets from base to last.
func build(base, last uint16, arrivals map[uint16]int64, count uint8) *rtcp.TransportLayerCC {
	fb := &rtcp.TransportLayerCC{BaseSequenceNumber: base, PacketStatusCount: last - base + 1, FbPktCount: count}
	var symbols []uint16
	now, begun := int64(0), false
	for s := base; s != last+1; s++ {
		at, ok := arrivals[s]
		if !ok {
			symbols = append(symbols, rtcp.TypeTCCPacketNotReceived)
			continue
		}
		at = (at + skew) / 250 * 250
		if !begun {
			ref := at / tick
			fb.ReferenceTime, now, begun = uint32(ref)&(1<<24-1), ref*tick, true
		}
		kind := rtcp.TypeTCCPacketReceivedSmallDelta
		if d := at - now; d < 0 || d > 255*250 {
			kind = rtcp.TypeTCCPacketReceivedLargeDelta
		}
		fb.RecvDeltas = append(fb.RecvDeltas, &rtcp.RecvDelta{Type: kind, Delta: at - now})
		symbols = append(symbols, kind)
		now = at
	}
	for i := 0; i < len(symbols); i += 7 {
		list := make([]uint16, 7)
		copy(list, symbols[i:])
		fb.PacketChunks = append(fb.PacketChunks, &rtcp.StatusVectorChunk{
			Type: rtcp.TypeTCCStatusVectorChunk, SymbolSize: rtcp.TypeTCCSymbolSizeTwoBit, SymbolList: list,
		})
	}
	fb.Header = rtcp.Header{
		Count: rtcp.FormatTCC,
		Type:  rtcp.TypeTransportSpecificFeedback, Length: uint16(fb.MarshalSize()/4 - 1),
	}
	return fb
}

// raw is a message on the wire.
func raw(fb *rtcp.TransportLayerCC) []byte {
	out, err := fb.Marshal()
	if err != nil {
		panic(err)
	}
	return out
}
