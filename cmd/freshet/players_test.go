package main

import (
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/gohlslib/v2"
	"github.com/bluenviron/gohlslib/v2/pkg/codecs"
	"github.com/stretchr/testify/require"
)

// heard counts what another implementation's client makes of the stream.
type heard struct {
	mu           sync.Mutex
	video, audio int
	keyframes    int
	last         int64
	wrong        []string
}

func (h *heard) picture(pts int64, units [][]byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.video++
	if pts <= h.last && h.video > 1 {
		h.wrong = append(h.wrong, "video goes back")
	}
	h.last = pts
	for _, u := range units {
		const idr = 5
		if len(u) > 0 && u[0]&0x1f == idr {
			h.keyframes++
			break
		}
	}
}

func (h *heard) count() (video, audio int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.video, h.audio
}

// Two players that are not ours play what the whole server makes.
func TestOtherPlayers(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("plays in real time")
	}
	r := serve(t, nil, "--data-dir", t.TempDir())
	r.publish(t, []string{"q", "h", "f", "audio"}, "--simulcast")
	url := r.base + "/hls/x-1/index.m3u8"
	t.Run("gohlslib", func(t *testing.T) { playByGohlslib(t, url) })
	t.Run("ffmpeg", func(t *testing.T) { playByFFmpeg(t, url) })
}

func playByGohlslib(t *testing.T, url string) {
	h := &heard{}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	quiet := func(string) {}
	c := &gohlslib.Client{
		URI: url, HTTPClient: &http.Client{Transport: transport},
		OnDownloadPrimaryPlaylist: quiet, OnDownloadStreamPlaylist: quiet, OnDownloadSegment: quiet, OnDownloadPart: quiet,
	}
	c.OnTracks = func(tracks []*gohlslib.Track) error {
		for _, track := range tracks {
			switch track.Codec.(type) {
			case *codecs.H264:
				c.OnDataH26x(track, func(pts, _ int64, units [][]byte) { h.picture(pts, units) })
			case *codecs.MPEG4Audio:
				c.OnDataMPEG4Audio(track, func(_ int64, units [][]byte) {
					h.mu.Lock()
					defer h.mu.Unlock()
					h.audio += len(units)
				})
			case *codecs.Opus:
				c.OnDataOpus(track, func(_ int64, packets [][]byte) {
					h.mu.Lock()
					defer h.mu.Unlock()
					h.audio += len(packets)
				})
			}
		}
		return nil
	}
	c.OnDecodeError = func(err error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.wrong = append(h.wrong, err.Error())
	}
	require.NoError(t, c.Start())
	defer func() {
		c.Close()
		_ = c.Wait2() // it was told to stop
	}()
	require.Eventually(t, func() bool {
		video, audio := h.count()
		return video > 90 && audio > 140
	}, 30*time.Second, 50*time.Millisecond)
	h.mu.Lock()
	defer h.mu.Unlock()
	require.Empty(t, h.wrong)
	require.Positive(t, h.keyframes)
}

// Y3, Y4: FFmpeg decodes ten seconds and finds nothing wrong.
func playByFFmpeg(t *testing.T, url string) {
	program, err := exec.LookPath("ffmpeg")
	require.NoError(t, err, "make tools installs it")
	out, err := exec.CommandContext(t.Context(), program, "-v", "warning", "-xerror", "-err_detect", "explode",
		"-i", url, "-t", "10", "-f", "null", "-").CombinedOutput()
	require.NoError(t, err, string(out))
	for line := range strings.Lines(string(out)) {
		// It says this of every HLS stream, once for each rendition.
		if !strings.Contains(strings.ToLower(line), "duplicated moov") && !strings.Contains(line, "Last message repeated") {
			t.Error(line)
		}
	}
}
