package api

import (
	"time"

	"github.com/freshet-live/freshet/sfu/fanout"
	"github.com/freshet-live/freshet/sfu/health"
	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/sfu/rtc"
)

// List is the body of GET /api/v1/streams.
type List struct {
	Streams []Stream `json:"streams"`
	// Next is the cursor of what follows, absent at the end; so it is in all lists.
	Next *string `json:"next,omitempty"`
}

// Stream is one Stream at one instant.
type Stream struct {
	Name  string      `json:"name"`
	State media.State `json:"state"`
	// Since is when State began.
	Since time.Time `json:"since"`
	// Epoch counts the Publications that went live.
	Epoch   uint64 `json:"epoch"`
	Viewers int    `json:"viewers"`
	// Publisher is the session that sends, nil when there is none.
	Publisher *Publisher `json:"publisher"`
	// Health is what is judged of the publisher, in a fixed order; empty when
	// there is none.
	Health []health.Verdict `json:"health"`
	// Audio and Video are nil when there is no such Track.
	Audio *Audio `json:"audio"`
	Video *Video `json:"video"`
	// PublishURL and PlayURL are the paths of the WHIP and WHEP endpoints.
	PublishURL string `json:"publishUrl"`
	PlayURL    string `json:"playUrl"`
	// HLS is the Stream as LL-HLS, nil while it is not served so.
	HLS *HLS `json:"hls"`
	// WatchURL and BroadcastURL are the paths of the pages.
	WatchURL     string `json:"watchUrl"`
	BroadcastURL string `json:"broadcastUrl"`
}

// Detail is the body of GET /api/v1/streams/{stream}.
type Detail struct {
	Stream
	// ViewerSessions are the viewers on this Node, longest here first, up to a
	// thousand.
	ViewerSessions []Viewer `json:"viewerSessions"`
}

// Publisher sums up a publishing session.
type Publisher struct {
	Since     time.Time `json:"since"`
	Connected bool      `json:"connected"`
	// RTTMs is the round-trip time in milliseconds, 0 while unknown.
	RTTMs      float64 `json:"rttMs"`
	RemoteAddr string  `json:"remoteAddr,omitempty"`
	// Layers are the encodings as they come in, with what was repaired.
	Layers []rtc.LayerStats `json:"layers"`
}

// Session is one client's turn at a Stream, with its live statistics.
type Session struct {
	ID string `json:"id"`
	// Kind is "publisher" or "viewer".
	Kind     string `json:"kind"`
	Stream   string `json:"stream"`
	Identity string `json:"identity"`
	Name     string `json:"name"`
	// TokenID names the token that the session was made with, "" for none.
	TokenID string `json:"tokenId"`
	// Address is where the request came from that made it; media may come from
	// elsewhere.
	Address string    `json:"address"`
	Agent   string    `json:"agent"`
	Since   time.Time `json:"since"`
	// Expires is when the token ends, nil when it does not. The session does not
	// end with it.
	Expires *time.Time `json:"expires"`
	// One of these is there, unless the session has just ended.
	Publisher *Publisher `json:"publisher"`
	Viewer    *Viewer    `json:"viewer"`
}

// Audio is the audio Track.
type Audio struct {
	Codec string `json:"codec"`
	media.LayerStatus
}

// Video is the video Track.
type Video struct {
	Codec string `json:"codec"`
	// Layers are listed from the lowest quality to the highest.
	Layers []Layer `json:"layers"`
}

// Layer is one encoding of the video.
type Layer struct {
	RID string `json:"rid"`
	// Wanted is unset while nobody has a use for the Layer, so that the
	// publisher may have paused it.
	Wanted bool `json:"wanted"`
	media.LayerStatus
}

// Viewer is one viewer's session.
type Viewer struct {
	Since     time.Time `json:"since"`
	Connected bool      `json:"connected"`
	// RID is the video Layer that the viewer gets, TargetRID the one that it is
	// to get; they differ while a keyframe is awaited. Both are empty where the
	// publisher sends a single encoding.
	RID       string `json:"rid"`
	TargetRID string `json:"targetRid"`
	// Paused is set while the path carries no video beside the audio, Waiting
	// while the picture stands still until the next keyframe.
	Paused  bool `json:"paused"`
	Waiting bool `json:"waiting"`
	// Estimate is what the path carries as far as known, Target what a better
	// Layer takes, 0 when the viewer has the best; both in bit/s. Signal names
	// what the estimate rests on.
	Estimate uint64 `json:"estimate"`
	Target   uint64 `json:"target"`
	Signal   string `json:"signal"`
	// Temporal is how many temporal layers of VP8 the path carries, 0 for all.
	Temporal int     `json:"temporalLayers"`
	RTTMs    float64 `json:"rttMs"`
	// Loss is the share of packets lost, 0 to 1.
	Loss          float64 `json:"loss"`
	Packets       uint64  `json:"packets"`
	Bytes         uint64  `json:"bytes"`
	Retransmitted uint64  `json:"retransmitted"`
	NACKs         uint64  `json:"nacks"`
	PLIs          uint64  `json:"plis"`
	Replays       uint64  `json:"replays"`
	Probes        uint64  `json:"probes"`
	Dropped       uint64  `json:"dropped"`
	// Undecodable is set while the viewer cannot play one of the Tracks.
	Undecodable bool   `json:"undecodable"`
	SRTPProfile string `json:"srtpProfile"`
}

func describe(snap *media.Snapshot) Stream {
	s := Stream{
		Name: snap.Name, State: snap.State, Since: snap.Since, Epoch: snap.Epoch, Viewers: snap.Viewers,
		Health: []health.Verdict{}, PublishURL: "/whip/" + snap.Name, PlayURL: "/whep/" + snap.Name,
		WatchURL: "/watch/" + snap.Name, BroadcastURL: "/broadcast/" + snap.Name,
	}
	if l := snap.Audio; l != nil {
		s.Audio = &Audio{Codec: l.Codec.Name, LayerStatus: l.Status()}
	}
	if len(snap.Video) > 0 {
		s.Video = &Video{Codec: snap.Video[0].Codec.Name, Layers: []Layer{}}
	}
	for i, l := range snap.Video {
		status := l.Status()
		status.Active = snap.ActiveVideo(i)
		s.Video.Layers = append(s.Video.Layers, Layer{RID: l.RID, Wanted: i < len(snap.Wanted) && snap.Wanted[i], LayerStatus: status})
	}
	return s
}

func describePublisher(since time.Time, stats rtc.SessionStats) *Publisher {
	p := &Publisher{
		Since: since, Connected: stats.Connected, RTTMs: millis(stats.RTT),
		RemoteAddr: stats.RemoteAddr, Layers: stats.Layers,
	}
	if p.Layers == nil {
		p.Layers = []rtc.LayerStats{}
	}
	return p
}

func describeViewer(since time.Time, v fanout.ViewerStats) Viewer {
	return Viewer{
		Since: since, Connected: v.Connected, RID: v.RID, TargetRID: v.TargetRID, Paused: v.Paused, Waiting: v.Waiting,
		Estimate: v.Estimate, Target: v.Target, Signal: v.Signal, RTTMs: millis(v.RTT), Loss: v.Loss,
		Packets: v.Packets, Bytes: v.Bytes, Retransmitted: v.Retransmitted, NACKs: v.NACKs, PLIs: v.PLIs,
		Temporal: v.Temporal, Replays: v.Replays, Probes: v.Probes, Dropped: v.Dropped, Undecodable: v.Undecodable, SRTPProfile: v.SRTPProfile,
	}
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// HLS is a Stream as LL-HLS.
type HLS struct {
	// URL is the path of the multivariant playlist.
	URL string `json:"url"`
	// PartTargetMs and TargetDurationMs are PART-TARGET and TARGETDURATION.
	PartTargetMs     int64 `json:"partTargetMs"`
	TargetDurationMs int64 `json:"targetDurationMs"`
	// SkewMs is how far apart the Layers' keyframes were at the last cut.
	SkewMs float64 `json:"skewMs"`
	// LastRequest is when somebody last asked for a playlist here, nil when
	// nobody has; caches in front may hide players.
	LastRequest *time.Time  `json:"lastRequest"`
	Renditions  []Rendition `json:"renditions"`
}

// Rendition is a rendition of a Stream as LL-HLS.
type Rendition struct {
	Name string `json:"name"`
	// Kind is "audio" or "video".
	Kind      string  `json:"kind"`
	Codecs    string  `json:"codecs"`
	Width     int     `json:"width"`
	Height    int     `json:"height"`
	FrameRate float64 `json:"frameRate"`
	Bandwidth uint64  `json:"bandwidth"`
	// Transcoded is set for what ffmpeg makes.
	Transcoded bool `json:"transcoded"`
	// State is "live", "standin" while another rendition's media stands in, or
	// "on-demand" for one that nobody has asked for.
	State string `json:"state"`
}
