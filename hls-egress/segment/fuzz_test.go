package segment_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/hls-egress/segment/segtest"
	"github.com/freshet-live/freshet/sfu/media"
)

var videoCodecs = []string{media.H264, media.H265, media.AV1, media.VP9}

// FuzzKeyframe gives a Ladder keyframes of any bytes. Whatever it makes of them
// is whole, and good ones afterwards are packaged.
func FuzzKeyframe(f *testing.F) {
	for i, codec := range videoCodecs {
		frames, _ := recorded(f, codec)
		var whole []byte
		for _, unit := range frames[0] {
			if len(unit) < 200 {
				whole = append(append(whole, byte(len(unit))), unit...)
			}
		}
		f.Add(byte(i), whole)
	}
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		codec := videoCodecs[int(which)%len(videoCodecs)]
		frames, _ := recorded(t, codec)
		var units [][]byte
		for len(data) > 0 {
			n := min(int(data[0]), len(data)-1)
			units = append(units, data[1:1+n])
			data = data[1+n:]
		}
		l := segment.NewLadder(segment.Config{})
		require.NoError(t, l.Add(noon, segment.Spec{Name: "v", Kind: media.Video, Codec: media.Codec{Name: codec, ClockRate: 90000}}))
		check := segtest.New(l.Target)
		check.Lenient = true
		for i := range 60 {
			now := noon.Add(time.Duration(i) * time.Second / 10)
			s := segment.Sample{Time: 900_000 + int64(i)*9000, Wall: now, Key: true, Units: units}
			if i >= 30 {
				s.Units = frames[0]
			}
			check.Add(l.Write(now, "v", s))
			check.Add(l.Tick(now.Add(50 * time.Millisecond)))
		}
		check.Add(l.End(noon.Add(time.Minute)))
		require.Empty(t, check.Violations)
		require.NotZero(t, check.Parts("v"))
	})
}

// FuzzLadder writes samples at any times, in any order, with any silence.
func FuzzLadder(f *testing.F) {
	f.Add([]byte{0, 1, 30, 1, 0, 33, 2, 0, 60, 0, 1, 255, 3, 2, 9, 4, 0, 1, 5, 0, 7})
	f.Fuzz(func(t *testing.T, script []byte) {
		l := segment.NewLadder(segment.Config{})
		check := segtest.New(l.Target)
		check.Lenient, check.Dependent = true, true
		specs := []segment.Spec{
			{Name: "a", Kind: media.Video, Codec: h264}, {Name: "b", Kind: media.Video, Codec: h264, Rank: 1},
			{Name: "audio", Kind: media.Audio, Codec: opus},
		}
		for _, spec := range specs {
			require.NoError(t, l.Add(noon, spec))
		}
		now, at := noon, int64(900_000)
		for ; len(script) >= 3; script = script[3:] {
			what, how, step := script[0], script[1], time.Duration(script[2])*time.Millisecond
			now, at = now.Add(step), at+int64(step)*90/1000_000
			if how&0x40 != 0 {
				at += 90_000 * int64(how&7) // a pause
				now = now.Add(time.Duration(how&7) * time.Second)
			}
			switch w := what % 16; {
			case w < 12:
				name := specs[w%3].Name
				s := segment.Sample{Time: at, Wall: noon.Add(time.Duration(at-900_000) * time.Second / 90_000), Key: how&1 != 0, Lost: how&2 != 0}
				s.Units = [][]byte{{0x41, 0x9a, 1}}
				if s.Key {
					s.Units = [][]byte{sps360, pps264, {0x65, 0x88, how}}
				}
				if name == "audio" {
					s.Time = at * 48 / 90
				}
				check.Add(l.Write(now, name, s))
			case w < 14:
				for range how {
					now, at = now.Add(10*time.Millisecond), at+900
					check.Add(l.Tick(now))
				}
			case w == 14:
				check.Add(l.Discontinue(now))
			default:
				check.Add(l.Remove(now, specs[how%3].Name))
				_ = l.Add(now, specs[how%3])
			}
		}
		check.Add(l.End(now))
		for _, v := range check.Violations {
			// Where sound comes every few seconds and pictures are removed and
			// added between, segments may grow too long.
			if !strings.HasPrefix(v, "L6 ") {
				t.Error(v)
			}
		}
	})
}
