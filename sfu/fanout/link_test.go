package fanout

import (
	"context"
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/internal/linktest"
	"github.com/freshet-live/freshet/sfu/media"
)

// stream sends 30 frames/s on every Layer of a publisher, with the bitrates of
// a webcam's simulcast; keyframes are eight times as large as other frames.
func (r *rig) stream(t testing.TB, p *testPublisher) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(time.Second / 30)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-tick.C:
				for _, l := range p.layers {
					p.realistic(l, now)
				}
			}
		}
	})
	p.stop = sync.OnceFunc(func() { cancel(); running.Wait(); p.pub.End() })
	t.Cleanup(p.stop)
}

// rates are those of the video Layers in bytes per frame.
var rates = map[string]int{"q": 1050, "h": 2900, "f": 10400}

func (p *testPublisher) realistic(l *testLayer, now time.Time) {
	l.SetClock(media.Clock{Timestamp: l.ts, Wall: now, Rate: l.Codec.ClockRate, Reported: true})
	left, ticks, most := rates[l.RID], uint32(3000), 1100
	if l.Kind == media.Audio {
		left, ticks = 160, 1600
	}
	key := l.Kind == media.Audio || p.source.take(l.Layer.Layer) || l.frames == 0 || p.gop > 0 && l.frames%p.gop == 0
	if key && l.Kind == media.Video {
		left *= 8
	}
	for first := true; left > 0; first = false {
		pkt := &media.Packet{
			Seq: l.seq, Timestamp: l.ts, Arrival: now, Marker: left <= most,
			FrameStart: first, Keyframe: key && first, Payload: make([]byte, max(20, min(left, most))),
		}
		pkt.Payload[0] = byte(l.Rank)
		if pkt.Keyframe {
			pkt.Payload[1] |= markKeyframe
		}
		if pkt.FrameStart {
			pkt.Payload[1] |= markFrameStart
		}
		binary.BigEndian.PutUint64(pkt.Payload[4:], l.seq)
		left -= most
		l.seq++
		l.Write(pkt)
	}
	l.ts += ticks
	l.frames++
}

// player decides like a decoder what can be shown, and when.
type player struct {
	began  time.Time
	got    map[uint16]*rtp.Packet
	next   uint16
	begun  bool
	frames []shown
}

type shown struct {
	at   time.Duration
	rank byte
}

// play reads a peer's video until the context ends. Like a browser, it asks for
// a keyframe when there is something to show and it cannot be.
func play(ctx context.Context, p *peer) *player {
	x := &player{began: time.Now(), got: map[uint16]*rtp.Packet{}}
	ssrc, _ := p.viewer.SSRC(media.Video)
	patient := time.NewTicker(500 * time.Millisecond)
	defer patient.Stop()
	frames := 0
	for {
		select {
		case <-ctx.Done():
			return x
		case <-patient.C:
			if frames == len(x.frames) && len(x.got) > 0 {
				_ = p.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: ssrc}})
			}
			frames = len(x.frames)
		case pkt := <-p.video:
			if pkt != nil {
				x.take(pkt)
			}
		}
	}
}

func (x *player) take(pkt *rtp.Packet) {
	if len(pkt.Payload) < 12 || x.begun && int16(pkt.SequenceNumber-x.next) < 0 {
		return
	}
	x.got[pkt.SequenceNumber] = pkt
	for x.show() {
	}
}

// show shows the next whole frame: the one that follows, or a later keyframe.
func (x *player) show() bool {
	if x.begun {
		if end, ok := x.whole(x.next); ok {
			x.done(x.next, end)
			return true
		}
	}
	for seq, pkt := range x.got {
		if isKey(pkt) {
			if end, ok := x.whole(seq); ok {
				x.begun = true
				x.done(seq, end)
				return true
			}
		}
	}
	return false
}

func (x *player) whole(from uint16) (end uint16, ok bool) {
	for seq := from; ; seq++ {
		pkt := x.got[seq]
		if pkt == nil || (seq == from) != (pkt.Payload[1]&markFrameStart != 0) {
			return 0, false
		}
		if pkt.Marker {
			return seq, true
		}
	}
}

func (x *player) done(from, end uint16) {
	x.frames = append(x.frames, shown{at: time.Since(x.began), rank: x.got[from].Payload[0]})
	x.next = end + 1
	for seq := range x.got {
		if int16(seq-x.next) < 0 {
			delete(x.got, seq)
		}
	}
}

// frozen returns the time between two instants without a new picture, counted
// from 200 ms after each, and the pictures per second.
func (x *player) frozen(from, to time.Duration) (d time.Duration, perSecond float64) {
	last, n := from, 0
	for _, f := range x.frames {
		if f.at < from || f.at > to {
			continue
		}
		n++
		d += max(0, f.at-last-200*time.Millisecond)
		last = f.at
	}
	d += max(0, to-last-200*time.Millisecond)
	return d, float64(n) / (to - from).Seconds()
}

// firstOf returns when the first picture of a rank was shown after an instant.
func (x *player) firstOf(rank byte, after time.Duration) time.Duration {
	for _, f := range x.frames {
		if f.at >= after && f.rank == rank {
			return f.at - after
		}
	}
	return time.Hour
}

// watchThrough plays a simulcast stream over a link for a time; each condition
// comes at its instant.
func watchThrough(t *testing.T, total time.Duration, script map[time.Duration]linktest.Conditions) *player {
	t.Helper()
	r := newRigWith(t, Config{Workers: 1}, nil, 500*time.Millisecond)
	pub := r.publishSilent(t, "s", testH264, "q", "h", "f")
	r.stream(t, pub)
	link := linktest.New(t, r.addr())
	link.Set(script[0])
	p := r.view(t, "s", peerOptions{via: link})
	require.Eventually(t, func() bool { return p.viewer.Stats().Packets > 0 }, patience, time.Millisecond)
	for at, c := range script {
		if at > 0 {
			timer := time.AfterFunc(at, func() { link.Set(c) })
			t.Cleanup(func() { timer.Stop() })
		}
	}
	drainAudio(p)
	if testing.Verbose() {
		t.Cleanup(logStats(t, p))
	}
	ctx, cancel := context.WithTimeout(context.Background(), total)
	defer cancel()
	return play(ctx, p)
}

func drainAudio(p *peer) {
	go func() { // until the PeerConnection ends
		for range p.audio {
		}
	}()
}

// logStats logs what the engine knows of a viewer, twice a second.
func logStats(t *testing.T, p *peer) (stop func()) {
	tick := time.NewTicker(500 * time.Millisecond)
	end := make(chan struct{})
	var logging sync.WaitGroup
	logging.Go(func() {
		began := time.Now()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
				s := p.viewer.Stats()
				t.Logf("%5.1fs %q estimate %d target %d rtt %v loss %.2f probes %d nacks %d plis %d replays %d paused %v temporal %d waiting %v sent %d rtx %d",
					time.Since(began).Seconds(), s.RID, s.Estimate/1000, s.Target/1000, s.RTT.Round(time.Millisecond), s.Loss, s.Probes, s.NACKs, s.PLIs, s.Replays, s.Paused, s.Temporal, s.Waiting, s.Packets, s.Retransmitted)
			}
		}
	})
	return func() { tick.Stop(); close(end); logging.Wait() }
}

// A viewer's picture keeps moving whatever its network does.
func TestBadNetworks(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("plays in real time, for seconds")
	}
	t.Run("400 kbit/s and back", func(t *testing.T) {
		t.Parallel()
		const down, up, total = 3 * time.Second, 11 * time.Second, 22 * time.Second
		x := watchThrough(t, total, map[time.Duration]linktest.Conditions{
			down: {Rate: 400_000, Queue: 300 * time.Millisecond}, up: {},
		})
		frozen, fps := x.frozen(down, up)
		off, back := x.firstOf(0, down), x.firstOf(2, up)
		t.Logf("frozen %v, %.1f fps, off the top layer after %v, back after %v", frozen, fps, off, back)
		require.Less(t, off, 2*time.Second)
		require.Less(t, frozen, 3*time.Second)
		require.Greater(t, fps, 15.)
		require.Less(t, back, 10*time.Second)
	})
	t.Run("5 % loss", func(t *testing.T) {
		t.Parallel()
		x := watchThrough(t, 8*time.Second, map[time.Duration]linktest.Conditions{
			0: {Delay: 10 * time.Millisecond}, time.Second: {Loss: 0.05, Delay: 10 * time.Millisecond},
		})
		frozen, fps := x.frozen(time.Second, 8*time.Second)
		t.Logf("frozen %v, %.1f fps", frozen, fps)
		require.Less(t, frozen, 300*time.Millisecond)
		require.Greater(t, fps, 25.)
	})
	t.Run("10 % loss", func(t *testing.T) {
		t.Parallel()
		x := watchThrough(t, 10*time.Second, map[time.Duration]linktest.Conditions{
			0: {Delay: 10 * time.Millisecond}, time.Second: {Loss: 0.1, Delay: 10 * time.Millisecond},
		})
		frozen, fps := x.frozen(2*time.Second, 10*time.Second)
		t.Logf("frozen %v, %.1f fps", frozen, fps)
		require.Less(t, frozen, 500*time.Millisecond)
		require.Greater(t, fps, 22.)
	})
	t.Run("an outage of one second", func(t *testing.T) {
		t.Parallel()
		x := watchThrough(t, 8*time.Second, map[time.Duration]linktest.Conditions{
			2 * time.Second: {Down: true}, 3 * time.Second: {},
		})
		frozen, _ := x.frozen(2*time.Second, 8*time.Second)
		after, fps := x.frozen(5*time.Second, 8*time.Second)
		t.Logf("frozen %v, later %v, %.1f fps", frozen, after, fps)
		require.Less(t, frozen, 2*time.Second)
		require.Less(t, after, 200*time.Millisecond)
	})
	t.Run("80 ms and jitter", func(t *testing.T) {
		t.Parallel()
		x := watchThrough(t, 8*time.Second, map[time.Duration]linktest.Conditions{
			0: {Delay: 80 * time.Millisecond, Jitter: 40 * time.Millisecond},
		})
		frozen, fps := x.frozen(time.Second, 8*time.Second)
		t.Logf("frozen %v, %.1f fps", frozen, fps)
		require.Less(t, frozen, 100*time.Millisecond)
		require.Greater(t, fps, 25.)
	})
}
