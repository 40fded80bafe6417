package fanout

import (
	"bytes"
	"testing"

	"github.com/pion/srtp/v3"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/freshet-live/freshet/sfu/forward"
	"github.com/freshet-live/freshet/sfu/media"
)

func testCrypter(t testing.TB, profile srtp.ProtectionProfile) (ours *crypter, peers *srtp.Context) {
	t.Helper()
	keySize, err := profile.KeyLen()
	require.NoError(t, err)
	saltSize, err := profile.SaltLen()
	require.NoError(t, err)
	keys := srtp.SessionKeys{
		LocalMasterKey: bytes.Repeat([]byte{7}, keySize), LocalMasterSalt: bytes.Repeat([]byte{9}, saltSize),
		RemoteMasterKey: bytes.Repeat([]byte{1}, keySize), RemoteMasterSalt: bytes.Repeat([]byte{2}, saltSize),
	}
	ours, err = newCrypter(profile, keys)
	require.NoError(t, err)
	peers, err = srtp.CreateContext(keys.LocalMasterKey, keys.LocalMasterSalt, profile)
	require.NoError(t, err)
	return ours, peers
}

// What we seal, pion opens, over the wrap of the sequence number too.
func TestSealAgainstPion(t *testing.T) {
	for _, profile := range []srtp.ProtectionProfile{
		srtp.ProtectionProfileAeadAes128Gcm, srtp.ProtectionProfileAeadAes256Gcm,
		srtp.ProtectionProfileAes128CmHmacSha1_80,
	} {
		t.Run(profileName(profile), func(t *testing.T) {
			ours, peers := testCrypter(t, profile)
			for seq := uint64(0xfff0); seq < 0x20010; seq += 0x101 {
				payload := bytes.Repeat([]byte{byte(seq)}, int(seq%900))
				o := outgoing{
					packet: &media.Packet{Payload: payload, Marker: seq%3 == 0},
					out:    forward.Out{Seq: seq, Timestamp: uint32(seq)}, seq: seq, ssrc: 42, payloadType: 96,
				}
				buf := make([]byte, rtpHeaderSize+len(payload)+ours.overhead())
				putHeader(buf, &o, false)
				copy(buf[rtpHeaderSize:], payload)
				n, err := ours.seal(buf, rtpHeaderSize, rtpHeaderSize+len(payload), 42, seq)
				require.NoError(t, err)
				require.Equal(t, len(buf), n)
				plain, err := peers.DecryptRTP(nil, buf[:n], nil)
				require.NoError(t, err)
				require.Equal(t, payload, plain[rtpHeaderSize:])
			}
		})
	}
}

func TestPatchStaysInside(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		payload := rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(t, "payload")
		d := media.Descriptor{
			PictureIDPos: rapid.Uint8().Draw(t, "pos"), PictureIDLen: rapid.Uint8Range(0, 2).Draw(t, "len"),
			TL0PicIdxPos: rapid.Uint8().Draw(t, "tl0"),
		}
		patch(payload, &d, &forward.Out{Picture: forward.Picture{PictureID: 0x7fff, TL0PicIdx: 1}})
	})
}
