package hub

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-live/freshet/sfu/media"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// W43: of two publishers the second is refused, the first is not disturbed;
// the same publisher may come again, and a session that is not up yet hurts
// nobody.
func TestOnePublisherAtATime(t *testing.T) {
	h := newHub(Config{})
	first, src := publish(t, h, "ann")
	_, err := h.Publish("s", "bob", &source{})
	require.ErrorIs(t, err, ErrPublisherExists, "pending counts")
	require.NoError(t, first.Start())
	require.NoError(t, first.Start(), "again is no harm")
	_, err = h.Publish("s", "bob", &source{})
	require.ErrorIs(t, err, ErrPublisherExists)

	second, src2 := publish(t, h, "ann")
	require.True(t, first.Live())
	require.Empty(t, src.ended())
	l := layer(t, first, h264, "", 0)
	require.NoError(t, second.Start())
	require.False(t, first.Live())
	require.True(t, second.Live())
	require.Equal(t, []error{ErrReplaced}, src.ended())
	require.Empty(t, src2.ended())

	require.ErrorIs(t, first.Start(), ErrPublicationOver)
	_, err = first.AddLayer(h264, "", 0)
	require.ErrorIs(t, err, ErrPublicationOver)
	var s sink
	_, err = h.Subscribe("s", &s, true)
	require.NoError(t, err)
	l.Write(packet(1))
	require.Zero(t, s.count(), "what is over writes nothing")
	first.End()
	require.True(t, second.Live(), "the first one's end is not the second's")
	require.Equal(t, uint64(2), h.Stream("s").Epoch)

	second.End()
	second.End()
	_, err = h.Publish("s", "bob", &source{})
	require.NoError(t, err)
}

// H11: half-open sessions are bounded; the oldest makes way.
func TestPendingPublicationsAreBounded(t *testing.T) {
	h := newHub(Config{})
	first, src := publish(t, h, "ann")
	for range maxPending - 1 {
		publish(t, h, "ann")
	}
	require.Empty(t, src.ended())
	last, _ := publish(t, h, "ann")
	require.Equal(t, []error{ErrReplaced}, src.ended())
	require.ErrorIs(t, first.Start(), ErrPublicationOver)
	first.End()
	require.NoError(t, last.Start())
}

func TestAddLayerNeedsALivePublication(t *testing.T) {
	p, _ := publish(t, newHub(Config{}), "ann")
	_, err := p.AddLayer(h264, "", 0)
	require.ErrorIs(t, err, ErrPublicationOver)
	p.End()
	require.ErrorIs(t, p.Start(), ErrPublicationOver)
}

// E63, E64: a viewer may be there before the publisher and stays through its
// absence.
func TestStreamLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(Config{ReconnectWindow: 10 * time.Second})
		run(t, h)
		var s sink
		sub, err := h.Subscribe("s", &s, true)
		require.NoError(t, err)
		for epoch := range uint64(2) {
			p, _ := publish(t, h, "ann")
			require.NoError(t, p.Start())
			l := layer(t, p, h264, "", 0)
			require.Equal(t, epoch+1, l.Epoch)
			l.Write(packet(1))
			p.End()
			l.Write(packet(2))
			<-time.After(9 * time.Second)
			require.Equal(t, media.Reconnecting, h.Stream("s").State)
			require.Empty(t, h.Stream("s").Video)
		}
		require.Equal(t, 2, s.count())
		<-time.After(2 * time.Second)
		require.Equal(t, media.Ended, h.Stream("s").State)
		require.Equal(t, []media.State{
			media.Idle, media.Live, media.Reconnecting, media.Live, media.Reconnecting, media.Ended,
		}, s.states())
		<-time.After(time.Hour)
		require.Len(t, h.Streams(), 1, "a viewer keeps it")
		sub.Close()
		sub.Close()
		<-time.After(time.Second)
		require.Nil(t, h.Stream("s"))
		require.Empty(t, h.Streams())
	})
}

func TestStreamIsForgottenAfterTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(Config{ReconnectWindow: 10 * time.Second, MaxStreams: 1})
		run(t, h)
		p, _ := publish(t, h, "ann")
		_, err := h.Publish("other", "ann", &source{})
		require.ErrorIs(t, err, ErrTooManyStreams)
		_, err = h.Subscribe("other", &sink{}, true)
		require.ErrorIs(t, err, ErrTooManyStreams)
		<-time.After(time.Hour)
		require.NotNil(t, h.Stream("s"), "reserved")
		require.NoError(t, p.Start())
		p.End()
		<-time.After(9 * time.Second)
		require.NotNil(t, h.Stream("s"))
		<-time.After(2 * time.Second)
		require.Nil(t, h.Stream("s"))

		p, _ = publish(t, h, "ann")
		p.End() // never came up
		<-time.After(time.Second)
		require.Nil(t, h.Stream("s"))
	})
}

func TestSnapshotListsLayersLowestFirst(t *testing.T) {
	h := newHub(Config{})
	p, _ := publish(t, h, "ann")
	require.NoError(t, p.Start())
	f, q, m := layer(t, p, h264, "f", 2), layer(t, p, h264, "q", 0), layer(t, p, h264, "h", 1)
	a := layer(t, p, opus, "", 0)
	require.Empty(t, h.Stream("s").Video, "nothing has come yet")
	var s sink
	_, err := h.Subscribe("s", &s, false)
	require.NoError(t, err)
	q.SetSize(320, 180)
	for _, l := range []*Layer{f, a, q} {
		l.Write(packet(7))
	}
	snap := h.Stream("s")
	require.Equal(t, []*media.Layer{q.Layer, f.Layer}, snap.Video)
	require.Equal(t, a.Layer, snap.Audio)
	m.Write(packet(7))
	snap = h.Stream("s")
	require.Equal(t, []*media.Layer{q.Layer, m.Layer, f.Layer}, snap.Video)
	require.Equal(t, []bool{true, true, true}, snap.Active)
	require.Equal(t, media.LayerStatus{Active: true, Width: 320, Height: 180}, q.Status())
	require.False(t, snap.ActiveVideo(3) || snap.ActiveVideo(-1))
	require.Zero(t, s.strangers, "announced before the first Packet")
	require.Equal(t, packetSeqs(s.packets), []uint64{7, 7, 7, 7})
}

// R13: duplicates end here; repaired packets pass, and count as not lost.
func TestWriteDropsDuplicates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(Config{})
		run(t, h)
		p, _ := publish(t, h, "ann")
		require.NoError(t, p.Start())
		l := layer(t, p, h264, "", 0)
		var s sink
		_, err := h.Subscribe("s", &s, false)
		require.NoError(t, err)
		for _, seq := range []uint64{10, 13, 13, 11, 10, 11} {
			l.Write(packet(seq))
		}
		require.Equal(t, []uint64{10, 13, 11}, packetSeqs(s.packets))
		require.Same(t, s.packets[2], l.History.Packet(11))
		<-time.After(tick + time.Millisecond)
		require.Equal(t, uint64(3), l.Status().Packets)
		require.Equal(t, uint64(1), l.Status().Lost)
	})
}

// R3: a Layer that the encoder drops becomes inactive, and comes back.
func TestLayersStopAndReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(Config{})
		run(t, h)
		p, _ := publish(t, h, "ann")
		require.NoError(t, p.Start())
		q, f, a := layer(t, p, h264, "q", 0), layer(t, p, h264, "f", 1), layer(t, p, opus, "", 0)
		seq := uint64(0)
		send := func(d time.Duration, layers ...*Layer) {
			for end := time.Now().Add(d); time.Now().Before(end); <-time.After(100 * time.Millisecond) {
				seq++
				for _, l := range layers {
					l.Write(packet(seq))
				}
			}
		}
		send(3*time.Second, q, f, a)
		require.Equal(t, []bool{true, true}, h.Stream("s").Active)
		require.InDelta(t, 10_000, q.Status().Bitrate, 2500)
		require.InDelta(t, 10, q.Status().FrameRate, 2.5)
		require.Zero(t, a.Status().FrameRate)

		send(time.Second, q, a)
		require.Equal(t, []bool{true, false}, h.Stream("s").Active)
		require.Len(t, h.Stream("s").Video, 2, "still announced")
		require.False(t, f.Status().Active)
		send(2*time.Second, q, a)
		require.Zero(t, f.Status().Bitrate)
		send(time.Second, q, f, a)
		require.Equal(t, []bool{true, true}, h.Stream("s").Active)

		send(4*time.Second, a) // a picture that stands still
		require.Equal(t, []bool{true, true}, h.Stream("s").Active)
		send(2*time.Second, a)
		require.Equal(t, []bool{false, false}, h.Stream("s").Active)

		q.SetSize(640, 360)
		send(time.Second, q)
		require.Equal(t, 640, q.Status().Width)
	})
}

func TestSinkSubscribedManyTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(Config{})
		run(t, h)
		p, _ := publish(t, h, "ann")
		require.NoError(t, p.Start())
		l := layer(t, p, h264, "", 0)
		var group, recorder sink
		var subs []*Subscription
		for range 3 {
			sub, err := h.Subscribe("s", &group, true)
			require.NoError(t, err)
			subs = append(subs, sub)
		}
		sub, err := h.Subscribe("s", &recorder, false)
		require.NoError(t, err)
		l.Write(packet(1))
		require.Equal(t, 1, group.count(), "once, however many viewers")
		<-time.After(tick + time.Millisecond)
		require.Equal(t, 3, h.Stream("s").Viewers, "a recorder does not count")

		snap, changed := sub.Watch()
		require.Same(t, h.Stream("s"), snap)
		subs[0].Close()
		subs[0].Close()
		subs[1].Close()
		<-changed
		snap, _ = sub.Watch()
		require.Equal(t, 1, snap.Viewers)
		l.Write(packet(2))
		require.Equal(t, 2, group.count())
		subs[2].Close()
		l.Write(packet(3))
		require.Equal(t, 2, group.count())
		require.Equal(t, 3, recorder.count())
	})
}

// R17: however many ask, the publisher is asked once per interval.
func TestKeyframeRequestsAreMerged(t *testing.T) {
	h := newHub(Config{KeyframeInterval: time.Second})
	p, src := publish(t, h, "ann")
	require.NoError(t, p.Start())
	l := layer(t, p, h264, "", 0)
	now := time.Now()
	for i, want := range []bool{true, false, false, false, true, false} {
		require.Equal(t, want, l.RequestKeyframe(now.Add(time.Duration(i)*250*time.Millisecond)))
	}
	require.Equal(t, int32(2), src.keyframes.Load())
	require.True(t, l.RequestKeyframe(now.Add(-time.Hour)), "a clock that was set back")
}

func TestRunEndsAllPublications(t *testing.T) {
	h := newHub(Config{})
	live, src := publish(t, h, "ann")
	require.NoError(t, live.Start())
	_, pending := publish(t, h, "ann")
	reason := errors.New("shutdown")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	require.NoError(t, h.Run(ctx))
	require.Equal(t, []error{reason}, src.ended())
	require.Equal(t, []error{reason}, pending.ended())
	_, err := h.Publish("s", "ann", &source{})
	require.ErrorIs(t, err, ErrClosed)
	_, err = h.Subscribe("s", &sink{}, true)
	require.ErrorIs(t, err, ErrClosed)
}

// All at once, for the race detector; at the end the books balance.
func TestConcurrentUse(t *testing.T) {
	h := newHub(Config{ReconnectWindow: time.Nanosecond})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- h.Run(ctx) }()
	var work sync.WaitGroup
	for range 2 {
		work.Go(func() {
			for range 30 {
				p, err := h.Publish("s", "ann", &source{})
				if err != nil || p.Start() != nil {
					continue
				}
				var writers sync.WaitGroup
				for rank := range 3 {
					l, err := p.AddLayer(h264, "", rank)
					if err != nil {
						continue
					}
					writers.Go(func() {
						for seq := range uint64(50) {
							l.SetSize(16, int(seq))
							l.Write(packet(seq))
						}
					})
				}
				writers.Wait()
				p.End()
			}
		})
		work.Go(func() {
			var s sink
			for i := range 200 {
				sub, err := h.Subscribe("s", &s, i%2 == 0)
				if err != nil {
					continue
				}
				sub.Watch()
				h.Streams()
				h.housekeep(time.Now())
				sub.Close()
			}
		})
	}
	work.Wait()
	cancel()
	require.NoError(t, <-done)
	h.housekeep(time.Now().Add(time.Second))
	require.Empty(t, h.Streams())
}

type discard struct{ packets int }

func (d *discard) WritePacket(*media.Layer, *media.Packet) { d.packets++ }
func (*discard) Update(*media.Snapshot)                    {}

// flow returns a Layer with two Sinks, and Packets to write.
func flow(t testing.TB) (*Layer, []*media.Packet) {
	t.Helper()
	h := newHub(Config{})
	p, err := h.Publish("s", "ann", &source{})
	require.NoError(t, err)
	require.NoError(t, p.Start())
	l, err := p.AddLayer(h264, "", 0)
	require.NoError(t, err)
	for range 2 {
		_, err = h.Subscribe("s", &discard{}, false)
		require.NoError(t, err)
	}
	packets := make([]*media.Packet, 4096)
	for i := range packets {
		packets[i] = packet(uint64(i))
	}
	l.Write(packets[0])
	return l, packets[1:]
}

func TestWriteDoesNotAllocate(t *testing.T) {
	l, packets := flow(t)
	i := 0
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		l.Write(packets[i])
		i++
	}))
}

func BenchmarkWrite(b *testing.B) {
	l, packets := flow(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p := packets[i%len(packets)]
		p.Seq = uint64(i) + 1
		l.Write(p)
	}
}

// Who serves every live Stream is told of each one, once it shows.
func TestLiveTells(t *testing.T) {
	h := newHub(Config{})
	live := h.Live()
	p, _ := publish(t, h, "ann")
	select {
	case <-live:
		require.Fail(t, "nothing is live yet")
	default:
	}
	require.NoError(t, p.Start())
	<-live
	require.Equal(t, media.Live, h.Stream("s").State)
	live = h.Live()
	again, _ := publish(t, h, "ann")
	require.NoError(t, again.Start())
	<-live
}

// Who watches over all Streams hears of each change in order, and of those of
// a Stream that nobody subscribes to.
func TestOnChange(t *testing.T) {
	var states []media.State
	h := newHub(Config{OnChange: func(s *media.Snapshot) {
		if n := len(states); n == 0 || states[n-1] != s.State {
			states = append(states, s.State)
		}
	}})
	p, _ := publish(t, h, "ann")
	require.NoError(t, p.Start())
	p.End()
	require.Equal(t, []media.State{media.Live, media.Reconnecting}, states)
}

// An operator ends a Stream at once: nobody waits for the publisher, who is
// told, and nothing of it goes on.
func TestEndStream(t *testing.T) {
	h := newHub(Config{})
	require.False(t, h.End("s", ErrEnded), "there is none")
	live, src := publish(t, h, "ann")
	require.NoError(t, live.Start())
	l := layer(t, live, h264, "", 0)
	pending, src2 := publish(t, h, "ann")
	var s sink
	sub, err := h.Subscribe("s", &s, true)
	require.NoError(t, err)
	defer sub.Close()

	require.True(t, h.End("s", ErrEnded))
	require.Equal(t, media.Ended, h.Stream("s").State)
	require.Equal(t, []error{ErrEnded}, src.ended())
	require.Equal(t, []error{ErrEnded}, src2.ended())
	require.ErrorIs(t, pending.Start(), ErrPublicationOver)
	l.Write(packet(1))
	require.Zero(t, s.count())
	live.End()
	pending.End()
	require.Equal(t, media.Ended, h.Stream("s").State, "the sources' goodbyes change nothing")
	require.False(t, h.End("s", ErrEnded))

	bob, _ := publish(t, h, "bob") // the name is free
	require.NoError(t, bob.Start())
	require.Equal(t, media.Live, h.Stream("s").State)
	require.Equal(t, uint64(2), h.Stream("s").Epoch)
	bob.End()
	require.True(t, h.End("s", ErrEnded), "also one that waits for its publisher")
	require.Equal(t, []media.State{media.Live, media.Ended, media.Live, media.Reconnecting, media.Ended}, s.states())

	half, src3 := publish(t, h, "ann")
	require.True(t, h.End("s", ErrEnded), "or has one that never came up")
	require.Equal(t, []error{ErrEnded}, src3.ended())
	half.End()
}
