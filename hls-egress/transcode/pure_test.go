package transcode

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os/exec"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/sfu/media"
)

func sampleAt(at int64, key bool, size int) segment.Sample {
	return segment.Sample{Time: at, Wall: epoch, Key: key, Units: [][]byte{make([]byte, size)}}
}

func TestQueue(t *testing.T) {
	type step struct {
		sample  segment.Sample
		dropped int
		behind  bool
	}
	for _, c := range []struct {
		name  string
		kind  media.Kind
		steps []step
		left  []int64
	}{
		{"begins with a keyframe", media.Video, []step{
			{sampleAt(1, false, 1), 1, false}, {sampleAt(2, true, 1), 0, false}, {sampleAt(3, false, 1), 0, false},
		}, []int64{2, 3}},
		{"nothing in it", media.Video, []step{{segment.Sample{Key: true}, 1, false}, {sampleAt(1, true, 0), 1, false}}, nil},
		{"too long a wait", media.Video, []step{
			{sampleAt(0, true, 1), 0, false}, {sampleAt(135_000, false, 1), 0, false},
			{sampleAt(135_001, false, 1), 3, true}, {sampleAt(135_002, false, 1), 1, false}, {sampleAt(135_003, true, 1), 0, false},
		}, []int64{135_003}},
		{"too long, and a keyframe", media.Video, []step{
			{sampleAt(0, true, 1), 0, false}, {sampleAt(135_001, true, 1), 1, true},
		}, []int64{135_001}},
		{"audio begins anywhere", media.Audio, []step{
			{sampleAt(0, true, 1), 0, false}, {sampleAt(72_001, true, 1), 1, true},
		}, []int64{72_001}},
		{"too many bytes", media.Video, []step{
			{sampleAt(0, true, 5<<20), 0, false}, {sampleAt(1, false, 5<<20), 2, true},
		}, nil},
		{"too many at once", media.Video, []step{{sampleAt(0, true, 9<<20), 1, false}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := newQueue(c.kind)
			dropped, _ := q.push(sampleAt(0, true, 1))
			require.Equal(t, 1, dropped, "not open")
			q.start()
			for i, s := range c.steps {
				dropped, behind := q.push(s.sample)
				require.Equal(t, s.dropped, dropped, "step %d", i)
				require.Equal(t, s.behind, behind, "step %d", i)
			}
			var left []int64
			for s, ok := q.pop(); ok; s, ok = q.pop() {
				left = append(left, s.Time)
			}
			require.Equal(t, c.left, left)
			require.Zero(t, q.bytes)
		})
	}
	q := newQueue(media.Video)
	q.start()
	for i := range int64(queueSamples) {
		dropped, _ := q.push(sampleAt(i, true, 1))
		require.Zero(t, dropped)
	}
	dropped, behind := q.push(sampleAt(queueSamples, true, 1))
	require.Equal(t, queueSamples, dropped)
	require.True(t, behind)
}

func TestPace(t *testing.T) {
	now := time.Unix(0, 0)
	p := pace{limit: 10 * time.Second}
	require.False(t, p.behind(now))
	require.False(t, p.behind(now.Add(8*time.Second)))
	require.False(t, p.behind(now.Add(19*time.Second)), "a pause: that was a moment")
	require.False(t, p.behind(now.Add(28*time.Second)))
	require.True(t, p.behind(now.Add(30*time.Second)))
}

func TestWatch(t *testing.T) {
	now := time.Unix(0, 0)
	at := func(ms int) time.Time { return now.Add(time.Duration(ms) * time.Millisecond) }
	w := watch{hang: time.Second}
	require.False(t, w.hangs(at(10_000)), "nothing went in")
	w.in(at(10_000))
	w.in(at(12_900))
	require.False(t, w.hangs(at(13_000)), "ffmpeg starts")
	require.True(t, w.hangs(at(13_001)))
	w.out()
	require.False(t, w.hangs(at(99_000)))
	w.in(at(100_000))
	require.False(t, w.hangs(at(101_001)), "one input proves nothing")
	w.writing = true
	require.True(t, w.hangs(at(101_001)), "unless it is not taken")
	w.writing = false
	w.in(at(101_000))
	require.True(t, w.hangs(at(101_001)))
}

// TestPictureClock: whatever the times, each picture gets its own back.
func TestPictureClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newClock(media.Video)
		at := rapid.Int64Range(0, 1<<50).Draw(t, "start")
		now := time.Unix(0, 0)
		var last, lastAt int64 = math.MinInt64, -1
		type sent struct{ time, at int64 }
		var pending []sent
		for range rapid.IntRange(1, 200).Draw(t, "frames") {
			at += rapid.OneOf(rapid.Int64Range(-3000, 6000), rapid.Int64Range(0, 60), rapid.Int64Range(0, 1<<40)).Draw(t, "step")
			in, ok, err := c.enter(now, sampleAt(at, false, 1))
			require.NoError(t, err)
			require.Equal(t, at > last, ok)
			if ok {
				require.Greater(t, in, lastAt)
				last, lastAt = at, in
				pending = append(pending, sent{at, in})
			}
			if len(pending) > 0 && rapid.Bool().Draw(t, "out") {
				i := rapid.IntRange(0, min(len(pending)-1, 2)).Draw(t, "which")
				s, _, ok, err := c.leave(packet{at: pending[i].at & timeMask})
				require.NoError(t, err)
				require.True(t, ok)
				require.Equal(t, pending[i].time, s.Time)
				pending = pending[i+1:]
			}
		}
	})
}

// TestSoundClock: access units lie on a grid of 1024 samples however their
// times were rounded, for longer than 31 bits last.
func TestSoundClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newClock(media.Audio)
		base := rapid.Int64Range(0, 1<<50).Draw(t, "start")
		at, _, err := c.enter(time.Unix(0, 0), sampleAt(base, true, 1))
		require.NoError(t, err)
		require.EqualValues(t, origin*samplesPerMs/3, at)
		skip := rapid.Int64Range(1, 400_000).Draw(t, "skip") // up to 8,500 s at once
		n := int64(-1)
		for range 200 {
			c.last = base + n*aacFrame + 2000
			ms := origin + (n*aacFrame*10/samplesPerMs+5)/10
			s, _, ok, err := c.leave(packet{at: ms & timeMask})
			require.NoError(t, err)
			require.Equal(t, n >= 0, ok)
			if ok {
				require.Equal(t, base+n*aacFrame, s.Time)
			}
			n += skip
		}
	})
	c := newClock(media.Audio)
	_, _, _, err := c.leave(packet{at: origin})
	require.ErrorIs(t, err, ErrGarbage, "nothing went in")
	_, _, err = c.enter(time.Time{}, sampleAt(0, true, 1))
	require.NoError(t, err)
	_, ok, err := c.enter(time.Time{}, sampleAt(longestGap, true, 1))
	require.NoError(t, err)
	require.True(t, ok)
	_, _, err = c.enter(time.Time{}, sampleAt(2*longestGap+1, true, 1))
	require.ErrorIs(t, err, errGap)
	_, _, _, err = c.leave(packet{at: 60_000})
	require.ErrorIs(t, err, ErrGarbage, "from the future")
}

func TestClockForgets(t *testing.T) {
	c := newClock(media.Video)
	for i := range int64(10 * memory) {
		_, _, err := c.enter(time.Time{}, sampleAt(i*3000, false, 1))
		require.NoError(t, err)
	}
	require.LessOrEqual(t, len(c.pending), memory)
}

// TestLateProcess: ffmpeg and the demuxer agree beyond 31 bits of ms, after 25
// days.
func TestLateProcess(t *testing.T) {
	clip := pictures(t, media.H264, 160, 90, 1)
	job := videoJob(media.H264, 0, 0)
	in := job.header()
	for i, s := range clip {
		in = appendCluster(in, 1<<31-500+int64(i)*33, s.Key, appendPayload(nil, media.H264, s.Units))
	}
	cmd := exec.Command("ffmpeg", job.args(1)...)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	require.NoError(t, err)
	d := newDemuxer(bytes.NewReader(out), true)
	for i := range clip {
		p, err := d.next()
		require.NoError(t, err)
		require.EqualValues(t, (1<<31-500+i*33)&timeMask, p.at)
	}
}

// flv is what ffmpeg writes.
func flv(t testing.TB, job Job, clip []segment.Sample) []byte {
	in := job.header()
	for i, s := range clip {
		in = appendCluster(in, origin+int64(i)*33, s.Key, appendPayload(nil, job.From.Name, s.Units))
	}
	cmd := exec.Command("ffmpeg", job.args(1)...)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	require.NoError(t, err)
	return out
}

func drain(r io.Reader, video bool) (n int, err error) {
	d := newDemuxer(r, video)
	for {
		p, err := d.next()
		if err != nil {
			return n, err
		}
		if len(p.units) == 0 || p.at < 0 || p.at > timeMask {
			return n, errors.New("a packet of nothing")
		}
		for _, u := range p.units {
			if len(u) == 0 {
				return n, errors.New("an empty unit")
			}
		}
		n++
	}
}

func TestDemuxer(t *testing.T) {
	clip := pictures(t, media.H264, 160, 90, 1)
	whole := flv(t, videoJob(media.H264, 0, 0), clip)
	for name, r := range map[string]io.Reader{
		"at once": bytes.NewReader(whole), "byte by byte": iotest.OneByteReader(bytes.NewReader(whole)),
	} {
		n, err := drain(r, true)
		require.ErrorIs(t, err, io.EOF, name)
		require.Equal(t, len(clip), n, name)
	}
	for n := 0; n < len(whole); n += 1 + n/50 { // cut anywhere, it just ends
		_, err := drain(bytes.NewReader(whole[:n]), true)
		require.ErrorIs(t, err, io.EOF)
	}
	_, err := drain(bytes.NewReader(whole), false)
	require.ErrorIs(t, err, ErrGarbage, "pictures instead of sound")
	huge := append(bytes.Clone(whole[:13]), tagVideo, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0)
	_, err = drain(bytes.NewReader(huge), true)
	require.ErrorIs(t, err, ErrGarbage)
}

func FuzzDemuxer(f *testing.F) {
	f.Add(flv(f, videoJob(media.H264, 0, 0), pictures(f, media.H264, 32, 32, 0.2)), true)
	f.Add(flv(f, audioJob(), sounds(f, "sine=duration=0.1")), false)
	f.Add([]byte("FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"), true)
	f.Fuzz(func(t *testing.T, b []byte, video bool) {
		if _, err := drain(bytes.NewReader(b), video); !errors.Is(err, io.EOF) && !errors.Is(err, ErrGarbage) {
			t.Fatal(err)
		}
	})
}

func TestParseCodecs(t *testing.T) {
	out, err := exec.Command("ffmpeg", "-v", "error", "-codecs").Output()
	require.NoError(t, err)
	all := parseCodecs(out)
	require.Contains(t, all.encoders["h264"], "libx264")
	require.Equal(t, []string{"opus", "libopus"}, all.decoders["opus"])
	require.Contains(t, all.encoders["aac"], "aac")
	require.Equal(t, "5.1.9-0+deb12u1", parseVersion([]byte("ffmpeg version 5.1.9-0+deb12u1 Copyright (c) 2000-2026")))
	require.Equal(t, "unknown", parseVersion([]byte("version a\nb c")))
	few := parseCodecs([]byte(" Codecs:\n D..... = Decoding supported\n DEA.L. aac  AAC\n D.V.L. av1 AV1\n"))
	require.ErrorContains(t, few.can(Job{To: segment.AAC}), "Opus")
	require.NotContains(t, few.can(Job{To: segment.AAC}).Error(), "AAC", "a codec without a list has one coder")
	require.ErrorIs(t, few.can(Job{To: media.H264, From: media.Codec{Name: media.AV1}}), ErrUnavailable)
}

func FuzzParseCodecs(f *testing.F) {
	f.Add([]byte(" DEV.LS h264  H.264 (decoders: h264 ) (encoders: libx264 )\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		all := parseCodecs(b)
		_ = all.can(Job{To: segment.AAC})
		_ = parseVersion(b)
	})
}

func TestOBUSizes(t *testing.T) {
	for _, c := range []struct{ in, out string }{
		{"\x12\x00", "\x12\x00"},                     // has a size
		{"\x30\x01\x02", "\x32\x02\x01\x02"},         // has none
		{"\x34\x08\x01\x02", "\x36\x08\x02\x01\x02"}, // with an extension
		{"\x34", "\x34"},                             // cut off
		{"\x30" + strings.Repeat("x", 200), "\x32\xc8\x01" + strings.Repeat("x", 200)},
	} {
		require.Equal(t, []byte(c.out), appendOBU(nil, []byte(c.in)))
	}
}

func TestWords(t *testing.T) {
	for in, want := range map[string]string{
		"  a line \n": "a line", "\x1b[31mred\x00": "[31mred", "\xff\xfe": "?", "\r\n": "",
	} {
		require.Equal(t, want, plain([]byte(in)))
	}
}

func TestBackoff(t *testing.T) {
	c := Config{}.withDefaults()
	require.Equal(t, 250*time.Millisecond, c.backoff(1))
	require.Equal(t, 500*time.Millisecond, c.backoff(2))
	require.Equal(t, 10*time.Second, c.backoff(1000))
}
