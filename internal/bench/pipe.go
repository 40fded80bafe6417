package bench

import (
	"net"
	"sync/atomic"
	"time"

	"github.com/pion/transport/v4/packetio"
)

// pipe is the packet connection under a DTLS handshake.
type pipe struct {
	buffer *packetio.Buffer
	send   func([]byte)
	muted  atomic.Bool
}

func newPipe(send func([]byte)) *pipe {
	b := packetio.NewBuffer()
	b.SetLimitSize(64 << 10)
	return &pipe{buffer: b, send: send}
}

// put queues a record; what does not fit is lost, and DTLS repeats it.
func (p *pipe) put(record []byte) { _, _ = p.buffer.Write(record) }

// ReadFrom implements net.PacketConn.
func (p *pipe) ReadFrom(buf []byte) (int, net.Addr, error) {
	n, err := p.buffer.Read(buf)
	return n, p.LocalAddr(), err
}

// WriteTo implements net.PacketConn.
func (p *pipe) WriteTo(data []byte, _ net.Addr) (int, error) {
	if !p.muted.Load() {
		p.send(data)
	}
	return len(data), nil
}

// Close implements net.PacketConn.
func (p *pipe) Close() error { return p.buffer.Close() }

// LocalAddr implements net.PacketConn.
func (p *pipe) LocalAddr() net.Addr { return &net.UDPAddr{} }

// SetDeadline implements net.PacketConn.
func (p *pipe) SetDeadline(t time.Time) error { return p.buffer.SetReadDeadline(t) }

// SetReadDeadline implements net.PacketConn.
func (p *pipe) SetReadDeadline(t time.Time) error { return p.buffer.SetReadDeadline(t) }

// SetWriteDeadline implements net.PacketConn; writing never waits.
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }
