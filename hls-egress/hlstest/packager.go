package hlstest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/sfu/media"
)

// Packager makes the Output of a Ladder without media: its bytes are noise. It
// is a value without a clock; Next is called once per part.
type Packager struct {
	// Part is the duration of a part, Segment that of a segment.
	Part, Segment time.Duration
	// Size is that of a video part in bytes; audio has a tenth.
	Size int
	// Start is when the first sample was captured.
	Start time.Time

	specs []segment.Rendition
	inits map[string]*segment.Init
	msn   uint64
	part  int
	time  time.Duration
	// discontinue marks the next segment.
	discontinue bool
	changed     bool
}

// NewPackager makes one with n video renditions, named v0 and so on, and with
// sound if asked for.
func NewPackager(start time.Time, n int, audio bool) *Packager {
	p := &Packager{
		Part: 200 * time.Millisecond, Segment: 2 * time.Second, Size: 4000, Start: start,
		inits: map[string]*segment.Init{}, changed: true,
	}
	for i := range n {
		p.Add(segment.Rendition{
			Spec:   segment.Spec{Name: fmt.Sprintf("v%d", i), Kind: media.Video, Rank: i},
			Codecs: "avc1.42c01f", Width: 320 << i, Height: 180 << i, FrameRate: 30,
			Bandwidth: 400_000 << i, AverageBandwidth: 300_000 << i,
		})
	}
	if audio {
		p.Add(segment.Rendition{
			Spec:   segment.Spec{Name: "audio", Kind: media.Audio},
			Codecs: "mp4a.40.2", Channels: 2, Bandwidth: 140_000, AverageBandwidth: 128_000,
		})
	}
	return p
}

// Target returns PART-TARGET and TARGETDURATION.
func (p *Packager) Target() (part, segment time.Duration) {
	return p.Part + time.Second/30, (p.Segment + time.Second - 1).Truncate(time.Second)
}

// Add adds a rendition. Its first part should begin a segment.
func (p *Packager) Add(r segment.Rendition) {
	p.specs = append(p.specs, r)
	p.changed = true
	id := 0
	if old := p.inits[r.Name]; old != nil {
		id = old.ID + 1
	}
	p.inits[r.Name] = &segment.Init{Rendition: r.Name, ID: id, Data: noise(600)}
}

// Specs returns the renditions that there are.
func (p *Packager) Specs() []segment.Rendition { return slices.Clone(p.specs) }

// Remove takes a rendition away.
func (p *Packager) Remove(name string) {
	p.changed = true
	for i, r := range p.specs {
		if r.Name == name {
			p.specs = append(p.specs[:i:i], p.specs[i+1:]...)
			return
		}
	}
}

// Discontinue begins the next segment with a discontinuity and new
// initialization sections.
func (p *Packager) Discontinue() { p.discontinue = true }

// StartsSegment reports whether the next part begins a segment.
func (p *Packager) StartsSegment() bool { return p.part == 0 }

// Next makes one part of each rendition.
func (p *Packager) Next(now time.Time) segment.Output {
	var out segment.Output
	if p.changed {
		out.Renditions = append([]segment.Rendition{}, p.specs...)
		p.changed = false
	}
	broken := p.discontinue && p.part == 0
	if broken {
		p.discontinue = false
		for name, in := range p.inits {
			p.inits[name] = &segment.Init{Rendition: name, ID: in.ID + 1, Data: noise(600)}
		}
	}
	last := time.Duration(p.part+1)*p.Part >= p.Segment
	for _, r := range p.specs {
		size := p.Size
		if r.Kind == media.Audio {
			size /= 10
		}
		out.Parts = append(out.Parts, segment.Part{
			Rendition: r.Name, MSN: p.msn, Index: p.part, Init: p.inits[r.Name], Data: noise(size),
			Time: p.time, Wall: p.Start.Add(p.time), Duration: p.Part,
			Independent: p.part == 0 || r.Kind == media.Audio, Last: last,
			Discontinuity: broken, Ready: now,
		})
	}
	p.time += p.Part
	p.part++
	if last {
		p.msn, p.part = p.msn+1, 0
	}
	return out
}

// Run makes parts in real time until ctx ends.
func (p *Packager) Run(ctx context.Context, apply func(segment.Output)) {
	tick := time.NewTicker(p.Part)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			apply(p.Next(now))
		}
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}
