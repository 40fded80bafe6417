package bench

import (
	"bytes"
	"testing"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/pion/rtp/codecs"
	"github.com/stretchr/testify/require"
)

func TestClipsHaveTheirBitrate(t *testing.T) {
	for name, bitrate := range map[string]Bits{"high": 2_500_000, "mid": 600_000, "low": 150_000} {
		clip, err := loadClip(name, bitrate)
		require.NoError(t, err)
		require.Len(t, clip, 60)
		total, alike := 0, 0
		for _, p := range clip {
			total += p.size
			for _, b := range p.payloads {
				require.LessOrEqual(t, len(b), maxPayload)
				if len(b) >= maxPayload-1 {
					alike++
				}
			}
		}
		require.InEpsilon(t, int(bitrate)/8*2, total, .05, name)
		if name == "high" {
			require.Greater(t, alike, total/maxPayload*4/5, "most packets are full")
		}
	}
}

// TestPicturesComeApartAgain reads a clip with pion's depacketizer: what comes
// out is what the encoder wrote, but for our user data.
func TestPicturesComeApartAgain(t *testing.T) {
	raw, err := clips.ReadFile("assets/mid.h264")
	require.NoError(t, err)
	want := bytes.ReplaceAll(raw, []byte{0, 0, 0, 1}, []byte{0, 0, 1})
	clip, err := loadClip("mid", 1_000_000)
	require.NoError(t, err)

	var got []byte
	var depacketizer codecs.H264Packet
	for _, p := range clip {
		var stream []byte
		for _, payload := range p.payloads {
			part, err := depacketizer.Unmarshal(payload)
			require.NoError(t, err)
			stream = append(stream, part...)
		}
		var nals h264.AnnexB
		require.NoError(t, nals.Unmarshal(stream))
		for _, n := range nals {
			if n[0]&nalType != nalSEI {
				for bytes.HasSuffix(n, []byte{0, 0, 3}) {
					n = n[:len(n)-3]
				}
				got = append(append(got, 0, 0, 1), n...)
			}
		}
	}
	require.True(t, bytes.Equal(want, got))
}

func TestStampsComeBack(t *testing.T) {
	for _, padding := range []int{-100, 0, 200, 255, 2000, 5000} {
		p := packetize(nil, []byte{0x61, 1, 2, 3}, padding)
		for rank, at := range []time.Duration{0, 1, time.Hour, 1<<stampBits - 1} {
			putStamp(p.payloads[p.stamped][p.at:], at, int8(rank))
			i := inspect(p.payloads[p.stamped])
			require.True(t, i.stamped)
			require.Equal(t, at, i.stamp)
			require.EqualValues(t, rank, i.rank)
			require.False(t, i.key)
		}
	}
}

func TestInspectFindsKeyframes(t *testing.T) {
	clip, err := loadClip("high", 2_500_000)
	require.NoError(t, err)
	for i, p := range clip {
		require.Equal(t, i == 0, inspect(p.payloads[0]).key, "picture %d", i)
	}
	for name, payload := range map[string][]byte{
		"nothing": nil, "short": {0x65}, "a FU-A that goes on": {0x7c, 0x05, 1}, "an empty STAP-A": {0x78, 0, 0},
		"a cut SEI": {nalSEI, 5, 255, 255},
	} {
		require.Equal(t, inspection{}, inspect(payload), name)
	}
}
