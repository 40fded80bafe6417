package playlist

import (
	"strings"
	"testing"

	oracle "github.com/bluenviron/gohlslib/v2/pkg/playlist"
	"github.com/stretchr/testify/require"
)

func video(name string, rank int, bandwidth uint64) Rendition {
	return Rendition{
		Name: name, URI: name + "/index.m3u8", Video: true, Codecs: "avc1.42c01f", Width: 640, Height: 360,
		FrameRate: 29.97002997, Bandwidth: bandwidth, AverageBandwidth: bandwidth / 2, Rank: rank,
	}
}

var sound = Rendition{
	Name: "audio", URI: "audio/index.m3u8", Codecs: "mp4a.40.2", Channels: 2, Bandwidth: 140_000, AverageBandwidth: 128_000,
}

func TestMultivariant(t *testing.T) {
	all := []Rendition{video("q", 0, 400_000), video("h", 1, 1_000_000), video("f", 2, 4_000_000), sound}
	got := string(AppendMultivariant(nil, all, true))
	require.Equal(t, `#EXTM3U
#EXT-X-VERSION:6
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="audio",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="audio/index.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=1140000,AVERAGE-BANDWIDTH=628000,CODECS="avc1.42c01f,mp4a.40.2",RESOLUTION=640x360,FRAME-RATE=29.970,AUDIO="audio"
h/index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=4140000,AVERAGE-BANDWIDTH=2128000,CODECS="avc1.42c01f,mp4a.40.2",RESOLUTION=640x360,FRAME-RATE=29.970,AUDIO="audio"
f/index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=540000,AVERAGE-BANDWIDTH=328000,CODECS="avc1.42c01f,mp4a.40.2",RESOLUTION=640x360,FRAME-RATE=29.970,AUDIO="audio"
q/index.m3u8
`, got)
	var m oracle.Multivariant
	require.NoError(t, m.Unmarshal([]byte(got)))
	require.Len(t, m.Variants, 3)
}

func TestMultivariantOfOneKind(t *testing.T) {
	var m oracle.Multivariant
	require.NoError(t, m.Unmarshal(AppendMultivariant(nil, []Rendition{sound}, true)))
	require.Len(t, m.Variants, 1)
	require.Equal(t, "audio/index.m3u8", m.Variants[0].URI)
	require.Empty(t, m.Renditions)

	m = oracle.Multivariant{}
	require.NoError(t, m.Unmarshal(AppendMultivariant(nil, []Rendition{video("f", 0, 9_000_000)}, false)))
	require.Len(t, m.Variants, 1)
	require.Empty(t, m.Variants[0].Audio)
	require.False(t, m.IndependentSegments)
}

func TestMultivariantWithTwoSounds(t *testing.T) {
	opus := sound
	opus.Name, opus.Codecs = "opus", "opus"
	var m oracle.Multivariant
	require.NoError(t, m.Unmarshal(AppendMultivariant(nil, []Rendition{video("f", 0, 1), sound, opus}, true)))
	require.Len(t, m.Renditions, 2)
	require.Len(t, m.Variants, 2)
	require.Equal(t, []string{"avc1.42c01f", "opus"}, m.Variants[1].Codecs)
}

// What is not known yet is left out rather than guessed at.
func TestMultivariantOfTheUnknown(t *testing.T) {
	v := video("f", 0, 0)
	v.Codecs, v.Width, v.FrameRate, v.AverageBandwidth = "", 0, 0, 0
	v.Name = "a\"b\r\nc"
	got := string(AppendMultivariant(nil, []Rendition{v, sound}, true))
	for _, no := range []string{"CODECS", "RESOLUTION", "FRAME-RATE"} {
		require.NotContains(t, strings.SplitAfter(got, "STREAM-INF")[1], no)
	}
}

// What starts on demand is not what players begin with, however light it is.
func TestMultivariantBeginsWithWhatIsThere(t *testing.T) {
	heavy := Rendition{Name: "f", URI: "f", Video: true, Rank: 1, Bandwidth: 8_000_000}
	light := Rendition{Name: "360p", URI: "360p", Video: true, Bandwidth: 800_000, OnDemand: true}
	uris := func(all ...Rendition) (out []string) {
		for line := range strings.Lines(string(AppendMultivariant(nil, all, true))) {
			if line = strings.TrimSpace(line); line[0] != '#' {
				out = append(out, line)
			}
		}
		return out
	}
	require.Equal(t, []string{"f", "360p"}, uris(light, heavy))
	require.Equal(t, []string{"360p"}, uris(light))
	light.OnDemand = false
	require.Equal(t, []string{"360p", "f"}, uris(light, heavy))
}
