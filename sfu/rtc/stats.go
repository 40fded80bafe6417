package rtc

import (
	"time"

	"github.com/freshet-live/freshet/sfu/health"
)

// SessionStats is a session at one instant.
type SessionStats struct {
	// Connected tells whether ICE and DTLS are up.
	Connected bool `json:"connected"`
	// RTT is the round-trip time to the publisher, measured by repairs; 0 while
	// unknown.
	RTT time.Duration `json:"rtt"`
	// RemoteAddr is the publisher's address, empty until it is connected.
	RemoteAddr string `json:"remoteAddr,omitempty"`
	// Layers lists the encodings that were received, in the order they came.
	Layers []LayerStats `json:"layers"`
	// Health is what is judged of the session, empty in its first second.
	Health []health.Verdict `json:"health"`
}

// LayerStats is one encoding at one instant. Counters count since it began.
type LayerStats struct {
	Kind string `json:"kind"`
	// Codec is the encoding's name, as in media.Codec.Name; empty before the
	// first packet.
	Codec string `json:"codec"`
	RID   string `json:"rid,omitempty"`
	SSRC  uint32 `json:"ssrc"`
	// Packets counts those received, repaired ones too; Repaired those that came
	// after they had been asked for; Lost those given up.
	Packets  uint64 `json:"packets"`
	Repaired uint64 `json:"repaired"`
	Lost     uint64 `json:"lost"`
	// NACKs counts the sequence numbers asked for, repeats too.
	NACKs uint64 `json:"nacks"`
	// KeyframeRequests counts PLIs and FIRs sent.
	KeyframeRequests uint64 `json:"keyframeRequests"`
	// Bitrate is in bit/s of RTP payload over the last second or so.
	Bitrate uint64 `json:"bitrate"`
}

// Stats returns what the session has counted so far.
func (s *Session) Stats() SessionStats {
	stats := SessionStats{
		Connected: s.connected.Load(), RemoteAddr: s.remoteAddr(), Layers: []LayerStats{}, Health: *s.health.Load(),
	}
	for _, g := range *s.ingests.Load() {
		c := &g.count
		l := LayerStats{
			Kind: g.section.kind.String(), RID: g.rid, SSRC: g.ssrc,
			Packets: c.packets.Load(), Repaired: c.repaired.Load(), Lost: c.lost.Load(),
			NACKs: c.nacks.Load(), KeyframeRequests: c.requests.Load(),
		}
		if codec := g.using.Load(); codec != nil {
			l.Codec = codec.Name
		}
		if layer := g.current.Load(); layer != nil {
			l.Bitrate = layer.Status().Bitrate
		}
		if rtt := time.Duration(c.rtt.Load()); rtt > 0 && (stats.RTT == 0 || rtt < stats.RTT) {
			stats.RTT = rtt
		}
		stats.Layers = append(stats.Layers, l)
	}
	return stats
}

func (s *Session) remoteAddr() string {
	if s.isClosing() {
		return ""
	}
	pair, err := s.peer.transport().GetSelectedCandidatePair()
	if err != nil || pair == nil || pair.Remote == nil {
		return ""
	}
	return pair.Remote.Protocol.String() + " " + joinHostPort(pair.Remote.Address, pair.Remote.Port)
}
