package transcode

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/freshet-live/freshet/sfu/media"
)

func TestRungs(t *testing.T) {
	layers := func(codec string, sizes ...[2]int) []Layer {
		var out []Layer
		for i, s := range sizes {
			out = append(out, Layer{Name: string(rune('a' + i)), Codec: codec, Width: s[0], Height: s[1]})
		}
		return out
	}
	for _, c := range []struct {
		name   string
		layers []Layer
		want   []Rung
	}{
		{"1080p alone", layers(media.H264, [2]int{1920, 1080}), []Rung{
			{Name: "720p", From: "a", Width: 1280, Height: 720, Bitrate: 2_500_000},
			{Name: "480p", From: "a", Width: 854, Height: 480, Bitrate: 1_200_000},
			{Name: "360p", From: "a", Width: 640, Height: 360, Bitrate: 700_000},
		}},
		{"720p alone", layers(media.H264, [2]int{1280, 720}), []Rung{
			{Name: "480p", From: "a", Width: 854, Height: 480, Bitrate: 1_200_000},
			{Name: "360p", From: "a", Width: 640, Height: 360, Bitrate: 700_000},
		}},
		{"360p alone", layers(media.H264, [2]int{640, 360}), nil},
		{"simulcast of halves", layers(media.H264, [2]int{480, 270}, [2]int{960, 540}, [2]int{1920, 1080}), nil},
		{"simulcast from 720p", layers(media.H264, [2]int{1280, 720}, [2]int{640, 360}, [2]int{320, 180}), nil},
		{"a hole in the simulcast", layers(media.H264, [2]int{480, 270}, [2]int{1920, 1080}), []Rung{
			{Name: "720p", From: "b", Width: 1280, Height: 720, Bitrate: 2_500_000},
			{Name: "480p", From: "b", Width: 854, Height: 480, Bitrate: 1_200_000},
		}},
		{"upright", layers(media.H264, [2]int{720, 1280}), []Rung{
			{Name: "480p", From: "a", Width: 480, Height: 854, Bitrate: 1_200_000},
			{Name: "360p", From: "a", Width: 360, Height: 640, Bitrate: 700_000},
		}},
		{"VP8 needs H264", layers(media.VP8, [2]int{1280, 720}), []Rung{
			{Name: "720p", From: "a", Width: 1280, Height: 720, Bitrate: 2_500_000, Needed: true},
			{Name: "480p", From: "a", Width: 854, Height: 480, Bitrate: 1_200_000},
			{Name: "360p", From: "a", Width: 640, Height: 360, Bitrate: 700_000},
		}},
		{"VP8 simulcast is decoded where it is small", layers(media.VP8, [2]int{320, 180}, [2]int{640, 360}, [2]int{1280, 720}), []Rung{
			{Name: "720p", From: "c", Width: 1280, Height: 720, Bitrate: 2_500_000, Needed: true},
			{Name: "480p", From: "c", Width: 854, Height: 480, Bitrate: 1_200_000},
			{Name: "360p", From: "b", Width: 640, Height: 360, Bitrate: 700_000},
		}},
		{"odd VP8 size, no two rungs alike", layers(media.VP8, [2]int{853, 481}), []Rung{
			{Name: "481p", From: "a", Width: 854, Height: 482, Bitrate: 1_210_000, Needed: true},
			{Name: "360p", From: "a", Width: 638, Height: 360, Bitrate: 700_000},
		}},
		{"size not known", layers(media.H264, [2]int{0, 0}), nil},
		{"absurd", layers(media.H264, [2]int{100_000, 100_000}), nil},
		{"nothing", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, Rungs(c.layers)) })
	}
}

// TestRungsHold checks what must be true of any ladder.
func TestRungsHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		layers := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Layer {
			return Layer{
				Codec: rapid.SampledFrom([]string{media.H264, media.VP8, media.AV1}).Draw(t, "codec"),
				Width: rapid.IntRange(-1, 9000).Draw(t, "width"), Height: rapid.IntRange(-1, 9000).Draw(t, "height"),
			}
		}), 0, 5).Draw(t, "layers")
		for i := range layers {
			layers[i].Name = strconv.Itoa(i)
		}
		rungs := Rungs(layers)
		names := map[string]bool{}
		for i, r := range rungs {
			require.False(t, names[r.Name])
			names[r.Name] = true
			require.Positive(t, r.Bitrate)
			if i > 0 && r.From == rungs[i-1].From { // others may be of another shape
				require.LessOrEqual(t, r.Bitrate, rungs[i-1].Bitrate*11/10)
			}
			var from *Layer
			for _, l := range layers {
				if l.Name == r.From && side(l) >= min(r.Width, r.Height)-1 {
					from = &l
				}
			}
			require.NotNil(t, from, "made from nothing larger")
			require.NoError(t, Job{Kind: media.Video, From: media.Codec{Name: from.Codec}, To: media.H264, Width: r.Width, Height: r.Height, Bitrate: r.Bitrate}.check())
		}
	})
}
