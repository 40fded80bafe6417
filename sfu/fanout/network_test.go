package fanout

import (
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/pion/interceptor"
	"github.com/pion/transport/v4"
	"github.com/pion/transport/v4/stdnet"
)

// mutableNet is the network with a switch: with silent set, UDP goes nowhere.
type mutableNet struct {
	*stdnet.Net
	silent *atomic.Bool
}

func (n *mutableNet) ListenUDP(network string, addr *net.UDPAddr) (transport.UDPConn, error) {
	c, err := n.Net.ListenUDP(network, addr)
	if err != nil {
		return nil, err
	}
	return &mutableConn{UDPConn: c, silent: n.silent}, nil
}

type mutableConn struct {
	transport.UDPConn
	silent *atomic.Bool
}

func (c *mutableConn) WriteTo(b []byte, to net.Addr) (int, error) {
	if c.silent.Load() {
		return len(b), nil
	}
	return c.UDPConn.WriteTo(b, to)
}

// lossFactory makes an interceptor that loses every n-th video packet before
// anything else sees it.
type lossFactory struct {
	interceptor.NoOp
	every int
	lost  atomic.Int64
}

func (f *lossFactory) NewInterceptor(string) (interceptor.Interceptor, error) { return f, nil }

func (f *lossFactory) BindRemoteStream(info *interceptor.StreamInfo, r interceptor.RTPReader) interceptor.RTPReader {
	if !strings.HasPrefix(info.MimeType, "video/") || strings.HasSuffix(info.MimeType, "rtx") {
		return r
	}
	n := 0
	seen := map[uint16]bool{}
	var mu sync.Mutex
	return interceptor.RTPReaderFunc(func(b []byte, a interceptor.Attributes) (int, interceptor.Attributes, error) {
		for {
			size, attr, err := r.Read(b, a)
			if err != nil {
				return size, attr, err
			}
			seq := uint16(b[2])<<8 | uint16(b[3])
			mu.Lock()
			n++
			lose := n%f.every == 0 && !seen[seq]
			seen[seq] = true
			mu.Unlock()
			if !lose {
				return size, attr, err
			}
			f.lost.Add(1)
		}
	})
}
