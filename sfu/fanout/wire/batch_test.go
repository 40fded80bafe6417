package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// fill makes datagram number i of a test, n bytes long, so that mixing up any
// two shows.
func fill(b []byte, i int) {
	for k := range b {
		b[k] = byte(i + k)
	}
	binary.BigEndian.PutUint32(b, uint32(i))
}

func requireDatagram(t require.TestingT, c net.PacketConn, tb testing.TB, i, n int) {
	want := make([]byte, n)
	fill(want, i)
	got := []byte(readOne(tb, c))
	if !bytes.Equal(want, got) {
		require.Equal(t, fmt.Sprintf("datagram %d of %d bytes", i, n),
			fmt.Sprintf("datagram %d of %d bytes", binary.BigEndian.Uint32(got), len(got)))
	}
}

func commit(b *Batch, to Route, i, n int) {
	fill(b.Reserve(n), i)
	b.Commit(to, n)
}

func TestTrainsArriveIntact(t *testing.T) {
	w := start(t, Config{Sockets: 1}, newRecorder("none"))
	if !w.Stats().GSO {
		t.Skip("no UDP_SEGMENT in this kernel")
	}
	c := peer(t)
	b := w.NewBatch(0)
	// A frame of 20 full packets and a shorter last one is one train.
	for i := range 21 {
		n := 1200
		if i == 20 {
			n = 77
		}
		commit(b, Route{Addr: addrOf(c)}, i, n)
	}
	sent, dropped := b.Flush()
	require.Equal(t, []int{21, 0}, []int{sent, dropped})
	require.EqualValues(t, 1, w.Stats().Trains)
	for i := range 20 {
		requireDatagram(t, c, t, i, 1200)
	}
	requireDatagram(t, c, t, 20, 77)
}

func TestTrainLimits(t *testing.T) {
	w := start(t, Config{Sockets: 1}, newRecorder("none"))
	if !w.Stats().GSO {
		t.Skip("no UDP_SEGMENT in this kernel")
	}
	c := peer(t)
	b := w.NewBatch(0)
	for i := range maxSegments + 1 {
		commit(b, Route{Addr: addrOf(c)}, i, 100)
	}
	require.Len(t, b.messages, 2, "64 segments at most")
	b.Flush()
	for i := range maxSegments + 1 {
		requireDatagram(t, c, t, i, 100)
	}
	for i := range 50 {
		commit(b, Route{Addr: addrOf(c)}, i, 1400)
	}
	require.Len(t, b.messages, 2, "65507 bytes at most")
	b.Flush()
	for i := range 50 {
		requireDatagram(t, c, t, i, 1400)
	}
}

// breakTrains makes the kernel refuse UDP_SEGMENT on this socket as it does
// where it cannot be had, while plain datagrams pass: it will not segment
// without checksums.
func breakTrains(t testing.TB, w *Wire) {
	setOption(t, w, unix.SO_NO_CHECK, 1)
}

func setOption(t testing.TB, w *Wire, option, value int) {
	require.NoError(t, w.sockets[0].raw.Control(func(fd uintptr) {
		require.NoError(t, unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, option, value))
	}))
}

// Whatever is committed in whatever order: each peer gets its datagrams whole
// and in order, with UDP_SEGMENT, without, and where the kernel refuses it.
func TestBatchKeepsEveryPeersOrder(t *testing.T) {
	modes := map[string]func(*testing.T) *Wire{
		"gso":   func(t *testing.T) *Wire { return start(t, Config{Sockets: 1}, newRecorder("none")) },
		"plain": func(t *testing.T) *Wire { return start(t, Config{Sockets: 1, DisableGSO: true}, newRecorder("none")) },
		"refused": func(t *testing.T) *Wire {
			w := start(t, Config{Sockets: 1}, newRecorder("none"))
			breakTrains(t, w)
			return w
		},
	}
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			w := mode(t)
			b := w.NewBatch(0)
			peers := []*net.UDPConn{peer(t), peer(t), peer(t)}
			rapid.Check(t, func(rt *rapid.T) {
				type datagram struct{ to, n int }
				var plan []datagram
				for range rapid.IntRange(1, 12).Draw(rt, "runs") {
					to := rapid.IntRange(0, len(peers)-1).Draw(rt, "to")
					n := rapid.SampledFrom([]int{4, 90, 1200, 1201}).Draw(rt, "size")
					for range rapid.IntRange(1, 5).Draw(rt, "datagrams") {
						plan = append(plan, datagram{to, n})
					}
				}
				for i, d := range plan {
					commit(b, Route{Addr: addrOf(peers[d.to])}, i, d.n)
				}
				sent, dropped := b.Flush()
				require.Equal(rt, []int{len(plan), 0}, []int{sent, dropped})
				for i, d := range plan {
					requireDatagram(rt, peers[d.to], t, i, d.n)
				}
			})
			if name != "gso" {
				require.Zero(t, w.Stats().Trains)
			}
		})
	}
}

func TestGSOIsGivenUpForGood(t *testing.T) {
	w := start(t, Config{Sockets: 1}, newRecorder("none"))
	if !w.Stats().GSO {
		t.Skip("no UDP_SEGMENT in this kernel")
	}
	c := peer(t)
	b := w.NewBatch(0)
	train := func() {
		commit(b, Route{Addr: addrOf(c)}, 0, 10)
		commit(b, Route{Addr: addrOf(c)}, 1, 10)
		sent, dropped := b.Flush()
		require.Equal(t, []int{2, 0}, []int{sent, dropped})
		requireDatagram(t, c, t, 0, 10)
		requireDatagram(t, c, t, 1, 10)
	}
	train()
	breakTrains(t, w)
	for range maxTrainErrors {
		require.True(t, w.Stats().GSO)
		train()
	}
	require.False(t, w.Stats().GSO)
	train()

	// What a device without checksum offload answers ends it at once.
	w.sockets[0].gso.Store(true)
	commit(b, Route{Addr: addrOf(c)}, 0, 10)
	commit(b, Route{Addr: addrOf(c)}, 1, 10)
	b.failed(&b.messages[0], unix.EIO)
	requireDatagram(t, c, t, 0, 10)
	requireDatagram(t, c, t, 1, 10)
	require.False(t, w.Stats().GSO)
}

// A peer that cannot be sent to costs the others nothing.
func TestDeadPeersAmongLiveOnes(t *testing.T) {
	w := start(t, Config{Sockets: 1}, newRecorder("none"))
	live := peer(t)
	gone := peer(t)
	refused := Route{Addr: addrOf(gone)} // answers with ICMP port unreachable
	require.NoError(t, gone.Close())
	// The kernel refuses broadcast (EACCES, once Go's permission is taken back)
	// and port 0 (EINVAL); the socket is of the wrong family for IPv6.
	setOption(t, w, unix.SO_BROADCAST, 0)
	forbidden := Route{Addr: netip.MustParseAddrPort("255.255.255.255:9")}
	invalid := Route{Addr: netip.MustParseAddrPort("127.0.0.1:0")}
	family := Route{Addr: netip.MustParseAddrPort("[2001:db8::1]:9")}
	b := w.NewBatch(0)
	for round := range 3 {
		lost := 0
		for i := range 12 {
			commit(b, Route{Addr: addrOf(live)}, round*100+i, 500)
			commit(b, refused, i, 500)
			commit(b, refused, i, 500)
			for k, to := range []Route{forbidden, invalid, family} {
				for range i%3 + k%2 { // single and in trains
					commit(b, to, i, 500)
					lost++
				}
			}
		}
		sent, dropped := b.Flush()
		require.Equal(t, lost, dropped)
		require.Equal(t, 12*3, sent)
		for i := range 12 {
			requireDatagram(t, live, t, round*100+i, 500)
		}
	}
}

func TestBatchFlushesWhenFull(t *testing.T) {
	w := start(t, Config{Sockets: 1}, newRecorder("none"))
	nobody := peer(t)
	to := Route{Addr: addrOf(nobody)}
	b := w.NewBatch(0)
	for i := range 400 { // more bytes than the slab holds
		commit(b, to, i, 1200)
	}
	sent, dropped := b.Flush()
	require.Equal(t, []int{400, 0}, []int{sent, dropped})
	for i := range 2*maxMessages + 1 { // more messages than it counts
		commit(b, to, i, 4+i%2*8+i%3)
	}
	sent, dropped = b.Flush()
	require.Equal(t, []int{2*maxMessages + 1, 0}, []int{sent, dropped})
	require.Zero(t, b.used)
}

// The kernel may take a part of what it is given, and then nothing for a while.
func TestPartialSends(t *testing.T) {
	w := start(t, Config{Sockets: 1}, newRecorder("none"))
	c := peer(t)
	b := w.NewBatch(0)
	kernel := b.try
	calls := 0
	b.try = func(fd uintptr) {
		calls++
		if calls%2 == 0 {
			b.n, b.errno = 0, unix.EINTR
			return
		}
		b.out = b.out[:1]
		kernel(fd)
	}
	sizes := []int{30, 20, 40, 40, 10}
	for i, n := range sizes {
		commit(b, Route{Addr: addrOf(c)}, i, n)
	}
	sent, dropped := b.Flush()
	require.Equal(t, []int{len(sizes), 0}, []int{sent, dropped})
	for i, n := range sizes {
		requireDatagram(t, c, t, i, n)
	}
}

// A socket whose buffer does not drain costs one bounded wait per flush, then
// its datagrams are dropped; later ones pass again.
func TestNoRoomInTheKernel(t *testing.T) {
	w := start(t, Config{Sockets: 1}, newRecorder("none"))
	c := peer(t)
	b := w.NewBatch(0)
	kernel := b.try
	full := func(uintptr) { b.n, b.errno = 0, unix.EAGAIN }
	b.try = full
	for i := range 4 {
		commit(b, Route{Addr: addrOf(c)}, i, 40+i)
	}
	sent, dropped := b.Flush()
	require.Equal(t, []int{0, 4}, []int{sent, dropped})
	require.EqualValues(t, 4, w.Stats().SendDropped)

	tries := 0
	b.try = func(fd uintptr) { // room comes while we wait
		if tries++; tries == 1 {
			full(fd)
			return
		}
		kernel(fd)
	}
	commit(b, Route{Addr: addrOf(c)}, 7, 40)
	sent, dropped = b.Flush()
	require.Equal(t, []int{1, 0}, []int{sent, dropped})
	requireDatagram(t, c, t, 7, 40)
}

func TestBatchDoesNotAllocate(t *testing.T) {
	w := start(t, Config{Sockets: 1}, newRecorder("none"))
	to := Route{Addr: addrOf(peer(t))}
	b := w.NewBatch(0)
	require.Zero(t, testing.AllocsPerRun(20, func() {
		for i := range 10 {
			commit(b, to, i, 1000)
		}
		b.Flush()
	}))
}

// BenchmarkSend compares the ways to send a frame of 10 packets to one viewer;
// the unit is one datagram.
func BenchmarkSend(b *testing.B) {
	const frame, size = 10, 1000
	report := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*frame), "ns/datagram")
	}
	c := peer(b)
	to := Route{Addr: addrOf(c)}
	data := make([]byte, size)
	b.Run("WriteTo", func(b *testing.B) {
		b.ReportAllocs()
		from := peer(b)
		for b.Loop() {
			for range frame {
				_, _ = from.WriteTo(data, c.LocalAddr())
			}
		}
		report(b)
	})
	b.Run("Send", func(b *testing.B) {
		b.ReportAllocs()
		w := start(b, Config{Sockets: 1}, newRecorder("none"))
		for b.Loop() {
			for range frame {
				_ = w.Send(to, data)
			}
		}
		report(b)
	})
	for _, plain := range []bool{true, false} {
		name := "gso"
		if plain {
			name = "sendmmsg"
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			w := start(b, Config{Sockets: 1, DisableGSO: plain}, newRecorder("none"))
			batch := w.NewBatch(0)
			for b.Loop() {
				for range frame {
					copy(batch.Reserve(size), data)
					batch.Commit(to, size)
				}
				batch.Flush()
			}
			report(b)
		})
	}
}
