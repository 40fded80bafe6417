package transcode

import (
	"encoding/binary"
	"testing"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/hls-egress/segment"
)

// beep is silence with 100 ms of tone at 1.5 s.
const beep = "aevalsrc=exprs='if(between(t,1.5,1.6),0.8*sin(2*PI*1000*t),0)':sample_rate=48000:duration=3"

// onset is the time in samples at which the first channel becomes loud.
func onset(t testing.TB, pcm []byte) int64 {
	t.Helper()
	for i := 0; i+4 <= len(pcm); i += 4 {
		if v := int16(binary.LittleEndian.Uint16(pcm[i:])); v > 8000 || v < -8000 {
			return int64(i / 4)
		}
	}
	t.Fatal("silence")
	return 0
}

// played decodes Opus packets as a WHEP viewer does.
func played(t testing.TB, clip []segment.Sample) []byte {
	b := audioJob().header()
	for _, s := range clip {
		b = appendCluster(b, (s.Time-clip[0].Time)/3, true, s.Units[0])
	}
	return tool(t, b, "-f", "matroska", "-i", "pipe:0", "-af", "aresample=async=1:min_hard_comp=0.01", "-f", "s16le", "-ac", "2", "pipe:1")
}

// decodedAAC decodes access units one after the other.
func decodedAAC(t testing.TB, all []Result) []byte {
	var packets mpeg4audio.ADTSPackets
	for _, r := range all {
		packets = append(packets, &mpeg4audio.ADTSPacket{Type: mpeg4audio.ObjectTypeAACLC, SampleRate: 48000, ChannelConfig: 2, AU: r.Sample.Units[0]})
	}
	adts, err := packets.Marshal()
	require.NoError(t, err)
	return tool(t, adts, "-f", "aac", "-i", "pipe:0", "-f", "s16le", "-ac", "2", "pipe:1")
}

// TestSync: what is heard by AAC is heard when Opus has it, with packets lost
// or without.
func TestSync(t *testing.T) {
	s, _ := supervise(t, Config{})
	whole := sounds(t, beep)
	want := onset(t, played(t, whole))
	for name, lost := range map[string]func(i int) bool{
		"whole":    func(int) bool { return false },
		"losses":   func(i int) bool { return i == 10 || i == 30 || i == 31 },
		"big loss": func(i int) bool { return i >= 20 && i < 60 },
	} {
		t.Run(name, func(t *testing.T) {
			var clip []segment.Sample
			for i, s := range whole {
				if !lost(i) {
					clip = append(clip, s)
				}
			}
			b := newBasket()
			p, err := s.Start(audioJob(), b.put)
			require.NoError(t, err)
			feed(t, p, b, clip, segment.AudioTimescale)
			all := b.until(t, reached(clip[len(clip)-1].Time, 4*aacFrame))
			p.Stop()
			<-p.Done()
			for i, r := range all {
				require.EqualValues(t, clip[0].Time+int64(i)*aacFrame, r.Sample.Time, "no hole")
				require.False(t, r.Discontinuity)
			}
			got := onset(t, decodedAAC(t, all))
			t.Logf("AAC is %.2f ms late", float64(got-want)/48)
			require.InDelta(t, want, got, 5*48)
		})
	}
}

// TestSlewedClock: the Timeline corrects audio by single samples.
func TestSlewedClock(t *testing.T) {
	s, _ := supervise(t, Config{})
	clip := sounds(t, "sine=frequency=440:sample_rate=48000:duration=6")
	for i := range clip {
		clip[i].Time += int64(i) // 1040 ppm fast
	}
	b := newBasket()
	p, err := s.Start(audioJob(), b.put)
	require.NoError(t, err)
	feed(t, p, b, clip, segment.AudioTimescale)
	all := b.until(t, reached(clip[len(clip)-1].Time, 4*aacFrame))
	p.Stop()
	<-p.Done()
	for i, r := range all {
		require.EqualValues(t, clip[0].Time+int64(i)*aacFrame, r.Sample.Time)
	}
}
