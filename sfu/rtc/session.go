package rtc

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"github.com/freshet-live/freshet/sfu/frames"
	"github.com/freshet-live/freshet/sfu/health"
	"github.com/freshet-live/freshet/sfu/hub"
	"github.com/freshet-live/freshet/sfu/media"
)

const (
	maxTracks     = 2 * maxRIDs
	rtcpQueueSize = 32
)

var _ media.Source = (*Session)(nil)

// Session is one publisher's connection. Its methods are safe for concurrent
// use.
//
// One goroutine, run, owns the session's life; each encoding has one that reads
// its packets and one that reads its sender reports. pion's callbacks only put
// events into channels.
type Session struct {
	server *Server
	stream string
	log    *slog.Logger
	offer  *offer
	sdpID  uint64

	peer        *peer
	publication *hub.Publication
	timebase    *frames.Timebase
	ladder      *ladder

	tracks  chan incoming
	states  chan webrtc.PeerConnectionState
	rtcp    chan []rtcp.Packet
	closing chan struct{}
	done    chan struct{}
	readers sync.WaitGroup

	connected atomic.Bool
	ingests   atomic.Pointer[[]*ingest] // replaced whole when one is added
	firSeq    atomic.Uint32
	health    atomic.Pointer[[]health.Verdict]
	since     time.Time // when it connected; belongs to run

	restarting sync.Mutex // one negotiation at a time

	mu     sync.Mutex
	reason error // why it ends
}

// incoming is an encoding whose first packet has come.
type incoming struct {
	track    *webrtc.TrackRemote
	receiver *webrtc.RTPReceiver
}

func newSession(s *Server, stream string, o *offer) *Session {
	session := &Session{
		server: s, stream: stream, offer: o, log: s.log.With("stream", stream),
		timebase: frames.NewTimebase(),
		ladder:   newLadder(nil),
		tracks:   make(chan incoming, maxTracks),
		states:   make(chan webrtc.PeerConnectionState, 16),
		rtcp:     make(chan []rtcp.Packet, rtcpQueueSize),
		closing:  make(chan struct{}),
		done:     make(chan struct{}),
	}
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	session.sdpID = binary.BigEndian.Uint64(id[:]) >> 2
	session.ingests.Store(&[]*ingest{})
	session.health.Store(&[]health.Verdict{})
	for _, sec := range o.sections {
		if len(sec.rids) > 0 {
			session.ladder = newLadder(sec.rids)
		}
	}
	return session
}

// open reserves the Stream and makes the answer.
func (s *Session) open(ctx context.Context, owner string) (answer string, err error) {
	// pion first: the hub may end the session as soon as it knows it.
	s.peer, err = s.server.network.newPeer(s.offer, pionLog{s.log})
	if err != nil {
		return "", err
	}
	s.peer.OnTrack(func(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
		select {
		case s.tracks <- incoming{track, receiver}:
		case <-s.closing:
		}
	})
	s.peer.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		select {
		case s.states <- state:
		case <-s.closing:
		}
	})
	if s.publication, err = s.server.hub.Publish(s.stream, owner, s); err != nil {
		return "", err
	}
	ufrag, pwd, err := s.peer.negotiate(ctx)
	if err != nil {
		return "", err
	}
	return s.offer.answer(local{
		id: s.sdpID, version: 1, ufrag: ufrag, pwd: pwd,
		fingerprint: s.server.network.fingerprint, role: s.offer.role(), candidates: s.peer.candidates(),
	}), nil
}

// discard undoes what open has done before it failed.
func (s *Session) discard() {
	s.Close(nil)
	if s.publication != nil {
		s.publication.End()
	}
	if s.peer != nil {
		_ = s.peer.GracefulClose()
	}
	close(s.done)
}

// run serves the session until it is closed or stop, the server's, is.
func (s *Session) run(stop <-chan struct{}) {
	s.server.metrics.sessions.WithLabelValues("connecting").Inc()
	timeout := time.NewTimer(s.server.cfg.ConnectTimeout)
	defer timeout.Stop()
	checkup := time.NewTicker(checkupInterval)
	defer checkup.Stop()
	monitor := &health.Monitor{}
	for {
		select {
		case <-stop:
			s.Close(ErrServerClosed)
		case <-s.closing:
			s.teardown()
			return
		case <-timeout.C:
			if !s.connected.Load() {
				s.Close(ErrNeverConnected)
			}
		case state := <-s.states:
			s.onState(state)
		case in := <-s.tracks:
			s.onTrack(in)
		case now := <-checkup.C:
			s.checkup(now, monitor)
		case packets := <-s.rtcp:
			if err := s.peer.WriteRTCP(packets); err != nil {
				s.log.Debug("RTCP was not sent", "err", err)
			}
		}
	}
}

func (s *Session) onState(state webrtc.PeerConnectionState) {
	s.log.Debug("the publisher's connection is " + state.String())
	switch state {
	case webrtc.PeerConnectionStateConnected:
		s.start()
	case webrtc.PeerConnectionStateFailed:
		if s.connected.Load() {
			s.Close(ErrConsentLost)
		} else {
			s.Close(ErrNeverConnected)
		}
	case webrtc.PeerConnectionStateClosed:
		s.Close(ErrPeerGone)
	default: // on its way, or silent for less than the consent lasts
	}
}

// start makes the Publication live, once the transport is up.
func (s *Session) start() {
	if s.connected.Load() {
		return
	}
	if err := s.publication.Start(); err != nil {
		s.Close(err)
		return
	}
	s.since = time.Now()
	s.connected.Store(true)
	s.server.metrics.sessions.WithLabelValues("connecting").Dec()
	s.server.metrics.sessions.WithLabelValues("connected").Inc()
	s.log.Info("publisher is connected", "addr", s.remoteAddr())
}

func (s *Session) onTrack(in incoming) {
	// Packets say that the transport is up before its state change does.
	s.start()
	have := *s.ingests.Load()
	if len(have) >= maxTracks {
		s.log.Warn("publisher sends more encodings than it may", "ssrc", uint32(in.track.SSRC()))
		return
	}
	g := newIngest(s, in)
	if g == nil {
		return
	}
	all := append(slices.Clone(have), g)
	s.ingests.Store(&all)
	s.readers.Go(g.readPackets)
	s.readers.Go(g.readReports)
}

func (s *Session) teardown() {
	s.publication.End()
	if err := s.peer.GracefulClose(); err != nil {
		s.log.Debug("closing the peer connection", "err", err)
	}
	s.readers.Wait()
	state := "connecting"
	if s.connected.Load() {
		state = "connected"
	}
	s.server.metrics.sessions.WithLabelValues(state).Dec()
	s.server.metrics.ended.WithLabelValues(reasonLabel(s.Err())).Inc()
	s.log.Info("publisher's session is over", "reason", s.Err())
	close(s.done)
}

// reasonLabel keeps the metric's label to a few values.
func reasonLabel(err error) string {
	for label, reason := range map[string]error{
		"never_connected": ErrNeverConnected, "consent_lost": ErrConsentLost, "peer_gone": ErrPeerGone,
		"server_closed": ErrServerClosed, "replaced": hub.ErrReplaced, "ended": hub.ErrEnded,
	} {
		if errors.Is(err, reason) {
			return label
		}
	}
	return "closed"
}

// RequestKeyframe implements media.Source. It never blocks.
func (s *Session) RequestKeyframe(l *media.Layer) {
	for _, g := range *s.ingests.Load() {
		if g.serves(l) {
			g.requestKeyframe()
			return
		}
	}
}

// send queues RTCP for the publisher; it drops it when the queue is full, as
// everything that is asked for is asked for again.
func (s *Session) send(packets ...rtcp.Packet) bool {
	select {
	case s.rtcp <- packets:
		return true
	default:
		return false
	}
}

// End implements media.Source.
func (s *Session) End(reason error) { s.Close(reason) }

// Close ends the session with a reason, which Err returns. It does not wait;
// Done tells when the session's resources are free.
func (s *Session) Close(reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closing:
	default:
		if reason == nil {
			reason = errClosed
		}
		s.reason = reason
		close(s.closing)
	}
}

var errClosed = errors.New("closed")

// Done is closed when the session is over and its resources are free.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err returns why the session ended or is about to, nil while it goes on.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reason
}
