package webhook

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/media"
)

// What it costs whoever tells, with a receiver that is not there and a queue
// that is full.
func BenchmarkTell(b *testing.B) {
	d, err := New(Config{URLs: []string{"http://127.0.0.1:1/"}, Dir: b.TempDir()}, keySigner{testKeys}, slog.New(slog.DiscardHandler), nil)
	require.NoError(b, err)
	live := &media.Snapshot{Name: "demo", State: media.Live, Epoch: 1, Since: t0}
	d.StreamChanged(live)
	b.Run("snapshot", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			d.StreamChanged(live)
		}
	})
	b.Run("viewer", func(b *testing.B) {
		b.ReportAllocs()
		v := viewer(1)
		for b.Loop() {
			d.Joined(v)
			d.Left(v)
		}
	})
}
