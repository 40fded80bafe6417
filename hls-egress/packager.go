package hlsegress

import (
	"context"
	"log/slog"
	"slices"
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
	// gone is when the publisher was found to have gone, zero while one is
	// there or once its media has ended.
	gone   time.Time
	tracks map[*media.Layer]*track
	order  []*track // in the order in which they came
	rungs  rungs
	table  []transcode.Rung // what is on offer
	anew   bool             // it has to be offered again
	// silence is for the publisher's sound, dry for what ffmpeg makes of it.
	silence, dry silence
	// wants is what the Subscription has declared; used is when somebody last
	// asked for a playlist.
	wants int
	used  time.Time
	// looked is when the demand was last looked at.
	looked time.Time

	// opened is since when players wait for sound, zero when they need not.
	opened time.Time

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
		silence: sent(), dry: made(),
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
	if !p.gone.IsZero() && now.Sub(p.gone) >= lastWords {
		p.leave(now)
	}
	p.emit(now, p.ladder.Tick(now))
	p.attend(now)
	return false
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
			p.silence.heard(now, s)
			continue
		}
		p.quiet(now, p.silence.fill(s))
		if g := p.rungs[audioName]; g != nil && g.process != nil {
			p.pass(now, p.dry.fill(s))
		}
	}
}

// quiet puts silence where a publisher sends no sound.
func (p *packager) quiet(now time.Time, samples []segment.Sample) {
	a := p.audio()
	if a == nil { // this publisher has none, but one before it had
		if p.rungs[audioName] == nil {
			p.pass(now, samples)
		}
		return
	}
	for _, s := range samples {
		p.deliver(now, a, s)
	}
}

// pass gives samples to the rendition of sound as they are.
func (p *packager) pass(now time.Time, samples []segment.Sample) {
	for _, s := range samples {
		p.emit(now, p.ladder.Write(now, audioName, s))
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
		p.anew = true // on offer here too
		if p.audio() != nil {
			p.opened = now
			p.out.Expect(audioName)
		}
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
