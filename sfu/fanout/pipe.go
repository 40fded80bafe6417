package fanout

import (
	"net"
	"sync/atomic"
	"time"

	"github.com/pion/transport/v4/packetio"
)

// maxRecords bounds the records that wait for DTLS, in bytes.
const maxRecords = 32 << 10

// pipe is the packet connection under a dtls.Conn: readers fill it, and what
// it writes goes out over the viewer's Route.
type pipe struct {
	viewer *Viewer
	buffer *packetio.Buffer
	muted  atomic.Bool
}

func newPipe(v *Viewer) *pipe {
	b := packetio.NewBuffer()
	b.SetLimitSize(maxRecords)
	return &pipe{viewer: v, buffer: b}
}

// put queues one datagram, which is copied; a full queue drops it, and DTLS
// repeats it.
func (p *pipe) put(data []byte) { _, _ = p.buffer.Write(data) }

// ReadFrom implements net.PacketConn.
func (p *pipe) ReadFrom(buf []byte) (int, net.Addr, error) {
	n, err := p.buffer.Read(buf)
	return n, p.LocalAddr(), err
}

// WriteTo implements net.PacketConn. The address is ignored.
func (p *pipe) WriteTo(data []byte, _ net.Addr) (int, error) {
	if to := p.viewer.route.Load(); to != nil && !p.muted.Load() {
		// What is lost here DTLS repeats as if the network had lost it.
		_ = p.viewer.engine.wire.Send(*to, data)
	}
	return len(data), nil
}

// Close implements net.PacketConn.
func (p *pipe) Close() error { return p.buffer.Close() }

// LocalAddr implements net.PacketConn. DTLS wants an address and never looks
// at it; the viewer's Route may change under way.
func (p *pipe) LocalAddr() net.Addr { return &net.UDPAddr{} }

// SetDeadline implements net.PacketConn.
func (p *pipe) SetDeadline(t time.Time) error { return p.SetReadDeadline(t) }

// SetReadDeadline implements net.PacketConn.
func (p *pipe) SetReadDeadline(t time.Time) error { return p.buffer.SetReadDeadline(t) }

// SetWriteDeadline implements net.PacketConn; writing never waits.
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }
