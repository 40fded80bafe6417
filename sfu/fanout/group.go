package fanout

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/freshet-live/freshet/sfu/media"
)

var _ media.Sink = (*group)(nil)

// group is one worker's viewers of one Stream, and the Sink that all of them
// share.
type group struct {
	worker *worker
	stream string
	refs   int // viewers; guarded by the registry's lock

	// dropping holds the Layers that have no room until their next Frame.
	// Guarded by the inbox's lock.
	dropping map[*media.Layer]bool

	// newest is the Snapshot that the hub told of last.
	newest atomic.Pointer[media.Snapshot]

	// The rest belongs to the worker.
	snapshot *media.Snapshot
	area     int // of all video Layers together, in pixels
	audio    []*media.Layer
	viewers  []*Viewer // connected ones
	batch    []queued
}

// WritePacket takes one Packet for the group's viewers.
func (g *group) WritePacket(l *media.Layer, p *media.Packet) {
	g.worker.inbox.write(queued{group: g, layer: l, packet: p})
}

// Update takes the Stream's new Snapshot. The worker applies it before any
// Packet that comes later.
func (g *group) Update(s *media.Snapshot) {
	g.newest.Store(s)
	g.worker.inbox.post(g.apply)
}

// dropLocked decides whether a Packet is dropped for want of room. The inbox's
// lock is held.
func (g *group) dropLocked(l *media.Layer, p *media.Packet, full bool) bool {
	if !full && (len(g.dropping) == 0 || !g.dropping[l]) {
		return false
	}
	if !full && p.FrameStart {
		delete(g.dropping, l)
		return false
	}
	if g.dropping == nil {
		g.dropping = map[*media.Layer]bool{}
	}
	g.dropping[l] = true
	g.worker.inbox.dropped.Add(1)
	return true
}

// apply gives the newest Snapshot to every viewer, unless only such things
// have changed as do not concern them.
func (g *group) apply(now time.Time) {
	s := g.newest.Load()
	old, area := g.snapshot, totalArea(s.Video)
	if old != nil && sameLayers(old, s) && area == g.area {
		return
	}
	g.snapshot, g.area = s, area
	g.audio = nil
	if s.Audio != nil {
		g.audio = []*media.Layer{s.Audio}
	}
	for _, v := range g.viewers {
		v.setLayers(now, s, g.audio)
	}
}

// totalArea tells whether a picture's size has changed, on which the choice
// under a Limit may depend.
func totalArea(layers []*media.Layer) (pixels int) {
	for _, l := range layers {
		status := l.Status()
		pixels += status.Width * status.Height
	}
	return pixels
}

// sameLayers reports whether two Snapshots have the same Layers in the same
// activity.
func sameLayers(a, b *media.Snapshot) bool {
	return a.Audio == b.Audio && a.State == b.State &&
		slices.Equal(a.Video, b.Video) && slices.Equal(a.Active, b.Active)
}

func (g *group) attach(now time.Time, v *Viewer) {
	v.place = len(g.viewers)
	g.viewers = append(g.viewers, v)
	if g.snapshot != nil {
		v.setLayers(now, g.snapshot, g.audio)
	}
}

func (g *group) detach(v *Viewer) {
	if v.place < 0 {
		return
	}
	last := g.viewers[len(g.viewers)-1]
	g.viewers[v.place], last.place = last, v.place
	g.viewers[len(g.viewers)-1] = nil
	g.viewers = g.viewers[:len(g.viewers)-1]
	v.place = -1
}

// fanOut sends the group's batch of Packets to each of its viewers. All that
// goes to one viewer is contiguous, so that the kernel takes it as one train.
func (g *group) fanOut() {
	for _, v := range g.viewers {
		to := v.route.Load()
		if to == nil {
			continue
		}
		v.pacer.refill(g.worker.now, v.paceRate())
		for i := range g.batch {
			v.forward(to, &g.batch[i])
		}
	}
	clear(g.batch)
	g.batch = g.batch[:0]
}
