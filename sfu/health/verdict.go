package health

import (
	"fmt"
	"time"

	"github.com/freshet-live/freshet/sfu/media"
)

// Severity is how much a Verdict matters.
type Severity string

// The severities.
const (
	// OK: nothing to do.
	OK Severity = "ok"
	// Notice: it works, and could be better.
	Notice Severity = "notice"
	// Warning: viewers suffer.
	Warning Severity = "warning"
)

func (s Severity) weight() int {
	switch s {
	case Warning:
		return 2
	case Notice:
		return 1
	default:
		return 0
	}
}

// ID names what a Verdict is about.
type ID string

// What is judged, in the order of Verdicts.
const (
	// Keyframes is the distance between keyframes, in seconds.
	Keyframes ID = "keyframe-interval"
	// Requests is whether the encoder answers keyframe requests: 1 or 0.
	Requests ID = "keyframe-requests"
	// BFrames is their share in percent.
	BFrames ID = "b-frames"
	// FrameRate is in Frames/s.
	FrameRate ID = "frame-rate"
	// Pacing is how late Frames come, in milliseconds.
	Pacing ID = "frame-pacing"
	// Ladder is about the choice of Layers; the value is their number.
	Ladder ID = "layers"
	// Loss is what was lost on the way in and not repaired, in percent.
	Loss ID = "loss"
	// Clock is the drift of the media clock, in parts per million.
	Clock ID = "clock-drift"
	// Sound is about the audio Track; the value is its number of channels.
	Sound ID = "audio"
)

// Verdict is one thing that was judged.
type Verdict struct {
	ID       ID       `json:"id"`
	Severity Severity `json:"severity"`
	// Layer is the RID of the Layer that is worst off, or "audio"; empty where
	// there is one video encoding or the Verdict is about all.
	Layer string `json:"layer,omitempty"`
	// Text says what is so, and Remedy what to do about it; that is empty with
	// OK.
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"`
	// Value is the figure behind it; its unit belongs to the ID.
	Value float64 `json:"value"`
}

// Layer is what is known of one encoding.
type Layer struct {
	Reading
	RID    string
	Status media.LayerStatus
	// Wanted is unset while nobody has a use for the Layer: the publisher may
	// have paused it.
	Wanted bool
	// Obedience tells whether the encoder answers keyframe requests; Asked is
	// unset when there is no way to ask it.
	Obedience media.Obedience
	Asked     bool
}

// sends reports whether there is something to judge.
func (l *Layer) sends(now time.Time) bool {
	return !l.Arrived.IsZero() && now.Sub(l.Arrived) < clockJump
}

// Publisher is what is known of one publisher's Tracks.
type Publisher struct {
	// Offered holds the RIDs that it announced, empty for a single encoding.
	Offered []string
	// HasAudio and HasVideo tell what it announced.
	HasAudio, HasVideo bool
	// Since is when it connected.
	Since time.Time
	// Audio is nil until the first packet.
	Audio *Layer
	// Video holds the Layers that have begun, lowest first.
	Video []Layer
}

// audioName stands in Verdict.Layer for the audio Track.
const audioName = "audio"

// settle is how long a publisher may take until what is missing counts as
// missing.
const settle = 5 * time.Second

// Judge returns Verdicts about all that is known, at most one for each ID.
func Judge(now time.Time, p *Publisher) []Verdict {
	var out []Verdict
	add := func(v Verdict, ok bool) {
		if ok {
			out = append(out, v)
		}
	}
	var sending []*Layer
	for i := range p.Video {
		if p.Video[i].sends(now) {
			sending = append(sending, &p.Video[i])
		}
	}
	for _, judge := range []func(*Layer) (Verdict, bool){
		judgeKeyframes, judgeRequests, judgeBFrames, judgeFrameRate, judgePacing,
	} {
		add(worst(sending, judge))
	}
	add(judgeLadder(now, p))
	all := sending
	if p.Audio != nil && p.Audio.sends(now) {
		audio := *p.Audio
		audio.RID = audioName
		all = append([]*Layer{&audio}, sending...)
	}
	add(worst(all, judgeLoss))
	add(worst(all, judgeClock))
	add(judgeSound(now, p))
	return out
}

// worst judges each Layer and keeps the most severe Verdict; of equals that on
// the highest quality. A Layer that has a name is named.
func worst(layers []*Layer, judge func(*Layer) (Verdict, bool)) (Verdict, bool) {
	var v Verdict
	found := false
	for _, l := range layers {
		one, ok := judge(l)
		if !ok || found && one.Severity.weight() < v.Severity.weight() {
			continue
		}
		one.Layer = l.RID
		v, found = one, true
	}
	if v.Severity == OK {
		v.Layer = ""
	}
	switch v.Layer {
	case "":
	case audioName:
		v.Text = "Sound: " + v.Text
	default:
		v.Text = fmt.Sprintf("Layer %s: %s", v.Layer, v.Text)
	}
	return v, found
}
