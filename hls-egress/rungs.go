package hlsegress

import (
	"slices"
	"time"

	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/hls-egress/transcode"
	"github.com/freshet-live/freshet/sfu/hub"
	"github.com/freshet-live/freshet/sfu/media"
)

// audioName is the rendition of the audio Track.
const audioName = "audio"

// attendEvery is how often a packager looks at what is asked for.
const attendEvery = 100 * time.Millisecond

// soundWait is how long players wait for the sound of a Stream that has begun:
// on a busy machine ffmpeg takes a while to start.
const soundWait = 4 * time.Second

// resumeWithin is how soon a publisher that has come back must have the Layers
// that its rungs are made of.
const resumeWithin = 5 * time.Second

// retryRung is how long a rung that could not start or has failed rests.
const retryRung = 5 * time.Second

// rung is a rendition that ffmpeg makes.
type rung struct {
	spec    segment.Spec
	job     transcode.Job
	source  *track
	process *transcode.Process
	// run counts the starts: what an earlier process still sends is not for
	// this one's rendition.
	run   int
	retry time.Time // not before
	began time.Time
	// resume is set when it ran for a publisher that has gone: it goes on with
	// the next one, if that has a Layer for it.
	resume bool
}

// rungs are a packager's transcoded renditions by name.
type rungs map[string]*rung

// feed gives a track's Sample to the processes that work on it.
func (r rungs) feed(t *track, s segment.Sample) {
	for _, g := range r {
		if g.process != nil && g.source == t {
			g.process.Write(s)
		}
	}
}

func (r rungs) stopAll() {
	for _, g := range r {
		g.stop()
	}
}

func (g *rung) stop() {
	if g.process != nil {
		g.process.Stop()
		g.process = nil
		g.run++
	}
}

// start brings a rung to life, fed by a track.
func (p *packager) start(now time.Time, g *rung, source *track) bool {
	if now.Before(g.retry) {
		return false
	}
	run := g.run
	process, err := p.ffmpeg.Start(g.job, func(r transcode.Result) {
		p.in.add(result{rendition: g.spec.Name, run: run, sample: r.Sample})
	})
	if err != nil {
		g.retry = now.Add(retryRung)
		p.log.Warn("this rendition cannot be made now", "rendition", g.spec.Name, "err", err)
		return false
	}
	g.source, g.process = source, process
	return true
}

// transcoded takes a Sample from ffmpeg to the Ladder. Where ffmpeg was started
// anew nothing is interrupted: times go on, another encoder's parameters make
// another section, and until there is a keyframe another rendition stands in.
func (p *packager) transcoded(now time.Time, r result) {
	g := p.rungs[r.rendition]
	if g == nil || g.run != r.run || p.timeline.Over(g.spec.Kind, r.sample.Time) {
		return
	}
	if r.rendition == audioName {
		p.dry.heard(now, r.sample)
	}
	p.emit(now, p.ladder.Write(now, r.rendition, r.sample))
}

// passes reports whether players take a codec by HLS as it is.
func passes(c media.Codec) bool { return c.Name == media.Opus || transcode.Playable(c.Name) }

// startAAC makes AAC of an audio track and reports whether it does.
func (p *packager) startAAC(now time.Time, t *track) bool {
	if p.cfg.Audio == AudioOpus {
		return false
	}
	g := p.rungs[audioName]
	if g == nil {
		codec := media.Codec{Name: segment.AAC, ClockRate: segment.AudioTimescale, Channels: 2}
		g = &rung{
			spec: segment.Spec{Name: audioName, Kind: media.Audio, Codec: codec, Transcoded: true},
			job: transcode.Job{
				Stream: p.name, Name: audioName, Kind: media.Audio, From: t.layer.Codec, To: segment.AAC, Channels: 2,
			},
		}
		if p.ffmpeg.Can(g.job) != nil {
			return false
		}
	}
	if g.process != nil { // another Publication's audio goes on in the same process
		g.source = t
		return true
	}
	if !p.start(now, g, t) {
		return false
	}
	if err := p.ladder.Add(now, g.spec); err != nil {
		p.log.Warn("no AAC", "err", err)
		g.stop()
		return false
	}
	p.rungs[audioName] = g
	return true
}

// offer tells the Origin which renditions could be made. It is called when the
// Layers or their sizes have changed.
func (p *packager) offer(now time.Time) {
	if p.cfg.NoRungs || p.snapshot == nil || p.snapshot.State != media.Live {
		return // what was on offer stays so until another publisher comes
	}
	var layers []transcode.Layer
	for _, l := range p.snapshot.Video {
		s := l.Status()
		layers = append(layers, transcode.Layer{Name: renditionName(l), Codec: l.Codec.Name, Width: s.Width, Height: s.Height})
	}
	table := transcode.Rungs(layers)
	if slices.Equal(table, p.table) && !p.anew {
		return
	}
	p.table, p.anew = table, false
	var offered []segment.Rendition
	for i, r := range table {
		source := p.named(r.From)
		if source == nil {
			continue
		}
		g := p.rung(r, source, len(table)-i)
		if g == nil {
			continue
		}
		if g.resume {
			g.resume = false
			p.raise(now, g)
		}
		offered = append(offered, segment.Rendition{
			Spec: g.spec, Codecs: g.job.Codecs(), Width: r.Width, Height: r.Height,
			FrameRate:        source.layer.Status().FrameRate,
			AverageBandwidth: uint64(r.Bitrate), Bandwidth: uint64(r.Bitrate) * 3 / 2, //nolint:gosec // a table's
		})
	}
	p.offered = offered
	switch {
	case p.out != nil:
		p.out.Offer(offered)
	case p.audio() == nil:
		// Without anything else there would be no playlist to ask by.
		for _, r := range table {
			if r.Needed {
				p.demand(now, r.Name)
			}
		}
	}
}

// rung returns the rung of the table's line, nil when ffmpeg cannot make it.
func (p *packager) rung(r transcode.Rung, source *track, rank int) *rung {
	job := transcode.Job{
		Stream: p.name, Name: r.Name, Kind: media.Video, From: source.layer.Codec, To: media.H264,
		Width: r.Width, Height: r.Height, Bitrate: r.Bitrate,
	}
	if err := p.ffmpeg.Can(job); err != nil {
		return nil
	}
	g := p.rungs[r.Name]
	if g == nil {
		codec := media.Codec{Name: media.H264, ClockRate: segment.VideoTimescale}
		g = &rung{spec: segment.Spec{Name: r.Name, Kind: media.Video, Codec: codec, Rank: -rank, Transcoded: true}}
		p.rungs[r.Name] = g
	}
	if g.process == nil {
		g.job, g.source = job, source
	}
	return g
}

func (p *packager) named(name string) *track {
	for _, t := range p.order {
		if t.name == name {
			return t
		}
	}
	return nil
}

// attend starts what somebody asks for and stops what nobody does.
func (p *packager) attend(now time.Time) {
	if now.Sub(p.looked) < attendEvery {
		return
	}
	p.looked = now
	if len(p.order) == 1 && p.audio() != nil {
		p.quiet(now, p.silence.alone(now))
	}
	p.offer(now)
	if p.out == nil {
		return
	}
	p.tell()
	if !p.opened.IsZero() && now.Sub(p.opened) > soundWait {
		p.opened = time.Time{}
		p.out.Expect("")
	}
	for more := true; more; {
		select {
		case name := <-p.out.Demand():
			p.demand(now, name)
		default:
			more = false
		}
	}
	p.used = later(p.used, p.out.Used())
	for name, g := range p.rungs {
		switch {
		case g.resume && p.snapshot.State == media.Live && now.Sub(p.snapshot.Since) > resumeWithin:
			g.resume = false
			p.retire(now, g)
		case g.process == nil:
		case g.process.Err() != nil:
			p.giveUp(now, g)
		case name != audioName && now.Sub(later(g.began, p.out.LastUse(name))) > p.cfg.IdleAfter:
			p.retire(now, g)
		}
	}
	want := hub.WantAll
	if now.Sub(p.used) > p.cfg.IdleAfter {
		want = 0 // only the lowest Layer, so that the window has something
	}
	if want != p.wants {
		p.wants = want
		p.sub.Want(want)
	}
}

func (p *packager) demand(now time.Time, name string) {
	g := p.rungs[name]
	if g == nil || g.process != nil {
		return
	}
	p.raise(now, g)
}

// raise starts a rung and lets it join the Ladder.
func (p *packager) raise(now time.Time, g *rung) {
	source := p.named(renditionName(g.source.layer))
	if source == nil || !p.start(now, g, source) {
		return
	}
	g.began = now
	if err := p.ladder.Add(now, g.spec); err != nil {
		p.log.Warn("a rendition cannot join", "layer", g.spec.Name, "err", err)
		g.stop()
		return
	}
	source.layer.RequestKeyframe(now)
}

// retire stops a rung; its playlist ends, and begins anew when it is wanted.
func (p *packager) retire(now time.Time, g *rung) {
	g.stop()
	p.emit(now, p.ladder.Remove(now, g.spec.Name))
}

// giveUp ends a rung that ffmpeg cannot make. Audio goes on as Opus.
func (p *packager) giveUp(now time.Time, g *rung) {
	g.retry = now.Add(time.Minute)
	if g.spec.Name != audioName {
		p.retire(now, g)
		return
	}
	g.stop()
	p.emit(now, p.ladder.Discontinue(now))
	t := p.audio()
	if t == nil {
		return
	}
	if err := p.ladder.Add(now, segment.Spec{Name: audioName, Kind: media.Audio, Codec: t.layer.Codec}); err != nil {
		p.log.Warn("no audio", "err", err)
		return
	}
	t.direct = true
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
