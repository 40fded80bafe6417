package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/signaling/auth"
)

// tokenCmd mints a LiveKit access token.
type tokenCmd struct {
	Keys     []string      `name:"auth.keys" env:"FRESHET_AUTH_KEYS" placeholder:"KEY:SECRET" help:"The server's key and secret (the first one signs)."`
	Stream   string        `name:"stream" short:"s" placeholder:"NAME" help:"The stream that the token is for."`
	Identity string        `name:"identity" short:"i" placeholder:"NAME" help:"Who holds it; a publisher that comes back under its identity takes its stream over (default: each token is somebody else)."`
	Publish  bool          `name:"publish" help:"Allow to publish, not only to watch."`
	Admin    bool          `name:"admin" help:"Allow the API and the list of all streams."`
	TTL      time.Duration `name:"ttl" default:"24h" help:"How long it is valid."`
}

// Run prints the token.
func (c *tokenCmd) Run(s *streams) error {
	keys, err := auth.ParseKeys(c.Keys...)
	if err != nil {
		return fmt.Errorf("--auth.keys: %w", err)
	}
	switch {
	case len(keys) == 0:
		return errors.New("a token needs a key: give --auth.keys KEY:SECRET or FRESHET_AUTH_KEYS")
	case c.Stream == "" && !c.Admin:
		return errors.New("a token needs --stream NAME (or --admin)")
	case c.Stream != "" && !httpx.ValidStreamName(c.Stream):
		return fmt.Errorf("--stream: %q is no stream name: up to 64 letters, digits, _ and -, a letter or digit first", c.Stream)
	case c.TTL <= 0:
		return errors.New("--ttl must be positive")
	}
	signer, _, _ := strings.Cut(c.Keys[0], ":")
	token, err := auth.Mint(keys, auth.MintOptions{
		Key: strings.TrimSpace(signer), Stream: c.Stream, Identity: c.Identity, Publish: c.Publish, Subscribe: true, Data: true, Admin: c.Admin, TTL: c.TTL,
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.stdout, token)
	return err
}
