package segment_test

import (
	"testing"
	"time"

	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/sfu/media"
)

// BenchmarkThreeLayers packages a second of simulcast (q, h, f at 30 frames per
// second, 3.45 Mbit/s) and Opus per iteration, with a Tick every 10 ms.
func BenchmarkThreeLayers(b *testing.B) {
	l := segment.NewLadder(segment.Config{})
	layers := simulcast()
	sizes := map[string]int{"q": 1040, "h": 2900, "f": 10400}
	type kept struct{ key, delta [][]byte }
	units := map[string]kept{}
	for _, e := range layers {
		if err := l.Add(noon, e.spec); err != nil {
			b.Fatal(err)
		}
		n := sizes[e.spec.Name]
		units[e.spec.Name] = kept{
			key:   [][]byte{{9, 0x10}, e.sps, pps264, append([]byte{0x65, 0x88}, make([]byte, 8*n)...)},
			delta: [][]byte{append([]byte{0x41, 0x9a}, make([]byte, n)...)},
		}
	}
	if err := l.Add(noon, segment.Spec{Name: "audio", Kind: media.Audio, Codec: opus}); err != nil {
		b.Fatal(err)
	}
	packet := [][]byte{make([]byte, 160)}
	parts, size, asked := 0, 0, true
	count := func(out segment.Output) {
		parts += len(out.Parts)
		for i := range out.Parts {
			size += len(out.Parts[i].Data)
		}
		asked = asked || out.Keyframes
	}
	b.ReportAllocs()
	b.ResetTimer()
	for second := range b.N {
		base := time.Duration(second) * time.Second
		for ms := time.Duration(0); ms < 1000; ms += 10 {
			now := noon.Add(base + ms*time.Millisecond)
			if ms%20 == 0 {
				count(l.Write(now, "audio", segment.Sample{Time: 480_000 + int64(base+ms*time.Millisecond)*48/1e6, Wall: now, Units: packet}))
			}
			if i := int64(ms+9) * 30 / 1000; int64(ms-1)*30/1000 < i || ms == 0 {
				at := base + time.Duration(i)*time.Second/30
				for _, e := range layers {
					s := segment.Sample{Time: 900_000 + int64(second)*90_000 + i*3000, Wall: noon.Add(at), Units: units[e.spec.Name].delta}
					if asked {
						s.Key, s.Units = true, units[e.spec.Name].key
					}
					count(l.Write(now, e.spec.Name, s))
				}
				asked = false
			}
			count(l.Tick(now))
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(parts)/float64(b.N), "parts/op")
	b.ReportMetric(float64(size)/float64(b.N), "B-out/op")
	b.ReportMetric(100*b.Elapsed().Seconds()/float64(b.N), "%core")
}
