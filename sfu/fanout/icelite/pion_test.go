package icelite

import (
	"context"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/fanout/wire"
)

// session is one Agent behind real sockets: it answers STUN and echoes the
// rest over the selected Route.
type session struct {
	wire *wire.Wire

	mu     sync.Mutex
	agent  *Agent
	ahead  time.Duration // how far the Agent's clock is ahead of the real one
	events chan Event
}

func (s *session) HandleDatagram(from wire.Route, data []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !IsSTUN(data) {
		if to, ok := s.agent.Selected(); ok {
			_ = s.wire.Send(to, data)
		}
		return true
	}
	resp, event := s.agent.Handle(s.now(), from, data, nil)
	if resp != nil {
		_ = s.wire.Send(from, resp)
	}
	if event != 0 {
		select {
		case s.events <- event:
		default:
		}
	}
	return true
}

func (s *session) HandleClosed(from wire.Route) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.agent.RouteClosed(from)
}

func (s *session) now() time.Time { return time.Now().Add(s.ahead) }

// with runs f with the Agent to itself.
func (s *session) with(f func(a *Agent)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s.agent)
}

// waitFor takes events until one has the flag.
func (s *session) waitFor(t *testing.T, flag Event) {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		select {
		case e := <-s.events:
			if e.Has(flag) {
				return
			}
		case <-timeout:
			require.FailNow(t, "the event did not come")
		}
	}
}

// serve starts a session on loopback for the given client.
func serve(t *testing.T, clientUfrag, clientPwd string) (s *session, ufrag, pwd string) {
	t.Helper()
	w, err := wire.Listen(wire.Config{Listen: "127.0.0.1:0", TCPListen: "127.0.0.1:0", Sockets: 2},
		slog.New(slog.NewTextHandler(io.Discard, nil)))
	require.NoError(t, err)
	ufrag, pwd = NewCredentials()
	s = &session{
		wire: w, events: make(chan Event, 1024),
		agent: NewAgent(ufrag, pwd, clientUfrag, clientPwd, time.Now()),
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx, s) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return s, ufrag, pwd
}

// client is a full pion agent on loopback, as a browser has one.
func client(t *testing.T, network ice.NetworkType) *ice.Agent {
	t.Helper()
	a, err := ice.NewAgentWithOptions(
		ice.WithNetworkTypes([]ice.NetworkType{network}),
		ice.WithCandidateTypes([]ice.CandidateType{ice.CandidateTypeHost}),
		ice.WithMulticastDNSMode(ice.MulticastDNSModeDisabled),
		ice.WithIncludeLoopback(),
		ice.WithIPFilter(func(ip net.IP) bool { return ip.IsLoopback() }),
		ice.WithKeepaliveInterval(50*time.Millisecond),
		ice.WithCheckInterval(20*time.Millisecond),
	)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	return a
}

// gather starts gathering and waits for its end.
func gather(t *testing.T, a *ice.Agent) {
	t.Helper()
	done := make(chan struct{})
	var once sync.Once
	require.NoError(t, a.OnCandidate(func(c ice.Candidate) {
		if c == nil {
			once.Do(func() { close(done) })
		}
	}))
	require.NoError(t, a.GatherCandidates())
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		require.FailNow(t, "no candidates")
	}
}

func addCandidates(t *testing.T, a *ice.Agent, w *wire.Wire) {
	t.Helper()
	for _, c := range w.Candidates() {
		remote, err := ice.UnmarshalCandidate(c.String())
		require.NoError(t, err)
		require.NoError(t, a.AddRemoteCandidate(remote))
	}
}

func dial(t *testing.T, network ice.NetworkType) (*session, *ice.Agent, *ice.Conn) {
	t.Helper()
	a := client(t, network)
	clientUfrag, clientPwd, err := a.GetLocalUserCredentials()
	require.NoError(t, err)
	s, ufrag, pwd := serve(t, clientUfrag, clientPwd)
	gather(t, a)
	addCandidates(t, a, s.wire)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := a.Dial(ctx, ufrag, pwd)
	require.NoError(t, err)
	s.waitFor(t, Selected)
	return s, a, conn
}

func requireEcho(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	_, err := conn.Write([]byte("!" + text))
	require.NoError(t, err)
	buf := make([]byte, 1500)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(5*time.Second)))
	n, err := conn.Read(buf)
	require.NoError(t, err)
	require.Equal(t, "!"+text, string(buf[:n]))
}

func TestPionConnects(t *testing.T) {
	for name, network := range map[string]ice.NetworkType{"udp": ice.NetworkTypeUDP4, "tcp": ice.NetworkTypeTCP4} {
		t.Run(name, func(t *testing.T) {
			s, _, conn := dial(t, network)
			requireEcho(t, conn, "over the selected route")
			s.with(func(a *Agent) {
				route, ok := a.Selected()
				require.True(t, ok)
				require.Equal(t, name == "tcp", route.TCP != nil)
			})
		})
	}
}

// RFC 7675: pion's checks keep the session alive; once they end, it expires.
func TestPionRenewsConsent(t *testing.T) {
	s, a, _ := dial(t, ice.NetworkTypeUDP4)
	for range 3 {
		s.with(func(a *Agent) {
			s.ahead += ConsentTimeout - time.Second
			require.False(t, a.Expired(s.now()))
			for len(s.events) > 0 { // from before
				<-s.events
			}
		})
		s.waitFor(t, Alive)
	}
	require.NoError(t, a.Close())
	s.with(func(a *Agent) { require.True(t, a.Expired(s.now().Add(ConsentTimeout))) })
}

// W21: a restart with new credentials on both sides, media going on.
func TestPionRestarts(t *testing.T) {
	s, a, conn := dial(t, ice.NetworkTypeUDP4)
	for range 2 {
		require.NoError(t, a.Restart("", ""))
		clientUfrag, clientPwd, err := a.GetLocalUserCredentials()
		require.NoError(t, err)
		ufrag, pwd := NewCredentials()
		s.with(func(agent *Agent) {
			agent.Restart(ufrag, pwd, clientUfrag, clientPwd)
			_, ok := agent.Selected()
			require.True(t, ok)
		})
		require.NoError(t, a.SetRemoteCredentials(ufrag, pwd))
		gather(t, a)
		addCandidates(t, a, s.wire)
		s.waitFor(t, Restarted)
		s.with(func(agent *Agent) {
			current, next := agent.LocalUfrags()
			require.Equal(t, []string{ufrag, ""}, []string{current, next})
		})
		requireEcho(t, conn, "after the restart")
	}
}

// A client with a wrong password gets no further.
func TestPionWithWrongPassword(t *testing.T) {
	a := client(t, ice.NetworkTypeUDP4)
	clientUfrag, clientPwd, err := a.GetLocalUserCredentials()
	require.NoError(t, err)
	s, ufrag, _ := serve(t, clientUfrag, clientPwd)
	gather(t, a)
	addCandidates(t, a, s.wire)
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	_, err = a.Dial(ctx, ufrag, "not-the-password-of-this-one")
	require.Error(t, err)
	s.with(func(a *Agent) {
		_, ok := a.Selected()
		require.False(t, ok)
	})
	require.Empty(t, s.events)
}
