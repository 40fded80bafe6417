package redistest

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestServer(t *testing.T) {
	s := Start(t)
	s.Do("SET", "a", "1")
	require.Equal(t, "$1\r\n1\r\n", s.Do("GET", "a"))
	s.FlushAll()
	require.Equal(t, "$-1\r\n", s.Do("GET", "a"))

	s.Do("SET", "a", "1")
	addr := s.Addr()
	s.Stop()
	_, err := net.DialTimeout("tcp", addr, time.Second)
	require.Error(t, err)
	s.Restart()
	require.Equal(t, addr, s.Addr())
	require.Equal(t, "$-1\r\n", s.Do("GET", "a"), "it comes back empty")

	s.Freeze()
	s.Thaw()
	require.Contains(t, s.Do("PING"), "PONG")
}

func TestCluster(t *testing.T) {
	s := StartCluster(t)
	s.Do("SET", "a", "1")
	require.Contains(t, s.Do("CLUSTER", "INFO"), "cluster_slots_assigned:16384")
}
