package bwe

import (
	"fmt"
	"math/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	second = 1000
	kbit   = 1e3
	mbit   = 1e6
)

func constant(rate float64) func(int) float64 { return func(int) float64 { return rate } }

// steps is 3M for twenty seconds, low for twenty, and 3M again.
func steps(low float64) func(int) float64 {
	return func(ms int) float64 {
		if ms >= 20*second && ms < 40*second {
			return low
		}
		return 3 * mbit
	}
}

func random(p float64) func(int, *rand.Rand) bool {
	return func(_ int, r *rand.Rand) bool { return r.Float64() < p }
}

func TestScenarios(t *testing.T) {
	for name, mk := range map[string]func() (source, *link){
		"steps": func() (source, *link) {
			return newLayered(), &link{rate: steps(400 * kbit), delay: 20 * time.Millisecond}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(mk())
			w.run(0, 60*second)
			for ms := 0; ms < 60*second; ms += 250 {
				s := w.trace[ms]
				fmt.Printf("%6d cap %.0fk est %.0fk sent %.0fk q %.0fms\n", ms, s.capacity/1e3, s.estimate/1e3, s.sent/1e3, s.queue)
			}
			require.NotZero(t, w.probes)
		})
	}
}
