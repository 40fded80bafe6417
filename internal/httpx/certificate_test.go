package httpx

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// writeCertificate makes a certificate for 127.0.0.1 with a serial number.
func writeCertificate(t *testing.T, dir string, serial int64) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	return cert, key
}

func serial(t *testing.T, c *Certificate) int64 {
	t.Helper()
	got, err := c.Config().GetCertificate(nil)
	require.NoError(t, err)
	return got.Leaf.SerialNumber.Int64()
}

func TestCertificateIsReloaded(t *testing.T) {
	dir := t.TempDir()
	cert, key := writeCertificate(t, dir, 1)
	c, err := NewCertificate(cert, key, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	now := time.Now()
	c.now = func() time.Time { return now }
	require.EqualValues(t, 1, serial(t, c))

	writeCertificate(t, dir, 2)
	later := now.Add(time.Minute) // as coarse clocks of file systems might not tell
	require.NoError(t, os.Chtimes(cert, later, later))
	require.EqualValues(t, 1, serial(t, c), "the files are not looked at for each client")
	now = now.Add(certificateAge + time.Second)
	require.EqualValues(t, 2, serial(t, c))

	// Half a renewal, then none, then a whole one.
	require.NoError(t, os.WriteFile(cert, []byte("-----BEGIN"), 0o600))
	now = now.Add(certificateAge + time.Second)
	require.EqualValues(t, 2, serial(t, c))
	require.NoError(t, os.Remove(key))
	now = now.Add(certificateAge + time.Second)
	require.EqualValues(t, 2, serial(t, c))
	writeCertificate(t, dir, 3)
	now = now.Add(certificateAge + time.Second)
	require.EqualValues(t, 3, serial(t, c))
}

func TestCertificateFilesAreChecked(t *testing.T) {
	dir := t.TempDir()
	cert, key := writeCertificate(t, dir, 1)
	for name, files := range map[string][2]string{
		"no such certificate": {filepath.Join(dir, "x"), key}, "no such key": {cert, filepath.Join(dir, "x")}, "mixed up": {key, cert},
	} {
		_, err := NewCertificate(files[0], files[1], slog.New(slog.DiscardHandler))
		require.ErrorIs(t, err, ErrCertificate, name)
	}
}
