package fanout

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/freshet-live/freshet/sfu/bwe"
	"github.com/freshet-live/freshet/sfu/fanout/icelite"
	"github.com/freshet-live/freshet/sfu/fanout/wire"
	"github.com/freshet-live/freshet/sfu/forward"
	"github.com/freshet-live/freshet/sfu/hub"
	"github.com/freshet-live/freshet/sfu/media"
)

// Viewer is one viewer of a Stream. Its methods are safe for concurrent use.
type Viewer struct {
	engine  *Engine
	worker  *worker
	group   *group
	log     *slog.Logger
	params  Params
	created time.Time

	// life ends when the viewer is being closed; its cause is the reason.
	life      context.Context //nolint:containedctx // it is this object's life, not a call's
	end       context.CancelCauseFunc
	closeOnce sync.Once
	done      chan struct{}

	route    atomic.Pointer[wire.Route] // where media goes; nil before the first check
	alive    atomic.Int64               // Unix nanoseconds of the last valid check
	feedback atomic.Int32               // RTCP datagrams in the inbox

	session *session // DTLS; has its own lock

	mu           sync.Mutex
	agent        *icelite.Agent
	ufrag, pwd   string
	ufrags       []string // all under which the registry knows the viewer
	routes       []wire.Route
	subscription *hub.Subscription
	published    ViewerStats

	// Guarded by the registry's lock.
	counted bool    // no longer connecting
	bitrate float64 // what its seat was given for

	// The rest belongs to the worker.
	index, place int // in the worker's and the group's list; -1: not there
	audio, video *track
	crypter      *crypter // nil before the handshake is done
	confirmed    bool     // the peer has the keys too
	watching     *hub.Subscription
	wants        int // what it has declared; see declare
	stats        ViewerStats
	transportSeq uint16
	pacer        pacer
	allowance    allowance
	adapt        adaptation
	paced        bool // in the worker's list of those with something to send later
}

// Ufrag returns the local ICE username fragment for the answer; after
// RestartICE the new one.
func (v *Viewer) Ufrag() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.ufrag
}

// Pwd returns the local ICE password that belongs to Ufrag.
func (v *Viewer) Pwd() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.pwd
}

// SSRC returns the synchronization sources of a Track and of its
// retransmissions; both 0 when the viewer has no such Track, rtx 0 when no
// retransmission format was negotiated.
func (v *Viewer) SSRC(kind media.Kind) (ssrc, rtx uint32) {
	t := v.video
	if kind == media.Audio {
		t = v.audio
	}
	if t == nil {
		return 0, 0
	}
	return t.ssrc, t.rtxSSRC
}

// CNAME returns the name that binds the viewer's audio and video together.
func (v *Viewer) CNAME() string { return v.engine.cfg.CNAME }

// Watch returns the Stream's present Snapshot and a channel that closes when
// there is a newer one.
func (v *Viewer) Watch() (*media.Snapshot, <-chan struct{}) {
	v.mu.Lock()
	sub := v.subscription
	v.mu.Unlock()
	return sub.Watch()
}

// Stats returns the viewer's counters.
func (v *Viewer) Stats() ViewerStats {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.published
}

// Close ends the viewer with a reason, nil for none; media stops and the peer
// gets a DTLS close_notify (R18). It does not wait; see Done.
func (v *Viewer) Close(reason error) {
	v.closeOnce.Do(func() {
		if reason == nil {
			reason = ErrClosed
		}
		v.mu.Lock()
		v.end(reason)
		ufrags, routes := slices.Clone(v.ufrags), slices.Clone(v.routes)
		v.mu.Unlock()
		v.engine.registry.forget(v, ufrags, routes)
		v.worker.inbox.post(v.leave)
	})
}

// Done closes when the viewer is gone: nothing more is sent to it. That takes
// a running engine.
func (v *Viewer) Done() <-chan struct{} { return v.done }

// Err returns why the viewer is gone or going, nil while it is not.
func (v *Viewer) Err() error { return context.Cause(v.life) }

func (v *Viewer) isClosing() bool { return v.life.Err() != nil }

// leave is the end of a viewer's media. Its goodbye goes out on a goroutine of
// its own, as DTLS may wait.
func (v *Viewer) leave(time.Time) {
	v.worker.release(v)
	v.publish()
	v.log.Debug("viewer left", "reason", v.Err(), "packets", v.stats.Packets)
	v.mu.Lock()
	sub := v.subscription
	v.mu.Unlock()
	if sub != nil {
		sub.Close()
	}
	if v.watching != nil {
		v.watching.Close()
	}
	if !v.engine.spawn(v.session.goodbye) {
		close(v.done)
	}
}

// connect begins the viewer's media, when the handshake has brought the keys.
func (v *Viewer) connect(now time.Time, c *crypter) {
	if v.isClosing() {
		return
	}
	v.crypter = c
	v.adapt.estimator = bwe.New(bwe.Config{Start: startEstimate})
	v.engine.registry.connected(v)
	v.stats.Connected, v.stats.SRTPProfile = true, profileName(c.profile)
	// From here on the viewer counts as one.
	if sub, err := v.engine.hub.Subscribe(v.group.stream, v.group, true); err == nil {
		v.watching, v.wants = sub, hub.WantAll
		v.mu.Lock()
		first := v.subscription
		v.mu.Unlock()
		// Until now that one has made a paused Layer ready for the viewer.
		first.Want(hub.WantNone)
	}
	v.group.attach(now, v)
	v.publish()
	v.log.Debug("viewer connected", "profile", v.stats.SRTPProfile, "after", now.Sub(v.created))
}

// forward sends one Packet to the viewer if it is one for it. It runs once per
// packet and viewer: no lock, no allocation.
func (v *Viewer) forward(to *wire.Route, q *queued) {
	t := v.video
	if q.layer.Kind == media.Audio {
		t = v.audio
	}
	if t == nil {
		return
	}
	if t == v.video && v.draining(v.worker.now) || !t.admit(q.layer, q.packet) {
		return
	}
	if t == v.video && v.pacer.empty() && t.munger.Ahead(q.packet) {
		t.cursor.Begin(q.layer, q.packet.Seq)
		v.worker.pace(v)
		return
	}
	if out, ok := t.munger.Munge(q.layer, q.packet); ok {
		v.send(t, to, q.packet, out)
	}
}

// send sends one Packet for the first time.
func (v *Viewer) send(t *track, to *wire.Route, p *media.Packet, out forward.Out) {
	if p.Keyframe {
		t.keyframe.seq, t.keyframe.timestamp = out.Seq, out.Timestamp
	}
	o := t.original(p, out)
	size, ok := v.worker.writeRTP(v, t, to, &o)
	if !ok {
		v.stats.Dropped++
		v.worker.total.dropped[dropSend]++
		return
	}
	if t.sent++; t.sent == 1 {
		v.report(v.worker.now, t)
	}
	t.octets += uint32(size)      //nolint:gosec // wraps by design (RFC 3550 section 6.4.1)
	v.stats.Bytes += uint64(size) //nolint:gosec // never negative
	v.stats.Packets++
	v.worker.total.packets++
	v.worker.total.bytes += uint64(size) //nolint:gosec // never negative
}

// trackOf returns the Track that is sent under an SSRC.
func (v *Viewer) trackOf(ssrc uint32) *track {
	switch {
	case v.video != nil && v.video.ssrc == ssrc:
		return v.video
	case v.audio != nil && v.audio.ssrc == ssrc:
		return v.audio
	default:
		return nil
	}
}

// confirm notes that the peer has proved its keys: it needs no handshake
// message again.
func (v *Viewer) confirm() {
	if !v.confirmed {
		v.confirmed = true
		v.session.confirm()
	}
}

// tick looks after what is due.
func (v *Viewer) tick(now time.Time) {
	cfg := &v.engine.cfg
	alive := v.alive.Load()
	switch {
	case v.isClosing():
		return
	case v.crypter == nil && now.Sub(v.created) > cfg.HandshakeTimeout:
		v.Close(fmt.Errorf("%w within %v", ErrHandshake, cfg.HandshakeTimeout))
		return
	case alive != 0 && now.UnixNano()-alive > int64(cfg.ConsentTimeout):
		v.Close(ErrConsent)
		return
	case v.crypter == nil:
		return
	}
	for _, t := range [...]*track{v.audio, v.video} {
		if t != nil {
			v.report(now, t)
		}
	}
	if v.video != nil && now.Sub(v.video.asked) >= keyframeRetry {
		v.wantKeyframe(now)
	}
	if now.Sub(v.adapt.heard) >= coarse { // else feedback has just brought it about
		v.allocate(now)
	}
	v.publish()
}

// publish makes the counters visible to Stats.
func (v *Viewer) publish() {
	v.stats.RID, v.stats.TargetRID = "", ""
	if e := v.adapt.estimator; e != nil {
		v.stats.Estimate, v.stats.Signal = e.Estimate(), e.Signal().String()
	}
	v.stats.Target = v.adapt.wanted
	if v.video != nil {
		if l := v.video.selector.Current(); l != nil {
			v.stats.RID = l.RID
		}
		if l := v.video.selector.Target(); l != nil {
			v.stats.TargetRID = l.RID
		}
		v.stats.Waiting = v.video.replay.waiting
	}
	v.mu.Lock()
	v.published = v.stats
	v.mu.Unlock()
}
