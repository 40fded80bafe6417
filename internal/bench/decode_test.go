package bench

import (
	"bytes"
	"os/exec"
	"testing"

	"github.com/pion/rtp/codecs"
	"github.com/stretchr/testify/require"
)

// What ffmpeg gets is what pion makes of the same packets.
func TestAnnexB(t *testing.T) {
	clip, err := loadClip("high", 2_500_000)
	require.NoError(t, err)
	var d codecs.H264Packet
	for _, p := range clip {
		var want, got []byte
		for _, payload := range p.payloads {
			part, err := d.Unmarshal(payload)
			require.NoError(t, err)
			want = append(want, part...)
			var ok bool
			got, ok = annexB(got, payload)
			require.True(t, ok)
		}
		require.True(t, bytes.Equal(want, got))
	}
	for name, payload := range map[string][]byte{
		"nothing": {}, "half a FU-A": {nalFUA}, "a STAP-A too short": {nalSTAPA, 0, 9, 1}, "an empty unit": {nalSTAPA, 0, 0}, "a STAP-B": {25, 0, 0, 0, 1, 5}, "none": {0, 1},
	} {
		_, ok := annexB(nil, payload)
		require.False(t, ok, name)
	}
}

func FuzzAnnexB(f *testing.F) {
	f.Add([]byte{nalSTAPA, 0, 2, 0x67, 1, 0, 1, 0x68})
	f.Add([]byte{nalFUA, 0x85, 1, 2, 3})
	f.Fuzz(func(t *testing.T, payload []byte) {
		inspect(payload)
		if out, _ := annexB(nil, payload); len(out) > 3*len(payload)+8 {
			t.Fatalf("%d bytes made %d", len(payload), len(out))
		}
	})
}

func TestDecoder(t *testing.T) {
	ffmpeg, err := exec.LookPath("ffmpeg")
	require.NoError(t, err, "make tools installs it")
	for name, spoil := range map[string]bool{"good": false, "spoiled": true} {
		t.Run(name, func(t *testing.T) {
			clip, err := loadClip("mid", 600_000)
			require.NoError(t, err)
			d := newDecoder()
			for n, p := range clip {
				for i, payload := range p.payloads {
					if spoil && n > 0 && i == p.stamped+1 {
						payload = append([]byte(nil), payload...)
						for j := 8; j < min(200, len(payload)); j++ {
							payload[j] ^= 0x5a
						}
					}
					d.packet(payload, i == 0)
				}
				d.show(n == 0)
			}
			d.close()
			require.NoError(t, d.run(t.Context(), ffmpeg))
			require.Equal(t, len(clip), d.fed)
			if spoil {
				require.Positive(t, d.problems.Load())
				return
			}
			require.Zero(t, d.problems.Load(), d.first)
			require.EqualValues(t, len(clip), d.decoded.Load())
		})
	}
}

func TestDecoderNeverWaits(t *testing.T) {
	d := newDecoder() // nobody takes its frames
	for i := range maxUndecoded + 10 {
		d.packet([]byte{0x65, 1, 2}, true)
		d.show(i == 0)
	}
	require.Equal(t, maxUndecoded, d.fed)
	require.Equal(t, 10, d.skipped)
	<-d.frames
	d.packet([]byte{0x61, 1, 2}, true)
	d.show(false)
	require.Equal(t, 11, d.skipped, "not before the next keyframe")
	d.packet([]byte{nalFUA}, true)
	d.show(true)
	require.Equal(t, 12, d.skipped, "what cannot be read")
	d.packet([]byte{0x65, 1, 2}, true)
	d.show(true)
	require.Equal(t, maxUndecoded+1, d.fed)
}
