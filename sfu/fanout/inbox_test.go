package fanout

import (
	"testing"
	"time"

	"github.com/pion/srtp/v3"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/media"
)

// A worker that does not come round never holds up the publisher: the inbox
// drops to the next Frame and says how much.
func TestFullInboxDropsWholeFrames(t *testing.T) {
	b := newBench(t, 1, srtp.ProtectionProfileAeadAes128Gcm)
	g := b.viewers[0].group
	l := b.pub.layers[1].Layer.Layer
	write := func(start, marker bool) {
		g.WritePacket(l, &media.Packet{FrameStart: start, Marker: marker, Payload: []byte{1}})
	}
	for range maxQueued - 1 {
		write(true, true)
	}
	write(true, false)
	write(false, false) // no room: dropped
	require.Len(t, b.worker.inbox.work.packets, maxQueued)
	b.worker.inbox.take(work{})
	write(false, true) // the rest of the same Frame
	require.Empty(t, b.worker.inbox.work.packets)
	write(true, true)
	require.Len(t, b.worker.inbox.work.packets, 1)
	require.EqualValues(t, 2, b.worker.inbox.dropped.Load())
}

// What waits for a worker is bounded in time too: a Stream of a few packets
// would else pile up for most of a minute.
func TestLateWorkerDropsWholeFrames(t *testing.T) {
	b := newBench(t, 1, srtp.ProtectionProfileAeadAes128Gcm)
	g := b.viewers[0].group
	l := b.pub.layers[1].Layer.Layer
	start := time.Now()
	write := func(after time.Duration, first bool) {
		g.WritePacket(l, &media.Packet{Arrival: start.Add(after), FrameStart: first, Marker: !first, Payload: []byte{1}})
	}
	waiting := func() int { return len(b.worker.inbox.work.packets) }
	write(0, true)
	write(maxWaiting, false)
	require.Equal(t, 2, waiting())
	write(maxWaiting+1, true)
	require.Equal(t, 2, waiting())
	b.worker.inbox.take(work{})
	write(maxWaiting+2, false) // the rest of a Frame whose start is gone
	require.Zero(t, waiting())
	write(maxWaiting+3, true)
	require.Equal(t, 1, waiting())
	require.EqualValues(t, 2, b.worker.inbox.dropped.Load())
}

func TestFeedbackIsBounded(t *testing.T) {
	b := newBench(t, 1, srtp.ProtectionProfileAeadAes128Gcm)
	v := b.viewers[0]
	fed := 0
	for range 1000 {
		if b.worker.inbox.feed(v, make([]byte, 20)) {
			fed++
		}
	}
	require.Equal(t, maxFeedbackPerViewer, fed)
	b.step()
	require.True(t, b.worker.inbox.feed(v, make([]byte, 20)))
}

// The beginning of a Frame does not make the worker hurry, its end does.
func TestInboxHurriesAtTheMarker(t *testing.T) {
	in := newInbox()
	g := &group{worker: &worker{inbox: in}}
	l := &media.Layer{Kind: media.Video}
	g.WritePacket(l, &media.Packet{FrameStart: true})
	<-in.wake
	require.False(t, in.isUrgent())
	g.WritePacket(l, &media.Packet{})
	require.Empty(t, in.wake)
	g.WritePacket(l, &media.Packet{Marker: true})
	<-in.wake
	require.True(t, in.isUrgent())
	in.take(work{})
	in.post(func(time.Time) {})
	require.True(t, in.isUrgent())
}

// What only measures a path is most of the feedback, and not worth waking the
// worker for; a NACK is.
func TestTransportCCWaitsForOtherWork(t *testing.T) {
	in := newInbox()
	cc, nack := make([]byte, 20), make([]byte, 20)
	cc[0], cc[1] = 2<<6|15, 205
	nack[0], nack[1] = 2<<6|1, 205
	require.True(t, in.feed(&Viewer{}, cc))
	require.Empty(t, in.wake)
	require.True(t, in.feed(&Viewer{}, nack))
	<-in.wake
	for range idleFeedback {
		in.feed(&Viewer{}, cc)
	}
	require.Len(t, in.wake, 1, "and the heap is bounded")
	require.False(t, in.isUrgent())
}
