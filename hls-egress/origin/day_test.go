package origin

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/sfu/media"
)

// A Stream that goes on for a day does not grow: neither in memory nor on the
// disk, though its publisher comes back every minute under other names and
// with other sizes, and rungs come and go. The clock is a fake one; a whole day
// of it takes some minutes:
//
//	TEST_DAY=24h go test -run TestLongStream -timeout 1h -v ./hls-egress/origin
func TestLongStream(t *testing.T) {
	long := 30 * time.Minute
	if text := os.Getenv("TEST_DAY"); text != "" {
		var err error
		long, err = time.ParseDuration(text)
		require.NoError(t, err)
	} else if testing.Short() {
		t.Skip("takes seconds")
	}
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1, func(c *Config) { c.Dir = dir })
		d := &broadcastDay{t: t, rig: r, ladder: segment.NewLadder(segment.Config{}), time: 10 * segment.VideoTimescale}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.o.Run(ctx) }()
		var first, last holdings
		for ran := time.Duration(0); ran < long; ran += time.Minute {
			d.publish()
			d.run(time.Minute)
			last = d.held()
			if ran == long/3 {
				first = last
			}
			if ran%time.Hour == 0 {
				t.Logf("%v: %+v", ran, last)
			}
		}
		t.Logf("%v: %+v", long, last)
		require.InDelta(t, first.heap, last.heap, 400_000, "bytes of heap")
		require.InDelta(t, first.files, last.files, 30)
		require.LessOrEqual(t, last.renditions, first.renditions+2)
		require.LessOrEqual(t, last.sections, first.sections+4)
		require.Greater(t, last.files, 20, "it does go to the disk")
		require.Equal(t, http.StatusOK, r.get("index.m3u8").StatusCode)
		require.Greater(t, d.msn, uint64(long/time.Second/3))
		cancel()
		require.NoError(t, <-done)
	})
}

// holdings is what a server has.
type holdings struct{ heap, files, renditions, segments, sections int }

// broadcastDay is a publisher with two Layers, sound and a rung.
type broadcastDay struct {
	t      *testing.T
	rig    *rig
	ladder *segment.Ladder
	s      *Stream
	layers []string
	rung   bool
	turn   int
	time   int64 // in VideoTimescale
	sound  int64 // the next sample of sound, in AudioTimescale
	key    bool
	msn    uint64
}

var daySizes = [][]byte{
	{
		0x67, 0x42, 0xc0, 0x0d, 0xd9, 0x01, 0x41, 0x9f, 0x9f, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03,
		0xc8, 0xf1, 0x42, 0xa4, 0x80,
	},
	{
		0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00, 0x03, 0x00,
		0x3c, 0x8f, 0x16, 0x2e, 0x48,
	},
}

// publish lets another publisher go on.
func (d *broadcastDay) publish() {
	now := time.Now()
	d.apply(d.ladder.Discontinue(now))
	for _, name := range d.layers {
		d.apply(d.ladder.Remove(now, name))
	}
	d.turn++
	d.layers, d.key = []string{"q", fmt.Sprintf("f%d", d.turn)}, true
	for rank, name := range d.layers {
		spec := segment.Spec{Name: name, Kind: media.Video, Rank: rank, Codec: media.Codec{Name: media.H264, ClockRate: 90_000}}
		require.NoError(d.t, d.ladder.Add(now, spec))
	}
	if d.turn == 1 {
		codec := media.Codec{Name: media.Opus, ClockRate: 48_000, Channels: 2}
		require.NoError(d.t, d.ladder.Add(now, segment.Spec{Name: "audio", Kind: media.Audio, Codec: codec}))
	}
	if d.s != nil {
		d.s.Offer([]segment.Rendition{{Spec: segment.Spec{Name: fmt.Sprintf("%dp", 180+d.turn%50), Kind: media.Video}}})
	}
}

// run lets time pass, a tenth of a second and a picture at a time.
func (d *broadcastDay) run(long time.Duration) {
	const step = 100 * time.Millisecond
	for at := time.Duration(0); at < long; at += step {
		time.Sleep(step) //nolint:forbidigo // the clock is a fake one
		if at%(20*time.Second) == 0 {
			d.toggle()
		}
		d.time += int64(step) * segment.VideoTimescale / int64(time.Second)
		d.pictures()
		for ; d.sound*90 <= d.time*48; d.sound += 2880 {
			d.write("audio", segment.Sample{Time: d.sound, Key: true, Units: [][]byte{{0x18, 1, 2, 3}}})
		}
		d.apply(d.ladder.Tick(time.Now()))
		if at%time.Second == 0 && d.s != nil {
			for _, path := range []string{"index.m3u8", "q/index.m3u8", "audio/index.m3u8"} {
				d.rig.get(path, "Accept-Encoding", "gzip")
			}
		}
	}
}

// toggle lets the rung come or go.
func (d *broadcastDay) toggle() {
	if d.rung = !d.rung; !d.rung {
		d.apply(d.ladder.Remove(time.Now(), "90p"))
		return
	}
	spec := segment.Spec{Name: "90p", Kind: media.Video, Rank: -1, Transcoded: true, Codec: media.Codec{Name: media.H264, ClockRate: 90_000}}
	require.NoError(d.t, d.ladder.Add(time.Now(), spec))
}

func (d *broadcastDay) pictures() {
	units := [][]byte{{0x41, 0x9a, byte(d.turn)}}
	s := segment.Sample{Time: d.time, Key: d.key, Units: units}
	d.key = false
	for i, name := range d.layers {
		if s.Key {
			s.Units = [][]byte{daySizes[(i+d.turn)%2], {0x68, 0xcb, 0x83, 0xcb, 0x20}, {0x65, 0x88, byte(d.turn)}}
		}
		d.write(name, s)
	}
	if d.rung {
		d.write("90p", s)
	}
}

func (d *broadcastDay) write(name string, s segment.Sample) {
	s.Wall = time.Now()
	d.apply(d.ladder.Write(time.Now(), name, s))
}

func (d *broadcastDay) apply(out segment.Output) {
	d.key = d.key || out.Keyframes || len(out.KeyframesOf) > 0
	if part, target := d.ladder.Target(); d.s == nil && part > 0 {
		d.s = d.rig.o.Open("demo", part, target)
		d.rig.s = d.s
	}
	if d.s == nil || len(out.Parts) == 0 && out.Renditions == nil {
		return
	}
	for i := range out.Parts {
		d.msn = max(d.msn, out.Parts[i].MSN)
	}
	d.s.Apply(out)
}

func (d *broadcastDay) held() (h holdings) {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // pools keep what they have for one more
	runtime.ReadMemStats(&m)
	h.heap = int(m.HeapAlloc)
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	for _, r := range *d.s.renditions.Load() {
		h.renditions++
		h.segments += len(r.kept)
		h.sections += len(*r.inits.Load())
	}
	h.files = len(files(d.t, d.rig.o.cfg.Dir))
	return h
}
