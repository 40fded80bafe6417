package segment_test

import (
	"encoding/hex"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/hls-egress/segment/segtest"
	"github.com/freshet-live/freshet/sfu/media"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// Parameter sets of x264, baseline, at 30 frames per second.
var (
	sps180 = unhex("6742c00dd901419f9f0110000003001000000303c8f142a480")
	sps360 = unhex("6742c01ed900a02ff970110000030001000003003c8f162e48")
	sps720 = unhex("6742c01fd9005005bb0110000003001000000303c8f1832480")
	pps264 = unhex("68cb83cb20")
)

var h264 = media.Codec{Name: media.H264, ClockRate: 90000}
var opus = media.Codec{Name: media.Opus, ClockRate: 48000, Channels: 2}

// encoder is one simulated rendition.
type encoder struct {
	spec segment.Spec
	sps  []byte
	// delay is from capture to arrival, more of it for keyframes.
	delay, keyDelay time.Duration
	// every is how many of the captured frames it codes: 1 all of them.
	every int
	// skew is how many frames later it answers a request than others.
	skew int
	// lost and silent tell of frames that are never sent, by their number and
	// capture time since the beginning.
	lost   func(i int) bool
	silent func(at time.Duration) bool
	// keys replaces the answers to requests, where it is set.
	keys func(i int) bool
	// size is that of a frame, in bytes; keyframes have ten times as much.
	size int

	owes  int // frames until the keyframe that was asked for; -1 none
	began bool
	count int
}

// arrival is a sample under way.
type arrival struct {
	at     time.Time
	name   string
	sample segment.Sample
}

// world simulates a publisher, and watches what the Ladder makes of it.
type world struct {
	t        rapid.TB
	ladder   *segment.Ladder
	check    *segtest.Checker
	now      time.Time
	encoders []*encoder
	audio    string
	frame    int
	fps      int
	sound    int
	base     int64 // ticks of 90 kHz at capture 0
	asked    time.Time
	requests int
	again    []string
	transit  []arrival
	parts    []segment.Part
	jitter   int64 // of the camera, in ticks
	pause    func(at time.Duration) bool
	keep     bool
	// guess is how far off capture times are until the first sender report,
	// which comes after reported.
	guess, reported time.Duration
}

func layer(name string, rank int, sps []byte, size int) *encoder {
	return &encoder{
		spec: segment.Spec{Name: name, Kind: media.Video, Codec: h264, Rank: rank},
		sps:  sps, delay: 30 * time.Millisecond, keyDelay: 60 * time.Millisecond, every: 1, size: size, owes: -1,
	}
}

func simulcast() []*encoder {
	return []*encoder{layer("q", 0, sps180, 1000), layer("h", 1, sps360, 2900), layer("f", 2, sps720, 10000)}
}

func newWorld(t rapid.TB, cfg segment.Config, audio string, encoders ...*encoder) *world {
	w := &world{
		t: t, ladder: segment.NewLadder(cfg), now: noon, encoders: encoders, audio: audio, fps: 30,
		base: 10 * segment.VideoTimescale,
	}
	w.check = segtest.New(w.ladder.Target)
	for _, e := range encoders {
		require.NoError(t, w.ladder.Add(w.now, e.spec))
	}
	if audio != "" {
		codec := opus
		if audio == segment.AAC {
			codec = media.Codec{Name: segment.AAC}
		}
		require.NoError(t, w.ladder.Add(w.now, segment.Spec{Name: "audio", Kind: media.Audio, Codec: codec}))
	}
	return w
}

func (w *world) take(out segment.Output) {
	if out.Keyframes {
		w.asked = w.now
		w.requests++
	}
	for _, name := range out.KeyframesOf {
		for _, e := range w.encoders {
			if e.spec.Name == name && e.keys == nil {
				e.owes = 1
			}
		}
	}
	w.again = append(w.again, out.KeyframesOf...)
	w.check.Add(out)
	if w.keep {
		w.parts = append(w.parts, out.Parts...)
	}
}

// run lets d pass.
func (w *world) run(d time.Duration) {
	const step = 5 * time.Millisecond
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(step)
		w.capture()
		w.deliver()
		w.take(w.ladder.Tick(w.now))
	}
}

func (w *world) since() time.Duration { return w.now.Sub(noon) }

func (w *world) captured(i int) time.Duration {
	return time.Duration(i) * time.Second / time.Duration(w.fps)
}

// capture makes the frames and packets that are due.
func (w *world) capture() {
	for ; w.captured(w.frame) <= w.since(); w.frame++ {
		at := w.captured(w.frame)
		if w.pause != nil && w.pause(at) {
			continue
		}
		if !w.asked.IsZero() && !w.asked.After(noon.Add(at)) {
			w.asked = time.Time{}
			for _, e := range w.encoders {
				if e.keys == nil {
					e.owes = e.skew
				}
			}
		}
		for _, e := range w.encoders {
			w.encode(e, at)
		}
	}
	for ; w.audio != ""; w.sound++ {
		ticks := int64(960)
		if w.audio == segment.AAC {
			ticks = 1024
		}
		at := time.Duration(int64(w.sound) * ticks * int64(time.Second) / 48000)
		if at > w.since() {
			return
		}
		if w.pause != nil && w.pause(at) {
			continue
		}
		delay := 30 * time.Millisecond
		if w.audio == segment.AAC {
			delay = 200 * time.Millisecond
		}
		w.send(delay, "audio", segment.Sample{
			Time: w.base*48/90 + int64(w.sound)*ticks, Wall: noon.Add(at), Key: true, Units: [][]byte{make([]byte, 160)},
		})
	}
}

func (w *world) encode(e *encoder, at time.Duration) {
	if e.silent != nil && e.silent(at) {
		e.began = false
		return
	}
	key := !e.began
	switch {
	case e.keys != nil:
		key = key || e.keys(w.frame)
	case e.owes >= 0:
		key = key || e.owes == 0
		e.owes--
	}
	if !key && w.frame%e.every != 0 {
		return
	}
	e.began = true
	if !key && e.lost != nil && e.lost(w.frame) {
		return
	}
	off := int64(0)
	if w.jitter > 0 {
		off = int64(uint64(w.frame)*0x9e3779b97f4a7c15>>40)%(2*w.jitter) - w.jitter
	}
	s := segment.Sample{
		Time: w.base + int64(w.frame)*segment.VideoTimescale/int64(w.fps) + off, Key: key,
		Wall:  noon.Add(at + time.Duration(off)*time.Second/segment.VideoTimescale),
		Units: [][]byte{append([]byte{0x41, 0x9a}, make([]byte, e.size)...)},
	}
	delay := e.delay
	if key {
		delay = e.keyDelay
		s.Units = [][]byte{{9, 0x10}, e.sps, pps264, append([]byte{0x65, 0x88}, make([]byte, 10*e.size)...)}
	}
	e.count++
	w.send(delay, e.spec.Name, s)
}

func (w *world) send(delay time.Duration, name string, s segment.Sample) {
	at := s.Wall.Add(delay)
	if s.Wall.Before(noon.Add(w.reported)) {
		s.Wall = s.Wall.Add(w.guess)
	}
	w.transit = append(w.transit, arrival{at, name, s})
}

func (w *world) deliver() {
	slices.SortStableFunc(w.transit, func(a, b arrival) int { return a.at.Compare(b.at) })
	n := 0
	for ; n < len(w.transit) && !w.transit[n].at.After(w.now); n++ {
		w.take(w.ladder.Write(w.now, w.transit[n].name, w.transit[n].sample))
	}
	w.transit = w.transit[n:]
}

// good fails the test if any rule was broken.
func (w *world) good() {
	w.t.Helper()
	for _, v := range w.check.Violations {
		w.t.Error(v)
	}
	if w.t.Failed() {
		w.t.FailNow()
	}
}
