package transcode

import (
	"fmt"
	"math"
	"slices"

	"github.com/freshet-live/freshet/sfu/media"
)

// Layer is a Layer of the publisher's video as the rung table sees it.
type Layer struct {
	// Name is its rendition's name.
	Name  string
	Codec string
	// Width and Height are in pixels.
	Width, Height int
}

// Rung is a rendition worth making.
type Rung struct {
	// Name is "720p" and the like, by the shorter side.
	Name string
	// From is the name of the Layer to make it from: the smallest that is large
	// enough.
	From string
	// Width and Height are those of the picture to make, in pixels, both even.
	Width, Height int
	// Bitrate is the average in bit/s.
	Bitrate int
	// Needed is set for the rung without which players have no picture at all;
	// the others wait until somebody asks.
	Needed bool
}

// steps are the shorter sides of the ladder, and what they cost on average in
// bit/s at 30 frames a second: 0.09 bits per pixel at 720p, more below.
func steps() []struct{ side, bitrate int } {
	return []struct{ side, bitrate int }{
		{2160, 12_000_000}, {1440, 7_500_000}, {1080, 4_500_000}, {720, 2_500_000}, {480, 1_200_000},
		{360, 700_000}, {240, 350_000}, {180, 220_000}, {90, 90_000},
	}
}

// Rungs returns what is missing between a publisher's Layers and the ladder
// 1080, 720, 480, 360, best first. A rung whose size a playable Layer has,
// within a third, is not made: what the publisher sends costs nothing. Layers
// of a codec that HLS cannot carry (VP8) are made H264, the best of them at its
// own size. Layers whose size is not known are left out.
func Rungs(layers []Layer) []Rung {
	var usable []Layer
	for _, l := range layers {
		if min(l.Width, l.Height) >= 2 && max(l.Width, l.Height) <= maxPixels {
			usable = append(usable, l)
		}
	}
	if len(usable) == 0 {
		return nil
	}
	slices.SortStableFunc(usable, func(a, b Layer) int { return side(a) - side(b) })
	top := usable[len(usable)-1]
	var out []Rung
	covered := func(at int) bool {
		for _, l := range usable {
			if Playable(l.Codec) && 4*side(l) >= 3*at && 3*side(l) <= 4*at {
				return true
			}
		}
		// Two rungs a sixth apart are one too many.
		return len(out) > 0 && 6*at > 5*min(out[0].Width, out[0].Height)
	}
	if !slices.ContainsFunc(usable, func(l Layer) bool { return Playable(l.Codec) }) {
		out = append(out, rung(top, side(top)))
		out[0].Needed = true
	}
	for _, at := range []int{1080, 720, 480, 360} {
		if at >= side(top) || covered(at) {
			continue
		}
		from := usable[slices.IndexFunc(usable, func(l Layer) bool { return side(l) >= at })]
		out = append(out, rung(from, at))
	}
	return out
}

// Playable reports whether HLS players take a codec as it is.
func Playable(codec string) bool {
	switch codec {
	case media.H264, media.H265, media.VP9, media.AV1:
		return true
	default:
		return false
	}
}

func side(l Layer) int { return min(l.Width, l.Height) }

// rung scales a Layer to a shorter side.
func rung(from Layer, at int) Rung {
	even := func(v int) int { return max(int(math.Round(float64(v)*float64(at)/float64(side(from))/2))*2, 2) }
	r := Rung{Name: fmt.Sprintf("%dp", at), From: from.Name, Width: even(from.Width), Height: even(from.Height)}
	r.Bitrate = rungBitrate(r.Width, r.Height)
	return r
}

// rungBitrate is the average bitrate of a picture in bit/s, by its area between
// those of the steps, which are 16:9.
func rungBitrate(width, height int) int {
	if width <= 0 || height <= 0 {
		return steps()[3].bitrate
	}
	at := math.Sqrt(float64(width) * float64(height) * 9 / 16)
	all := steps()
	if at >= float64(all[0].side) {
		return all[0].bitrate
	}
	for i, low := range all[1:] {
		if high := all[i]; at >= float64(low.side) {
			share := (at - float64(low.side)) / float64(high.side-low.side)
			return round(low.bitrate + int(share*float64(high.bitrate-low.bitrate)))
		}
	}
	return all[len(all)-1].bitrate
}

// round makes a bitrate one that people can read.
func round(bitrate int) int { return (bitrate + 5_000) / 10_000 * 10_000 }
