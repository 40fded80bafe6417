package fanout

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
	"github.com/stretchr/testify/require"
)

// lightViewer connects with a STUN check and a DTLS handshake, and no more.
type lightViewer struct {
	viewer *Viewer
	socket *net.UDPConn
	dtls   *dtls.Conn
}

func (l *lightViewer) close() {
	_ = l.dtls.Close()
	_ = l.socket.Close()
}

// fixedPeer is a connected UDP socket as the packet connection DTLS wants.
type fixedPeer struct{ *net.UDPConn }

func (c fixedPeer) WriteTo(b []byte, _ net.Addr) (int, error) { return c.Write(b) }

func (r *rig) join(t testing.TB, cert tls.Certificate, params Params) *lightViewer {
	t.Helper()
	v, err := r.engine.Add("s", params)
	require.NoError(t, err)
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(r.addr()))
	require.NoError(t, err)
	_, err = conn.Write(checkFor(t, v))
	require.NoError(t, err)
	answer := make([]byte, 1500)
	_, err = conn.Read(answer)
	require.NoError(t, err)
	client, err := dtls.ClientWithOptions(fixedPeer{conn}, conn.RemoteAddr(),
		dtls.WithCertificates(cert), dtls.WithInsecureSkipVerify(true),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(t, client.HandshakeContext(ctx))
	return &lightViewer{viewer: v, socket: conn, dtls: client}
}

func lightParams(t testing.TB) (tls.Certificate, Params) {
	t.Helper()
	cert, err := selfsign.GenerateSelfSigned()
	require.NoError(t, err)
	sum := sha256.Sum256(cert.Certificate[0])
	return cert, Params{
		RemoteUfrag: "abcd", RemotePwd: "0123456789012345678901",
		Fingerprints: []Fingerprint{{
			Algorithm: "sha-256", Value: strings.ReplaceAll(fmt.Sprintf("% x", sum), " ", ":"),
		}},
		Video: &TrackParams{MID: "1", Codecs: []CodecParams{{Codec: testH264, PayloadType: 96, RTXPayloadType: 97}}},
	}
}

// The cost of a viewer that joins, its own side included, and the heap that it
// holds once its handshake is over.
func BenchmarkJoin(b *testing.B) {
	r := newRig(b, Config{})
	cert, params := lightParams(b)
	first := r.join(b, cert, params)
	defer first.close()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var all []*lightViewer
	for b.Loop() {
		all = append(all, r.join(b, cert, params))
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(len(all)), "ms/join")
	for _, l := range all {
		v := l.viewer
		v.worker.inbox.post(func(time.Time) { v.confirm() })
		require.Eventually(b, v.session.dropped, patience, time.Millisecond)
		_ = l.socket.Close() // without a goodbye, which would end the viewer
		_ = l.dtls.Close()
	}
	n := len(all)
	clear(all)    // the clients are not to count
	for range 3 { // sync.Pool keeps DTLS's read buffers through two collections
		runtime.GC()
	}
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "B/viewer")
}

// A burst of viewers at once all get in, on one keyframe request or two.
func TestJoinStorm(t *testing.T) {
	r := newRig(t, Config{})
	pub := r.publish(t, "s", testH264, "")
	cert, params := lightParams(t)
	began := time.Now()
	var all []*lightViewer
	for range 50 {
		l := r.join(t, cert, params)
		defer l.close()
		all = append(all, l)
	}
	for _, l := range all {
		require.Eventually(t, func() bool { return l.viewer.Stats().Packets > 0 }, patience, time.Millisecond)
	}
	require.LessOrEqual(t, pub.source.asked.Load(), int64(time.Since(began)/testKeyframeInterval)+1)
}
