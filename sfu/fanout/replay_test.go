package fanout

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/media"
)

// publishDeaf starts a publisher that ignores keyframe requests and sends a
// keyframe every gop frames, and waits until it has sent so many.
func (r *rig) publishDeaf(t testing.TB, gop, sent int) *testPublisher {
	t.Helper()
	p := r.publishSilent(t, "s", testH264, "")
	p.gop = gop
	p.source.deaf.Store(true)
	r.run(t, p)
	require.Eventually(t, func() bool {
		s := r.hub.Stream("s")
		return len(s.Video) > 0 && s.Video[0].History.Packet(uint64(3*sent)) != nil
	}, patience, time.Millisecond)
	return p
}

func sourceSeq(p *rtp.Packet) uint64 { return binary.BigEndian.Uint64(p.Payload[4:]) }

// R8: where the encoder ignores requests, a joiner starts at the cached
// keyframe, reaches the live edge and stays there, in one continuous stream.
func TestJoinerIsServedFromTheHistory(t *testing.T) {
	r := newRig(t, Config{})
	r.publishDeaf(t, 100_000, 100)
	layer := r.hub.Stream("s").Video[0]
	p := r.view(t, "s", peerOptions{})
	first := next(t, p.video)
	require.True(t, isKey(first))
	require.Zero(t, sourceSeq(first), "the cached keyframe")
	began, last := time.Now(), first
	for layer.History.Newest().Seq-sourceSeq(last) > 3 {
		x := next(t, p.video)
		require.Equal(t, last.SequenceNumber+1, x.SequenceNumber)
		require.Equal(t, sourceSeq(last)+1, sourceSeq(x))
		step := int32(x.Timestamp - last.Timestamp)
		require.GreaterOrEqual(t, step, int32(0))
		require.Less(t, step, int32(90*50), "no jump of more than 50 ms")
		last = x
	}
	require.Less(t, time.Since(began), time.Second, "20 times as fast as real time")
	for _, x := range collect(t, p.video, 300)[100:] {
		require.EqualValues(t, sourceSeq(x)/3*900, x.Timestamp, "the live numbers")
	}
	require.Eventually(t, func() bool { return p.viewer.Stats().Replays == 1 }, patience, time.Millisecond)
}

// A keyframe that comes while the past is replayed ends the past.
func TestReplayJumpsToANewerKeyframe(t *testing.T) {
	b := newBench(t, 1, srtp.ProtectionProfileAeadAes128Gcm)
	v, l := b.viewers[0], b.pub.layers[1]
	v.pacer.budget = 0
	now := time.Now()
	b.pub.gop, l.size = 60, 1100
	for i := range 59 { // not in time with the bench's own steps: only the History counts
		b.pub.frame(l, now.Add(time.Duration(i-59)*10*time.Millisecond))
	}
	b.step()
	require.False(t, v.video.cursor.Layer() == nil, "the replay has begun")
	b.pub.frame(l, now)
	b.pub.frame(l, now)
	require.Less(t, v.video.cursor.Position(), uint64(177))
	b.step()
	b.worker.pump(now.Add(time.Second))
	require.GreaterOrEqual(t, v.video.cursor.Position(), uint64(180))
	require.Less(t, v.stats.Packets, uint64(100), "most of the past was left out")
}

// A path on which the edge cannot be reached gets the cached keyframe, and then
// nothing but the next one and what follows.
func TestNarrowPathWaitsForTheNextKeyframe(t *testing.T) {
	b := newBench(t, 1, srtp.ProtectionProfileAeadAes128Gcm)
	v, l, now := b.viewers[0], b.pub.layers[1], time.Now()
	v.adapt.estimator.REMB(now, 600_000)
	v.allocate(now)
	l.size = 1100
	for i := range 60 {
		b.pub.frame(l, now.Add(time.Duration(i-100)*10*time.Millisecond))
	}
	b.step()
	b.worker.pump(now.Add(time.Second))
	b.worker.pump(now.Add(2 * time.Second))
	require.True(t, v.video.replay.waiting)
	require.EqualValues(t, 3, v.stats.Packets, "the keyframe")
	b.pub.frame(l, time.Now())
	key := l.History.Keyframe().Seq
	require.EqualValues(t, 180, key, "it was asked for")
	b.worker.pumped = time.Time{}
	b.fill()
	b.step()
	require.False(t, v.video.replay.waiting)
	require.EqualValues(t, 6, v.stats.Packets)
	require.EqualValues(t, key+3, v.video.cursor.Position())
}

func TestObedientEncoderIsAsked(t *testing.T) {
	r := newRig(t, Config{})
	r.publish(t, "s", testH264, "")
	first := r.view(t, "s", peerOptions{})
	next(t, first.video)
	layer := r.hub.Stream("s").Video[0]
	ssrc, _ := first.viewer.SSRC(media.Video)
	pli := []rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: ssrc}}
	require.Eventually(t, func() bool {
		require.NoError(t, first.pc.WriteRTCP(pli))
		return layer.Obedience(time.Now()) == media.Obedient
	}, patience, testKeyframeInterval)
	require.Eventually(t, func() bool {
		return time.Since(layer.History.Keyframe().Arrival) > 2*freshKeyframe
	}, patience, time.Millisecond)
	key := layer.History.Keyframe()

	second := r.view(t, "s", peerOptions{})
	require.Greater(t, sourceSeq(next(t, second.video)), key.Seq)
	require.Zero(t, second.viewer.Stats().Replays)
}

// A decoder that lost its state is served again, but a viewer that goes on
// asking, as it cannot use what it gets, waits for the next keyframe.
func TestDeafEncoderAndALostDecoder(t *testing.T) {
	r := newRig(t, Config{})
	pub := r.publishDeaf(t, 500, 50)
	p := r.view(t, "s", peerOptions{})
	collect(t, p.video, 300)
	layer := r.hub.Stream("s").Video[0]
	ssrc, _ := p.viewer.SSRC(media.Video)
	ask := func() {
		require.NoError(t, p.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: ssrc}}))
	}
	require.Eventually(t, func() bool { return !p.viewer.Stats().Waiting && p.viewer.Stats().Replays == 1 }, patience, time.Millisecond)
	for i := range 6 {
		ask()
		require.Eventually(t, func() bool { return p.viewer.Stats().PLIs >= uint64(i+1) }, patience, time.Millisecond)
	}
	require.LessOrEqual(t, p.viewer.Stats().Replays, uint64(2))
	before := pub.source.asked.Load()
	x := collectUntil(t, p.video, func(x *rtp.Packet) bool { return isKey(x) && sourceSeq(x) == 1500 })
	require.Equal(t, uint64(1500), sourceSeq(x), "the next keyframe")
	require.Greater(t, pub.source.asked.Load(), before-1)
	collect(t, p.video, 100)
	require.Equal(t, media.Deaf, layer.Obedience(time.Now()))
}

// A keyframe leaves in slots; what comes behind it keeps its place, and nothing
// is sent twice.
func TestBurstsArePaced(t *testing.T) {
	b := newBench(t, 1, srtp.ProtectionProfileAeadAes128Gcm)
	v, l := b.viewers[0], b.pub.layers[1]
	l.size = 1100
	b.pub.frame(l, time.Now())
	b.step()
	require.EqualValues(t, 3, v.stats.Packets, "a small frame leaves at once")
	for range 60 {
		b.pub.frame(l, time.Now())
	}
	b.step()
	burst := v.stats.Packets
	require.Less(t, float64(burst), defaultPace/8*burstTime.Seconds()/900+10)
	now := time.Now()
	for i := range 200 {
		before := v.stats.Bytes
		b.worker.pump(now.Add(time.Duration(i+1) * slot))
		require.LessOrEqual(t, float64(v.stats.Bytes-before), defaultPace/8*burstTime.Seconds()+1200)
		if !v.video.cursor.Active() {
			break
		}
	}
	require.False(t, b.worker.more)
	require.EqualValues(t, 183, v.stats.Packets)
	b.pub.frame(l, time.Now())
	b.fill()
	b.step()
	require.EqualValues(t, 186, v.stats.Packets)
	require.Equal(t, uint64(186), v.video.munger.NextSeq()-uint64(v.firstSeq()))
}

// firstSeq is the number of the first packet that went out.
func (v *Viewer) firstSeq() uint16 { return uint16(v.video.munger.NextSeq() - uint64(v.video.sent)) }

func TestPacer(t *testing.T) {
	now := time.Now()
	var p pacer
	p.refill(now, 8_000_000)
	require.InDelta(t, 12_000, p.budget, 1, "twelve milliseconds' worth")
	p.take(20_000)
	require.True(t, p.empty())
	p.refill(now.Add(8*time.Millisecond), 8_000_000)
	require.True(t, p.empty())
	p.refill(now.Add(9*time.Millisecond), 8_000_000)
	require.False(t, p.empty())
	for i := range 1000 { // no fraction is lost
		p.refill(now.Add(9*time.Millisecond+time.Duration(i)*time.Microsecond), 800_000)
	}
	require.InDelta(t, 1000+99.9, p.budget, 1)
	p.refill(now, 8_000_000) // a clock that goes back
	require.InDelta(t, 1000+99.9, p.budget, 1)
}
