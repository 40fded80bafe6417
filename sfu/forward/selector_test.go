package forward

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/freshet-live/freshet/sfu/media"
)

var (
	key   = &media.Packet{Keyframe: true, FrameStart: true}
	delta = &media.Packet{FrameStart: true}
)

// ladder returns the three Layers of a simulcast publisher, q h f.
func ladder() []*media.Layer {
	layers := make([]*media.Layer, 3)
	for i, rid := range []string{"q", "h", "f"} {
		layers[i] = &media.Layer{Kind: media.Video, RID: rid, Rank: i}
		layers[i].SetStatus(media.LayerStatus{Active: true, Width: 320 << i, Height: 180 << i})
	}
	return layers
}

func TestSelectorTarget(t *testing.T) {
	all := []bool{true, true, true}
	tests := []struct {
		name   string
		limit  Limit
		active []bool
		want   string
	}{
		{"automatic is the highest", Limit{}, all, "f"},
		{"nil means all active", Limit{}, nil, "f"},
		{"the highest active", Limit{}, []bool{true, true, false}, "h"},
		{"by hand", Limit{RID: "q"}, all, "q"},
		{"R3: by hand, else the next lower", Limit{RID: "f"}, []bool{true, false, false}, "q"},
		{"R3: by hand, else the next higher", Limit{RID: "q"}, []bool{false, true, true}, "h"},
		{"by hand a RID that is not there", Limit{RID: "x"}, all, "f"},
		{"a size", Limit{MaxWidth: 700}, all, "h"},
		{"a height", Limit{MaxHeight: 180}, all, "q"},
		{"a size that nothing fits", Limit{MaxWidth: 10}, all, "q"},
		{"nothing fits and the lowest is off", Limit{MaxWidth: 10}, []bool{false, true, true}, "h"},
		{"ranks", Limit{Ranks: 2}, all, "h"},
		{"none active", Limit{}, []bool{false, false, false}, "f"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s Selector
			s.SetLimit(tt.limit)
			s.SetLayers(ladder(), tt.active)
			require.Equal(t, tt.want, s.Target().RID)
			require.Equal(t, tt.limit, s.Limit())
		})
	}
}

func TestSelectorUnknownSizeFits(t *testing.T) {
	var s Selector
	s.SetLimit(Limit{MaxWidth: 100})
	s.SetLayers([]*media.Layer{{RID: "only"}}, nil)
	require.Equal(t, "only", s.Target().RID)
}

// R19: a switch waits for the new Layer's keyframe, the old one goes on.
func TestSelectorSwitchWaitsForKeyframe(t *testing.T) {
	var s Selector
	layers := ladder()
	q, f := layers[0], layers[2]
	accept := func(l *media.Layer, p *media.Packet, take, switched bool) {
		t.Helper()
		gotTake, gotSwitched := s.Accept(l, p)
		require.Equal(t, [2]bool{take, switched}, [2]bool{gotTake, gotSwitched})
	}
	accept(q, key, false, false)
	s.SetLayers(layers, nil)
	require.Equal(t, f, s.NeedKeyframe())
	accept(f, delta, false, false)
	accept(q, key, false, false)
	accept(f, key, true, true)
	accept(f, delta, true, false)
	require.Nil(t, s.NeedKeyframe())

	s.SetLimit(Limit{RID: "q"})
	require.Equal(t, q, s.NeedKeyframe())
	require.Equal(t, f, s.Current())
	accept(f, delta, true, false)
	accept(q, delta, false, false)
	accept(q, key, true, true)
	accept(f, key, false, false)
	accept(nil, key, false, false)
}

// R3: the viewer falls back when the Layer stops and returns when it is back.
func TestSelectorFallsBackAndReturns(t *testing.T) {
	var s Selector
	layers := ladder()
	s.SetLimit(Limit{RID: "f"})
	s.SetLayers(layers, []bool{true, true, true})
	s.Accept(layers[2], key)
	s.SetLayers(layers, []bool{true, true, false})
	require.Equal(t, layers[1], s.NeedKeyframe())
	take, _ := s.Accept(layers[2], delta)
	require.True(t, take, "what still comes of the old Layer goes on")
	s.Accept(layers[1], key)
	require.Equal(t, layers[1], s.Current())
	s.SetLayers(layers, []bool{true, true, true})
	require.Equal(t, layers[2], s.NeedKeyframe())
	s.Accept(layers[2], key)
	require.Nil(t, s.NeedKeyframe())
}

// A picture that stands still makes all Layers inactive; that is no reason to
// switch.
func TestSelectorKeepsTargetWhenNothingSends(t *testing.T) {
	var s Selector
	layers := ladder()
	s.SetLayers(layers, []bool{true, true, false})
	s.Accept(layers[1], key)
	s.SetLayers(layers, []bool{false, false, false})
	require.Equal(t, layers[1], s.Target())
	require.Nil(t, s.NeedKeyframe())
}

// E64: a publisher that comes back brings new Layers to the same viewer.
func TestSelectorFollowsTheNextPublication(t *testing.T) {
	var s Selector
	old, next := ladder(), ladder()
	s.SetLayers(old, nil)
	s.Accept(old[2], key)
	s.SetLayers(nil, nil)
	require.Nil(t, s.Target())
	require.Nil(t, s.NeedKeyframe())
	s.SetLayers(next[:1], nil)
	require.Equal(t, next[0], s.NeedKeyframe())
	take, _ := s.Accept(old[0], key)
	require.False(t, take)
	_, switched := s.Accept(next[0], key)
	require.True(t, switched)
	take, _ = s.Accept(old[2], delta)
	require.False(t, take)
}

// R8: a viewer's PLI asks for a keyframe of what it sees, without a pause.
func TestSelectorRestart(t *testing.T) {
	var s Selector
	layers := ladder()
	s.Restart()
	require.Nil(t, s.NeedKeyframe(), "nothing to ask yet")
	s.SetLayers(layers, nil)
	s.Accept(layers[2], key)
	s.Restart()
	require.Equal(t, layers[2], s.NeedKeyframe())
	take, switched := s.Accept(layers[2], delta)
	require.True(t, take)
	require.False(t, switched)
	require.NotNil(t, s.NeedKeyframe())
	s.Accept(layers[2], key)
	require.Nil(t, s.NeedKeyframe())

	s.Restart()
	s.SetLimit(Limit{RID: "h"})
	s.Accept(layers[2], key)
	require.Equal(t, layers[1], s.NeedKeyframe(), "the switch is still wanted")
	s.Accept(layers[1], key)
	require.Nil(t, s.NeedKeyframe(), "the switch was the keyframe")
}

func TestSelectorAudio(t *testing.T) {
	var s Selector
	audio := &media.Layer{Kind: media.Audio}
	s.SetLayers([]*media.Layer{audio}, nil)
	take, switched := s.Accept(audio, key)
	require.True(t, take && switched)
}

// Whatever happens, the Target is one of the Layers, an active one if there is
// any, and only its keyframe makes it the Current one.
func TestSelectorProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Selector
		layers := ladder()
		active := []bool{true, true, true}
		t.Repeat(map[string]func(*rapid.T){
			"layers": func(t *rapid.T) {
				layers = ladder()[:rapid.IntRange(0, 3).Draw(t, "layers")]
				active = []bool{true, true, true}[:len(layers)]
				s.SetLayers(layers, active)
			},
			"active": func(t *rapid.T) {
				active = rapid.SliceOfN(rapid.Bool(), len(layers), len(layers)).Draw(t, "active")
				s.SetLayers(layers, active)
			},
			"limit": func(t *rapid.T) {
				s.SetLimit(Limit{
					RID:      rapid.SampledFrom([]string{"", "", "q", "h", "f", "x"}).Draw(t, "rid"),
					MaxWidth: rapid.SampledFrom([]int{0, 100, 640}).Draw(t, "width"),
					Ranks:    rapid.IntRange(0, 3).Draw(t, "ranks"),
				})
			},
			"restart": func(*rapid.T) { s.Restart() },
			"packet": func(t *rapid.T) {
				if len(layers) == 0 {
					t.Skip("no layers")
				}
				l := rapid.SampledFrom(layers).Draw(t, "layer")
				p := rapid.SampledFrom([]*media.Packet{key, delta}).Draw(t, "packet")
				before, target := s.Current(), s.Target()
				take, switched := s.Accept(l, p)
				require.Equal(t, l == before || switched, take)
				require.Equal(t, l != before && l == target && p.Keyframe, switched)
				if switched {
					require.Equal(t, l, s.Current())
				} else {
					require.Equal(t, before, s.Current())
				}
			},
			"": func(t *rapid.T) {
				if s.Current() == nil && s.Target() == nil {
					return
				}
				anyActive, targetActive, listed := false, false, false
				for i, l := range layers {
					anyActive = anyActive || active[i]
					if l == s.Target() {
						listed, targetActive = true, active[i]
					}
				}
				require.Equal(t, len(layers) > 0, listed)
				require.Equal(t, anyActive, targetActive)
				if s.Target() != s.Current() {
					require.Equal(t, s.Target(), s.NeedKeyframe())
				}
			},
		})
	})
}

// The Bound is what the Limit alone allows: a Layer that is paused because
// nobody wants it must not bound anybody.
func TestSelectorBound(t *testing.T) {
	var s Selector
	_, ok := s.Bound()
	require.False(t, ok)
	layers := []*media.Layer{{RID: "q", Rank: 0}, {RID: "h", Rank: 1}, {RID: "f", Rank: 2}}
	for i, height := range []int{180, 360, 720} {
		layers[i].SetStatus(media.LayerStatus{Width: height * 16 / 9, Height: height})
	}
	s.SetLayers(layers, []bool{true, false, false})
	for _, c := range []struct {
		limit Limit
		want  int
	}{
		{Limit{}, 2}, {Limit{RID: "h"}, 1}, {Limit{RID: "q"}, 0}, {Limit{RID: "none"}, 2},
		{Limit{MaxHeight: 360}, 1}, {Limit{MaxHeight: 10}, 0}, {Limit{Ranks: 1}, 0},
	} {
		s.SetLimit(c.limit)
		rank, ok := s.Bound()
		require.True(t, ok)
		require.Equal(t, c.want, rank, "%+v", c.limit)
	}
}
