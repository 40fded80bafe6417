package transcode

import (
	"slices"
	"testing"
	"time"

	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/sfu/media"
)

// BenchmarkLatency measures in real time how long a sample is on its way
// through ffmpeg, by kind of job.
func BenchmarkLatency(b *testing.B) {
	for _, c := range []struct {
		name          string
		codec         string
		width, height int
		job           Job
	}{
		{"opus-aac", media.Opus, 0, 0, audioJob()},
		{"h264-720-480", media.H264, 1280, 720, videoJob(media.H264, 854, 480)},
		{"h264-1080-720", media.H264, 1920, 1080, videoJob(media.H264, 1280, 720)},
		{"vp8-720-720", media.VP8, 1280, 720, videoJob(media.VP8, 1280, 720)},
		{"vp9-720-480", media.VP9, 1280, 720, videoJob(media.VP9, 854, 480)},
		{"av1-720-480", media.AV1, 1280, 720, videoJob(media.AV1, 854, 480)},
		{"h265-720-480", media.H265, 1280, 720, videoJob(media.H265, 854, 480)},
	} {
		b.Run(c.name, func(b *testing.B) {
			var clip []segment.Sample
			scale := int64(segment.VideoTimescale)
			if c.codec == media.Opus {
				clip, scale = sounds(b, "anoisesrc=duration=5:sample_rate=48000:amplitude=0.3"), segment.AudioTimescale
			} else {
				clip = pictures(b, c.codec, c.width, c.height, 5)
			}
			for b.Loop() {
				all := latencies(b, c.job, clip, scale)
				b.ReportMetric(ms(all[0]), "first-ms")
				rest := all[len(all)/10:]
				slices.Sort(rest)
				b.ReportMetric(ms(rest[len(rest)/2]), "p50-ms")
				b.ReportMetric(ms(rest[len(rest)*95/100]), "p95-ms")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// latencies plays a clip in real time. A sample is out when what comes out has
// reached its time.
func latencies(b *testing.B, job Job, clip []segment.Sample, scale int64) (all []time.Duration) {
	s, _ := supervise(b, Config{})
	sent := make(chan segment.Sample, len(clip))
	at := make(chan time.Time, len(clip))
	done := make(chan struct{})
	var waiting *segment.Sample
	var since time.Time
	p, err := s.Start(job, func(r Result) {
		now := time.Now()
		for len(all) < len(clip) {
			if waiting == nil {
				select {
				case w := <-sent:
					waiting, since = &w, <-at
				default:
					return
				}
			}
			if waiting.Time > r.Sample.Time {
				return
			}
			if all = append(all, now.Sub(since)); len(all) == len(clip)-10 {
				close(done)
			}
			waiting = nil
		}
	})
	if err != nil {
		b.Skip(err)
	}
	began := time.Now()
	for _, sample := range clip {
		<-time.After(time.Until(began.Add(time.Duration(sample.Time-clip[0].Time) * time.Second / time.Duration(scale))))
		at <- time.Now()
		sent <- sample
		p.Write(sample)
	}
	<-done
	p.Stop()
	<-p.Done()
	return all
}
