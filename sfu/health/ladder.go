package health

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// Neighbours that differ by more than wideGap leave viewers in between with
	// much less than their network carries; halving each side is a factor of 4.
	wideGap = 6.0
	// Neighbours closer than narrowGap are two encodings of the same.
	narrowGap = 1.3
	// heavy is what a viewer on a poor network does not get, in bit/s.
	heavy = 1_500_000
)

const simulcastRemedy = "OBS 32 or newer: Settings, Stream, Simulcast. Our own broadcast page does it by itself."

// judgeLadder looks at the choice that viewers have.
func judgeLadder(now time.Time, p *Publisher) (Verdict, bool) {
	v := Verdict{ID: Ladder, Severity: OK, Value: float64(len(p.Video))}
	if len(p.Video) == 0 {
		if !p.HasVideo || now.Sub(p.Since) < settle {
			return v, false
		}
		v.Severity, v.Text = Warning, "Video was announced, and none comes."
		v.Remedy = "Check that the camera or the scene sends a picture, and that UDP gets through."
		return v, true
	}
	for _, check := range []func(time.Time, *Publisher) (Severity, string, string){missing, alone, steps} {
		if severity, text, remedy := check(now, p); text != "" {
			v.Severity, v.Text, v.Remedy = severity, text, remedy
			return v, true
		}
	}
	v.Text = fmt.Sprintf("%d layers, well spaced.", len(p.Video))
	if len(p.Video) == 1 {
		v.Text = "One layer, small enough for most."
	}
	if paused := pausedLayers(now, p); len(paused) > 0 {
		v.Text = fmt.Sprintf("%d layers; %s paused, as nobody watches.", len(p.Video), enumerate(paused))
	}
	return v, true
}

// missing finds Layers that are wanted and do not come.
func missing(now time.Time, p *Publisher) (Severity, string, string) {
	var gone []string
	for i := range p.Video {
		l := &p.Video[i]
		if l.Wanted && !l.sends(now) && anySends(now, p) {
			gone = append(gone, name(l.RID))
		}
	}
	if now.Sub(p.Since) > settle {
		for _, rid := range p.Offered {
			if !slices.ContainsFunc(p.Video, func(l Layer) bool { return l.RID == rid }) {
				gone = append(gone, name(rid))
			}
		}
	}
	if len(gone) == 0 {
		return OK, "", ""
	}
	words := "Layer %s was announced and does not come"
	if len(gone) > 1 {
		words = "Layers %s were announced and do not come"
	}
	return Notice, fmt.Sprintf(words, enumerate(gone)) + ": the encoder lacks time or the uplink bandwidth.",
		"Choose a lower resolution, close other programs, or use a faster uplink."
}

// anySends tells a Layer that was dropped from a picture that stands still.
func anySends(now time.Time, p *Publisher) bool {
	return slices.ContainsFunc(p.Video, func(l Layer) bool { return l.sends(now) })
}

// alone finds a stream that leaves slow viewers nothing to fall back to.
func alone(now time.Time, p *Publisher) (Severity, string, string) {
	lowest := &p.Video[0]
	if !lowest.sends(now) || lowest.Status.Bitrate <= heavy {
		return OK, "", ""
	}
	rate := float64(lowest.Status.Bitrate) / 1e6
	if len(p.Video) == 1 {
		return Notice, fmt.Sprintf("There is one layer of %.1f Mbit/s: viewers on slow networks have nothing to fall back to.", rate),
			simulcastRemedy
	}
	return Notice, fmt.Sprintf("The smallest layer has %.1f Mbit/s, too much for slow networks.", rate),
		"Give the smallest layer a quarter of the width and height, and 350 kbit/s."
}

// steps compares neighbours by pixels and by bitrate.
func steps(now time.Time, p *Publisher) (Severity, string, string) {
	for i := 1; i < len(p.Video); i++ {
		low, high := &p.Video[i-1], &p.Video[i]
		small, large := area(low), area(high)
		if small == 0 || large == 0 {
			continue
		}
		pixels := large / small
		rates := 0.0
		if low.sends(now) && high.sends(now) && low.Status.Bitrate > 0 {
			rates = float64(high.Status.Bitrate) / float64(low.Status.Bitrate)
		}
		pair := name(low.RID) + " and " + name(high.RID)
		switch {
		case pixels > wideGap:
			return Notice, fmt.Sprintf("Layers %s are far apart: %.0f times the pixels.", pair, pixels),
				"Add a layer in between: each one half the width and height of the next."
		case rates > 2*wideGap:
			return Notice, fmt.Sprintf("Layers %s are far apart: %.0f times the bitrate.", pair, rates),
				"Add a layer in between, or raise the bitrate of the smaller one."
		case pixels < narrowGap && rates < narrowGap:
			return Notice, fmt.Sprintf("Layers %s are nearly the same.", pair),
				"Make each layer half the width and height of the next."
		}
	}
	return OK, "", ""
}

func area(l *Layer) float64 { return float64(l.Status.Width) * float64(l.Status.Height) }

func pausedLayers(now time.Time, p *Publisher) (names []string) {
	for i := range p.Video {
		if l := &p.Video[i]; !l.Wanted && !l.sends(now) {
			names = append(names, name(l.RID))
		}
	}
	return names
}

func name(rid string) string {
	if rid == "" {
		return "video"
	}
	return rid
}

func enumerate(names []string) string {
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}
