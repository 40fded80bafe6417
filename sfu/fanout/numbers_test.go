package fanout

import (
	"encoding/binary"
	"testing"

	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"
)

// transportNumber returns the transport-wide number of a packet.
func transportNumber(p *rtp.Packet, id uint8) (uint16, bool) {
	ext := p.GetExtension(id)
	if len(ext) != 2 {
		return 0, false
	}
	return binary.BigEndian.Uint16(ext), true
}

// Audio and video of a viewer count in one row of transport-wide numbers, so
// that the estimate is of all that it gets. Audio that may be repeated as it
// was carries none, nor does audio beside video that has none (R4).
func TestTransportWideNumbersCoverTheAudio(t *testing.T) {
	for name, c := range map[string]struct {
		o              peerOptions
		sound, picture bool
	}{
		"all":           {peerOptions{}, true, true},
		"audio only":    {peerOptions{audioOnly: true}, true, false},
		"audio by NACK": {peerOptions{audioNACK: true}, false, true},
		"video by NACK": {peerOptions{noRTX: true}, false, false},
		"audio alone":   {peerOptions{remb: true}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Config{})
			r.publish(t, "s", testH264, "")
			p := r.view(t, "s", c.o)
			id := p.viewer.params.Audio.TransportCCID
			require.NotZero(t, id)
			seen := map[uint16]bool{}
			var last uint16
			for _, kind := range []struct {
				packets <-chan *rtp.Packet
				covered bool
			}{{p.audio, c.sound}, {p.video, c.picture}} {
				if kind.packets == p.video && c.o.audioOnly {
					continue
				}
				for _, pkt := range collect(t, kind.packets, 50) {
					n, ok := transportNumber(pkt, id)
					require.Equal(t, kind.covered, ok)
					require.False(t, ok && seen[n], "number %d twice", n)
					if ok {
						seen[n], last = true, n
					}
				}
			}
			for n := last - 20; c.picture && n != last; n++ {
				require.True(t, seen[n] || !c.sound, "number %d is missing", n)
			}
		})
	}
}
