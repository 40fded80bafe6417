package httpx

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// ErrCertificate is wrapped by errors about a TLS certificate's files.
var ErrCertificate = errors.New("TLS certificate")

// certificateAge is for how long the files are not looked at again.
const certificateAge = 2 * time.Second

// Certificate is a TLS certificate in files, which may be replaced at any
// time: whoever connects later gets the new one, nobody is dropped.
type Certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	mu      sync.Mutex
	current *tls.Certificate
	stamps  [2]stamp // of the files when they were last read
	looked  time.Time
}

// stamp tells one version of a file from the next.
type stamp struct {
	changed time.Time
	size    int64
}

// NewCertificate reads a certificate with its chain, and its key, from two PEM
// files. Errors wrap ErrCertificate.
func NewCertificate(certFile, keyFile string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: log, now: time.Now}
	stamps, err := c.stat()
	if err != nil {
		return nil, err
	}
	if c.current, err = c.read(); err != nil {
		return nil, err
	}
	c.stamps, c.looked = stamps, c.now()
	return c, nil
}

// Config returns a server's TLS settings: TLS 1.2 or newer, HTTP/2 where the
// client knows it (RFC 9113 section 3.2).
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: c.get,
	}
}

// get returns the newest certificate that is whole: one that is being written
// is left alone.
func (c *Certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if now.Sub(c.looked) < certificateAge {
		return c.current, nil
	}
	c.looked = now
	stamps, err := c.stat()
	if err == nil && stamps == c.stamps {
		return c.current, nil
	}
	var fresh *tls.Certificate
	if err == nil {
		fresh, err = c.read()
	}
	if err != nil {
		c.log.Warn("the old TLS certificate stays in use", "err", err)
		return c.current, nil
	}
	c.current, c.stamps = fresh, stamps
	c.log.Info("new TLS certificate in use", "file", c.certFile, "until", fresh.Leaf.NotAfter)
	return c.current, nil
}

func (c *Certificate) stat() (out [2]stamp, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return out, fmt.Errorf("%w: %w", ErrCertificate, unwrapPath(err))
		}
		out[i] = stamp{info.ModTime(), info.Size()}
	}
	return out, nil
}

// unwrapPath shortens "stat FILE: no such file" to what a person needs.
func unwrapPath(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("%s: %w", p.Path, p.Err)
	}
	return err
}

func (c *Certificate) read() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCertificate, unwrapPath(err))
	}
	return &pair, nil
}
