package playlist

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

// startBandwidth is up to which bandwidth in bit/s a variant may be the first:
// players begin with that one before they know their network. What is too much
// costs a stall, a step up at the next segment costs nothing.
const startBandwidth = 3_000_000

// Rendition is an entry of a multivariant playlist.
type Rendition struct {
	// Name tells audio renditions apart for people.
	Name string
	// URI is relative to the multivariant playlist.
	URI   string
	Video bool
	// Codecs is the parameter of RFC 6381.
	Codecs string
	// Width and Height are in pixels, FrameRate in frames per second; 0 while
	// unknown.
	Width, Height int
	FrameRate     float64
	// Channels is the number of audio channels.
	Channels int
	// Bandwidth and AverageBandwidth are in bit/s.
	Bandwidth, AverageBandwidth uint64
	// Rank orders video renditions from the lowest quality.
	Rank int
	// OnDemand is set for one that starts when somebody asks for it. It is the
	// first only if there is no other: it would be started by every viewer who
	// comes, and keep all of them waiting.
	OnDemand bool
}

// AppendMultivariant writes the multivariant playlist (section 4.4.6). Sound
// goes into a group of its own, or is all there is. With independent set, all
// segments begin with keyframes.
func AppendMultivariant(b []byte, all []Rendition, independent bool) []byte {
	b = append(b, "#EXTM3U\n#EXT-X-VERSION:6\n"...)
	if independent {
		b = append(b, "#EXT-X-INDEPENDENT-SEGMENTS\n"...)
	}
	var audio, video []Rendition
	for _, r := range all {
		if r.Video {
			video = append(video, r)
		} else {
			audio = append(audio, r)
		}
	}
	if len(video) == 0 {
		for _, a := range audio {
			b = appendVariant(b, a, nil)
		}
		return b
	}
	for i, a := range audio {
		b = appendAudio(b, a, i == 0)
	}
	for _, v := range startOrder(video, audio) {
		if len(audio) == 0 {
			b = appendVariant(b, v, nil)
		}
		for _, a := range audio {
			b = appendVariant(b, v, &a)
		}
	}
	return b
}

// startOrder puts the rendition to begin with first, and the others behind it,
// best first.
func startOrder(video, audio []Rendition) []Rendition {
	var sound uint64
	for _, a := range audio {
		sound = max(sound, a.Bandwidth)
	}
	video = slices.SortedStableFunc(slices.Values(video), func(a, b Rendition) int {
		return cmp.Or(cmp.Compare(b.Rank, a.Rank), cmp.Compare(b.Bandwidth, a.Bandwidth))
	})
	first := -1
	for i, v := range video {
		if v.OnDemand {
			continue
		}
		if first = i; v.Bandwidth+sound <= startBandwidth {
			break
		}
	}
	first = max(first, 0)
	start := video[first]
	return slices.Insert(slices.Delete(video, first, first+1), 0, start)
}

// appendAudio writes a group of its own for each audio rendition: those of one
// group would have to have the same codec (section 4.4.6.1.1).
func appendAudio(b []byte, a Rendition, first bool) []byte {
	b = append(b, "#EXT-X-MEDIA:TYPE=AUDIO"...)
	b = appendQuoted(b, ",GROUP-ID=", a.Name)
	b = appendQuoted(b, ",NAME=", a.Name)
	if first {
		b = append(b, ",DEFAULT=YES"...)
	}
	b = append(b, ",AUTOSELECT=YES"...)
	if a.Channels > 0 {
		b = appendQuoted(b, ",CHANNELS=", strconv.Itoa(a.Channels))
	}
	b = appendQuoted(b, ",URI=", a.URI)
	return append(b, '\n')
}

// appendVariant writes a variant stream: a video rendition with its sound, or
// the sound alone.
func appendVariant(b []byte, r Rendition, audio *Rendition) []byte {
	bandwidth, average, codecs := r.Bandwidth, r.AverageBandwidth, r.Codecs
	if audio != nil {
		bandwidth += audio.Bandwidth
		average += audio.AverageBandwidth
		codecs = joinCodecs(codecs, audio.Codecs)
	}
	b = append(b, "#EXT-X-STREAM-INF:BANDWIDTH="...)
	b = strconv.AppendUint(b, max(bandwidth, 1), 10)
	if average > 0 {
		b = append(b, ",AVERAGE-BANDWIDTH="...)
		b = strconv.AppendUint(b, average, 10)
	}
	if codecs != "" {
		b = appendQuoted(b, ",CODECS=", codecs)
	}
	if r.Width > 0 && r.Height > 0 {
		b = append(b, ",RESOLUTION="...)
		b = strconv.AppendInt(b, int64(r.Width), 10)
		b = append(b, 'x')
		b = strconv.AppendInt(b, int64(r.Height), 10)
	}
	if r.Video && r.FrameRate > 0 {
		b = append(b, ",FRAME-RATE="...)
		b = strconv.AppendFloat(b, math.Round(r.FrameRate*1e3)/1e3, 'f', 3, 64)
	}
	if audio != nil {
		b = appendQuoted(b, ",AUDIO=", audio.Name)
	}
	b = append(b, '\n')
	b = append(b, r.URI...)
	return append(b, '\n')
}

func joinCodecs(video, audio string) string {
	if video == "" || audio == "" {
		return "" // half of the truth would keep players from what they can play
	}
	return video + "," + audio
}

// appendQuoted writes a quoted-string, which cannot hold quotes and line
// breaks (section 4.2).
func appendQuoted(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, '"')
	b = append(b, strings.NewReplacer(`"`, "", "\r", "", "\n", "").Replace(value)...)
	return append(b, '"')
}
