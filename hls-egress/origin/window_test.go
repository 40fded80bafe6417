package origin

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func files(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*", "*"+mp4))
	require.NoError(t, err)
	return all
}

// live makes parts in the bubble's time.
func (r *rig) live(d time.Duration) {
	for range d / r.p.Part {
		time.Sleep(r.p.Part) //nolint:forbidigo // the clock is a fake one
		r.parts(1)
		r.o.sweep(time.Now())
	}
}

// L19: what was listed can be had for as long as a player may want it, from
// the disk behind the live edge, and then it is gone.
func TestWindow(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hls")
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1, func(c *Config) { c.Dir, c.Window = dir, 30*time.Second })
		r.live(8 * time.Second)
		first := text(t, r.get("v0/"+segmentName(r.s.run, 0)))
		second := text(t, r.get("v0/"+partName(r.s.run, 0, 1)))
		require.Len(t, first, 40_000)
		require.NoDirExists(t, dir, "nothing is that old")

		r.live(10 * time.Second)
		require.NotEmpty(t, files(t, dir))
		v := r.s.rendition("v0").store.Load()
		require.Nil(t, v.segment(0).parts)
		require.NotNil(t, v.segment(3).parts, "the live edge is in memory")
		require.Equal(t, first, text(t, r.get("v0/"+segmentName(r.s.run, 0))))
		require.Equal(t, second, text(t, r.get("v0/"+partName(r.s.run, 0, 1))))
		res := r.get("v0/"+segmentName(r.s.run, 0), "Range", "bytes=3990-4009")
		require.Equal(t, http.StatusPartialContent, res.StatusCode)
		require.Equal(t, first[3990:4010], text(t, res))

		r.live(16 * time.Second) // 34 s: no longer listed, but a player may have the playlist
		require.NotContains(t, text(t, r.get("v0/index.m3u8")), segmentName(r.s.run, 0)+"\n")
		require.Equal(t, first, text(t, r.get("v0/"+segmentName(r.s.run, 0))))
		r.live(40 * time.Second)
		require.Equal(t, http.StatusNotFound, r.get("v0/"+segmentName(r.s.run, 0)).StatusCode)
		held := len(files(t, dir))
		r.live(60 * time.Second)
		require.InDelta(t, held, len(files(t, dir)), 2, "the window moves and does not grow")
		require.LessOrEqual(t, len(r.s.rendition("v0").kept), 36)

		r.s.End()
		time.Sleep(31 * time.Second) //nolint:forbidigo // the clock is a fake one
		r.o.sweep(time.Now())
		require.Empty(t, files(t, dir))
		require.NoError(t, r.o.disk.close())
		require.NoDirExists(t, r.o.disk.dir)
	})
}

// Renditions that went are forgotten when nobody can want their media.
func TestRenditionsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2, func(c *Config) { c.Window = 30 * time.Second })
		r.live(5 * time.Second)
		r.p.Remove("v1")
		r.live(20 * time.Second)
		require.Equal(t, http.StatusOK, r.get("v1/"+segmentName(r.s.run, 1)).StatusCode)
		r.live(30 * time.Second)
		require.Len(t, *r.s.renditions.Load(), 2)
		require.Equal(t, http.StatusNotFound, r.get("v1/"+segmentName(r.s.run, 1)).StatusCode)
		require.Equal(t, http.StatusNotFound, r.get("v1/"+initName(r.s.run, 0)).StatusCode)
	})
}

// A disk that fails keeps segments in memory.
func TestDiskFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(dir, nil, 0o600))
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1, func(c *Config) { c.Dir, c.Window = dir, 30*time.Second })
		r.live(40 * time.Second)
		require.Len(t, text(t, r.get("v0/"+segmentName(r.s.run, 1))), 40_000)
		require.LessOrEqual(t, len(r.s.rendition("v0").kept), 36)
	})
}

// A file that has gone before its time is a 404, not half an answer.
func TestFileIsMissing(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1, func(c *Config) { c.Dir, c.Window = dir, 30*time.Second })
		r.live(20 * time.Second)
		for _, f := range files(t, dir) {
			require.NoError(t, os.Remove(f))
		}
		res := r.get("v0/" + segmentName(r.s.run, 0))
		require.Equal(t, http.StatusNotFound, res.StatusCode)
		require.Equal(t, "*", res.Header.Get("Access-Control-Allow-Origin"))
		require.Empty(t, res.Header.Get("Etag"))
	})
}

// What a process that died has left is removed; what a living one has is not.
func TestOldFilesAreRemoved(t *testing.T) {
	dir := t.TempDir()
	other := &disk{parent: dir}
	require.NoError(t, other.open())
	dead := filepath.Join(dir, dirPrefix+"dead")
	require.NoError(t, os.Mkdir(dead, 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(dead, lockFile), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dead, "v0-x-1.mp4"), nil, 0o600))
	foreign := filepath.Join(dir, "mine")
	require.NoError(t, os.Mkdir(foreign, 0o750))

	r := newRig(t, 1, func(c *Config) { c.Dir = dir })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.o.Run(ctx) }()
	require.Eventually(t, func() bool {
		_, err := os.Stat(dead)
		return os.IsNotExist(err)
	}, 5*time.Second, time.Millisecond)
	cancel()
	require.NoError(t, <-done)
	require.DirExists(t, other.dir)
	require.DirExists(t, foreign)
	require.NoError(t, other.close())
}
