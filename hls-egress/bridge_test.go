package hlsegress

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/hls-egress/segment"
)

// The simulcast layers are the renditions, and Opus becomes AAC.
func TestLadderOfLayers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{ffmpeg: "ffmpeg", bridge: Config{Segment: segment.Config{Segment: time.Second}}})
	w.broadcast("s", video(t, "q", avc), video(t, "h", avc), video(t, "f", avc), sound())
	index := w.until("s/index.m3u8", `(?s)TYPE=AUDIO.*\n[qhf]/.*\n[qhf]/.*\n[qhf]/`)
	require.Len(t, lines(index, "#EXT-X-STREAM-INF:"), 3)
	require.Contains(t, index, `mp4a.40.2`)
	list := w.until("s/f/index.m3u8", `-1\.mp4\n`)
	audio := w.until("s/audio/index.m3u8", `-1\.mp4\n`)

	// One clock: the first segments begin within a frame of each other.
	at := func(text string) time.Time {
		v, err := time.Parse(time.RFC3339Nano, lines(text, "#EXT-X-PROGRAM-DATE-TIME:")[0])
		require.NoError(t, err)
		return v
	}
	require.WithinDuration(t, at(list), at(audio), 100*time.Millisecond)
	require.WithinDuration(t, at(list), at(w.get("s/q/index.m3u8")), time.Millisecond)

	info := w.bridge.Info("s")
	require.NotNil(t, info)
	require.Len(t, info.Renditions, 4)
	require.Empty(t, info.OnDemand)
	require.Zero(t, info.Skew)
	require.WithinDuration(t, time.Now(), info.Used, 2*time.Second)
	require.Nil(t, w.bridge.Info("other"))
}

// A publisher that comes back goes on in the same playlists; when it does not,
// they end.
func TestLifeOfAStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{window: 2 * time.Second, bridge: Config{Segment: segment.Config{Segment: time.Second}}})
	stop := w.broadcast("s", video(t, "", avc), sound())
	w.until("s/video/index.m3u8", `-1\.mp4\n`)
	require.Contains(t, w.get("s/index.m3u8"), `"avc1.`)
	require.Contains(t, w.get("s/index.m3u8"), `opus"`, "no ffmpeg: audio as it comes")
	stop()
	stop = w.broadcast("s", video(t, "", avc), sound())
	w.until("s/video/index.m3u8", `(?s)#EXT-X-DISCONTINUITY\n.*mp4\n`)
	w.until("s/audio/index.m3u8", `(?s)#EXT-X-DISCONTINUITY\n.*mp4\n`)
	stop()
	w.until("s/video/index.m3u8", `#EXT-X-ENDLIST`)
	stop = w.broadcast("s", video(t, "", avc))
	defer stop()
	w.until("s/index.m3u8", `avc1\.[0-9A-Fa-f]+"`)
	require.NotContains(t, w.until("s/video/index.m3u8", `mp4`), "ENDLIST")
}

// What a publisher sent last is there soon after it has gone, in whole
// segments, whether or not another one ever comes.
func TestTheLastOfAPublisher(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{ffmpeg: "ffmpeg", bridge: Config{Segment: segment.Config{Segment: time.Second}}})
	stop := w.broadcast("s", video(t, "", avc), sound())
	const begun = `mp4\n#EXT-X-PROGRAM-DATE-TIME[^\n]*\n#EXT-X-PART`
	w.until("s/video/index.m3u8", begun)
	for n := 1; n <= 2; n++ {
		stop()
		const whole = `#EXTINF:[0-9.,]+\n[^#]+mp4\n#EXT-X-PRELOAD-HINT`
		w.until("s/video/index.m3u8", whole)
		w.until("s/audio/index.m3u8", whole)
		require.Contains(t, w.get("s/index.m3u8"), "TYPE=AUDIO")
		stop = w.broadcast("s", video(t, "", avc), sound())
		again := fmt.Sprintf(`(?s)(#EXT-X-DISCONTINUITY\n.*mp4\n.*){%d}`, n)
		w.until("s/video/index.m3u8", again)
		w.until("s/audio/index.m3u8", again)
		w.until("s/video/index.m3u8", begun)
	}
}

// VP8 has no place in HLS: ffmpeg makes H264 of it as soon as somebody asks.
func TestMadeOnDemand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{ffmpeg: "ffmpeg", bridge: Config{IdleAfter: 4 * time.Second, Segment: segment.Config{Segment: time.Second}}})
	w.broadcast("s", video(t, "", vp8), sound())
	index := w.until("s/index.m3u8", `180p/index.m3u8`)
	require.Contains(t, index, `RESOLUTION=320x180`)
	codecs := strings.SplitN(strings.SplitN(index, `CODECS="`, 2)[1], ",", 2)[0]
	list := w.until("s/180p/index.m3u8", `(?s)EXTINF.*EXTINF`)
	require.NotContains(t, list, "ENDLIST")
	require.Contains(t, w.get("s/index.m3u8"), codecs, "what was promised is what came")

	// Nobody asks any more: it stops, and starts anew for the next one.
	running := func() bool { return strings.Contains(w.get("s/audio/index.m3u8"), "../180p/") }
	require.True(t, running())
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(20 * time.Second); running(); <-poll.C {
		require.True(t, time.Now().Before(deadline), "it runs for nobody")
	}
	require.Contains(t, w.get("s/index.m3u8"), "180p/index.m3u8")
	w.until("s/180p/index.m3u8", `EXTINF`)
}

// What is made for somebody goes on with the next publisher.
func TestRungsOfTheNextPublisher(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{ffmpeg: "ffmpeg", bridge: Config{Segment: segment.Config{Segment: time.Second}}})
	stop := w.broadcast("s", video(t, "", vp8), sound())
	w.until("s/index.m3u8", `180p/index.m3u8`)
	w.until("s/180p/index.m3u8", `(?s)EXTINF.*EXTINF`)
	stop()
	stop = w.broadcast("s", video(t, "", vp8), sound())
	w.until("s/180p/index.m3u8", `(?s)#EXT-X-DISCONTINUITY\n.*EXTINF.*EXTINF`)
	stop()
	w.broadcast("s", video(t, "", avc), sound())
	w.until("s/index.m3u8", `video/index.m3u8`)
	w.until("s/video/index.m3u8", `EXTINF`)
	require.Eventually(t, func() bool { return !strings.Contains(w.get("s/index.m3u8"), "180p") }, 20*time.Second, 50*time.Millisecond)
}

// A stream of VP8 without sound has nothing but what is made on demand.
func TestOnlyOnDemand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{ffmpeg: "ffmpeg", bridge: Config{Segment: segment.Config{Segment: time.Second}}})
	w.broadcast("s", video(t, "", vp8))
	w.until("s/index.m3u8", `180p/index.m3u8`)
	w.until("s/180p/index.m3u8", `EXTINF`)
}

// When ffmpeg cannot make AAC after all, the audio goes on as Opus.
func TestAudioWithoutFFmpeg(t *testing.T) {
	t.Parallel()
	broken := filepath.Join(t.TempDir(), "ffmpeg")
	// It says what it can, and then fails at everything.
	script := "#!/bin/sh\ncase \"$*\" in *pipe:*) exit 1;; *) exec ffmpeg \"$@\";; esac\n"
	require.NoError(t, os.WriteFile(broken, []byte(script), 0o700)) //nolint:gosec // it has to run
	w := newWorld(t, worldOptions{ffmpeg: broken, bridge: Config{Segment: segment.Config{Segment: time.Second}}})
	w.broadcast("s", video(t, "", avc), sound())
	w.until("s/index.m3u8", `opus"`)
	w.until("s/audio/index.m3u8", `-[1-9]\.mp4`)
}

// Silence goes where audio is missing, and nowhere else.
func TestSilence(t *testing.T) {
	s := sent()
	noon := time.Unix(0, 0)
	second := func(n float64) segment.Sample {
		return segment.Sample{Time: int64(n * segment.VideoTimescale), Wall: time.Unix(0, int64(n*1e9))}
	}
	require.Empty(t, s.fill(second(10)), "there was never any audio")
	require.Empty(t, s.alone(noon))
	s.heard(noon, segment.Sample{Time: 10 * segment.AudioTimescale, Wall: time.Unix(10, 0)})
	require.Empty(t, s.fill(second(10.3)))
	out := s.fill(second(10.4))
	require.Equal(t, int64(10.02*segment.AudioTimescale), out[0].Time)
	require.Len(t, out, 9, "up to 200 ms before the picture")
	require.Equal(t, time.Unix(10, 20_000_000), out[0].Wall)
	require.Empty(t, s.fill(second(10.41)))
	require.Len(t, s.fill(second(3600)), 5, "an hour is a new beginning")
}

// Where there are no pictures the time that passes tells what is missing.
func TestSilenceOfSoundAlone(t *testing.T) {
	s := sent()
	noon := time.Unix(1000, 0)
	s.heard(noon, segment.Sample{Time: 10 * segment.AudioTimescale, Wall: noon.Add(-time.Second)})
	require.Empty(t, s.alone(noon.Add(290*time.Millisecond)))
	out := s.alone(noon.Add(380 * time.Millisecond))
	require.Len(t, out, 9)
	require.Equal(t, int64(10.02*segment.AudioTimescale), out[0].Time)
	require.Equal(t, noon.Add(-980*time.Millisecond), out[0].Wall)
	late := out[8].Time + 960
	s.heard(noon.Add(400*time.Millisecond), segment.Sample{Time: late, Wall: noon})
	require.Empty(t, s.alone(noon.Add(600*time.Millisecond)))
}

// An ffmpeg that hangs keeps nobody from playing: there is silence meanwhile.
func TestSoundOfHangingFFmpeg(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ffmpeg")
	script := "#!/bin/sh\ncase \"$*\" in *pipe:*) ;; *) exec ffmpeg \"$@\";; esac\n" +
		"if [ -e " + path + ".once ]; then exec sleep 1000; fi\n" +
		"touch " + path + ".once\nexec 3<&0\nffmpeg \"$@\" <&3 &\nsleep 3\nkill -STOP $!\nwait\n"
	require.NoError(t, os.WriteFile(path, []byte(script), 0o700)) //nolint:gosec // it has to run
	w := newWorld(t, worldOptions{ffmpeg: path, bridge: Config{Segment: segment.Config{Segment: time.Second}}})
	w.broadcast("s", video(t, "", avc), sound())
	w.until("s/audio/index.m3u8", `-9\.mp4`)
	require.Contains(t, w.get("s/index.m3u8"), "mp4a.40.2", "it is still AAC")
}

// A publisher that comes back without sound has silence.
func TestComesBackWithoutSound(t *testing.T) {
	t.Parallel()
	for name, ffmpeg := range map[string]string{"Opus": "", "AAC": "ffmpeg"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldOptions{ffmpeg: ffmpeg, bridge: Config{Segment: segment.Config{Segment: time.Second}}})
			stop := w.broadcast("s", video(t, "", avc), sound())
			w.until("s/audio/index.m3u8", `-1\.mp4\n`)
			stop()
			w.broadcast("s", video(t, "", avc))
			w.until("s/audio/index.m3u8", `(?s)#EXT-X-DISCONTINUITY\n.*mp4\n.*mp4\n`)
		})
	}
}
