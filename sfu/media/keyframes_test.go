package media

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type deafSource struct{}

func (deafSource) RequestKeyframe(*Layer) {}
func (deafSource) End(error)              {}

func TestObedience(t *testing.T) {
	for name, c := range map[string]struct {
		// answers holds how long after each request, two seconds apart, a
		// keyframe comes; 0: none does.
		answers []time.Duration
		want    Obedience
	}{
		"never asked":      {nil, Untested},
		"once":             {[]time.Duration{50}, Untested},
		"twice":            {[]time.Duration{50, 400}, Obedient},
		"late is deaf":     {[]time.Duration{600, 700}, Deaf},
		"never":            {[]time.Duration{0, 0}, Deaf},
		"one of two":       {[]time.Duration{0, 50}, Untested},
		"one by chance":    {[]time.Duration{0, 50, 0}, Deaf},
		"the latest count": {[]time.Duration{0, 0, 0, 50, 50}, Obedient},
	} {
		t.Run(name, func(t *testing.T) {
			l := Layer{Source: deafSource{}, KeyframeInterval: time.Second}
			now := began
			for _, after := range c.answers {
				require.True(t, l.RequestKeyframe(now))
				require.False(t, l.RequestKeyframe(now.Add(after/2)), "merged")
				if after > 0 {
					l.KeyframeCame(now.Add(after * time.Millisecond))
				}
				now = now.Add(2 * time.Second)
			}
			require.Equal(t, c.want, l.Obedience(now))
		})
	}
}

func TestNextKeyframe(t *testing.T) {
	var l Layer
	_, ok := l.NextKeyframe(began)
	require.False(t, ok)
	l.KeyframeCame(began)
	_, ok = l.NextKeyframe(began)
	require.False(t, ok, "one keyframe has no period")
	l.KeyframeCame(began.Add(4 * time.Second))
	in, ok := l.NextKeyframe(began.Add(5 * time.Second))
	require.True(t, ok)
	require.Equal(t, 3*time.Second, in)
	in, _ = l.NextKeyframe(began.Add(9 * time.Second))
	require.Zero(t, in, "overdue")
}
