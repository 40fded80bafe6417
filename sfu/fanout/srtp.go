package fanout

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// The labels of RFC 3711 section 4.3.2 that outgoing RTP needs.
const (
	labelEncryption = 0
	labelSalt       = 2
)

const (
	gcmTagSize  = 16
	sha1TagSize = 10
	gcmSaltSize = 12
)

// crypter protects what goes to a viewer and opens what comes from it. It
// belongs to the viewer's worker.
type crypter struct {
	// aead and salt serve the GCM profiles (RFC 7714); aead is nil else.
	aead  cipher.AEAD
	salt  [gcmSaltSize]byte
	nonce [gcmSaltSize]byte

	// out protects RTCP, and RTP where there is no aead. in opens RTCP.
	out, in *srtp.Context
	header  rtp.Header
	profile srtp.ProtectionProfile
}

// newCrypter takes the keys that a DTLS handshake has exported (RFC 5764
// section 4.2).
func newCrypter(profile srtp.ProtectionProfile, keys srtp.SessionKeys) (*crypter, error) {
	c := &crypter{profile: profile}
	var err error
	if c.out, err = srtp.CreateContext(keys.LocalMasterKey, keys.LocalMasterSalt, profile); err != nil {
		return nil, fmt.Errorf("outgoing SRTP: %w", err)
	}
	c.in, err = srtp.CreateContext(keys.RemoteMasterKey, keys.RemoteMasterSalt, profile, srtp.SRTCPReplayProtection(64))
	if err != nil {
		return nil, fmt.Errorf("incoming SRTP: %w", err)
	}
	if profile == srtp.ProtectionProfileAeadAes128Gcm || profile == srtp.ProtectionProfileAeadAes256Gcm {
		err = c.initGCM(keys.LocalMasterKey, keys.LocalMasterSalt)
	}
	return c, err
}

func (c *crypter) initGCM(masterKey, masterSalt []byte) error {
	key, err := deriveKey(labelEncryption, masterKey, masterSalt, len(masterKey))
	if err != nil {
		return err
	}
	salt, err := deriveKey(labelSalt, masterKey, masterSalt, gcmSaltSize)
	if err != nil {
		return err
	}
	copy(c.salt[:], salt)
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	c.aead, err = cipher.NewGCM(block)
	return err
}

// deriveKey is the AES-CM pseudo-random function of RFC 3711 section 4.3.3,
// with a key derivation rate of 0. RFC 7714 section 11 uses it for GCM too.
func deriveKey(label byte, masterKey, masterSalt []byte, size int) ([]byte, error) {
	block, err := aes.NewCipher(masterKey)
	if err != nil {
		return nil, err
	}
	var in [aes.BlockSize]byte
	copy(in[:14], masterSalt)
	in[7] ^= label
	out := make([]byte, (size+aes.BlockSize-1)/aes.BlockSize*aes.BlockSize)
	for i := 0; i < len(out); i += aes.BlockSize {
		binary.BigEndian.PutUint16(in[14:], uint16(i/aes.BlockSize)) //nolint:gosec // at most two blocks
		block.Encrypt(out[i:], in[:])
	}
	return out[:size], nil
}

// overhead is what sealing adds to an RTP packet, in bytes.
func (c *crypter) overhead() int {
	if c.aead != nil {
		return gcmTagSize
	}
	return sha1TagSize
}

// seal protects an RTP packet of size bytes in place; buf has room for the
// overhead. seq is extended: its upper bits are the rollover counter. It
// returns the size on the wire. The same numbers must never be sealed with
// different content: under GCM that gives the key away.
func (c *crypter) seal(buf []byte, headerSize, size int, ssrc uint32, seq uint64) (int, error) {
	if c.aead == nil {
		sealed, err := c.out.EncryptRTP(buf[:size], buf[:size], &c.header)
		return len(sealed), err
	}
	// RFC 7714 section 8.1: 00 00, SSRC, rollover counter, sequence number.
	n := &c.nonce
	n[0], n[1] = 0, 0
	binary.BigEndian.PutUint32(n[2:], ssrc)
	binary.BigEndian.PutUint32(n[6:], uint32(seq>>16)) //nolint:gosec // 48-bit packet index
	binary.BigEndian.PutUint16(n[10:], uint16(seq))    //nolint:gosec // its lower bits
	for i, b := range c.salt {
		n[i] ^= b
	}
	c.aead.Seal(buf[headerSize:headerSize], n[:], buf[headerSize:size], buf[:headerSize])
	return size + gcmTagSize, nil
}

// profileName is a protection profile's name in the IANA registry.
func profileName(p srtp.ProtectionProfile) string {
	switch p {
	case srtp.ProtectionProfileAeadAes128Gcm:
		return "AEAD_AES_128_GCM"
	case srtp.ProtectionProfileAeadAes256Gcm:
		return "AEAD_AES_256_GCM"
	case srtp.ProtectionProfileAes128CmHmacSha1_80:
		return "AES128_CM_HMAC_SHA1_80"
	default:
		return "none"
	}
}
