package hlsegress

import (
	"strings"
	"time"

	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/sfu/frames"
	"github.com/freshet-live/freshet/sfu/media"
)

// lastWords is how long after a publisher has gone its media ends: what ffmpeg
// still holds of it comes until then.
const lastWords = 200 * time.Millisecond

// follow takes the Stream's new Snapshot and reports whether the Stream has
// ended.
func (p *packager) follow(now time.Time, s *media.Snapshot) (over bool) {
	p.snapshot = s
	switch s.State {
	case media.Ended, media.Idle:
		return true
	case media.Reconnecting:
		if p.gone.IsZero() && len(p.order) > 0 {
			p.gone = now
		}
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

// leave ends the media of a publisher that has gone. Viewers get the last of it
// now, not when another one comes or the reconnect window closes; and nothing
// of it that is still on its way can be taken for the next one's.
func (p *packager) leave(now time.Time) {
	p.gone = time.Time{}
	for name, g := range p.rungs {
		if name != audioName && g.process != nil {
			g.stop()
			g.resume = true
		}
	}
	clear(p.tracks)
	p.order, p.anew = nil, true
	p.timeline.Reset()
	p.emit(now, p.ladder.Discontinue(now))
}

// renew begins a new Publication: it goes on after the old one on the same
// timeline, behind a discontinuity.
func (p *packager) renew(now time.Time, epoch uint64) {
	if len(p.order) > 0 {
		p.leave(now)
	}
	p.epoch = epoch
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
