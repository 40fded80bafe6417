package fanout

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/media"
)

func h264(profile, mode string) media.Codec {
	fmtp := "level-asymmetry-allowed=1;profile-level-id=" + profile
	if mode != "" {
		fmtp += ";packetization-mode=" + mode
	}
	return media.Codec{Name: media.H264, ClockRate: 90000, Fmtp: fmtp}
}

func video(name, fmtp string) media.Codec {
	return media.Codec{Name: name, ClockRate: 90000, Fmtp: fmtp}
}

func TestPickCodec(t *testing.T) { // R9, R14
	// The H264 formats of a browser, in its order.
	browser := []media.Codec{
		video(media.VP8, ""), h264("42001f", "1"), h264("42001f", "0"), h264("42e01f", "1"), h264("42e01f", "0"),
		h264("4d001f", "1"), h264("4d001f", "0"), h264("64001f", "1"),
	}
	for name, c := range map[string]struct {
		offered []media.Codec
		source  media.Codec
		want    int
	}{
		"identical":                 {browser, h264("4d001f", "1"), 5},
		"same profile, other level": {browser, h264("42e028", "1"), 3},
		"same profile, other spelling": {browser, media.Codec{
			Name: media.H264, ClockRate: 90000, Fmtp: "packetization-mode=1; profile-level-id=42C01E",
		}, 3},
		"single NAL units":             {browser, h264("42e01f", "0"), 4},
		"mode is missing":              {browser, h264("42e01f", ""), 3},
		"high":                         {browser, h264("640028", "1"), 7},
		"main for a high decoder":      {browser[7:], h264("4d0028", "1"), 0},
		"constrained for baseline":     {browser[1:2], h264("42e01f", "1"), 0},
		"high for a baseline decoder":  {browser[:5], h264("640028", "1"), 1},
		"FU-A for single NAL units":    {browser[2:3], h264("42001f", "1"), -1},
		"high 4:2:2":                   {browser, h264("7a0028", "1"), -1},
		"garbage profile":              {browser, h264("zz", "1"), -1},
		"no H264 at all":               {browser[:1], h264("42e01f", "1"), -1},
		"VP8":                          {browser, video(media.VP8, ""), 0},
		"VP9 default profile":          {[]media.Codec{video(media.VP9, "profile-id=2"), video(media.VP9, "profile-id=0")}, video(media.VP9, ""), 1},
		"VP9 profile 2":                {[]media.Codec{video(media.VP9, "profile-id=0")}, video(media.VP9, "profile-id=2"), -1},
		"AV1 main for professional":    {[]media.Codec{video(media.AV1, "profile=2;level-idx=5")}, video(media.AV1, "level-idx=8"), 0},
		"AV1 high for main":            {[]media.Codec{video(media.AV1, "")}, video(media.AV1, "profile=1"), -1},
		"H265 main for main 10":        {[]media.Codec{video(media.H265, "profile-id=2")}, video(media.H265, "level-id=93"), 0},
		"H265 main 10 for main":        {[]media.Codec{video(media.H265, "")}, video(media.H265, "profile-id=2"), -1},
		"Opus parameters only declare": {[]media.Codec{testOpus}, media.Codec{Name: media.Opus, ClockRate: 48000, Channels: 2, Fmtp: "usedtx=1"}, 0},
		"nothing":                      {nil, testOpus, -1},
	} {
		var offered []CodecParams
		for _, o := range c.offered {
			offered = append(offered, CodecParams{Codec: o})
		}
		require.Equal(t, c.want, pickCodec(offered, c.source), name)
	}
}

func FuzzPickCodec(f *testing.F) {
	f.Add("profile-level-id=42e01f;packetization-mode=1", "profile-level-id=64001f")
	f.Add("profile-level-id", ";;==;")
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, name := range []string{media.H264, media.H265, media.VP9, media.AV1} {
			require.Equal(t, identical, fitness(video(name, a), video(name, a)))
			fitness(video(name, a), video(name, b))
		}
	})
}
