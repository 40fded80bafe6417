package rtc

import (
	"slices"
	"time"

	"github.com/freshet-live/freshet/sfu/health"
	"github.com/freshet-live/freshet/sfu/hub"
	"github.com/freshet-live/freshet/sfu/media"
)

const (
	checkupInterval = time.Second
	// testGOP is how long an encoder that nobody has asked for a keyframe may
	// go without one until it is asked for a test: is it by choice?
	testGOP = 2500 * time.Millisecond
	// testRequests bounds the tests of one encoding.
	testRequests = 6
)

// measure tells the health Meter of a packet, and takes its Reading now and
// then.
func (g *ingest) measure(p *media.Packet, bFrame bool, now time.Time) {
	g.meter.Packet(p, bFrame)
	if now.Sub(g.metered) < checkupInterval {
		return
	}
	g.metered = now
	c := &g.count
	r := g.meter.Read(now, health.Counters{
		Packets: c.packets.Load(), Repaired: c.repaired.Load(), Lost: c.lost.Load(),
	})
	g.reading.Store(&r)
}

// checkup judges the publisher once more.
func (s *Session) checkup(now time.Time, monitor *health.Monitor) {
	if !s.connected.Load() {
		return
	}
	verdicts := monitor.Update(now, health.Judge(now, s.examine(now)))
	s.health.Store(&verdicts)
}

// examine gathers what is known of the publisher.
func (s *Session) examine(now time.Time) *health.Publisher {
	p := &health.Publisher{Since: s.since}
	for _, sec := range s.offer.sections {
		p.HasAudio = p.HasAudio || sec.kind == media.Audio
		p.HasVideo = p.HasVideo || sec.kind == media.Video
		p.Offered = append(p.Offered, sec.rids...)
	}
	snap, _ := s.publication.Watch()
	var video []*hub.Layer
	for _, g := range *s.ingests.Load() {
		layer, reading, codec := g.current.Load(), g.reading.Load(), g.using.Load()
		if layer == nil || reading == nil || codec == nil {
			continue
		}
		l := health.Layer{
			Reading: *reading, RID: g.rid, Status: layer.Status(), Wanted: wanted(snap, layer.Layer),
			Obedience: layer.Obedience(now), Asked: codec.wants("nack pli") || codec.wants("ccm fir"),
		}
		if g.section.kind == media.Audio {
			p.Audio = &l
			continue
		}
		g.test(now, layer, &l)
		i, _ := slices.BinarySearchFunc(video, layer.Rank, func(l *hub.Layer, rank int) int { return l.Rank - rank })
		video = slices.Insert(video, i, layer)
		p.Video = slices.Insert(p.Video, i, l)
	}
	return p
}

// test asks an encoder for a keyframe that nobody needs, a few times at most:
// browsers send none unasked, which is fine, and others cannot be asked.
func (g *ingest) test(now time.Time, layer *hub.Layer, l *health.Layer) {
	if l.Asked && l.Obedience == media.Untested && l.Status.Active && l.GOP > testGOP && g.tests < testRequests {
		if layer.RequestKeyframe(now) {
			g.tests++
		}
	}
}

// wanted reports whether anybody has a use for a Layer.
func wanted(snap *media.Snapshot, layer *media.Layer) bool {
	i := slices.Index(snap.Video, layer)
	return i < 0 || i >= len(snap.Wanted) || snap.Wanted[i]
}

// Unwatched returns the RIDs of the encodings that nobody has a use for at
// present, the lowest first, and a channel that closes when that may have
// changed.
func (s *Session) Unwatched() (rids []string, changed <-chan struct{}) {
	snap, changed := s.publication.Watch()
	for i, l := range snap.Video {
		if l.Source == media.Source(s) && l.RID != "" && !snap.Wanted[i] {
			rids = append(rids, l.RID)
		}
	}
	return rids, changed
}
