package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// certificate writes a self-signed certificate for 127.0.0.1.
func certificate(t *testing.T) (cert, key string, roots *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	require.NoError(t, os.WriteFile(cert, text, 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	roots = x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(text))
	return cert, key, roots
}

// L24: with a certificate the server speaks HTTP/2, all of it.
func TestServeTLS(t *testing.T) {
	cert, key, roots := certificate(t)
	r := serve(t, nil, "--http.tls-cert", cert, "--http.tls-key", key)
	require.Contains(t, r.base, "https://127.0.0.1:")
	for _, h2 := range []bool{true, false} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: h2}
		defer transport.CloseIdleConnections()
		for path, want := range map[string]int{"/": 200, "/livez": 0, "/hls/none/index.m3u8": 404, "/watch/demo": 200} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.base+path, nil)
			require.NoError(t, err)
			res, err := (&http.Client{Transport: transport}).Do(req)
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, res.Body)
			require.NoError(t, err)
			res.Body.Close()
			if want != 0 {
				require.Equal(t, want, res.StatusCode, path)
			}
			require.Equal(t, h2, res.ProtoMajor == 2)
		}
	}
}

func TestServeRefusesBadCertificates(t *testing.T) {
	cert, key, _ := certificate(t)
	require.Contains(t, fail(t, nil, "serve", "--http.tls-cert", cert), "http.tls-key")
	require.Contains(t, fail(t, nil, "serve", "--http.listen", "127.0.0.1:0", "--http.tls-cert", key, "--http.tls-key", cert), "http.tls-cert")
	require.Contains(t, fail(t, nil, "serve", "--http.listen", "127.0.0.1:0", "--http.tls-cert", cert+"x", "--http.tls-key", key),
		"cert.pemx: no such file")
}
