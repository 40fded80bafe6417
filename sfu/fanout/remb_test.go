package fanout

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/media"
)

// A viewer without transport-cc is led by its REMB: down when that says so, and
// up again although it says no more than half beyond what it gets.
func TestREMBLeadsAViewerWithoutTransportCC(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("plays in real time, for seconds")
	}
	r := newRig(t, Config{})
	pub := r.publishSilent(t, "s", testH264, "q", "h", "f")
	r.stream(t, pub)
	p := r.view(t, "s", peerOptions{remb: true})
	require.False(t, p.viewer.params.Video.Codecs[0].TransportCC)
	go func() { // the reader of audio
		for range p.audio {
		}
	}()
	var capacity atomic.Int64
	capacity.Store(1e9)
	ssrc, _ := p.viewer.SSRC(media.Video)
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	go func() { // the viewer's receiver
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		// Over a second, as receivers do: single ticks of a busy machine say
		// little, and one that says too little takes a step up back.
		var got [5]int
		now, remb := 0, 3e6
		for {
			select {
			case <-stop:
				return
			case pkt := <-p.video:
				if pkt != nil {
					got[now] += len(pkt.Payload) + 40
				}
			case <-tick.C:
				rate := 0.0
				for _, bytes := range got {
					rate += float64(bytes * 8)
				}
				now = (now + 1) % len(got)
				got[now] = 0
				if most := float64(capacity.Load()); rate > most {
					remb = 0.85 * most
				} else {
					remb = min(remb*1.1, 1.5*rate)
				}
				_ = p.pc.WriteRTCP([]rtcp.Packet{&rtcp.ReceiverEstimatedMaximumBitrate{Bitrate: float32(remb), SSRCs: []uint32{ssrc}}})
			}
		}
	}()
	gets := func(rid string, within time.Duration) {
		t.Helper()
		if !assert.Eventually(t, func() bool { return p.viewer.Stats().RID == rid }, within, 10*time.Millisecond) {
			require.FailNow(t, "another layer than "+rid, "%+v", p.viewer.Stats())
		}
	}
	gets("f", patience)
	require.Eventually(t, func() bool { return p.viewer.Stats().Estimate > 2_000_000 }, patience, 10*time.Millisecond)
	capacity.Store(350_000)
	gets("q", 3*time.Second)
	capacity.Store(1e9)
	gets("f", 25*time.Second)
}
