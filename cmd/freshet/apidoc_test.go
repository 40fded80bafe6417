package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/signaling/api"
)

// The examples of docs/api.md do what the page says, in its order.
func TestExamplesOfTheAPI(t *testing.T) {
	if testing.Short() {
		t.Skip("publishes")
	}
	page, err := os.ReadFile("../../docs/api.md")
	require.NoError(t, err)
	r := serve(t, []string{"FRESHET_AUTH_KEYS=" + key}, "--data-dir", t.TempDir())
	admin := token(t, "--admin", "--identity", "me")
	var made api.Access
	r.ask(t, "POST", "/api/v1/streams", admin, `{"name":"x-1","identity":"studio"}`, 201, &made)
	r.publish(t, nil, "--token", made.Publish.Token)
	r.watch(t, "x-1", made.Play.Token)
	viewer := r.sessions(t, admin, "x-1", "viewer", 1).Sessions[0]
	var said api.Done
	r.ask(t, "POST", "/api/v1/rooms/x-1/messages", admin, `{"text":"hello"}`, 201, &said)
	var kept api.Ended
	r.ask(t, "POST", "/api/v1/revocations", admin, `{"identity":"eve"}`, 201, &kept)

	// "demo" of the page is our stream, which is live already.
	variables := strings.NewReplacer("$SESSION", viewer.ID, "$MESSAGE", said.Entry, "$REVOCATION", kept.Revocation.ID, "$TOKEN", made.Play.Token)
	setup := "URL=" + r.base + " ADMIN=" + admin + "\n"
	n := 0
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		for line := range strings.Lines(block[1]) {
			switch {
			case strings.HasPrefix(line, "api()"):
				setup += line
			case strings.HasPrefix(line, "api "):
				line = strings.NewReplacer("/demo", "/x-1", `"demo"`, `"x-1"`).Replace(variables.Replace(line))
				out, err := exec.CommandContext(t.Context(), "sh", "-c", setup+line).CombinedOutput()
				require.NoError(t, err, "%s%s", line, out)
				n++
			}
		}
	}
	require.Greater(t, n, 20)
}
