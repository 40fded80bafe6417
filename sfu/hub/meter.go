package hub

import (
	"time"

	"github.com/freshet-live/freshet/sfu/media"
)

const (
	// A video Layer is inactive after this long without a packet while a
	// sibling goes on: the encoder has dropped it.
	layerSilence = 700 * time.Millisecond
	// When all Layers are silent at once the picture may just stand still, as
	// in a shared screen; there is nothing better to switch to either.
	trackSilence = 5 * time.Second
	meterWindow  = 4 // ticks: one second
)

// meter turns running counters into rates over the last second.
type meter struct {
	at     [meterWindow + 1]time.Time
	counts [meterWindow + 1]counts
	n      int
}

// counts are a Layer's running counters.
type counts struct {
	bytes, frames uint64
	upper         [media.MaxTemporalLayers - 1]uint64 // bytes of temporal layers
}

// add takes the counters at an instant and sets the rates since the oldest
// instant that it remembers.
func (m *meter) add(now time.Time, c counts, status *media.LayerStatus) {
	i := m.n % len(m.at)
	m.at[i], m.counts[i] = now, c
	m.n++
	old := 0
	if m.n > len(m.at) {
		old = m.n % len(m.at)
	}
	d := now.Sub(m.at[old]).Seconds()
	if d <= 0 {
		return
	}
	before := &m.counts[old]
	status.Bitrate = uint64(float64(c.bytes-before.bytes) * 8 / d)
	status.FrameRate = float64(c.frames-before.frames) / d
	for i := range c.upper {
		status.Upper[i] = uint64(float64(c.upper[i]-before.upper[i]) * 8 / d)
	}
}

// measureLocked updates the Layer's status; newest is when any video Layer of
// the Publication last sent, in Unix nanoseconds. It reports whether the Layer
// became active or inactive, changed its size or has its first bitrate.
func (l *Layer) measureLocked(now time.Time, newest int64) (changed bool) {
	if !l.announced {
		return false
	}
	last := l.lastPacket.Load()
	silent := time.Duration(now.UnixNano() - last)
	behind := time.Duration(newest - last)
	active := l.Kind == media.Audio || (silent < trackSilence && behind < layerSilence)

	before := l.Status()
	status := media.LayerStatus{Active: active, Packets: l.packets.Load()}
	status.Width, status.Height = l.pixels()
	l.meter.add(now, l.counted(), &status)
	if l.Kind == media.Audio {
		status.FrameRate = 0
	}
	if expected := l.last.Load() - l.first.Load() + 1; expected > status.Packets {
		status.Lost = expected - status.Packets
	}
	l.SetStatus(status)
	changed = active != l.active || status.Width != before.Width || status.Height != before.Height ||
		(status.Bitrate == 0) != (before.Bitrate == 0)
	l.active = active
	l.asleep.Store(!active)
	return changed
}
