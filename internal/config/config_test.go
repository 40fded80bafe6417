package config

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type settings struct {
	HTTP struct {
		Listen string `yaml:"listen"`
	} `yaml:"http"`
	Media struct {
		PublicIP []string `yaml:"public-ip"`
		Max      int      `yaml:"max"`
		GSO      bool     `yaml:"gso"`
	} `yaml:"media"`
	Window time.Duration       `yaml:"window"`
	Lists  []map[string]string `yaml:"lists"`
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "freshet.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestFile(t *testing.T) {
	var s settings
	require.NoError(t, File(&s, write(t, "http:\n  listen: a:1\nmedia:\n  public-ip: [192.0.2.1]\nwindow: 5s\n")))
	require.Equal(t, "a:1", s.HTTP.Listen)
	require.Equal(t, []string{"192.0.2.1"}, s.Media.PublicIP)
	require.Equal(t, 5*time.Second, s.Window)
}

func TestFileErrorsNameTheLine(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":   {"http:\n  listen: a:1\n  lisen: b\n", `freshet.yaml:3: unknown key "lisen"`},
		"wrong type":    {"media:\n  max: many\n", "freshet.yaml:2: "},
		"not yaml":      {"http: [\n", "freshet.yaml:1: "},
		"bad duration":  {"media:\n  max: 3\nwindow: soon\n", `freshet.yaml:3: window: bad value "soon": want a duration`},
		"list for one":  {"window: [1s, 2s]\n", "freshet.yaml:1: "},
		"duplicate key": {"window: 1s\nwindow: 2s\n", "freshet.yaml:2: "},
	} {
		t.Run(name, func(t *testing.T) {
			var s settings
			err := File(&s, write(t, c.text))
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "\n")
		})
	}
	var s settings
	require.ErrorIs(t, File(&s, filepath.Join(t.TempDir(), "none.yaml")), os.ErrNotExist)
}

func TestPlace(t *testing.T) {
	path := write(t, "http:\n  listen: a:1\nmedia:\n  public-ip:\n    - 192.0.2.1\n")
	for text, want := range map[string]string{
		"http.listen: no good":        path + ":2: http.listen: no good",
		"media.public-ip: no address": path + ":5: media.public-ip: no address",
		"media.max: not in the file":  "media.max: not in the file",
		"no key at all":               "no key at all",
		"a strange key[0].x: y":       "a strange key[0].x: y",
	} {
		reason := errors.New(text)
		err := Place(path, reason)
		require.EqualError(t, err, want)
		require.ErrorIs(t, err, reason)
	}
	reason := errors.New("http.listen: no good")
	require.Equal(t, reason, Place(path+".none", reason))
}

func TestEnviron(t *testing.T) {
	var s settings
	got, err := Environ(&s, "FRESHET", []string{
		"HOME=/root", "FRESHET_HTTP_LISTEN=a:1", "FRESHET_MEDIA_PUBLIC_IP=192.0.2.1, 192.0.2.2", "FRESHET_MEDIA_GSO=true",
		"FRESHET_WINDOW=1m", "FRESHET_SERVICE_HOST=10.0.0.1", "FRESHET_PORT_80_TCP=x", "FRESHET_MEDIA_MAX=7",
	})
	require.NoError(t, err)
	require.NoError(t, Set(&s, got))
	require.Equal(t, "a:1", s.HTTP.Listen)
	require.Equal(t, []string{"192.0.2.1", "192.0.2.2"}, s.Media.PublicIP)
	require.True(t, s.Media.GSO)
	require.Equal(t, 7, s.Media.Max)
	require.Equal(t, time.Minute, s.Window)

	_, err = Environ(&s, "FRESHET", []string{"FRESHET_HTTP_LISTENS=a:1"})
	require.ErrorIs(t, err, ErrUnknownKey)
	require.ErrorContains(t, err, "FRESHET_HTTP_LISTENS")
}

func TestSetRefuses(t *testing.T) {
	for _, o := range []Override{
		{Key: "media.max", Name: "--media.max", Value: "x"},
		{Key: "media.gso", Name: "--media.gso", Value: "perhaps"},
		{Key: "window", Name: "--window", Value: "30"},
		{Key: "lists", Name: "--lists", Value: "a"},
	} {
		var s settings
		err := Set(&s, []Override{o})
		require.ErrorIs(t, err, ErrBadValue, o.Key)
		require.ErrorContains(t, err, o.Name)
	}
	var s settings
	for _, key := range []string{"nothing", "http.nothing", "window.deep"} {
		require.ErrorIs(t, Set(&s, []Override{{Key: key, Name: key}}), ErrUnknownKey, key)
	}
}

func FuzzFile(f *testing.F) {
	f.Add("http:\n  listen: a:1\n")
	f.Add("http: [\n")
	f.Add("lists:\n  - a: b\n")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(dir, "fuzz.yaml")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		var s settings
		if err := File(&s, path); err != nil {
			require.NotContains(t, err.Error(), "\n")
		}
		_ = Place(path, errors.New("http.listen: x")) // must not panic
	})
}
