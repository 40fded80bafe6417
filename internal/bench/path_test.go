package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPathOptions(t *testing.T) {
	second := time.Second
	good := PathOptions{Rate: 400_000, LimitAt: 5 * second, LimitFor: 20 * second, Loss: .1, Delay: second, Jitter: second}
	require.NoError(t, good.check(30*second))
	require.ErrorIs(t, good.check(25*second), ErrOptions)
	for name, o := range map[string]PathOptions{
		"all lost": {Loss: 1}, "negative": {Delay: -1}, "no rate": {LimitFor: second}, "long outage": {Outage: 40 * second},
	} {
		require.ErrorIs(t, o.check(30*second), ErrOptions, name)
	}
	for at, rate := range map[time.Duration]Bits{-second: 0, 0: 0, 5 * second: 400_000, 25*second - 1: 400_000, 25 * second: 0} {
		require.Equal(t, rate, good.at(at).rate, "%v", at)
	}
	always := PathOptions{Rate: 400_000}
	require.EqualValues(t, 400_000, always.at(-second).rate)
	_, _, ok := always.event()
	require.False(t, ok)
	outage := PathOptions{LimitAt: second, Outage: second}
	require.False(t, outage.at(second-1).down)
	require.True(t, outage.at(2*second-1).down)
	require.False(t, outage.at(2*second).down)
}

func TestPath(t *testing.T) {
	var p path
	due, ok := p.pass(time.Second, 1000, state{})
	require.True(t, ok)
	require.Equal(t, time.Second, due)
	narrow := state{rate: 80_000, delay: 50 * time.Millisecond} // a packet takes a tenth of a second
	for i := range 3 {
		due, ok = p.pass(time.Second, 1000, narrow)
		require.True(t, ok)
		require.Equal(t, time.Second+time.Duration(i+1)*100*time.Millisecond+50*time.Millisecond, due)
	}
	_, ok = p.pass(time.Second, 1000, narrow)
	require.False(t, ok, "the queue is full")
	_, ok = p.pass(time.Second, 1, state{down: true})
	require.False(t, ok)

	p = path{}
	last, most, lost := time.Duration(0), time.Duration(0), 0
	for i := range 10_000 {
		now := time.Duration(i) * time.Millisecond
		due, ok = p.pass(now, 1000, state{delay: 80 * time.Millisecond, jitter: 40 * time.Millisecond, loss: .1})
		if !ok {
			lost++
			continue
		}
		require.GreaterOrEqual(t, due, last, "nothing overtakes")
		require.GreaterOrEqual(t, due-now, 80*time.Millisecond)
		last, most = due, max(most, due-now)
	}
	require.InDelta(t, 120, ms(most), 2)
	require.InDelta(t, 1000, lost, 150)
}
