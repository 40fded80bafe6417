package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	hlsegress "github.com/freshet-live/freshet/hls-egress"
	"github.com/freshet-live/freshet/hls-egress/origin"
	"github.com/freshet-live/freshet/hls-egress/segment"
	"github.com/freshet-live/freshet/hls-egress/transcode"
	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/signaling/api"
	"github.com/freshet-live/freshet/signaling/webhook"
)

// hlsSettings is the block hls of the settings.
type hlsSettings struct {
	Enabled bool          `yaml:"enabled"`
	Part    time.Duration `yaml:"part"`
	Segment time.Duration `yaml:"segment"`
	Window  time.Duration `yaml:"window"`
	Audio   string        `yaml:"audio"`
	// PerViewer gives each viewer playlists of their own, so that they end when
	// the viewer is banned.
	PerViewer bool `yaml:"per-viewer"`
	// Transcode is whether ffmpeg makes smaller pictures, and H264 of codecs
	// that players do not take by HLS.
	Transcode      bool   `yaml:"transcode"`
	FFmpeg         string `yaml:"ffmpeg"`
	MaxTranscoders int    `yaml:"max-transcoders"`
}

func defaultHLS() hlsSettings {
	return hlsSettings{
		Enabled: true, PerViewer: true, Part: 200 * time.Millisecond, Segment: 2 * time.Second, Window: time.Minute,
		Audio: string(hlsegress.AudioAuto), Transcode: true, FFmpeg: "ffmpeg",
	}
}

// The bounds of what can be set: shorter parts are mostly headers, longer ones
// are no low latency.
const (
	minPart, maxPart       = 100 * time.Millisecond, time.Second
	minSegment, maxSegment = time.Second, 10 * time.Second
	maxWindow              = 24 * time.Hour
)

func (h *hlsSettings) check() error {
	switch {
	case h.Part < minPart || h.Part > maxPart:
		return fmt.Errorf("hls.part: must be between %v and %v", minPart, maxPart)
	case h.Segment < minSegment || h.Segment > maxSegment || h.Segment < 2*h.Part:
		return fmt.Errorf("hls.segment: must be between %v and %v, and two parts or more", minSegment, maxSegment)
	case h.Window < 6*h.Segment || h.Window > maxWindow:
		return fmt.Errorf("hls.window: must be between six segments and %v", maxWindow)
	case h.MaxTranscoders < 0:
		return errors.New("hls.max-transcoders: must not be negative; 0 fits the machine")
	}
	switch hlsegress.Audio(h.Audio) {
	case hlsegress.AudioAuto, hlsegress.AudioAAC, hlsegress.AudioOpus:
		return nil
	default:
		return fmt.Errorf("hls.audio: %q is none of auto, aac, opus", h.Audio)
	}
}

// openHLS puts the bridge together; it leaves s.hls nil when it is off.
func (s *server) openHLS(set *settings, site *httpx.Site, reg prometheus.Registerer) (err error) {
	h := set.HLS
	if !h.Enabled {
		return nil
	}
	s.origin, err = origin.New(origin.Config{
		Site: site, Access: hlsAccess{&s.access, s.askAgain(webhook.Play, "hls")}, Barred: s.access.Barred,
		Window: h.Window, PerViewer: h.PerViewer, Dir: filepath.Join(set.DataDir, "hls"),
		Live: func(stream string) bool {
			snap := s.hub.Stream(stream)
			return snap != nil && snap.State == media.Live
		},
	}, s.log, reg)
	if err != nil {
		return err
	}
	ffmpeg := transcode.New(transcode.Config{Path: h.FFmpeg, MaxProcesses: h.MaxTranscoders}, s.log, reg)
	s.hls, err = hlsegress.New(hlsegress.Config{
		Segment: segment.Config{Part: h.Part, Segment: h.Segment},
		Audio:   hlsegress.Audio(h.Audio), NoRungs: !h.Transcode,
	}, s.hub, s.origin, ffmpeg, s.log, reg)
	return err
}

// egress is the Bridge as the API wants it.
type egress struct{ *hlsegress.Bridge }

// HLS describes a Stream as LL-HLS, nil when it is not served so.
func (e egress) HLS(stream string) *api.HLS {
	info := e.Info(stream)
	if info == nil {
		return nil
	}
	out := &api.HLS{
		URL: "/hls/" + stream + "/index.m3u8", PartTargetMs: info.Part.Milliseconds(),
		TargetDurationMs: info.Segment.Milliseconds(), SkewMs: float64(info.Skew) / float64(time.Millisecond),
		Renditions: []api.Rendition{},
	}
	if !info.Used.IsZero() {
		out.LastRequest = &info.Used
	}
	for _, r := range info.Renditions {
		state := "live"
		if !r.Silent.IsZero() {
			state = "standin"
		}
		out.Renditions = append(out.Renditions, describeRendition(r, state))
	}
	for _, r := range info.OnDemand {
		out.Renditions = append(out.Renditions, describeRendition(r, "on-demand"))
	}
	return out
}

func describeRendition(r segment.Rendition, state string) api.Rendition {
	return api.Rendition{
		Name: r.Name, Kind: r.Kind.String(), Codecs: r.Codecs, Width: r.Width, Height: r.Height,
		FrameRate: r.FrameRate, Bandwidth: r.Bandwidth, Transcoded: r.Transcoded, State: state,
	}
}
