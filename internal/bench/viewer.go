package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

const (
	reportInterval   = time.Second
	feedbackInterval = 100 * time.Millisecond
	keyframePatience = 200 * time.Millisecond
	// queueTime is how long the queue before a limited downlink is.
	queueTime = 300 * time.Millisecond
)

// tally is what the viewers of one shard count together. It belongs to the
// shard's goroutine.
type tally struct {
	packets, bytes uint64
	latencies      *histogram
	measuring      bool
}

// viewer is a light WHEP player.
type viewer struct {
	session session
	peer    *peer
	tally   *tally
	opts    *ViewerOptions
	ssrc    uint32

	video, sound flow
	player       player
	over         bool          // its books are closed
	ended        time.Duration // when that was

	header     rtp.Header
	recorder   *twcc.Recorder
	videoSSRC  uint32
	soundSSRC  uint32
	videoSR    senderReport
	soundSR    senderReport
	nextReport time.Duration
	nextTCC    time.Duration
	nextPLI    time.Duration
	asked      uint64 // packets asked for again
	pictures   uint64 // keyframe requests
	ask        []uint16

	path  path
	queue []queued // on its way to us
	out   []sent   // on its way to the server
	// measured is when the measurement began, 0 before that.
	measured *atomic.Int64
}

type queued struct {
	due  time.Duration
	data []byte
}

type sent struct {
	due     time.Duration
	packets []rtcp.Packet
}

// senderReport is what a receiver report repeats of the last one.
type senderReport struct {
	middle uint32
	at     time.Duration
}

func newViewer(o *ViewerOptions, s session, p *peer, t *tally, measured *atomic.Int64) *viewer {
	v := &viewer{session: s, peer: p, tally: t, opts: o, ssrc: rand.Uint32(), measured: measured}
	_, _, v.player.timeline.on = o.Path.event()
	v.video.out = v.play
	v.sound.out = func(time.Duration, arrival, bool) {}
	p.media = v
	return v
}

// join posts the offer and connects.
func (v *viewer) join(ctx context.Context) error {
	v.player.posted = v.peer.shard.now()
	o := offer{
		direction: "recvonly", ufrag: v.peer.ufrag, pwd: v.peer.pwd, fingerprint: v.peer.id.fingerprint,
		feedback: !v.opts.NoFeedback,
	}
	a, err := v.session.open(ctx, v.opts.URL, o.String())
	if err != nil {
		return err
	}
	v.peer.remote = a
	if a.feedback && !v.opts.NoFeedback {
		v.recorder = twcc.NewRecorder(v.ssrc)
	}
	return v.peer.connect(ctx)
}

// leave ends the session.
func (v *viewer) leave(ctx context.Context) {
	v.session.close(ctx)
	v.peer.close()
}

// state is what the path is like now.
func (v *viewer) state(now time.Duration) state {
	since := time.Duration(-1)
	if began := v.measured.Load(); began != 0 {
		since = now - time.Duration(began)
	}
	return v.opts.Path.at(since)
}

func (v *viewer) rtp(now time.Duration, b []byte) {
	if v.over {
		return
	}
	due, ok := v.path.pass(now, len(b), v.state(now))
	switch {
	case !ok:
	case due == now && len(v.queue) == 0:
		v.deliver(now, b)
	default:
		v.queue = append(v.queue, queued{due, bytes.Clone(b)})
	}
}

// drain delivers what has come through the path.
func (v *viewer) drain(now time.Duration) {
	for len(v.queue) > 0 && v.queue[0].due <= now {
		v.deliver(v.queue[0].due, v.queue[0].data)
		v.queue = v.queue[1:]
	}
	for len(v.out) > 0 && v.out[0].due <= now {
		v.peer.report(v.out[0].packets...)
		v.out = v.out[1:]
	}
}

// tell sends RTCP over the path.
func (v *viewer) tell(now time.Duration, packets ...rtcp.Packet) {
	s := v.state(now)
	switch {
	case s.down:
	case s.delay == 0 && len(v.out) == 0:
		v.peer.report(packets...)
	default:
		v.out = append(v.out, sent{now + s.delay, packets})
	}
}

// deliver opens a packet and gives it to its flow.
func (v *viewer) deliver(now time.Duration, b []byte) {
	plain, err := v.peer.keys.Load().in.DecryptRTP(b, b, &v.header)
	if err != nil {
		return
	}
	h := &v.header
	v.tally.packets++
	v.tally.bytes += uint64(len(b))
	if v.player.firstPacket == 0 {
		v.player.firstPacket = now - v.player.posted
	}
	if v.recorder != nil {
		if ext := h.GetExtension(extTCC); len(ext) == 2 {
			v.recorder.Record(h.SSRC, binary.BigEndian.Uint16(ext), v.peer.shard.start.Add(now).UnixMicro())
		}
	}
	payload := plain[h.MarshalSize():]
	if n := len(payload); h.Padding && n > 0 {
		payload = payload[:n-min(n, int(payload[n-1]))]
	}
	a := arrival{ts: h.Timestamp, marker: h.Marker}
	switch h.PayloadType {
	case ptSound:
		v.soundSSRC = h.SSRC
		v.sound.put(now, h.SequenceNumber, a, false)
	case ptVideo:
		v.videoSSRC = h.SSRC
		v.picture(now, h.SequenceNumber, a, payload, false)
	case ptRTX:
		if len(payload) > 2 { // else it is padding that probes
			v.picture(now, binary.BigEndian.Uint16(payload), a, payload[2:], true)
		}
	}
}

func (v *viewer) picture(now time.Duration, seq uint16, a arrival, payload []byte, repair bool) {
	i := inspect(payload)
	a.key, a.stamped, a.stamp, a.rank = i.key, i.stamped, i.stamp, i.rank
	if v.player.decoder != nil {
		a.payload = bytes.Clone(payload)
	}
	v.video.put(now, seq, a, repair)
}

func (v *viewer) play(now time.Duration, a arrival, gap bool) {
	v.player.latencies = nil
	if v.tally.measuring {
		v.player.latencies = v.tally.latencies
	}
	v.player.take(now, a, gap)
}

func (v *viewer) rtcp(now time.Duration, packets []rtcp.Packet) {
	for _, p := range packets {
		if sr, ok := p.(*rtcp.SenderReport); ok {
			r := senderReport{uint32(sr.NTPTime >> 16), now + v.state(now).delay}
			switch sr.SSRC {
			case v.videoSSRC:
				v.videoSR = r
			case v.soundSSRC:
				v.soundSR = r
			}
		}
	}
}

func (v *viewer) tick(now time.Duration) {
	if v.over {
		return
	}
	v.drain(now)
	if v.ask = v.video.tick(now, v.ask[:0]); len(v.ask) > 0 {
		v.asked += uint64(len(v.ask))
		v.tell(now, &rtcp.TransportLayerNack{
			SenderSSRC: v.ssrc, MediaSSRC: v.videoSSRC, Nacks: rtcp.NackPairsFromSequenceNumbers(v.ask),
		})
	}
	v.ask = v.sound.tick(now, v.ask[:0]) // only to give up
	if v.recorder != nil && now >= v.nextTCC {
		v.nextTCC = now + feedbackInterval
		if feedback := v.recorder.BuildFeedbackPacket(); len(feedback) > 0 {
			v.tell(now, feedback...)
		}
	}
	if now >= v.nextReport {
		v.nextReport = now + reportInterval/2 + rand.N(reportInterval)
		v.sendReport(now)
	}
	if v.video.started && v.player.starving() && now >= v.nextPLI {
		if v.nextPLI == 0 {
			v.nextPLI = now + keyframePatience // the keyframe may be under way
			return
		}
		v.nextPLI = now + time.Second
		v.pictures++
		v.tell(now, &rtcp.PictureLossIndication{SenderSSRC: v.ssrc, MediaSSRC: v.videoSSRC})
	}
}

// sendReport sends a receiver report (RFC 3550 section 6.4.2).
func (v *viewer) sendReport(now time.Duration) {
	r := &rtcp.ReceiverReport{SSRC: v.ssrc}
	add := func(f *flow, ssrc uint32, sr senderReport) {
		if !f.started {
			return
		}
		block := rtcp.ReceptionReport{SSRC: ssrc}
		block.FractionLost, block.TotalLost, block.LastSequenceNumber = f.report()
		if sr.at != 0 {
			block.LastSenderReport, block.Delay = sr.middle, uint32((now-sr.at)*65536/time.Second)
		}
		r.Reports = append(r.Reports, block)
	}
	add(&v.video, v.videoSSRC, v.videoSR)
	add(&v.sound, v.soundSSRC, v.soundSR)
	v.tell(now, r)
}
