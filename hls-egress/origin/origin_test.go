package origin

import (
	"net/http"
	"strings"
	"testing"

	"github.com/bluenviron/gohlslib/v2/pkg/playlist"
	"github.com/stretchr/testify/require"
)

func TestPlaysFromTheStart(t *testing.T) {
	r := newRig(t, 3)
	r.parts(23)
	res := r.get("index.m3u8")
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, typePlaylist, res.Header.Get("Content-Type"))
	require.Equal(t, "*", res.Header.Get("Access-Control-Allow-Origin"))
	var multi playlist.Multivariant
	require.NoError(t, multi.Unmarshal([]byte(text(t, res))))
	require.Len(t, multi.Variants, 3)
	require.Len(t, multi.Renditions, 1)
	require.Equal(t, []string{"avc1.42c01f", "mp4a.40.2"}, multi.Variants[0].Codecs)

	res = r.get(multi.Variants[0].URI)
	require.Equal(t, http.StatusOK, res.StatusCode)
	var media playlist.Media
	require.NoError(t, media.Unmarshal([]byte(text(t, res))))
	require.Len(t, media.Segments, 2)
	require.Len(t, media.Parts, 3)
	require.Len(t, media.RenditionReport, 3)
	require.NotNil(t, media.PreloadHint)
	folder := strings.TrimSuffix(multi.Variants[0].URI, "index.m3u8")
	whole := text(t, r.get(folder+media.Segments[0].URI))
	var joined strings.Builder
	for _, p := range media.Segments[0].Parts {
		part := r.get(folder + p.URI)
		require.Equal(t, http.StatusOK, part.StatusCode)
		joined.WriteString(text(t, part))
	}
	require.Equal(t, whole, joined.String()) // F9
	require.Len(t, whole, 40_000)
	require.Len(t, text(t, r.get(folder+media.Map.URI)), 600)
}
