package whep

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/signaling/session"
)

var start = time.Unix(1_000_000, 0)

func snapshot(state media.State, epoch uint64, viewers int, rids ...string) *media.Snapshot {
	s := &media.Snapshot{Name: "demo", State: state, Epoch: epoch, Viewers: viewers}
	for i, rid := range rids {
		l := &media.Layer{Kind: media.Video, Codec: media.Codec{Name: media.VP8}, RID: rid, Rank: i, Epoch: epoch}
		l.SetStatus(media.LayerStatus{Active: true, Bitrate: uint64(100_000 * (i + 1)), Width: 320 * (i + 1), Height: 180 * (i + 1), Upper: [3]uint64{10_000}})
		s.Video = append(s.Video, l)
		s.Active = append(s.Active, true)
	}
	return s
}

func newFeed(names ...string) *feed {
	f := &feed{wants: map[string]bool{}, videoIndex: 1}
	for _, n := range names {
		f.wants[n] = true
	}
	return f
}

func text(t require.TestingT, events []session.Event) (all []string) {
	for _, e := range events {
		data, err := json.Marshal(e.Data)
		require.NoError(t, err)
		all = append(all, e.Name+" "+string(data))
	}
	return all
}

func TestActiveAndInactive(t *testing.T) { // E66
	f := newFeed(eventActive, eventInactive)
	for i, step := range []struct {
		snap *media.Snapshot
		want []string
	}{
		{snapshot(media.Idle, 0, 1), nil},
		{snapshot(media.Live, 1, 1), []string{`active {"state":"live"}`}},
		{snapshot(media.Live, 1, 2, "q"), nil},
		{snapshot(media.Live, 2, 2), []string{`active {"state":"live"}`}}, // a take-over
		{snapshot(media.Reconnecting, 2, 2), []string{`inactive {"state":"reconnecting"}`}},
		{snapshot(media.Live, 3, 2), []string{`active {"state":"live"}`}},
		{snapshot(media.Reconnecting, 3, 2), []string{`inactive {"state":"reconnecting"}`}},
		{snapshot(media.Ended, 3, 2), []string{`inactive {"state":"ended"}`}},
		{snapshot(media.Ended, 3, 1), nil},
	} {
		require.Equal(t, step.want, text(t, f.next(start, step.snap)), "step %d", i)
	}
}

func TestNoInitialInactive(t *testing.T) { // E66
	for _, state := range []media.State{media.Idle, media.Reconnecting, media.Ended} {
		f := newFeed(eventActive, eventInactive)
		require.Empty(t, f.next(start, snapshot(state, 1, 1)), state)
	}
	f := newFeed(eventActive, eventInactive)
	require.Len(t, f.next(start, snapshot(media.Live, 4, 1)), 1, "but an initial active")
}

func TestLayers(t *testing.T) { // E61
	f := newFeed(eventLayers)
	snap := snapshot(media.Live, 1, 1, "q", "f")
	require.Equal(t, []string{
		`layers {"1":[{"rid":"q","bitrate":100000,"width":320,"height":180},{"rid":"f","bitrate":200000,"width":640,"height":360}]}`,
	}, text(t, f.next(start, snap)))
	require.Empty(t, f.next(start.Add(time.Hour), snap), "nothing new")

	snap.Video[0].SetStatus(media.LayerStatus{Active: true, Bitrate: 110_000, Width: 320, Height: 180})
	require.Empty(t, f.next(start.Add(2*time.Hour), snap), "small changes of bitrate are not news")
	snap.Video[0].SetStatus(media.LayerStatus{Active: true, Bitrate: 150_000, Width: 320, Height: 180})
	require.Len(t, f.next(start.Add(3*time.Hour), snap), 1)
	snap.Video[0].SetStatus(media.LayerStatus{Active: true, Bitrate: 300_000, Width: 320, Height: 180})
	require.Empty(t, f.next(start.Add(3*time.Hour+time.Second), snap), "nor are quick ones")

	paused := *snap
	paused.Active = []bool{true, false}
	require.Equal(t, []string{
		`layers {"1":[{"rid":"q","bitrate":300000,"width":320,"height":180},{"rid":"f","bitrate":0,"width":640,"height":360}]}`,
	}, text(t, f.next(start.Add(3*time.Hour+time.Second), &paused)), "a layer that stops is news at once")
}

func TestSingleLayer(t *testing.T) { // E61: one of rid, spatialLayerId is there
	f := newFeed(eventLayers)
	require.Equal(t, []string{`layers {"1":[{"spatialLayerId":0,"bitrate":100000,"width":320,"height":180}]}`},
		text(t, f.next(start, snapshot(media.Live, 1, 1, ""))))

	audioOnly := newFeed(eventLayers)
	audioOnly.videoIndex = -1
	require.Empty(t, audioOnly.next(start, snapshot(media.Live, 1, 1, "")))
}

func TestViewerCount(t *testing.T) { // E67
	f := newFeed(eventCount)
	require.Equal(t, []string{`viewercount {"viewercount":1}`}, text(t, f.next(start, snapshot(media.Live, 1, 1))))
	require.Empty(t, f.next(start.Add(500*time.Millisecond), snapshot(media.Live, 1, 2)), "at most once a second")
	require.Equal(t, []string{`viewercount {"viewercount":3}`}, text(t, f.next(start.Add(time.Second), snapshot(media.Live, 1, 3))))
	require.Empty(t, f.next(start.Add(time.Hour), snapshot(media.Live, 1, 3)))
}

// TestFeedProperties: whatever happens, only wanted events come out, active
// ones only while live, inactive ones never first, and counts no faster than
// once a second.
func TestFeedProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfDistinct(rapid.SampledFrom([]string{eventActive, eventInactive, eventLayers, eventCount}),
			func(s string) string { return s }).Draw(t, "wants")
		f := newFeed(names...)
		now, lastCount, looked := start, time.Time{}, false
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 1500).Draw(t, "ms")) * time.Millisecond)
			state := rapid.SampledFrom([]media.State{media.Idle, media.Live, media.Reconnecting, media.Ended}).Draw(t, "state")
			snap := snapshot(state, rapid.Uint64Range(0, 3).Draw(t, "epoch"), rapid.IntRange(0, 3).Draw(t, "viewers"),
				rapid.SampledFrom([][]string{nil, {""}, {"q", "h"}}).Draw(t, "rids")...)
			for _, e := range f.next(now, snap) {
				require.Contains(t, names, e.Name)
				switch e.Name {
				case eventActive, eventLayers:
					require.Equal(t, media.Live, state)
				case eventInactive:
					require.NotEqual(t, media.Live, state)
					require.True(t, looked)
				case eventCount:
					require.GreaterOrEqual(t, now.Sub(lastCount), countInterval)
					lastCount = now
				}
			}
			looked = true
		}
	})
}

func TestLayersWaitForTheFirstBitrate(t *testing.T) { // E61: 0 would say that it does not send
	f := newFeed(eventLayers)
	snap := snapshot(media.Live, 1, 1, "q", "f")
	fresh := snap.Video[1]
	fresh.SetStatus(media.LayerStatus{Active: true, Width: 640, Height: 360})
	require.Empty(t, f.next(start, snap))
	fresh.SetStatus(media.LayerStatus{Active: true, Bitrate: 1, Width: 640, Height: 360})
	require.Len(t, f.next(start, snap), 1)

	paused := snapshot(media.Live, 1, 1, "q", "f")
	paused.Active = []bool{true, false}
	paused.Video[1].SetStatus(media.LayerStatus{})
	require.Len(t, newFeed(eventLayers).next(start, paused), 1, "0 is true of a Layer that is off")
}
