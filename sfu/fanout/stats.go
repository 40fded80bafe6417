package fanout

import "time"

// ViewerStats is what the engine knows of one viewer. The counters run since
// the viewer came; they lag by up to a quarter of a second.
type ViewerStats struct {
	// Connected is set once the viewer's DTLS handshake is done.
	Connected bool `json:"connected"`
	// Packets and Bytes were sent for the first time; Bytes counts RTP payload.
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
	// Retransmitted counts packets sent again after a NACK.
	Retransmitted uint64 `json:"retransmitted"`
	// NACKs counts packets asked for again, PLIs keyframes asked for.
	NACKs uint64 `json:"nacks"`
	PLIs  uint64 `json:"plis"`
	// Replays counts how often the viewer was served from a cached keyframe.
	Replays uint64 `json:"replays"`
	// Waiting is set while the picture stands still until the next keyframe.
	Waiting bool `json:"waiting"`
	// Estimate is what the viewer's path carries, in bit/s, as far as known.
	Estimate uint64 `json:"estimate"`
	// Signal names what the estimate rests on; see bwe.Signal.
	Signal string `json:"signal"`
	// Target is the estimate in bit/s with which the viewer would get a better
	// Layer; 0 when it has the best that it may have.
	Target uint64 `json:"target"`
	// Paused is set while the path carries no video beside the audio.
	Paused bool `json:"paused"`
	// Temporal is how many temporal layers of a VP8 Layer fit the path, 0 for
	// all.
	Temporal int `json:"temporal"`
	// Probes counts the bursts of padding that looked for more.
	Probes uint64 `json:"probes"`
	// Dropped counts packets that were meant for the viewer and not sent.
	Dropped uint64 `json:"dropped"`
	// RTT is the round-trip time by the viewer's last report, 0 while unknown.
	RTT time.Duration `json:"rtt"`
	// Loss is the share of packets lost, 0 to 1, by its last report on video,
	// or on audio where there is no video.
	Loss float64 `json:"loss"`
	// RID is the video Layer that the viewer gets; empty too when the
	// publisher sends a single encoding.
	RID string `json:"rid"`
	// TargetRID is the Layer that the viewer is to get; another one while a
	// keyframe of it is awaited.
	TargetRID string `json:"targetRid"`
	// Undecodable is set while the Stream has a Track of which the viewer
	// offered no matching codec.
	Undecodable bool `json:"undecodable"`
	// SRTPProfile is the name of the chosen protection profile.
	SRTPProfile string `json:"srtpProfile"`
}
