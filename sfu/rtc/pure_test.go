package rtc

import (
	"slices"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/transport/v4/packetio"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestUnwrapper(t *testing.T) {
	var u unwrapper
	first, ok := u.unwrap(65534)
	require.True(t, ok)
	for i, seq := range []uint16{65535, 0, 1, 2} {
		ext, ok := u.unwrap(seq)
		require.True(t, ok)
		require.Equal(t, first+uint64(i)+1, ext)
	}
	ext, ok := u.unwrap(65535)
	require.True(t, ok, "late, not lost")
	require.Equal(t, first+1, ext)
	_, ok = u.unwrap(65533)
	require.False(t, ok, "from before the first")
}

// Whatever way packets are lost and disordered by less than half the range,
// each gets its own number.
func TestUnwrapperProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.Uint16().Draw(t, "start")
		var u unwrapper
		first, _ := u.unwrap(start)
		at := uint64(0)
		for range rapid.IntRange(1, 200).Draw(t, "packets") {
			at += uint64(rapid.IntRange(0, 20_000).Draw(t, "gap"))
			late := min(at, uint64(rapid.IntRange(0, 10_000).Draw(t, "late")))
			_, _ = u.unwrap(uint16(uint64(start) + at))
			ext, ok := u.unwrap(uint16(uint64(start) + at - late))
			require.True(t, ok)
			require.Equal(t, first+at-late, ext)
		}
	})
}

func FuzzParseRTP(f *testing.F) {
	for _, h := range []rtp.Header{
		{Version: 2}, {Version: 2, CSRC: []uint32{1, 2}}, {Version: 2, Padding: true, PaddingSize: 4},
		{Version: 2, Extension: true, ExtensionProfile: 0xbede, Extensions: []rtp.Extension{}},
	} {
		b, err := (&rtp.Packet{Header: h, Payload: []byte{1, 2, 3}, PaddingSize: h.PaddingSize}).Marshal()
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := parseRTP(b)
		var want rtp.Packet
		if err := want.Unmarshal(slices.Clone(b)); err != nil {
			return // ours skips what is inside extensions
		}
		if !ok {
			require.NotEqual(t, uint8(2), want.Version)
			return
		}
		require.Equal(t, want.SequenceNumber, p.seq)
		require.Equal(t, want.Timestamp, p.timestamp)
		require.Equal(t, want.Marker, p.marker)
		require.Equal(t, want.PayloadType, p.payloadType)
		require.Equal(t, string(want.Payload), string(p.payload))
	})
}

func TestRelabel(t *testing.T) {
	for _, profile := range []uint16{0xbede, 0x1000} {
		// Ids above 14 exist only in the two-byte form (RFC 8285 section 4.2).
		highFits, high := profile == 0x1000, []uint8{1, 4}
		if highFits {
			high = []uint8{1, 20}
		}
		build := func(ids ...uint8) []byte {
			h := rtp.Header{Version: 2, Extension: true, ExtensionProfile: profile, PayloadType: 97}
			for _, id := range ids {
				require.NoError(t, h.SetExtension(id, []byte("q")))
			}
			b, err := (&rtp.Packet{Header: h, Payload: []byte{1, 2, 3}}).Marshal()
			require.NoError(t, err)
			return b
		}
		for _, test := range []struct {
			name       string
			ids, want  []uint8
			repairedID uint8
			keep       bool
		}{
			{"copied from the encoding", []uint8{1, 4}, []uint8{1, 5}, 5, true},
			{"marked", []uint8{1, 5}, []uint8{1, 5}, 5, true},
			{"marked twice", []uint8{4, 5}, []uint8{4, 5}, 5, true},
			{"no RID", []uint8{1}, []uint8{1}, 5, true},
			{"cannot be marked", []uint8{1, 4}, []uint8{1, 4}, 0, false},
			{"high id", []uint8{1, 4}, high, 20, highFits},
		} {
			t.Run(test.name, func(t *testing.T) {
				b := build(test.ids...)
				require.Equal(t, test.keep, relabel(b, 4, test.repairedID))
				var h rtp.Header
				_, err := h.Unmarshal(b)
				require.NoError(t, err)
				require.Equal(t, test.want, h.GetExtensionIDs())
			})
		}
	}
}

func FuzzRelabel(f *testing.F) {
	f.Add([]byte{0x90, 97, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xbe, 0xde, 0, 1, 0x40, 'q', 0, 0})
	f.Add([]byte{0x90, 97, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x10, 0, 0, 1, 4, 1, 'q', 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		before := slices.Clone(b)
		relabel(b, 4, 5)
		changed := 0
		for i := range b {
			if b[i] != before[i] {
				changed++
			}
		}
		require.LessOrEqual(t, changed, 1)
	})
}

// One publisher cannot open streams without end.
func TestStreamsAreBounded(t *testing.T) {
	s := newStreams(vp8Offer(t))
	for i := range 2 * maxSSRCs {
		_, err := s.open(packetio.RTPBufferPacket, uint32(i)).Write([]byte{1})
		require.Equal(t, i >= maxSSRCs, err != nil)
	}
}

func TestNackerTiming(t *testing.T) {
	var n nacker
	now := time.Unix(1000, 0)
	n.receive(100, now)
	n.receive(103, now)
	require.Equal(t, now.Add(nackTolerance), n.next)
	require.Empty(t, n.due(now, nil), "it may be reordering")
	require.Equal(t, now.Add(nackTolerance), n.next)

	repaired, _ := n.receive(101, now.Add(time.Millisecond))
	require.False(t, repaired, "it was reordering")

	asked := n.next
	require.Equal(t, []uint64{102}, n.due(asked, nil))
	require.Empty(t, n.due(n.next.Add(-time.Millisecond), nil), "the answer may be on its way")
	require.Equal(t, []uint64{102}, n.due(n.next, nil))

	repaired, _ = n.receive(102, n.next.Add(time.Millisecond))
	require.True(t, repaired)
	require.Empty(t, n.due(n.next.Add(time.Second), nil))
	require.True(t, n.next.IsZero())
	require.Zero(t, n.rtt, "an answer to a second question tells no round trip")

	n.receive(105, asked)
	n.due(asked.Add(nackTolerance), nil)
	n.receive(104, asked.Add(nackTolerance+30*time.Millisecond))
	require.Equal(t, 30*time.Millisecond, n.rtt)
}

// A loss is asked for within a round trip, however long ago older ones were
// (R5).
func TestNackerFreshLoss(t *testing.T) {
	var n nacker
	now := time.Unix(1000, 0)
	n.receive(100, now)
	n.receive(102, now)
	for range 3 { // each answer is waited for longer than the one before
		now = n.next
		require.Equal(t, []uint64{101}, n.due(now, nil))
	}
	require.Greater(t, n.next.Sub(now), 100*time.Millisecond)
	n.receive(104, now)
	require.Equal(t, now.Add(nackTolerance), n.next)
	require.Equal(t, []uint64{103}, n.due(n.next, nil))
	require.Greater(t, n.next.Sub(now), 50*time.Millisecond)

	_, outage := n.receive(2000, now)
	require.True(t, outage)
	require.True(t, n.next.IsZero(), "nothing is left to ask for")
}

func TestNackerGivesUp(t *testing.T) {
	var n nacker
	now := time.Unix(1000, 0)
	n.receive(1<<16, now)
	n.receive(1<<16+2, now)
	asked := 0
	for !n.next.IsZero() {
		asked += len(n.due(n.next, nil))
		require.Less(t, n.next.Sub(now), 3*time.Second)
	}
	require.Positive(t, asked)
	require.LessOrEqual(t, asked, nackTries)
	require.Equal(t, uint64(1), n.lost)

	_, outage := n.receive(1<<16+2000, now)
	require.True(t, outage)
	require.Empty(t, n.missing)
	require.Equal(t, uint64(1+1997), n.lost)
}

// Nothing is asked for that has come, nothing more often than the limit, and
// what is remembered is bounded and in order.
func TestNackerProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var n nacker
		now := time.Unix(1000, 0)
		have, tries := map[uint64]bool{}, map[uint64]int{}
		seq := uint64(1 << 16)
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 50).Draw(t, "ms")) * time.Millisecond)
			var s uint64
			if rapid.Bool().Draw(t, "late") {
				s = max(1<<16, seq-uint64(rapid.IntRange(0, 50).Draw(t, "by")))
			} else {
				seq += uint64(rapid.IntRange(1, 600).Draw(t, "gap"))
				s = seq
			}
			n.receive(s, now)
			have[s] = true
			for _, s := range n.due(now, nil) {
				require.False(t, have[s])
				tries[s]++
				require.LessOrEqual(t, tries[s], nackTries)
			}
			require.LessOrEqual(t, len(n.missing), nackMissing)
			require.Equal(t, len(n.missing) == 0, n.next.IsZero())
			require.True(t, slices.IsSortedFunc(n.missing, func(a, b missing) int { return int(a.seq) - int(b.seq) }))
		}
	})
}

func TestLadder(t *testing.T) {
	now := time.Unix(1000, 0)
	for _, test := range []struct {
		name  string
		rids  []string
		areas map[string]int
		want  []string // lowest first
	}{
		{"sizes decide", []string{"b", "c", "a"}, map[string]int{"a": 2, "b": 3, "c": 1}, []string{"c", "a", "b"}},
		{"OBS lists the best first", []string{"0", "1", "2"}, map[string]int{"0": 9, "1": 4}, []string{"2", "1", "0"}},
		{"two sizes tell the direction", []string{"x", "y", "z"}, map[string]int{"x": 1, "z": 9}, []string{"x", "y", "z"}},
		{"names, when sizes do not tell", []string{"f", "h", "q"}, map[string]int{"q": 1}, []string{"q", "h", "f"}},
		{"names of Chrome", []string{"hi", "lo"}, nil, []string{"lo", "hi"}},
		{"numbers", []string{"0", "1", "2"}, nil, []string{"2", "1", "0"}},
		{"unknown names", []string{"one", "two"}, nil, []string{"one", "two"}},
		{"equal sizes keep the order", []string{"x", "y"}, map[string]int{"x": 1, "y": 1}, []string{"x", "y"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLadder(test.rids)
			_, ok := l.rank(test.rids[0], now)
			require.False(t, ok, "nothing is known yet")
			l.observe(test.rids[0], test.areas[test.rids[0]], now)
			for rid, area := range test.areas {
				l.observe(rid, area, now)
			}
			for want, rid := range test.want {
				got, ok := l.rank(rid, now.Add(ladderPatience))
				require.True(t, ok)
				require.Equal(t, want, got, rid)
			}
			l.observe(test.want[0], 1000, now)
			got, _ := l.rank(test.want[0], now)
			require.Zero(t, got, "a rank never changes")
		})
	}
	rank, ok := newLadder(nil).rank("", now)
	require.True(t, ok)
	require.Zero(t, rank)
}
