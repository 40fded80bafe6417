package fanout

import (
	"fmt"
	"time"

	"github.com/freshet-live/freshet/sfu/forward"
	"github.com/freshet-live/freshet/sfu/hub"
	"github.com/freshet-live/freshet/sfu/media"
)

// keyframeRetry is how often a missing keyframe is asked for again.
const keyframeRetry = 250 * time.Millisecond

// SetLimit chooses the video Layer by hand, or bounds the choice; the zero
// Limit goes back to automatic (E60). It returns ErrNoLayer when the viewer
// has no video, or the Stream is live and has no such Layer, and ErrClosed
// when the viewer is gone.
func (v *Viewer) SetLimit(l forward.Limit) error {
	if v.isClosing() {
		return ErrClosed
	}
	if v.params.Video == nil {
		return fmt.Errorf("%w: the viewer takes no video", ErrNoLayer)
	}
	if s, _ := v.Watch(); l.RID != "" && len(s.Video) > 0 {
		found := false
		for _, layer := range s.Video {
			found = found || layer.RID == l.RID
		}
		if !found {
			return fmt.Errorf("%w: %q", ErrNoLayer, l.RID)
		}
	}
	v.worker.inbox.post(func(now time.Time) {
		v.video.selector.SetLimit(l)
		v.video.thin()
		v.declare(now)
		v.wantKeyframe(now)
	})
	return nil
}

// setLayers takes what the Stream has to offer now.
func (v *Viewer) setLayers(now time.Time, s *media.Snapshot, audio []*media.Layer) {
	v.stats.Undecodable = false
	v.setTrack(v.audio, audio, nil)
	v.setTrack(v.video, s.Video, s.Active)
	v.declare(now)
	v.wantKeyframe(now)
}

// declare tells the hub up to which Layer the viewer has a use for the video.
// Layers below that count: the viewer falls back to them without warning.
func (v *Viewer) declare(now time.Time) {
	if v.watching == nil {
		return
	}
	want := hub.WantNone
	if v.video != nil {
		want = hub.WantAll
		if bound, ok := v.video.selector.Bound(); ok {
			want = v.adapt.thrift.want(now, bound, v.reach())
		}
	}
	if want != v.wants {
		v.wants = want
		v.watching.Want(want)
	}
}

// reach is the highest rank that the viewer could get next: one above what its
// path is believed to carry, for probing must have something to lead to.
func (v *Viewer) reach() (rank int) {
	layers, _, best := v.video.selector.Offered()
	if v.adapt.budget == 0 || best < 0 {
		return hub.WantAll
	}
	return layers[above(v.adapt.index, len(layers))].Rank
}

// above returns the index next to the one that is sent, which is -1 while the
// video is paused. The Stream may have fewer Layers now than when that was
// chosen: a publisher came back with less.
func above(sent, layers int) int {
	return min(sent+1, layers-1)
}

// thriftAfter is how long a path has to be narrow until the viewer gives up the
// Layers that are out of its reach. An encoder that was paused may take half a
// minute to come back, and most paths are narrow for a moment.
const thriftAfter = 30 * time.Second

// thrift keeps a viewer behind a narrow path from keeping Layers alive that it
// cannot get.
type thrift struct {
	since time.Time
	given bool // the Layers above are given up
}

// want returns the rank to declare, of that which the viewer may have (bound)
// and that which it could get next.
func (t *thrift) want(now time.Time, bound, reach int) int {
	switch {
	case reach >= bound:
		*t = thrift{}
	case t.since.IsZero():
		t.since = now
	case now.Sub(t.since) >= thriftAfter:
		t.given = true
	}
	if t.given {
		return reach
	}
	return bound
}

func (v *Viewer) setTrack(t *track, layers []*media.Layer, active []bool) {
	if t == nil {
		return
	}
	usable, sends := t.decodable(layers, active)
	if len(usable) == 0 && len(layers) > 0 {
		v.stats.Undecodable = true
	}
	t.selector.SetLayers(usable, sends)
}

// restart notes that the viewer's decoder needs a keyframe.
func (v *Viewer) restart(now time.Time, ssrc uint32) {
	if t := v.video; t != nil && ssrc == t.ssrc {
		v.stats.PLIs++
		if !v.allowance.request(now) {
			v.refuse(refusedPicture)
			return
		}
		if v.replayFailed(now, t) {
			return
		}
		t.selector.Restart()
		v.wantKeyframe(now)
	}
}

// wantKeyframe gets the viewer a keyframe if it waits for one: from the Layer's
// History, or by a request. The Layer merges the requests of all who ask.
func (v *Viewer) wantKeyframe(now time.Time) {
	t := v.video
	if t == nil || v.draining(now) {
		return
	}
	l := t.selector.NeedKeyframe()
	if l == nil {
		t.needed = time.Time{}
		return
	}
	if t.needed.IsZero() {
		t.needed = now
	}
	waiting := t.replay.waiting && t.cursor.Layer() == l
	if !waiting && v.serve(now, l) && !t.replay.on && !t.replay.waiting {
		return // by a keyframe as good as a new one
	}
	t.asked = now
	l.RequestKeyframe(now)
}
