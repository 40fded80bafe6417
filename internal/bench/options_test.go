package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOptionTexts(t *testing.T) {
	var r Rate
	require.NoError(t, r.UnmarshalText([]byte("500/5s")))
	require.Equal(t, Rate{500, 5 * time.Second}, r)
	require.Equal(t, 10*time.Millisecond, r.interval())
	require.NoError(t, r.UnmarshalText([]byte("5/s")))
	require.Equal(t, Rate{5, time.Second}, r)

	var b Bits
	for text, want := range map[string]Bits{"400k": 400_000, "2.5M": 2_500_000, "64000": 64_000} {
		require.NoError(t, b.UnmarshalText([]byte(text)))
		require.Equal(t, want, b, text)
	}

	var p Percent
	for text, want := range map[string]Percent{"5%": .05, "0.05": .05, "0": 0} {
		require.NoError(t, p.UnmarshalText([]byte(text)))
		require.InDelta(t, float64(want), float64(p), 1e-9, text)
	}

	for text, into := range map[string]interface{ UnmarshalText([]byte) error }{
		"500": &r, "0/5s": &r, "-1/s": &r, "5/0s": &r, "5/": &r, "x/5s": &r,
		"": &b, "k": &b, "-1k": &b, "NaN": &b, "1e300M": &b,
		"101%": &p, "-5%": &p, "%": &p, "NaN%": &p,
	} {
		require.ErrorIs(t, into.UnmarshalText([]byte(text)), ErrOptions, text)
	}
}

func TestOptionsThatCannotWork(t *testing.T) {
	good := ViewerOptions{URL: "http://x/whep/x", Viewers: 1, Duration: time.Second}
	require.NoError(t, good.check())
	for name, spoil := range map[string]func(*ViewerOptions){
		"no URL":      func(o *ViewerOptions) { o.URL = "" },
		"no viewer":   func(o *ViewerOptions) { o.Viewers = 0 },
		"no duration": func(o *ViewerOptions) { o.Duration = 0 },
		"all lost":    func(o *ViewerOptions) { o.Path.Loss = 1 },
	} {
		bad := good
		spoil(&bad)
		_, err := RunViewers(t.Context(), bad)
		require.ErrorIs(t, err, ErrOptions, name)
	}
	_, err := RunPublishers(t.Context(), PublisherOptions{URL: "http://x/whip/x", Duration: time.Second})
	require.ErrorIs(t, err, ErrOptions)
}
