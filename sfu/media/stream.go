package media

import "time"

// State is where a Stream stands in its life.
type State string

// The states of a Stream.
const (
	// Idle: nobody has published yet.
	Idle State = "idle"
	// Live: a publisher is sending.
	Live State = "live"
	// Reconnecting: the publisher is gone, its reconnect window still open.
	Reconnecting State = "reconnecting"
	// Ended: the reconnect window has closed without a publisher, or an operator
	// has ended the Stream.
	Ended State = "ended"
)

// Snapshot is a Stream at one instant. It is immutable and shared.
type Snapshot struct {
	Name  string
	State State
	// Epoch counts the Publications that went live, 0 before the first.
	Epoch uint64
	// Since is when State began.
	Since time.Time
	// Audio is the Layer of the audio Track, nil when there is none.
	Audio *Layer
	// Video holds the Layers of the video Track, lowest quality first; empty
	// when there is none. An inactive Layer stays in the list.
	Video []*Layer
	// Active holds, in the order of Video, which Layers send at present.
	Active []bool
	// Wanted holds, in the order of Video, which Layers any Sink has a use for.
	// A Source may pause the others, and goes on with one as soon as it is
	// wanted.
	Wanted []bool
	// Viewers is the number of Subscriptions that watch, without relays,
	// packagers and recorders.
	Viewers int
}

// ActiveVideo reports whether video Layer i sends at present.
func (s *Snapshot) ActiveVideo(i int) bool { return i >= 0 && i < len(s.Active) && s.Active[i] }

// Source is what produces a Stream: a WHIP session, a relay link. Its methods
// are safe for concurrent use and never block.
type Source interface {
	// RequestKeyframe asks the encoder of a Layer for a keyframe (RFC 4585
	// section 6.3.1). The hub has already merged and limited the requests.
	RequestKeyframe(l *Layer)
	// End tells the Source that its Publication is over, with the reason; it
	// closes its session in its own time.
	End(reason error)
}

// Sink is what consumes a Stream: a group of viewers, a relay link, a
// packager, a recorder. Both methods are called with the Stream's events in
// order and must not block: a Sink that has no room drops up to the next
// Frame and counts it.
type Sink interface {
	// WritePacket takes one Packet of one of the Stream's Layers. Packets of
	// one Layer come from one goroutine; different Layers may come at once.
	WritePacket(l *Layer, p *Packet)
	// Update takes the Stream's new Snapshot after each change of its state,
	// Tracks, Layers or viewers.
	Update(s *Snapshot)
}
