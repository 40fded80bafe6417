package hlsegress

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/freshet-live/freshet/hls-egress/origin"
	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/hls-egress/transcode"
	"github.com/freshet-live/freshet/sfu/frames"
	"github.com/freshet-live/freshet/sfu/hub"
	"github.com/freshet-live/freshet/sfu/media"
)

// beat is how often a packager looks into its inbox. A Frame waits half of it
// on average; waking for each Packet would cost more than the packaging.
const beat = 10 * time.Millisecond

// packager turns one Stream into HLS, from its first Publication to the end of
// its reconnect window. All but the inbox belongs to the goroutine of run.
type packager struct {
	name    string
	cfg     *Config
	log     *slog.Logger
	metrics *metrics
	ffmpeg  *transcode.Supervisor

	in   inbox
	sub  *hub.Subscription
	open func(part, segment time.Duration) *origin.Stream
	out  *origin.Stream // nil before the first part

	ladder   *segment.Ladder
	timeline *segment.Timeline
	snapshot *media.Snapshot
	epoch    uint64
	tracks   map[*media.Layer]*track
	order    []*track // in the order in which they came
	rungs    rungs
	table    []transcode.Rung // what is on offer
	silence  silence
	// wants is what the Subscription has declared; used is when somebody last
	// asked for a playlist.
	wants int
	used  time.Time
	// looked is when the demand was last looked at.
	looked time.Time

	renditions, offered []segment.Rendition
	told                segment.Stats
	info                atomic.Pointer[Info]
}

// track is one Layer on its way into the Ladder.
type track struct {
	layer  *media.Layer
	frames *frames.Assembler
	// name is that of its rendition, direct whether players take it as it is.
	// Otherwise only ffmpeg gets its Samples.
	name   string
	direct bool
}

func (b *Bridge) newPackager(name string) (*packager, error) {
	p := &packager{
		name: name, cfg: &b.cfg, log: b.log.With("stream", name), metrics: b.metrics, ffmpeg: b.ffmpeg,
		open:   func(part, seg time.Duration) *origin.Stream { return b.origin.Open(name, part, seg) },
		ladder: segment.NewLadder(b.cfg.Segment), timeline: segment.NewTimeline(),
		tracks: map[*media.Layer]*track{}, rungs: rungs{}, wants: hub.WantAll,
	}
	sub, err := b.hub.Subscribe(name, &p.in, false)
	if err != nil {
		return nil, err
	}
	p.sub = sub
	return p, nil
}

// run packages until the Stream ends or ctx does.
func (p *packager) run(ctx context.Context) {
	defer p.close()
	p.metrics.streams.Inc()
	defer p.metrics.streams.Dec()
	t := time.NewTicker(beat)
	defer t.Stop()
	var spare mail
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		full, dropped := p.in.take(spare)
		p.metrics.dropped.Add(float64(dropped))
		if over := p.step(time.Now(), &full); over {
			return
		}
		full.reset()
		spare = full
	}
}

func (p *packager) close() {
	p.sub.Close()
	p.rungs.stopAll()
	now := time.Now()
	p.emit(now, p.ladder.End(now))
	if p.out != nil {
		p.out.End()
	}
}

// step does what there is to do now, and reports whether the Stream is over.
func (p *packager) step(now time.Time, m *mail) (over bool) {
	if m.snapshot != nil {
		if p.follow(now, m.snapshot) {
			return true
		}
	}
	for _, a := range m.packets {
		if t := p.tracks[a.layer]; t != nil {
			p.write(now, t, t.frames.Push(now, a.packet))
		}
	}
	for _, t := range p.order {
		p.write(now, t, t.frames.Tick(now))
	}
	for _, r := range m.results {
		p.transcoded(now, r)
	}
	p.emit(now, p.ladder.Tick(now))
	p.attend(now)
	return false
}

// follow takes the Stream's new Snapshot and reports whether the Stream has
// ended.
func (p *packager) follow(now time.Time, s *media.Snapshot) (over bool) {
	p.snapshot = s
	switch s.State {
	case media.Ended, media.Idle:
		return true
	case media.Reconnecting:
		return false
	case media.Live:
	}
	if s.Epoch != p.epoch {
		p.renew(now, s.Epoch)
	}
	for _, l := range s.Video {
		if p.tracks[l] == nil {
			p.add(now, l)
		}
	}
	if s.Audio != nil && p.tracks[s.Audio] == nil {
		p.add(now, s.Audio)
	}
	return false
}

// renew begins a new Publication: it goes on after the old one on the same
// timeline, behind a discontinuity.
func (p *packager) renew(now time.Time, epoch uint64) {
	first := p.epoch == 0
	p.epoch = epoch
	clear(p.tracks)
	p.order = nil
	if first {
		return
	}
	p.timeline.Reset()
	p.emit(now, p.ladder.Discontinue(now))
}

// add takes in a Layer that has begun to send.
func (p *packager) add(now time.Time, l *media.Layer) {
	t := &track{layer: l, frames: frames.NewAssembler(l, frames.AssemblerConfig{}), name: renditionName(l), direct: passes(l.Codec)}
	p.tracks[l] = t
	p.order = append(p.order, t)
	if l.Kind == media.Audio {
		t.direct = !p.startAAC(now, t)
	}
	if !t.direct {
		return
	}
	err := p.ladder.Add(now, segment.Spec{Name: t.name, Kind: l.Kind, Codec: l.Codec, Rank: l.Rank})
	if err != nil {
		t.direct = false
		p.log.Warn("this layer is not in HLS", "layer", l.RID, "codec", l.Codec.Name, "err", err)
	}
}

// renditionName is what URLs call a Layer's rendition.
func renditionName(l *media.Layer) string {
	switch {
	case l.Kind == media.Audio:
		return audioName
	case l.RID == "":
		return "video"
	case l.RID == audioName || strings.HasSuffix(l.RID, "p"):
		return "rid-" + l.RID // these names are taken by others
	default:
		return l.RID
	}
}

// write takes a track's Frames to the Ladder and to whoever transcodes them.
func (p *packager) write(now time.Time, t *track, fs []*media.Frame) {
	for _, f := range fs {
		if f.Lost && t.layer.Kind == media.Video {
			t.layer.RequestKeyframe(now)
		}
		s, ok := p.timeline.Sample(f)
		if !ok {
			p.metrics.unusable.Inc()
			continue
		}
		p.deliver(now, t, s)
		if t.layer.Kind == media.Audio {
			p.silence.heard(s)
			continue
		}
		for _, quiet := range p.silence.fill(s) {
			if a := p.audio(); a != nil {
				p.deliver(now, a, quiet)
			}
		}
	}
}

func (p *packager) deliver(now time.Time, t *track, s segment.Sample) {
	if t.direct {
		p.emit(now, p.ladder.Write(now, t.name, s))
	}
	p.rungs.feed(t, s)
}

// audio returns the audio track, nil when there is none.
func (p *packager) audio() *track {
	for _, t := range p.order {
		if t.layer.Kind == media.Audio {
			return t
		}
	}
	return nil
}

// emit publishes what the Ladder has made and asks for what it needs.
func (p *packager) emit(now time.Time, out segment.Output) {
	if out.Keyframes {
		for _, t := range p.order {
			if t.layer.Kind == media.Video {
				t.layer.RequestKeyframe(now)
			}
		}
	}
	for _, name := range out.KeyframesOf {
		for _, t := range p.order {
			if t.name == name {
				t.layer.RequestKeyframe(now)
			}
		}
	}
	if p.out == nil {
		part, seg := p.ladder.Target()
		if part == 0 {
			return
		}
		p.out = p.open(part, seg)
		if !p.ladder.Independent() {
			p.out.Dependent()
		}
		p.table = nil // on offer here too
	}
	if len(out.Parts) > 0 || out.Renditions != nil {
		if out.Renditions != nil {
			p.renditions = slices.Clone(out.Renditions)
		}
		if len(out.Parts) > 0 && out.Parts[0].Index == 0 {
			p.metrics.skew.Observe(p.ladder.Stats().Skew.Seconds())
		}
		p.out.Apply(p.unhide(out))
	}
}

// unhide keeps renditions in the multivariant playlist whose Layer sends
// nothing because nobody wants it: whoever asks for one brings it back.
func (p *packager) unhide(out segment.Output) segment.Output {
	if p.wants != hub.WantAll {
		for i := range out.Renditions {
			out.Renditions[i].Silent = time.Time{}
		}
	}
	return out
}
