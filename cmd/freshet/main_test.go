package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-live/freshet/internal/config"
	"github.com/freshet-live/freshet/signaling/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// console collects what a command writes and lets a test wait for a line.
type console struct {
	mu   sync.Mutex
	text strings.Builder
	grew chan struct{}
}

func newConsole() *console { return &console{grew: make(chan struct{}, 1)} }

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text.Write(p)
	select {
	case c.grew <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// find waits until what was written matches.
func (c *console) find(t *testing.T, pattern string) []string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	deadline := time.After(10 * time.Second)
	for {
		if m := re.FindStringSubmatch(c.String()); m != nil {
			return m
		}
		select {
		case <-c.grew:
		case <-deadline:
			t.Fatalf("%q did not come in:\n%s", pattern, c)
		}
	}
}

type running struct {
	base   string
	stdout *console
	stderr *console
	stop   func() error
}

// serve starts the server on free ports and stops it at the end of the test.
func serve(t *testing.T, environ []string, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{stdout: newConsole(), stderr: newConsole()}
	done := make(chan error, 1)
	args = append([]string{"serve", "--http.listen", "127.0.0.1:0", "--admin.listen", "off", "--data-dir", t.TempDir()}, args...)
	go func() { done <- run(ctx, args, &streams{environ: environ, stdout: r.stdout, stderr: r.stderr}) }()
	r.stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { require.NoError(t, r.stop()) })
	r.base = strings.TrimSuffix(r.stdout.find(t, `All streams +(\S+)`)[1], "/")
	r.stdout.find(t, "Ctrl-C")
	return r
}

// get returns the status and the body of a request, with an optional token.
func get(t *testing.T, url, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(body)
}

// fail runs a command that must end with one clear line.
func fail(t *testing.T, environ []string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var out bytes.Buffer
	err := run(ctx, args, &streams{environ: environ, stdout: &out, stderr: &out})
	require.Error(t, err)
	require.NoError(t, ctx.Err(), "the command went on instead of failing")
	require.NotContains(t, err.Error(), "\n")
	return err.Error()
}

func TestServeTellsWhereToGo(t *testing.T) {
	r := serve(t, nil)
	banner := r.stdout.String()
	for _, want := range []string{
		r.base + "/broadcast/demo", r.base + "/watch/demo", r.base + "/whip/demo", r.base + "/whep/demo",
		"Bearer Token", "Keyframe Interval 1 s", "zerolatency", "B-frames 0", "Simulcast", "-f whip " + r.base + "/whip/demo",
	} {
		require.Contains(t, banner, want)
	}
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/": 200, "/watch/demo": 200, "/nothing": 404} {
		status, body := get(t, r.base+path, "")
		require.Equal(t, want, status, "%s: %s", path, body)
	}
	_, body := get(t, r.base+"/api/v1/streams", "")
	require.JSONEq(t, `{"streams":[]}`, body)
}

// Every refusal is a problem document that other origins may read: beside the
// resources, and where net/http refuses before it routes.
func TestRefusalsAreProblems(t *testing.T) {
	r := serve(t, nil)
	for path, want := range map[string]int{"/whip/a/b/c": 404, "/whep/": 404, "/api/v1/nothing": 404, "/livez?huge": 431} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.base+path, http.NoBody)
		require.NoError(t, err)
		if want == http.StatusRequestHeaderFieldsTooLarge {
			req.Header.Set("X-Padding", strings.Repeat("x", 1<<18))
		}
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, want, resp.StatusCode, path)
		require.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"), path)
		require.Equal(t, "*", resp.Header.Get("Access-Control-Allow-Origin"), path)
	}
}

func TestAdminListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	serve(t, nil, "--admin.listen", addr)
	status, body := get(t, "http://"+addr+"/metrics", "")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, "freshet_")
	status, _ = get(t, "http://"+addr+"/debug/pprof/", "")
	require.Equal(t, http.StatusOK, status)
}

func TestServeRefusesWithOneLine(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer busy.Close()
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "freshet.yaml")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	for name, c := range map[string]struct {
		environ []string
		args    []string
		want    string
	}{
		"unknown key": {args: []string{"--config", file("http:\n  lisen: x\n")}, want: `:2: unknown key "lisen"`},
		"value in a file": {
			args: []string{"--config", file("log:\n  level: debug\nmedia:\n  public-ip: [example]\n")},
			want: `freshet.yaml:4: media.public-ip: "example"`,
		},
		"key in a file": {args: []string{"--config", file("auth:\n  keys:\n    - nosecret\n")}, want: "freshet.yaml:3: auth.keys"},
		"value of a flag over a file": {
			args: []string{"--config", file("log:\n  level: loud\n"), "--log.level", "shrill"}, want: `log.level: "shrill"`,
		},
		"missing file":      {args: []string{"--config", "/nowhere/freshet.yaml"}, want: "config file"},
		"unknown variable":  {environ: []string{"FRESHET_HTTP_LISTENS=x"}, want: "FRESHET_HTTP_LISTENS"},
		"unknown flag":      {args: []string{"--http.lisen", "x"}, want: "--http.lisen"},
		"bad duration":      {args: []string{"--stream.reconnect-window", "30"}, want: "30s"},
		"bad level":         {args: []string{"--log.level", "loud"}, want: "log.level"},
		"bad address":       {args: []string{"--http.listen", "8080"}, want: "http.listen"},
		"bad public ip":     {args: []string{"--media.public-ip", "example"}, want: "media.public-ip"},
		"public ip of all":  {args: []string{"--media.public-ip", "0.0.0.0"}, want: "media.public-ip"},
		"media off":         {args: []string{"--media.listen", "off"}, want: "media.listen: media needs"},
		"no window":         {args: []string{"--stream.reconnect-window", "0s"}, want: "stream.reconnect-window"},
		"no viewers":        {environ: []string{"FRESHET_MEDIA_MAX_VIEWERS=0"}, want: "media.max-viewers"},
		"too much CPU":      {environ: []string{"FRESHET_MEDIA_MAX_CPU=1.1"}, want: "media.max-cpu"},
		"no such share":     {environ: []string{"FRESHET_MEDIA_MAX_CPU=NaN"}, want: "media.max-cpu"},
		"no number":         {environ: []string{"FRESHET_MEDIA_MAX_CPU=half"}, want: "a number"},
		"bandwidth":         {environ: []string{"FRESHET_MEDIA_MAX_BANDWIDTH=-1"}, want: "media.max-bandwidth"},
		"viewers of one":    {environ: []string{"FRESHET_STREAM_MAX_VIEWERS=-1"}, want: "stream.max-viewers"},
		"no workers":        {environ: []string{"FRESHET_MEDIA_WORKERS=-1"}, want: "media.workers"},
		"bad key":           {args: []string{"--auth.keys", "nosecret"}, want: "auth.keys"},
		"open to the world": {args: []string{"--http.listen", "0.0.0.0:0"}, want: "--insecure"},
		"media open":        {args: []string{"--http.listen", "127.0.0.1:0", "--media.listen", "0.0.0.0:0"}, want: "media.listen"},
		"admin open":        {args: []string{"--http.listen", "127.0.0.1:0", "--admin.listen", ":9999"}, want: "admin.listen"},
		"port in use":       {args: []string{"--admin.listen", "off", "--http.listen", busy.Addr().String()}, want: "by --http.listen HOST:PORT"},
		"admin in use":      {args: []string{"--http.listen", "127.0.0.1:0", "--admin.listen", busy.Addr().String()}, want: "by --admin.listen HOST:PORT"},
		"media port in use": {
			args: []string{"--admin.listen", "off", "--http.listen", "127.0.0.1:0", "--media.tcp-listen", busy.Addr().String()},
			want: "media.tcp-listen",
		},
		"turn":  {args: []string{"--turn.listen", "127.0.0.1:3478"}, want: "turn.listen"},
		"redis": {args: []string{"--cluster.redis", "http://x"}, want: "cluster.redis"},
		"node":  {args: []string{"--cluster.node", "a b"}, want: "cluster.node"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, fail(t, c.environ, append([]string{"serve"}, c.args...)...), c.want)
		})
	}
}

const key = "team:0123456789abcdef0123456789abcdef"

func TestTokenOpensTheServer(t *testing.T) {
	r := serve(t, []string{"FRESHET_AUTH_KEYS=" + key})
	status, _ := get(t, r.base+"/api/v1/streams", "")
	require.Equal(t, http.StatusUnauthorized, status)

	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"token", "--auth.keys", key, "--admin"}, &streams{stdout: &out, stderr: &out}))
	status, _ = get(t, r.base+"/api/v1/streams", strings.TrimSpace(out.String()))
	require.Equal(t, http.StatusOK, status)

	require.Contains(t, fail(t, nil, "token"), "--auth.keys")
	require.Contains(t, fail(t, nil, "token", "--auth.keys", key), "--stream")
	require.Contains(t, fail(t, nil, "token", "--auth.keys", key, "--stream", "a", "--ttl", "-1s"), "--ttl")
	require.Contains(t, fail(t, nil, "token", "--auth.keys", key, "--stream", "a b"), "--stream")
}

func TestTokenIsSignedByTheFirstKey(t *testing.T) {
	first := "zoe:fedcba9876543210fedcba9876543210"
	r := serve(t, []string{"FRESHET_AUTH_KEYS=" + first})
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"token", "--auth.keys", first + "," + key, "--admin"}, &streams{stdout: &out, stderr: &out}))
	status, body := get(t, r.base+"/api/v1/streams", strings.TrimSpace(out.String()))
	require.Equal(t, http.StatusOK, status, body)
}

func TestWeakSecretIsReported(t *testing.T) {
	r := serve(t, []string{"FRESHET_AUTH_KEYS=team:short"})
	r.stderr.find(t, "can be guessed.*team")
	require.NotContains(t, r.stderr.String(), "short")
}

func TestTokenGrants(t *testing.T) {
	keys, err := auth.ParseKeys(key)
	require.NoError(t, err)
	v := auth.NewVerifier(keys)
	mint := func(args ...string) *http.Request {
		var out bytes.Buffer
		args = append([]string{"token", "--auth.keys", key, "--stream", "demo"}, args...)
		require.NoError(t, run(t.Context(), args, &streams{stdout: &out, stderr: &out}))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(out.String()))
		return req
	}
	watch := mint()
	_, err = v.Play(watch, "demo")
	require.NoError(t, err)
	_, err = v.Publish(watch, "demo")
	require.ErrorIs(t, err, auth.ErrForbidden)

	g, err := v.Publish(mint("--publish", "--identity", "studio"), "demo")
	require.NoError(t, err)
	require.Equal(t, "studio", g.Identity)
	_, err = v.Publish(mint("--publish"), "other")
	require.ErrorIs(t, err, auth.ErrForbidden)
}

func TestReloadTakesNewKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "freshet.yaml")
	write := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }
	write("auth:\n  keys: [\"" + key + "\"]\n")
	r := serve(t, nil, "--config", path)
	admin := func(pair string) string {
		var out bytes.Buffer
		require.NoError(t, run(t.Context(), []string{"token", "--auth.keys", pair, "--admin"}, &streams{stdout: &out, stderr: &out}))
		return strings.TrimSpace(out.String())
	}
	other := "team:fedcba9876543210fedcba9876543210"
	status, _ := get(t, r.base+"/api/v1/streams", admin(other))
	require.Equal(t, http.StatusUnauthorized, status)

	write("auth:\n  kes: []\n")
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	r.stderr.find(t, "not reloaded.*unknown key")
	status, _ = get(t, r.base+"/api/v1/streams", admin(key))
	require.Equal(t, http.StatusOK, status)

	write("auth:\n  keys: [\"" + other + "\"]\n")
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	r.stderr.find(t, "settings reloaded")
	status, _ = get(t, r.base+"/api/v1/streams", admin(other))
	require.Equal(t, http.StatusOK, status)
}

func TestManualNamesEverySetting(t *testing.T) {
	manual, err := os.ReadFile("../../docs/config.md")
	require.NoError(t, err)
	for _, key := range config.Keys(defaultSettings()) {
		require.Contains(t, string(manual), "`"+key+"`", "docs/config.md")
	}
	var help bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"serve", "--help"}, &streams{stdout: &help, stderr: &help}))
	flags := regexp.MustCompile("(?m)^\\| `([a-z.-]+)` \\| ✔").FindAllStringSubmatch(string(manual), -1)
	require.NotEmpty(t, flags)
	for _, flag := range flags {
		require.Contains(t, help.String(), "--"+flag[1], "docs/config.md says that it is a flag")
	}
}

func TestVersion(t *testing.T) {
	for _, arg := range []string{"version", "--version"} {
		var out bytes.Buffer
		require.NoError(t, run(t.Context(), []string{arg}, &streams{stdout: &out, stderr: &out}))
		require.Equal(t, "freshet dev\n", out.String(), arg)
	}
}
