package wire

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/stretchr/testify/require"
)

// A whole pion agent, as publishers have it, works over the shared ports.
func TestPionConnectsOverThePublishersSide(t *testing.T) {
	for name, network := range map[string]ice.NetworkType{"udp": ice.NetworkTypeUDP4, "tcp": ice.NetworkTypeTCP4} {
		t.Run(name, func(t *testing.T) {
			w := start(t, Config{Sockets: 2, TCPListen: "127.0.0.1:0"}, newRecorder("none"))
			udp := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: w.PublisherUDP()})
			tcp := ice.NewTCPMuxDefault(ice.TCPMuxParams{Listener: w.PublisherTCP(), ReadBufferSize: 64})
			t.Cleanup(func() {
				require.NoError(t, udp.Close())
				require.NoError(t, tcp.Close())
			})
			server := agent(t, network, ice.WithUDPMux(udp), ice.WithTCPMux(tcp))
			client := agent(t, network)
			a, b := connect(t, server, client)

			echo := func(from, to net.Conn, text string) {
				_, err := from.Write([]byte(text))
				require.NoError(t, err)
				buf := make([]byte, 1500)
				require.NoError(t, to.SetReadDeadline(time.Now().Add(5*time.Second)))
				n, err := to.Read(buf)
				require.NoError(t, err)
				require.Equal(t, text, string(buf[:n]))
			}
			echo(a, b, "to the client")
			echo(b, a, "to the server")
			pair, err := client.GetSelectedCandidatePair()
			require.NoError(t, err)
			want := w.LocalAddr().Port()
			if name == "tcp" {
				want = w.TCPAddr().Port()
			}
			require.EqualValues(t, want, pair.Remote.Port())
		})
	}
}

// agent makes a pion ICE agent that gathers on loopback only.
func agent(t testing.TB, network ice.NetworkType, options ...ice.AgentOption) *ice.Agent {
	t.Helper()
	options = append(options,
		ice.WithNetworkTypes([]ice.NetworkType{network}),
		ice.WithCandidateTypes([]ice.CandidateType{ice.CandidateTypeHost}),
		ice.WithMulticastDNSMode(ice.MulticastDNSModeDisabled),
		ice.WithIncludeLoopback(),
		ice.WithIPFilter(func(ip net.IP) bool { return ip.IsLoopback() }),
	)
	a, err := ice.NewAgentWithOptions(options...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	return a
}

// connect runs both sides against each other; the client controls.
func connect(t testing.TB, server, client *ice.Agent) (a, b net.Conn) {
	t.Helper()
	exchange(t, server, client)
	exchange(t, client, server)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	su, sp, err := server.GetLocalUserCredentials()
	require.NoError(t, err)
	cu, cp, err := client.GetLocalUserCredentials()
	require.NoError(t, err)
	accepted := make(chan net.Conn, 1)
	go func() {
		defer close(accepted)
		if c, err := server.Accept(ctx, cu, cp); err == nil {
			accepted <- c
		}
	}()
	b, err = client.Dial(ctx, su, sp)
	require.NoError(t, err)
	a, ok := <-accepted
	require.True(t, ok)
	return a, b
}

// exchange gathers one side's candidates and gives them to the other.
func exchange(t testing.TB, from, to *ice.Agent) {
	t.Helper()
	done := make(chan struct{})
	require.NoError(t, from.OnCandidate(func(c ice.Candidate) {
		if c == nil {
			close(done)
			return
		}
		if copied, err := ice.UnmarshalCandidate(c.Marshal()); err == nil {
			_ = to.AddRemoteCandidate(copied)
		}
	}))
	require.NoError(t, from.GatherCandidates())
	take(t, done)
}
