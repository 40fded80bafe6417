package rtc

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/freshet-live/freshet/sfu/frames"
	"github.com/freshet-live/freshet/sfu/health"
	"github.com/freshet-live/freshet/sfu/hub"
	"github.com/freshet-live/freshet/sfu/media"
)

const (
	// slabSize is how many bytes of packets share one allocation.
	slabSize = 64 << 10
	// maxHeld bounds the packets that wait until their encoding's rank is known.
	maxHeld = 1024
	// repairPoll is how often a read looks for retransmissions: pion hands them
	// out only between two packets of the stream itself.
	repairPoll = 5 * time.Millisecond
	// keyframePatience is how long an encoding may go without its first keyframe
	// before one is asked for again.
	keyframePatience = time.Second
)

// ingest reads one encoding and writes it to its Layer. The first group of
// fields never changes, the second belongs to the goroutine that reads packets,
// the third is shared, the fourth belongs to the session.
type ingest struct {
	session  *Session
	log      *slog.Logger
	track    *webrtc.TrackRemote
	receiver *webrtc.RTPReceiver
	section  *section
	rid      string
	ssrc     uint32
	// captureID is that of the abs-capture-time extension, 0: none.
	captureID uint8

	slab      []byte
	unwrapper unwrapper
	nacker    nacker
	asking    []uint64 // scratch
	codec     *offeredCodec
	inspector *frames.Inspector
	layer     *hub.Layer
	held      []*media.Packet // from the first keyframe until the rank is known
	width     int
	height    int
	wanted    time.Time // when the first keyframe was last asked for
	meter     *health.Meter
	metered   time.Time // when reading was taken

	clock   atomic.Pointer[frames.LayerClock]
	current atomic.Pointer[hub.Layer]
	using   atomic.Pointer[offeredCodec]
	reading atomic.Pointer[health.Reading]
	count   counters

	tests int // keyframes asked for to see what comes; belongs to the session's run
}

// counters are what an ingest has counted.
type counters struct {
	packets, repaired, lost, nacks, requests atomic.Uint64
	rtt                                      atomic.Int64 // nanoseconds, 0: unknown
}

// newIngest returns nil for a track that belongs to no section.
func newIngest(s *Session, in incoming) *ingest {
	kind := media.Video
	if in.track.Kind() == webrtc.RTPCodecTypeAudio {
		kind = media.Audio
	}
	for _, sec := range s.offer.sections {
		if sec.kind == kind {
			return &ingest{
				session: s, track: in.track, receiver: in.receiver, section: sec,
				rid: in.track.RID(), ssrc: uint32(in.track.SSRC()),
				captureID: uint8(sec.extensionID(uriCaptureTime)), //nolint:gosec // at most 255
				log:       s.log.With("layer", layerName(kind, in.track.RID())),
			}
		}
	}
	return nil
}

func layerName(kind media.Kind, rid string) string {
	if rid == "" {
		return kind.String()
	}
	return kind.String() + "/" + rid
}

// readPackets reads until the session's connection is closed.
func (g *ingest) readPackets() {
	deadline := false
	for {
		if len(g.slab) < receiveMTU {
			g.slab = make([]byte, slabSize)
		}
		if missing := !g.nacker.next.IsZero(); missing || deadline {
			g.setDeadline(missing)
			deadline = missing
		}
		n, _, err := g.track.Read(g.slab[:receiveMTU])
		now := time.Now()
		if err != nil && !transient(err) {
			return
		}
		if err == nil {
			b := g.slab[:n:n]
			g.slab = g.slab[n:]
			g.accept(b, now)
		}
		if !g.nacker.next.IsZero() && !now.Before(g.nacker.next) {
			g.sendNACKs(now)
		}
	}
}

// transient tells the errors of one packet, and timeouts, from the end.
func transient(err error) bool {
	return !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, net.ErrClosed)
}

// setDeadline makes the next read return in time for a repair or a NACK.
func (g *ingest) setDeadline(missing bool) {
	at := time.Time{}
	if missing {
		at = time.Now().Add(repairPoll)
		if g.nacker.next.Before(at) {
			at = g.nacker.next
		}
	}
	if err := g.track.SetReadDeadline(at); err != nil {
		g.log.Debug("setting a read deadline", "err", err)
	}
}

// accept takes one packet as it came.
func (g *ingest) accept(b []byte, now time.Time) {
	p, ok := parseRTP(b)
	if !ok {
		return
	}
	codec := g.section.codec(p.payloadType)
	if codec == nil {
		return
	}
	seq, ok := g.unwrapper.unwrap(p.seq)
	if !ok {
		return
	}
	if g.codec == nil || g.codec.Name != codec.Name {
		g.use(codec)
	}
	g.observe(seq, len(p.payload), now)
	info := g.inspector.Inspect(p.timestamp, p.payload)
	if info.Width > 0 && info.Height > 0 {
		g.resize(info.Width, info.Height)
	}
	g.refineClock(p.timestamp, now)
	if g.captureID != 0 {
		if ntp, ok := captureTime(b, g.captureID); ok {
			g.captured(ntp, p.timestamp, now)
		}
	}
	packet := &media.Packet{
		Seq: seq, Timestamp: p.timestamp, Arrival: now, Marker: p.marker,
		FrameStart: info.FrameStart, Keyframe: info.Keyframe, Descriptor: info.Descriptor, Payload: p.payload,
	}
	g.measure(packet, info.BFrame, now)
	g.deliver(packet, now)
}

// use begins a new Layer: at the first packet, and when the publisher changes
// to another of the codecs in the answer.
func (g *ingest) use(codec *offeredCodec) {
	g.codec, g.layer, g.held = codec, nil, nil
	g.inspector = frames.NewInspector(codec.Codec)
	g.meter = health.NewMeter(codec.Codec)
	g.using.Store(codec)
	g.clock.Store(g.session.timebase.Layer(codec.ClockRate))
	g.current.Store(nil)
}

// observe counts a packet and looks for gaps before it.
func (g *ingest) observe(seq uint64, payload int, now time.Time) {
	g.count.packets.Add(1)
	m, kind := g.session.server.metrics, g.section.kind
	m.countPacket(kind, payload)
	repaired, outage := g.nacker.receive(seq, now)
	if repaired && g.codec.wants("nack") {
		g.count.repaired.Add(1)
		g.count.rtt.Store(int64(g.nacker.rtt))
		m.repaired.Inc()
	}
	if outage {
		g.tellLost()
		g.requestKeyframe()
	}
}

func (g *ingest) tellLost() {
	if before := g.count.lost.Swap(g.nacker.lost); before < g.nacker.lost {
		g.session.server.metrics.lost.Add(float64(g.nacker.lost - before))
	}
}

func (g *ingest) resize(width, height int) {
	if g.width == width && g.height == height {
		return
	}
	g.width, g.height = width, height
	if g.layer != nil {
		g.layer.SetSize(width, height)
	}
}

func (g *ingest) refineClock(timestamp uint32, now time.Time) {
	clock, changed := g.clock.Load().Packet(timestamp, now)
	if changed && g.layer != nil {
		g.layer.SetClock(clock)
	}
}

// deliver writes a packet to the Layer. There is none before the first
// keyframe: nobody can use what comes before, and the keyframe tells the size
// by which simulcast encodings are ranked.
func (g *ingest) deliver(p *media.Packet, now time.Time) {
	if g.layer != nil {
		g.layer.Write(p)
		return
	}
	if len(g.held) == 0 {
		if !p.Keyframe {
			g.wantKeyframe(now)
			return
		}
		g.session.ladder.observe(g.rid, g.width*g.height, now)
	}
	g.held = append(g.held, p)
	rank, known := 0, true
	if g.section.kind == media.Video {
		rank, known = g.session.ladder.rank(g.rid, now)
	}
	if known || len(g.held) >= maxHeld {
		g.addLayer(rank)
	}
}

func (g *ingest) addLayer(rank int) {
	held := g.held
	g.held = nil
	layer, err := g.session.publication.AddLayer(g.codec.Codec, g.rid, rank)
	if err != nil {
		return // the Publication is over, and so will be the session
	}
	layer.SetSize(g.width, g.height)
	if clock, ok := g.clock.Load().Packet(held[0].Timestamp, held[0].Arrival); ok || !clock.Wall.IsZero() {
		layer.SetClock(clock)
	}
	g.layer = layer
	g.current.Store(layer)
	g.log.Info("layer begins", "codec", g.codec.Name, "rank", rank, "width", g.width, "height", g.height)
	for _, p := range held {
		layer.Write(p)
	}
}

// wantKeyframe asks for an encoding's first keyframe: as long as it has no
// Layer, nobody else can.
func (g *ingest) wantKeyframe(now time.Time) {
	if now.Sub(g.wanted) >= keyframePatience {
		g.wanted = now
		g.requestKeyframe()
	}
}

func (g *ingest) serves(l *media.Layer) bool {
	current := g.current.Load()
	return current != nil && current.Layer == l
}
