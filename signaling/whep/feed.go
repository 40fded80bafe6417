package whep

import (
	"slices"
	"strconv"
	"time"

	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/signaling/session"
)

// The events that are advertised and taken (E57, E59).
const (
	eventActive   = "active"
	eventInactive = "inactive"
	eventLayers   = "layers"
	eventCount    = "viewercount"

	eventList = eventActive + "," + eventInactive + "," + eventLayers + "," + eventCount
)

const (
	countInterval  = time.Second     // between two viewercount events
	layersInterval = 2 * time.Second // between two layers events that differ in bitrates only
)

// stateData tells more than the event's name: an inactive Stream waits for its
// publisher at first and has ended when it waits no more.
type stateData struct {
	State media.State `json:"state"`
}

type countData struct {
	ViewerCount int `json:"viewercount"`
}

// layerData is one Layer in a layers event (E61).
type layerData struct {
	RID            string `json:"rid,omitempty"`
	SpatialLayerID *int   `json:"spatialLayerId,omitempty"`
	// Bitrate is in bit/s; 0 means that the Layer does not send at present.
	Bitrate uint64 `json:"bitrate"`
	Width   int    `json:"width,omitempty"`
	Height  int    `json:"height,omitempty"`

	active bool
}

// feed turns the Stream's Snapshots into events by what has changed since the
// last look. Nothing queues up: a slow client gets fewer events, never old
// ones. It is pure.
type feed struct {
	wants      map[string]bool
	videoIndex int // of the video section in the viewer's offer; -1: none

	begun    bool
	state    media.State
	epoch    uint64
	layers   []layerData
	layersAt time.Time
	count    int
	countAt  time.Time
}

// next returns the events that a Snapshot brings at an instant.
func (f *feed) next(now time.Time, snap *media.Snapshot) []session.Event {
	var out []session.Event
	add := func(e session.Event, ok bool) {
		if ok && f.wants[e.Name] {
			out = append(out, e)
		}
	}
	add(f.nextState(snap))
	add(f.nextLayers(now, snap))
	add(f.nextCount(now, snap))
	f.begun = true
	return out
}

// nextState reports a Stream that became active or inactive, and a new
// publisher that took over (E66). At the beginning only an active one counts.
func (f *feed) nextState(snap *media.Snapshot) (session.Event, bool) {
	was, epoch := f.state, f.epoch
	f.state, f.epoch = snap.State, snap.Epoch
	data := stateData{State: snap.State}
	if snap.State == media.Live {
		return session.Event{Name: eventActive, Data: data}, !f.begun || was != media.Live || epoch != snap.Epoch
	}
	return session.Event{Name: eventInactive, Data: data}, f.begun && was != snap.State && snap.State != media.Idle
}

// nextLayers reports new sets and sizes of Layers at once, bitrates by the way.
func (f *feed) nextLayers(now time.Time, snap *media.Snapshot) (session.Event, bool) {
	if f.videoIndex < 0 || snap.State != media.Live || len(snap.Video) == 0 {
		return session.Event{}, false
	}
	layers := describeLayers(snap)
	if slices.ContainsFunc(layers, func(l layerData) bool { return l.active && l.Bitrate == 0 }) {
		// Not measured yet, and 0 would say that it does not send (E61). The hub
		// tells when it is.
		return session.Event{}, false
	}
	if f.layers != nil && !structureChanged(f.layers, layers) &&
		(now.Sub(f.layersAt) < layersInterval || !bitratesChanged(f.layers, layers)) {
		return session.Event{}, false
	}
	f.layers, f.layersAt = layers, now
	return session.Event{Name: eventLayers, Data: map[string][]layerData{strconv.Itoa(f.videoIndex): layers}}, true
}

func (f *feed) nextCount(now time.Time, snap *media.Snapshot) (session.Event, bool) {
	// Whoever listens is a viewer, though the Snapshot may be from before it.
	count := max(snap.Viewers, 1)
	if f.begun && (f.count == count || now.Sub(f.countAt) < countInterval) {
		return session.Event{}, false
	}
	f.count, f.countAt = count, now
	return session.Event{Name: eventCount, Data: countData{count}}, true
}

// describeLayers lists the video Layers, lowest first. A publisher's only
// encoding has no RID; it is spatial layer 0.
func describeLayers(snap *media.Snapshot) []layerData {
	out := make([]layerData, len(snap.Video))
	for i, l := range snap.Video {
		status := l.Status()
		d := layerData{RID: l.RID, Width: status.Width, Height: status.Height, active: snap.ActiveVideo(i)}
		if d.RID == "" {
			d.SpatialLayerID = new(int)
		}
		if d.active {
			d.Bitrate = status.Bitrate
		}
		out[i] = d
	}
	return out
}

func structureChanged(a, b []layerData) bool {
	return !slices.EqualFunc(a, b, func(x, y layerData) bool {
		return x.RID == y.RID && x.active == y.active && x.Width == y.Width && x.Height == y.Height
	})
}

// bitratesChanged reports whether any bitrate moved by more than a quarter.
func bitratesChanged(a, b []layerData) bool {
	return slices.ContainsFunc(b, func(y layerData) bool {
		i := slices.IndexFunc(a, func(x layerData) bool { return x.RID == y.RID })
		return i < 0 || 4*max(a[i].Bitrate, y.Bitrate) > 5*min(a[i].Bitrate, y.Bitrate)
	})
}
