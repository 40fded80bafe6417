package hlsegress

import (
	"sync"

	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/sfu/media"
)

const (
	// maxPackets and maxBytes bound what waits for a packager, which looks every
	// few milliseconds: several seconds of a heavy Stream.
	maxPackets = 16384
	maxBytes   = 32 << 20
	// maxResults bounds the transcoded samples that wait, a few seconds' worth.
	maxResults = 4096
)

// arrival is one Packet of a Layer.
type arrival struct {
	layer  *media.Layer
	packet *media.Packet
}

// result is one Sample from a transcoder.
type result struct {
	rendition string
	run       int // of the rendition, to tell a late one of an earlier run
	sample    segment.Sample
}

// mail is what a packager takes from its inbox at once.
type mail struct {
	packets  []arrival
	results  []result
	snapshot *media.Snapshot // the newest, nil when nothing changed
}

// inbox is a packager's Sink. Nobody waits: a full inbox drops Packets, which
// the Assembler takes for lost, and counts them.
type inbox struct {
	mu      sync.Mutex
	mail    mail
	bytes   int
	dropped uint64
}

var _ media.Sink = (*inbox)(nil)

// WritePacket queues a Packet.
func (in *inbox) WritePacket(l *media.Layer, p *media.Packet) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.mail.packets) >= maxPackets || in.bytes >= maxBytes {
		in.dropped++
		return
	}
	in.bytes += len(p.Payload)
	in.mail.packets = append(in.mail.packets, arrival{l, p})
}

// Update keeps the newest Snapshot.
func (in *inbox) Update(s *media.Snapshot) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.mail.snapshot = s
}

// add queues a transcoder's Sample.
func (in *inbox) add(r result) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.mail.results) >= maxResults {
		in.dropped++
		return
	}
	in.mail.results = append(in.mail.results, r)
}

// take swaps the mail for an empty one, so that both keep their memory, and
// tells how many were dropped since the last time.
func (in *inbox) take(empty mail) (full mail, dropped uint64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	full, dropped = in.mail, in.dropped
	in.mail, in.bytes, in.dropped = empty, 0, 0
	return full, dropped
}

// reset empties mail for its next use and lets the garbage collector have what
// it pointed to.
func (m *mail) reset() {
	clear(m.packets)
	clear(m.results)
	m.packets, m.results, m.snapshot = m.packets[:0], m.results[:0], nil
}
