package health

import (
	"fmt"
	"time"

	"github.com/freshet-live/freshet/sfu/media"
)

const (
	// A GOP up to goodGOP joins quickly and makes segments of two seconds.
	goodGOP = 2500 * time.Millisecond
	longGOP = 5 * time.Second

	lowFrameRate  = 0.75 // of the nominal one
	poorFrameRate = 0.4

	lateFrames     = 80 * time.Millisecond
	veryLateFrames = 250 * time.Millisecond

	someLoss   = 0.001
	muchLoss   = 0.01
	muchRepair = 0.03

	someDrift = 300 // parts per million
	muchDrift = 2000

	monoShare = 0.02 // fewer stereo packets than this is mono
	dtxShare  = 0.05
)

const encoderRemedy = "OBS: Settings, Output, Keyframe Interval 1 s. FFmpeg: -g with the number of frames in a second."

// judgeKeyframes: where keyframes only come by the clock, joins, switches and
// segments wait for them.
func judgeKeyframes(l *Layer) (Verdict, bool) {
	v := Verdict{ID: Keyframes, Severity: OK, Value: seconds(l.GOP)}
	switch {
	case l.Asked && l.Obedience == media.Obedient:
		v.Text = "Keyframes come on request."
		return v, true
	case l.GOP == 0, l.Asked && l.Obedience == media.Untested && l.GOP > goodGOP:
		return v, false // perhaps nobody has wanted one
	}
	v.Text = fmt.Sprintf("A keyframe comes every %.1f s.", v.Value)
	switch {
	case l.GOP > longGOP:
		v.Severity = Warning
	case l.GOP > goodGOP:
		v.Severity = Notice
	default:
		return v, true
	}
	v.Text = fmt.Sprintf("A keyframe comes only every %.1f s: joins, switches of quality and HLS wait for it.", v.Value)
	v.Remedy = encoderRemedy
	return v, true
}

// judgeRequests: an encoder that cannot be asked needs short GOPs.
func judgeRequests(l *Layer) (Verdict, bool) {
	v := Verdict{ID: Requests, Severity: OK}
	switch {
	case !l.Asked:
		v.Text = "The encoder cannot be asked for keyframes; it sends them by the clock."
	case l.Obedience == media.Obedient:
		v.Value, v.Text = 1, "The encoder answers keyframe requests."
	case l.Obedience == media.Deaf:
		v.Text = "The encoder ignores keyframe requests; it sends them by the clock."
	default:
		return v, false
	}
	if v.Value == 0 && l.GOP > goodGOP {
		v.Severity, v.Remedy = Notice, encoderRemedy
	}
	return v, true
}

func judgeBFrames(l *Layer) (Verdict, bool) {
	v := Verdict{ID: BFrames, Severity: OK, Value: percent(l.Reordered), Text: "No B-frames."}
	if l.Reordered > 0 {
		v.Severity = Warning
		v.Text = fmt.Sprintf("%.0f %% of the frames are B-frames, which browsers show out of order.", v.Value)
		v.Remedy = "OBS: Max B-frames 0 and Tune zerolatency. FFmpeg: -bf 0."
	}
	return v, true
}

func judgeFrameRate(l *Layer) (Verdict, bool) {
	v := Verdict{ID: FrameRate, Severity: OK, Value: l.FrameRate}
	if l.FrameRate == 0 || l.Nominal == 0 {
		return v, false
	}
	v.Text = fmt.Sprintf("%.0f frames per second.", l.FrameRate)
	switch part := l.FrameRate / l.Nominal; {
	case part < poorFrameRate:
		v.Severity = Warning
	case part < lowFrameRate:
		v.Severity = Notice
	default:
		return v, true
	}
	v.Text = fmt.Sprintf("%.0f frames per second instead of %.0f: the encoder or the camera does not keep up.",
		l.FrameRate, l.Nominal)
	v.Remedy = "Close other programs, or choose a lower resolution or a faster preset. A shared screen that stands still is fine."
	return v, true
}

func judgePacing(l *Layer) (Verdict, bool) {
	v := Verdict{ID: Pacing, Severity: OK, Value: float64(l.Jitter.Milliseconds())}
	if l.FrameRate == 0 {
		return v, false
	}
	v.Text = "Frames come evenly."
	switch {
	case l.Jitter > veryLateFrames:
		v.Severity = Warning
	case l.Jitter > lateFrames:
		v.Severity = Notice
	default:
		return v, true
	}
	v.Text = fmt.Sprintf("Frames come up to %.0f ms late, so viewers have to buffer more.", v.Value)
	v.Remedy = "Use a cable instead of Wi-Fi, or a lower bitrate than the uplink can carry."
	return v, true
}

func judgeLoss(l *Layer) (Verdict, bool) {
	v := Verdict{ID: Loss, Severity: OK, Value: percent(l.Lost), Text: "Nothing is lost on the way in."}
	switch {
	case l.Lost > muchLoss:
		v.Severity = Warning
	case l.Lost > someLoss, l.Repaired > muchRepair:
		v.Severity = Notice
	case l.Repaired > 0:
		v.Text = fmt.Sprintf("%.1f %% was lost on the way in and sent again in time.", percent(l.Repaired))
		return v, true
	default:
		return v, true
	}
	v.Text = fmt.Sprintf("%.1f %% of the packets are lost on the way in.", v.Value)
	if l.Repaired > 0 {
		v.Text = fmt.Sprintf("%.1f %% of the packets are lost on the way in, and %.1f %% had to be sent again.",
			v.Value, percent(l.Repaired))
	}
	v.Remedy = "Use a cable instead of Wi-Fi, or a lower bitrate."
	return v, true
}

func judgeClock(l *Layer) (Verdict, bool) {
	v := Verdict{ID: Clock, Severity: OK, Value: l.Drift, Text: "The media clock keeps time."}
	drift := max(l.Drift, -l.Drift)
	switch {
	case !l.DriftKnown:
		return v, false
	case drift > muchDrift:
		v.Severity = Warning
	case drift > someDrift:
		v.Severity = Notice
	default:
		return v, true
	}
	way := "slow"
	if l.Drift < 0 {
		way = "fast"
	}
	v.Text = fmt.Sprintf("The media clock is %.0f ppm %s: sound and picture drift apart by %.0f ms an hour.",
		drift, way, drift*3.6)
	v.Remedy = "Set the same sample rate (48 kHz) in the encoder and the sound device, and use one capture device's clock."
	return v, true
}

func judgeSound(now time.Time, p *Publisher) (Verdict, bool) {
	v := Verdict{ID: Sound, Severity: OK}
	switch {
	case !p.HasAudio:
		v.Text = "The broadcast has no sound."
		if !p.HasVideo {
			return v, false
		}
	case p.Audio == nil || !p.Audio.sends(now):
		if now.Sub(p.Since) < settle {
			return v, false
		}
		v.Severity, v.Text = Notice, "Sound was announced, and none comes."
		v.Remedy = "Check that the microphone is connected and not muted in the encoder."
	default:
		v.Value, v.Text = 2, "The sound is stereo."
		if p.Audio.Stereo < monoShare {
			v.Value, v.Text = 1, "The sound is mono."
		}
		if p.Audio.Silent > dtxShare {
			v.Text = v.Text[:len(v.Text)-1] + ", and pauses in silence (DTX)."
		}
	}
	return v, true
}

func seconds(d time.Duration) float64  { return float64(d.Milliseconds()) / 1000 }
func percent(fraction float64) float64 { return fraction * 100 }
